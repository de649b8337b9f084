//! What a host hands in: values that borrow from it, and the trait that is asked for them.
//! Nothing here copies a value; JSON stays JSON until an operator looks at it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::Slot;

/// Gives facts, each at the moment it is needed. Within one evaluation a fact that is asked for
/// twice must be answered alike.
pub trait Activation<'a> {
    /// The fact in `slot`.
    fn fact(&self, slot: Slot) -> Fact<'a>;
}

/// What is known of a fact.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'a> {
    /// Its value.
    Known(Value<'a>),
    /// There is none: reading it is a fault, `has()` is false.
    Missing,
    /// There may be one, and it is not known yet: what depends on it is unknown.
    Unknown,
}

/// A value of the host.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// A `bool`.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// A `uint`.
    Uint(u64),
    /// A `double`.
    Double(f64),
    /// A `string`.
    Str(&'a str),
    /// `bytes`.
    Bytes(&'a [u8]),
    /// A `duration`.
    Duration(SignedDuration),
    /// A `timestamp`.
    Timestamp(Timestamp),
    /// Any JSON. A number is `int` if it fits `i64`, else `uint` if it fits `u64`, else `double`.
    Json(&'a serde_json::Value),
    /// A small record; of members with one name the first counts.
    Record(&'a [(&'a str, Value<'a>)]),
    /// A list that the host keeps in a shape of its own.
    List(&'a dyn Sequence),
}

/// A list in a shape of the host's own. Like every other value it may be read from any thread.
pub trait Sequence: Send + Sync {
    /// How many elements there are.
    fn len(&self) -> usize;

    /// The element at `index`, `None` beyond the end.
    fn at(&self, index: usize) -> Option<Value<'_>>;

    /// Whether there is no element.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Lists of strings, as groups and delegation chains are.
impl Sequence for [String] {
    fn len(&self) -> usize {
        <[String]>::len(self)
    }

    fn at(&self, index: usize) -> Option<Value<'_>> {
        self.get(index).map(|text| Value::Str(text))
    }
}

impl Sequence for Vec<String> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn at(&self, index: usize) -> Option<Value<'_>> {
        self.get(index).map(|text| Value::Str(text))
    }
}

impl<'v> Sequence for Vec<Value<'v>> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn at(&self, index: usize) -> Option<Value<'_>> {
        self.get(index).copied()
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Uint(value) => write!(f, "{value}u"),
            Value::Double(value) => write!(f, "{value:?}"),
            Value::Str(value) => write!(f, "{value:?}"),
            Value::Bytes(value) => write!(f, "b{value:?}"),
            Value::Duration(value) => write!(f, "{value}"),
            Value::Timestamp(value) => write!(f, "{value}"),
            Value::Json(value) => write!(f, "{value}"),
            Value::Record(members) => f.debug_map().entries(members.iter().copied()).finish(),
            Value::List(items) => {
                f.debug_list().entries((0..items.len()).filter_map(|index| items.at(index))).finish()
            }
        }
    }
}
