//! Evaluation: total, bounded, and without allocation unless a condition makes texts or lists.
//!
//! Three things can end an evaluation early: a fault, a fact that is not known yet, and the end of
//! the fuel. Every part that runs at most once is paid for before the start; what depends on values
//! (elements of loops, bytes of texts) is paid for as it comes. The stack is bounded by the height
//! of the tree, which the parser bounds.

mod arithmetic;
mod calendar;
mod call;
mod compare;
mod convert;
mod loops;
mod quick;
mod val;

use std::cell::Cell;
use std::sync::Arc;

use bumpalo::Bump;

use crate::fault::{Fault, FaultKind};
use crate::syntax::{Operator, Span};
use crate::tree::{Const, Node, Op, Path, Step, Zone};
use crate::{Activation, Fact, Kind, Slot, Value};

pub(crate) use calendar::zone;
pub(crate) use val::Val;

use compare::{Needle, Same};
use val::{List, Map};

/// Why there is no value. Boxed, so that an answer is no larger than a value: copying answers is most
/// of what a small condition costs.
#[derive(Debug)]
pub(crate) enum Stop {
    Unknown,
    Fault(Box<Fault>),
}

/// What reading a member is called in messages.
const MEMBER: &str = "reading a member";

type Answer<'v> = Result<Val<'v>, Stop>;

/// One evaluation. `'a` is how long facts live, `'v` how long intermediate values do.
pub(crate) struct Machine<'v, 'a> {
    facts: &'v dyn Activation<'a>,
    arena: &'v Bump,
    fuel: Cell<u64>,
}

/// The variable of a macro, and those further out.
#[derive(Clone, Copy)]
struct Frame<'f, 'v> {
    value: Val<'v>,
    outer: Option<&'f Frame<'f, 'v>>,
}

type Scope<'f, 'v> = Option<&'f Frame<'f, 'v>>;

