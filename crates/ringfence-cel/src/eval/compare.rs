//! Equality, order and membership (language definition, "Equality and Ordering"). Numbers compare by
//! what they are worth, whatever their types, and exactly: no integer is rounded to a double.

use std::cmp::Ordering;

use crate::eval::val::{List, Map};
use crate::eval::{Machine, Stop, Val, fault, text_steps, wrong_types};
use crate::fault::FaultKind;
use crate::syntax::{Operator, Span};

/// How deep two values are compared. JSON that was read from text is never deeper.
const MAX_DEPTH: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Same {
    Yes,
    No,
    /// Of types that are not held against each other.
    Incomparable,
}

impl From<bool> for Same {
    fn from(same: bool) -> Same {
        if same { Same::Yes } else { Same::No }
    }
}

impl<'v, 'a: 'v> Machine<'v, 'a> {
    #[inline]
    pub(super) fn same(&self, left: Val<'v>, right: Val<'v>, span: Span) -> Result<Same, Stop> {
        match (left, right) {
            (Val::Str(left), Val::Str(right)) => {
                if left.len() == right.len() {
                    self.charge(text_steps(left.len()), span)?;
                }
                Ok(Same::from(left == right))
            }
            (Val::Int(left), Val::Int(right)) => Ok(Same::from(left == right)),
            _ => self.same_within(left, right, span, MAX_DEPTH),
        }
    }

    fn same_within(&self, left: Val<'v>, right: Val<'v>, span: Span, depth: usize) -> Result<Same, Stop> {
        Ok(match (left, right) {
            (Val::Null, Val::Null) => Same::Yes,
            (Val::Bool(left), Val::Bool(right)) => Same::from(left == right),
            (Val::Str(left), Val::Str(right)) => {
                if left.len() == right.len() {
                    self.charge(text_steps(left.len()), span)?;
                }
                Same::from(left == right)
            }
            (Val::Bytes(left), Val::Bytes(right)) => {
                if left.len() == right.len() {
                    self.charge(text_steps(left.len()), span)?;
                }
                Same::from(left == right)
            }
            (Val::Duration(left), Val::Duration(right)) => Same::from(left == right),
            (Val::Timestamp(left), Val::Timestamp(right)) => Same::from(left == right),
            (Val::Kind(left), Val::Kind(right)) => Same::from(left == right),
            (Val::List(left), Val::List(right)) => self.same_lists(left, right, span, depth)?,
            (Val::Map(left), Val::Map(right)) => self.same_maps(left, right, span, depth)?,
            _ => match numbers(left, right) {
                Some(order) => Same::from(order == Some(Ordering::Equal)),
                None => Same::Incomparable,
            },
        })
    }

    fn same_lists(&self, left: List<'v>, right: List<'v>, span: Span, depth: usize) -> Result<Same, Stop> {
        if left.len() != right.len() {
            return Ok(Same::No);
        }
        let depth = self.down(depth, span)?;
        let mut all = Same::Yes;
        for (left, right) in left.iter().zip(right.iter()) {
            self.charge(1, span)?;
            match self.same_within(left, right, span, depth)? {
                Same::Yes => {}
                Same::No => return Ok(Same::No),
                Same::Incomparable => all = Same::Incomparable,
            }
        }
        Ok(all)
    }

    fn same_maps(&self, left: Map<'v>, right: Map<'v>, span: Span, depth: usize) -> Result<Same, Stop> {
        if left.len() != right.len() {
            return Ok(Same::No);
        }
        let depth = self.down(depth, span)?;
        let mut all = Same::Yes;
        for (key, left) in left.iter() {
            self.charge(1, span)?;
            let right = match (right, key) {
                (Map::Made(_), _) | (_, Val::Str(_)) => self.entry(right, key, span)?,
                _ => None, // Only maps that a condition makes have keys that are no strings.
            };
            let Some(right) = right else { return Ok(Same::No) };
            match self.same_within(left, right, span, depth)? {
                Same::Yes => {}
                Same::No => return Ok(Same::No),
                Same::Incomparable => all = Same::Incomparable,
            }
        }
        Ok(all)
    }

    fn down(&self, depth: usize, span: Span) -> Result<usize, Stop> {
        match depth.checked_sub(1) {
            Some(depth) => Ok(depth),
            None => fault(span, FaultKind::TooCostly),
        }
    }

    #[inline]
    pub(super) fn order(
        &self,
        operator: Operator,
        left: Val<'v>,
        right: Val<'v>,
        span: Span,
    ) -> Result<bool, Stop> {
        let order = match (left, right) {
            (Val::Str(left), Val::Str(right)) => {
                self.charge(text_steps(left.len().min(right.len())), span)?;
                left.cmp(right) // The order of UTF-8 bytes is the order of code points.
            }
            (Val::Bytes(left), Val::Bytes(right)) => {
                self.charge(text_steps(left.len().min(right.len())), span)?;
                left.cmp(right)
            }
            (Val::Bool(left), Val::Bool(right)) => left.cmp(&right),
            (Val::Duration(left), Val::Duration(right)) => left.cmp(&right),
            (Val::Timestamp(left), Val::Timestamp(right)) => left.cmp(&right),
            _ => match numbers(left, right) {
                Some(Some(order)) => order,
                // Not false: a rule that asks for `ratio > 2.0` is not passed with zero by zero.
                Some(None) => return fault(span, FaultKind::NotANumber { operation: operator.quoted() }),
                None => return wrong_types(span, operator.quoted(), left, right),
            },
        };
        Ok(satisfies(operator, order))
    }

    /// `needle in hay`: as if each element were compared with `==` and the answers joined with `||`.
    pub(super) fn contains(&self, needle: Needle<'v>, hay: Val<'v>, span: Span) -> Result<bool, Stop> {
        let Needle { value, null_is_literal } = needle;
        let list = match hay {
            Val::List(list) => list,
            Val::Map(map) => return Ok(self.entry(map, value, span)?.is_some()),
            other => return wrong_types(span, "`in`", value, other),
        };
        let written_out = matches!(list, List::Const(_));
        let mut stranger = None;
        for item in list.iter() {
            self.charge(1, span)?;
            match self.same(value, item, span)? {
                Same::Yes => return Ok(true),
                Same::No => {}
                Same::Incomparable if null_is_literal || (written_out && matches!(item, Val::Null)) => {}
                Same::Incomparable => stranger = Some(item),
            }
        }
        match stranger {
            None => Ok(false),
            Some(item) => wrong_types(span, "`in`", value, item),
        }
    }
}

