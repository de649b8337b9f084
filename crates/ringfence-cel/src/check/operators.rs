//! Operators: which types they take together, and what comes of it.

use crate::Type;
use crate::check::{Checker, Typed, with_article};
use crate::syntax::{Expr, Operator, Span};
use crate::tree::Op;

impl Checker<'_> {
    pub(super) fn negate(&mut self, inner: &Expr, span: Span) -> Option<Typed> {
        let typed = self.expr(inner)?;
        if !matches!(typed.ty, Type::Int | Type::Double | Type::Dyn) {
            self.issue(span, format!("`-` does not take {}", with_article(&typed.ty)));
            return None;
        }
        Some(self.made(typed.ty, Op::Negate(Box::new(typed.node)), span))
    }

    pub(super) fn binary(
        &mut self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        span: Span,
    ) -> Option<Typed> {
        let (left, right) = (self.expr(left), self.expr(right));
        let (left, right) = (left?, right?);
        let Some(ty) = result(operator, &left.ty, &right.ty) else {
            let message = format!(
                "{} does not take {} and {}",
                operator.quoted(),
                with_article(&left.ty),
                with_article(&right.ty)
            );
            self.advise(span, message, advice(operator, &left.ty, &right.ty));
            return None;
        };
        let null = |typed: &Typed| typed.ty == Type::Null;
        let op = match operator {
            Operator::Equal | Operator::NotEqual if null(&left) || null(&right) => {
                let negated = operator == Operator::NotEqual;
                let value = Box::new(if null(&left) { right.node } else { left.node });
                Op::IsNull { negated, value }
            }
            Operator::Equal | Operator::NotEqual => {
                Op::Equal { operator, sides: Box::new([left.node, right.node]) }
            }
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
                Op::Order { operator, sides: Box::new([left.node, right.node]) }
            }
            Operator::In => Op::In { sides: Box::new([left.node, right.node]) },
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Remainder => Op::Arithmetic { operator, sides: Box::new([left.node, right.node]) },
        };
        Some(self.made(ty, op, span))
    }
}

/// The type of `left operator right`, `None` if there can be none.
fn result(operator: Operator, left: &Type, right: &Type) -> Option<Type> {
    match operator {
        Operator::Equal | Operator::NotEqual => left.comparable(right).then_some(Type::Bool),
        Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
            ordered(left, right).then_some(Type::Bool)
        }
        Operator::In => contained(left, right).then_some(Type::Bool),
        Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => {
            arithmetic(operator, left, right)
        }
    }
}

fn ordered(left: &Type, right: &Type) -> bool {
    let has_order = |ty: &Type| {
        ty.is_number()
            || matches!(
                ty,
                Type::Bool | Type::String | Type::Bytes | Type::Duration | Type::Timestamp | Type::Dyn
            )
    };
    has_order(left) && has_order(right) && left.comparable(right)
}

fn contained(needle: &Type, hay: &Type) -> bool {
    match hay {
        Type::List(element) => needle.comparable(element),
        Type::Map(_) | Type::Record(_) => matches!(needle, Type::String | Type::Dyn),
        Type::Dyn => true,
        _ => false,
    }
}

fn arithmetic(operator: Operator, left: &Type, right: &Type) -> Option<Type> {
    let additive = matches!(operator, Operator::Add | Operator::Subtract);
    let adds = operator == Operator::Add;
    match (left, right) {
        (Type::Int, Type::Int) => Some(Type::Int),
        (Type::Uint, Type::Uint) => Some(Type::Uint),
        (Type::Double, Type::Double) if operator != Operator::Remainder => Some(Type::Double),
        (Type::String, Type::String) if adds => Some(Type::String),
        (Type::Bytes, Type::Bytes) if adds => Some(Type::Bytes),
        (Type::List(left), Type::List(right)) if adds => {
            Some(Type::list(left.join(right).unwrap_or(Type::Dyn)))
        }
        (Type::Duration, Type::Duration) if additive => Some(Type::Duration),
        (Type::Timestamp, Type::Duration) if additive => Some(Type::Timestamp),
        (Type::Duration, Type::Timestamp) if adds => Some(Type::Timestamp),
        (Type::Timestamp, Type::Timestamp) if operator == Operator::Subtract => Some(Type::Duration),
        (Type::Dyn, Type::Dyn) => Some(Type::Dyn),
        (Type::Dyn, known) | (known, Type::Dyn) => with_dynamic(operator, known),
        _ => None,
    }
}

/// The result where one side is known: its own type, unless points in time come into it.
fn with_dynamic(operator: Operator, known: &Type) -> Option<Type> {
    let additive = matches!(operator, Operator::Add | Operator::Subtract);
    match known {
        Type::Int | Type::Uint => Some(known.clone()),
        Type::Double => (operator != Operator::Remainder).then_some(Type::Double),
        Type::String | Type::Bytes => (operator == Operator::Add).then(|| known.clone()),
        Type::List(_) => (operator == Operator::Add).then(|| Type::list(Type::Dyn)),
        Type::Duration | Type::Timestamp => additive.then_some(Type::Dyn),
        _ => None,
    }
}

fn advice(operator: Operator, left: &Type, right: &Type) -> Option<String> {
    let pair = |one: fn(&Type) -> bool, other: fn(&Type) -> bool| {
        (one(left) && other(right)) || (one(right) && other(left))
    };
    let text = |ty: &Type| *ty == Type::String;
    if operator == Operator::In && *right == Type::String {
        return Some("whether a text contains another is written `text.contains(part)`".to_owned());
    }
    if left.is_number() && right.is_number() {
        return Some("convert one side with int(), uint() or double()".to_owned());
    }
    if pair(text, |ty| *ty == Type::Timestamp) {
        return Some("a point in time is written `timestamp(\"2026-03-01T00:00:00Z\")`".to_owned());
    }
    if pair(text, |ty| *ty == Type::Duration) {
        return Some("a duration is written `duration(\"90s\")`".to_owned());
    }
    if pair(text, Type::is_number) {
        return Some("numbers are written without quotes".to_owned());
    }
    if pair(text, |ty| *ty == Type::Bool) {
        return Some("`true` and `false` are written without quotes".to_owned());
    }
    None
}