impl<'v, 'a: 'v> Machine<'v, 'a> {
    pub(crate) fn new(facts: &'v dyn Activation<'a>, arena: &'v Bump, fuel: u64) -> Self {
        Machine { facts, arena, fuel: Cell::new(fuel) }
    }

    /// How much fuel is left.
    pub(crate) fn fuel(&self) -> u64 {
        self.fuel.get()
    }

    /// What an expression comes to.
    pub(crate) fn value(&self, node: &'v Node) -> Answer<'v> {
        self.eval(node, None)
    }

    /// Whether a condition holds.
    pub(crate) fn holds(&self, node: &'v Node) -> Result<bool, Stop> {
        self.truth(node, None, "a condition")
    }

    /// The value of `node`.
    fn eval(&self, node: &'v Node, scope: Scope<'_, 'v>) -> Answer<'v> {
        let span = node.span;
        match &node.op {
            Op::Const(value) => Ok(Val::from(value)),
            Op::Fact { slot, name } => self.fact(*slot, name, span),
            Op::Local { up } => Ok(local(scope, *up)),
            Op::Path(path) => self.path(path),
            Op::Select { base, member, name } => match self.eval(base, scope)? {
                Val::Map(map) => match self.member(map, member, span)? {
                    Some(value) => Ok(value),
                    None => missing(span, name),
                },
                other => wrong_type(span, MEMBER, other),
            },
            Op::Index { base, index, name } => {
                let base = self.eval(base, scope)?;
                let index = self.eval(index, scope)?;
                match self.index(base, index, span)? {
                    Some(value) => Ok(value),
                    None => missing(span, name),
                }
            }
            Op::Negate(inner) => self.negate(self.eval(inner, scope)?, span),
            Op::Arithmetic { operator, sides } => {
                let [left, right] = &**sides;
                self.arithmetic(*operator, self.eval(left, scope)?, self.eval(right, scope)?, span)
            }
            Op::Conditional(parts) => {
                let [condition, yes, no] = &**parts;
                let taken = if self.truth(condition, scope, "`?`")? { yes } else { no };
                self.eval(taken, scope)
            }
            Op::List(items) => self.make_list(items, scope),
            Op::Map(entries) => self.make_map(entries, scope, span),
            Op::Call { call, name, value } => self.unary(*call, name, self.eval(value, scope)?, span),
            Op::Calendar { part, name, at, zone } => {
                let at = self.eval(at, scope)?;
                match zone {
                    None => calendar::utc_or_duration(*part, name, at, span),
                    Some(Zone::Known(zone)) => calendar::in_zone(*part, name, at, zone, span),
                    Some(Zone::Named(zone)) => match self.eval(zone, scope)? {
                        Val::Str(text) => match calendar::zone(text) {
                            Some(zone) => calendar::in_zone(*part, name, at, &zone, span),
                            None => fault(span, FaultKind::UnknownZone),
                        },
                        other => wrong_type(span, name, other),
                    },
                }
            }
            Op::Collect { collector, inner } => self.collect(*collector, inner, scope, span),
            Op::HasFact { .. }
            | Op::Has { .. }
            | Op::Not(_)
            | Op::Equal { .. }
            | Op::IsNull { .. }
            | Op::Order { .. }
            | Op::In { .. }
            | Op::And(_)
            | Op::Or(_)
            | Op::TextTest { .. }
            | Op::Matches { .. }
            | Op::Quantify { .. } => self.truth(node, scope, "").map(Val::Bool),
        }
    }

    /// The value of `node`, which must be a bool for `operation`. Answers are passed in registers
    /// here: conditions are made of little else.
    fn truth(&self, node: &'v Node, scope: Scope<'_, 'v>, operation: &'static str) -> Result<bool, Stop> {
        let span = node.span;
        match &node.op {
            Op::Not(inner) => Ok(!self.truth(inner, scope, "`!`")?),
            Op::And(operands) => self.junction(operands, scope, Junction { decides: false, name: "`&&`" }),
            Op::Or(operands) => self.junction(operands, scope, Junction { decides: true, name: "`||`" }),
            Op::Equal { operator, sides } => {
                let [left, right] = &**sides;
                let negated = *operator == Operator::NotEqual;
                if let Some(same) = self.quick_same(left, right) {
                    return Ok(same != negated);
                }
                let (left, right) = (self.operand(left, scope)?, self.operand(right, scope)?);
                match self.same(left, right, span)? {
                    Same::Yes => Ok(!negated),
                    Same::No => Ok(negated),
                    Same::Incomparable => wrong_types(span, operator.quoted(), left, right),
                }
            }
            Op::Order { operator, sides } => {
                let [left, right] = &**sides;
                if let Some(order) = self.quick_order(left, right) {
                    return Ok(compare::satisfies(*operator, order));
                }
                self.order(*operator, self.operand(left, scope)?, self.operand(right, scope)?, span)
            }
            Op::In { sides } => {
                let [needle, hay] = &**sides;
                let null_is_literal = matches!(needle.op, Op::Const(Const::Null));
                let needle = Needle { value: self.operand(needle, scope)?, null_is_literal };
                self.contains(needle, self.operand(hay, scope)?, span)
            }
            Op::IsNull { negated, value } => Ok(matches!(self.operand(value, scope)?, Val::Null) != *negated),
            Op::Has { base, member } => match self.operand(base, scope)? {
                Val::Map(map) => Ok(self.member(map, member, span)?.is_some()),
                other => wrong_type(span, "has", other),
            },
            Op::HasFact { slot } => self.has_fact(*slot),
            Op::TextTest { test, name, sides } => {
                let [text, part] = &**sides;
                let (text, part) = (self.operand(text, scope)?, self.operand(part, scope)?);
                self.text_test(*test, name, text, part, span)
            }
            Op::Matches { text, pattern } => match self.operand(text, scope)? {
                Val::Str(text) => {
                    self.charge((1 + text_steps(text.len())).saturating_mul(pattern.weight), span)?;
                    Ok(pattern.regex.is_match(text))
                }
                other => wrong_type(span, "matches", other),
            },
            Op::Quantify { quantifier, inner } => self.quantify(*quantifier, inner, scope, span),
            Op::Const(_)
            | Op::Fact { .. }
            | Op::Local { .. }
            | Op::Path(_)
            | Op::Select { .. }
            | Op::Index { .. }
            | Op::Negate(_)
            | Op::Arithmetic { .. }
            | Op::Conditional(_)
            | Op::List(_)
            | Op::Map(_)
            | Op::Call { .. }
            | Op::Calendar { .. }
            | Op::Collect { .. } => match self.eval(node, scope)? {
                Val::Bool(value) => Ok(value),
                other => wrong_type(span, operation, other),
            },
        }
    }

    /// What most comparisons compare, without a detour through `eval`.
    #[inline(always)]
    fn operand(&self, node: &'v Node, scope: Scope<'_, 'v>) -> Answer<'v> {
        match &node.op {
            Op::Const(value) => Ok(Val::from(value)),
            Op::Path(path) => self.path(path),
            _ => self.eval(node, scope),
        }
    }

    fn fact(&self, slot: Slot, name: &Arc<str>, span: Span) -> Answer<'v> {
        match self.facts.fact(slot) {
            Fact::Known(value) => Ok(Val::from(value)),
            Fact::Missing => missing(span, name),
            Fact::Unknown => Err(Stop::Unknown),
        }
    }

    #[inline(always)]
    fn path(&self, path: &'v Path) -> Answer<'v> {
        match self.facts.fact(path.slot) {
            Fact::Known(Value::Json(json)) => {
                let mut at = json;
                for step in &path.steps {
                    match at {
                        serde_json::Value::Object(members) => match quick::member_of(members, &step.member) {
                            Some(value) => at = value,
                            None => return missing(step.span, &step.name),
                        },
                        other => return wrong_type(step.span, MEMBER, Val::from(other)),
                    }
                }
                Ok(Val::from(at))
            }
            Fact::Known(other) => self.members(Val::from(other), &path.steps),
            Fact::Missing => missing(path.span, &path.name),
            Fact::Unknown => Err(Stop::Unknown),
        }
    }

    fn members(&self, from: Val<'v>, steps: &'v [Step]) -> Answer<'v> {
        let mut at = from;
        for step in steps {
            at = match at {
                Val::Map(map) => match self.member(map, &step.member, step.span)? {
                    Some(value) => value,
                    None => return missing(step.span, &step.name),
                },
                other => return wrong_type(step.span, MEMBER, other),
            };
        }
        Ok(at)
    }

    fn make_list(&self, items: &'v [Node], scope: Scope<'_, 'v>) -> Answer<'v> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.eval(item, scope)?);
        }
        Ok(Val::List(List::Made(self.arena.alloc_slice_copy(&values))))
    }

    fn has_fact(&self, slot: Slot) -> Result<bool, Stop> {
        match self.facts.fact(slot) {
            Fact::Known(_) => Ok(true),
            Fact::Missing => Ok(false),
            Fact::Unknown => Err(Stop::Unknown),
        }
    }

    /// `&&` and `||` (language definition, "Logical Operators"): one operand that decides is enough,
    /// whatever becomes of the others; then what is unknown outweighs a fault, since it may yet decide.
    fn junction(&self, operands: &'v [Node], scope: Scope<'_, 'v>, junction: Junction) -> Result<bool, Stop> {
        let mut stopped = None;
        for operand in operands {
            match self.truth(operand, scope, junction.name) {
                Ok(value) if value == junction.decides => return Ok(value),
                Ok(_) => {}
                Err(stop) => weigh(&mut stopped, stop),
            }
        }
        match stopped {
            None => Ok(!junction.decides),
            Some(stop) => Err(stop),
        }
    }

    fn make_map(&self, entries: &'v [(Node, Node)], scope: Scope<'_, 'v>, span: Span) -> Answer<'v> {
        let mut made: Vec<(Val<'v>, Val<'v>)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.eval(key, scope)?;
            if !matches!(key, Val::Str(_) | Val::Int(_) | Val::Uint(_) | Val::Bool(_)) {
                return fault(span, FaultKind::BadKey);
            }
            self.charge(made.len() as u64 / 8, span)?;
            for (other, _) in &made {
                if self.same(*other, key, span)? == Same::Yes {
                    return fault(span, FaultKind::BadKey);
                }
            }
            made.push((key, self.eval(value, scope)?));
        }
        Ok(Val::Map(Map::Made(self.arena.alloc_slice_copy(&made))))
    }

    /// A member of a map by its name. Records of the host are small, maps that are made are paid for.
    fn member(&self, map: Map<'v>, name: &str, span: Span) -> Result<Option<Val<'v>>, Stop> {
        match map {
            Map::Json(members) => Ok(members.get(name).map(Val::from)),
            Map::Host(members) => {
                Ok(members.iter().find(|(key, _)| *key == name).map(|(_, value)| Val::from(*value)))
            }
            Map::Made(entries) => {
                self.charge(entries.len() as u64 / 16, span)?;
                let found = entries.iter().find(|(key, _)| matches!(key, Val::Str(key) if *key == name));
                Ok(found.map(|(_, value)| *value))
            }
        }
    }

    /// A value of a map by its key; `None` where there is none.
    fn entry(&self, map: Map<'v>, key: Val<'v>, span: Span) -> Result<Option<Val<'v>>, Stop> {
        match (map, key) {
            (_, Val::Str(name)) => self.member(map, name, span),
            (Map::Made(entries), Val::Int(_) | Val::Uint(_) | Val::Double(_) | Val::Bool(_)) => {
                self.charge(entries.len() as u64 / 8, span)?;
                for (other, value) in entries {
                    if self.same(*other, key, span)? == Same::Yes {
                        return Ok(Some(*value));
                    }
                }
                Ok(None)
            }
            (_, other) => wrong_type(span, "a key of a map", other),
        }
    }

    fn index(&self, base: Val<'v>, index: Val<'v>, span: Span) -> Result<Option<Val<'v>>, Stop> {
        let list = match base {
            Val::Map(map) => return self.entry(map, index, span),
            Val::List(list) => list,
            other => return wrong_type(span, "`[]`", other),
        };
        let position = match index {
            Val::Int(index) => usize::try_from(index).ok(),
            Val::Uint(index) => usize::try_from(index).ok(),
            // A JSON number may be a double that is whole; any other double is no index.
            Val::Double(index) => match convert::whole(index) {
                Some(index) => usize::try_from(index).ok(),
                None => return wrong_type(span, "`[]`", Val::Double(index)),
            },
            other => return wrong_type(span, "`[]`", other),
        };
        match position.and_then(|position| list.at(position)) {
            Some(value) => Ok(Some(value)),
            None => fault(span, FaultKind::BadIndex { len: list.len() }),
        }
    }

    /// Takes `steps` from the fuel.
    fn charge(&self, steps: u64, span: Span) -> Result<(), Stop> {
        match self.fuel.get().checked_sub(steps) {
            Some(left) => {
                self.fuel.set(left);
                Ok(())
            }
            None => {
                // INVARIANT: once the fuel has run out nothing that must be paid for runs any more.
                self.fuel.set(0);
                fault(span, FaultKind::TooCostly)
            }
        }
    }

    fn keep_text(&self, text: &str) -> Val<'v> {
        Val::Str(self.arena.alloc_str(text))
    }
}