/// What is looked for in a list. A literal `null` may be held against anything, there as here.
#[derive(Clone, Copy)]
pub(super) struct Needle<'v> {
    pub(super) value: Val<'v>,
    pub(super) null_is_literal: bool,
}

/// Whether an order is one that `<`, `<=`, `>` or `>=` asks for.
#[inline]
pub(super) fn satisfies(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Less => order.is_lt(),
        Operator::LessEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}

/// How two numbers compare: `None` if one is no number, `Some(None)` if one is not-a-number.
#[inline]
pub(super) fn numbers(left: Val<'_>, right: Val<'_>) -> Option<Option<Ordering>> {
    Some(match (left, right) {
        (Val::Int(left), Val::Int(right)) => Some(left.cmp(&right)),
        (Val::Uint(left), Val::Uint(right)) => Some(left.cmp(&right)),
        (Val::Double(left), Val::Double(right)) => left.partial_cmp(&right),
        (Val::Int(left), Val::Double(right)) => integer_and_double(i128::from(left), right),
        (Val::Uint(left), Val::Double(right)) => integer_and_double(i128::from(left), right),
        (Val::Double(left), Val::Int(right)) => {
            integer_and_double(i128::from(right), left).map(Ordering::reverse)
        }
        (Val::Double(left), Val::Uint(right)) => {
            integer_and_double(i128::from(right), left).map(Ordering::reverse)
        }
        (Val::Int(left), Val::Uint(right)) => Some(i128::from(left).cmp(&i128::from(right))),
        (Val::Uint(left), Val::Int(right)) => Some(i128::from(left).cmp(&i128::from(right))),
        _ => return None,
    })
}

/// Compares without rounding. `integer` is within 65 bits.
pub(super) fn integer_and_double(integer: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // The cast cuts the fraction off and saturates far outside of what 65 bits hold.
    #[expect(clippy::cast_possible_truncation, reason = "the fraction is compared below")]
    let whole = double.trunc() as i128;
    Some(integer.cmp(&whole).then_with(|| {
        let fraction = double.fract();
        0.0.partial_cmp(&fraction).unwrap_or(Ordering::Equal) // Only infinities have none, and are not reached.
    }))
}
