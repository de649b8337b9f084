//! Arithmetic: between like types only, checked, never a panic.

use jiff::{SignedDuration, Timestamp};

use crate::eval::val::List;
use crate::eval::{Answer, Machine, Val, convert, fault, text_steps, wrong_type, wrong_types};
use crate::fault::FaultKind;
use crate::syntax::{Operator, Span};

impl<'v, 'a: 'v> Machine<'v, 'a> {
    pub(super) fn negate(&self, value: Val<'v>, span: Span) -> Answer<'v> {
        match value {
            Val::Int(value) => or_overflow(value.checked_neg().map(Val::Int), "`-`", span),
            Val::Double(value) => Ok(Val::Double(-value)),
            other => wrong_type(span, "`-`", other),
        }
    }

    pub(super) fn arithmetic(
        &self,
        operator: Operator,
        left: Val<'v>,
        right: Val<'v>,
        span: Span,
    ) -> Answer<'v> {
        let name = operator.quoted();
        match (left, right) {
            (Val::Int(left), Val::Int(right)) => int(operator, left, right, span),
            (Val::Uint(left), Val::Uint(right)) => uint(operator, left, right, span),
            (Val::Double(left_value), Val::Double(right_value)) => match operator {
                Operator::Add => Ok(Val::Double(left_value + right_value)),
                Operator::Subtract => Ok(Val::Double(left_value - right_value)),
                Operator::Multiply => Ok(Val::Double(left_value * right_value)),
                Operator::Divide => Ok(Val::Double(left_value / right_value)),
                _ => wrong_types(span, name, left, right),
            },
            (Val::Str(left), Val::Str(right)) if operator == Operator::Add => {
                self.charge(1 + text_steps(left.len().saturating_add(right.len())), span)?;
                Ok(self.keep_text(&[left, right].concat()))
            }
            (Val::Bytes(left), Val::Bytes(right)) if operator == Operator::Add => {
                self.charge(1 + text_steps(left.len().saturating_add(right.len())), span)?;
                Ok(Val::Bytes(self.arena.alloc_slice_copy(&[left, right].concat())))
            }
            (Val::List(left), Val::List(right)) if operator == Operator::Add => {
                self.charge((left.len() as u64).saturating_add(right.len() as u64), span)?;
                let items: Vec<Val<'v>> = left.iter().chain(right.iter()).collect();
                Ok(Val::List(List::Made(self.arena.alloc_slice_copy(&items))))
            }
            (Val::Duration(left), Val::Duration(right)) => match operator {
                Operator::Add => duration(left.checked_add(right), name, span),
                Operator::Subtract => duration(left.checked_sub(right), name, span),
                _ => wrong_types(span, name, Val::Duration(left), Val::Duration(right)),
            },
            (Val::Timestamp(at), Val::Duration(by)) => match operator {
                Operator::Add => moved(at, Some(by), name, span),
                Operator::Subtract => moved(at, by.checked_neg(), name, span),
                _ => wrong_types(span, name, left, right),
            },
            (Val::Duration(by), Val::Timestamp(at)) if operator == Operator::Add => {
                moved(at, Some(by), name, span)
            }
            (Val::Timestamp(left), Val::Timestamp(right)) if operator == Operator::Subtract => {
                duration(Some(left.duration_since(right)), name, span)
            }
            _ => wrong_types(span, name, left, right),
        }
    }
}

fn int<'v>(operator: Operator, left: i64, right: i64, span: Span) -> Answer<'v> {
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide | Operator::Remainder if right == 0 => {
            return fault(span, FaultKind::DivideByZero);
        }
        Operator::Divide => left.checked_div(right),
        _ => left.checked_rem(right),
    };
    or_overflow(result.map(Val::Int), operator.quoted(), span)
}

fn uint<'v>(operator: Operator, left: u64, right: u64, span: Span) -> Answer<'v> {
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide | Operator::Remainder if right == 0 => {
            return fault(span, FaultKind::DivideByZero);
        }
        Operator::Divide => left.checked_div(right),
        _ => left.checked_rem(right),
    };
    or_overflow(result.map(Val::Uint), operator.quoted(), span)
}

fn duration<'v>(result: Option<SignedDuration>, operation: &'static str, span: Span) -> Answer<'v> {
    let result = result.filter(|duration| convert::duration_in_range(*duration));
    or_overflow(result.map(Val::Duration), operation, span)
}

fn moved<'v>(at: Timestamp, by: Option<SignedDuration>, operation: &'static str, span: Span) -> Answer<'v> {
    let result =
        by.and_then(|by| at.checked_add(by).ok()).filter(|timestamp| convert::timestamp_in_range(*timestamp));
    or_overflow(result.map(Val::Timestamp), operation, span)
}

fn or_overflow<'v>(result: Option<Val<'v>>, operation: &'static str, span: Span) -> Answer<'v> {
    match result {
        Some(value) => Ok(value),
        None => fault(span, FaultKind::Overflow { operation }),
    }
}
