//! What most conditions are made of, told at once: a number or a text of a fact, held against one
//! that is written out. Whatever is anything else, a fault included, is left to the general way,
//! which comes to the same where both apply.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use super::Machine;
use super::compare::integer_and_double;
use crate::tree::{Const, Node, Op, Path};
use crate::{Fact, Value};

/// Up to how many members are looked through.
const FEW: usize = 8;
/// Texts below this cost nothing to compare.
const FREE: usize = 64;

impl<'v, 'a: 'v> Machine<'v, 'a> {
    /// How two sides are ordered.
    #[inline]
    pub(super) fn quick_order(&self, left: &Node, right: &Node) -> Option<Ordering> {
        let Op::Const(right) = &right.op else { return None };
        match (&left.op, right) {
            (Op::Path(path), Const::Int(right)) => Some(self.number(path)?.as_i64()?.cmp(right)),
            (Op::Path(path), Const::Double(right)) => {
                let left = self.number(path)?;
                match left.as_i64() {
                    Some(left) => integer_and_double(i128::from(left), *right),
                    None if left.is_f64() => left.as_f64()?.partial_cmp(right),
                    None => None,
                }
            }
            (Op::Fact { slot, .. }, Const::Int(right)) => match self.facts.fact(*slot) {
                Fact::Known(Value::Int(left)) => Some(left.cmp(right)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether two texts are the same.
    #[inline]
    pub(super) fn quick_same(&self, left: &Node, right: &Node) -> Option<bool> {
        match (&left.op, &right.op) {
            (Op::Path(path), Op::Const(Const::String(right))) if right.len() < FREE => {
                Some(self.json(path)?.as_str()? == &**right)
            }
            _ => None,
        }
    }

    fn number(&self, path: &Path) -> Option<&'a serde_json::Number> {
        match self.json(path)? {
            Json::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Where a path through JSON leads.
    #[inline]
    fn json(&self, path: &Path) -> Option<&'a Json> {
        let Fact::Known(Value::Json(json)) = self.facts.fact(path.slot) else { return None };
        path.steps.iter().try_fold(json, |at, step| member_of(at.as_object()?, &step.member))
    }
}

/// A member by its name. Where there are few, telling names apart by their lengths is quicker than
/// ordering them.
#[inline]
pub(super) fn member_of<'j>(members: &'j Map<String, Json>, name: &str) -> Option<&'j Json> {
    if members.len() > FEW {
        return members.get(name);
    }
    members.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}