#[derive(Clone, Copy)]
struct Junction {
    /// The operand that decides: `false` for `&&`, `true` for `||`.
    decides: bool,
    name: &'static str,
}

/// Keeps of two reasons the one that weighs more: unknown before the first fault.
fn weigh(kept: &mut Option<Stop>, stop: Stop) {
    let replaces = match kept {
        None => true,
        Some(Stop::Unknown) => false,
        Some(Stop::Fault(_)) => matches!(stop, Stop::Unknown),
    };
    if replaces {
        *kept = Some(stop);
    }
}

fn local<'v>(scope: Scope<'_, 'v>, up: usize) -> Val<'v> {
    let mut frame = scope.expect("invariant: the checker resolves variables to macros around them");
    for _ in 0..up {
        frame = frame.outer.expect("invariant: the checker resolves variables to macros around them");
    }
    frame.value
}

/// Steps for looking at `bytes` of text: one for every 64.
fn text_steps(bytes: usize) -> u64 {
    bytes as u64 / 64
}

#[cold]
fn fault<T>(span: Span, kind: FaultKind) -> Result<T, Stop> {
    Err(Stop::Fault(Box::new(Fault { span: span.range(), kind })))
}

#[cold]
fn missing<T>(span: Span, name: &Arc<str>) -> Result<T, Stop> {
    fault(span, FaultKind::Missing { name: name.clone() })
}

#[cold]
fn wrong_type<T>(span: Span, operation: &'static str, found: Val<'_>) -> Result<T, Stop> {
    fault(span, FaultKind::WrongType { operation, found: found.kind() })
}

#[cold]
fn wrong_types<T>(span: Span, operation: &'static str, left: Val<'_>, right: Val<'_>) -> Result<T, Stop> {
    fault(span, FaultKind::WrongTypes { operation, left: left.kind(), right: right.kind() })
}

#[cold]
fn bad_conversion<T>(span: Span, from: Kind, into: &'static str) -> Result<T, Stop> {
    fault(span, FaultKind::BadConversion { from, into })
}

/// The constant that a value is, if it can be kept in a tree.
pub(crate) fn constant(value: Val<'_>) -> Option<Const> {
    Some(match value {
        Val::Null => Const::Null,
        Val::Bool(value) => Const::Bool(value),
        Val::Int(value) => Const::Int(value),
        Val::Uint(value) => Const::Uint(value),
        Val::Double(value) => Const::Double(value),
        Val::Str(value) => Const::String(value.into()),
        Val::Bytes(value) => Const::Bytes(value.into()),
        Val::Duration(value) => Const::Duration(value),
        Val::Timestamp(value) => Const::Timestamp(value),
        Val::Kind(value) => Const::Kind(value),
        Val::List(list) => {
            let mut items = Vec::with_capacity(list.len());
            for index in 0..list.len() {
                items.push(constant(list.at(index)?)?);
            }
            Const::List(items.into())
        }
        Val::Map(_) => return None,
    })
}
