//! The types of values, as far as they are known before there is one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What is known of a value's type when an expression is checked.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// The type of `null` alone.
    Null,
    /// `true` or `false`.
    Bool,
    /// A signed integer of 64 bits.
    Int,
    /// An unsigned integer of 64 bits.
    Uint,
    /// An IEEE 754 number of 64 bits.
    Double,
    /// Unicode text.
    String,
    /// Octets.
    Bytes,
    /// A span of time.
    Duration,
    /// A point in time.
    Timestamp,
    /// A list with elements of one type.
    List(Arc<Type>),
    /// A map from strings to values of one type.
    Map(Arc<Type>),
    /// A map with members that are named beforehand.
    Record(Arc<Record>),
    /// What `type()` gives.
    Type,
    /// Known only when there is a value.
    Dyn,
}

/// The members of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What messages call it.
    pub name: String,
    /// The members by name.
    pub members: BTreeMap<String, Member>,
    /// Whether there may be members that are not named here; they are of type [`Type::Dyn`].
    pub open: bool,
}

/// A member of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its type.
    pub ty: Type,
    /// Whether it may be absent. Such a member is read only where `has()` guards the reading.
    pub optional: bool,
}

impl Type {
    pub(crate) fn list(element: Type) -> Type {
        Type::List(Arc::new(element))
    }

    pub(crate) fn map(value: Type) -> Type {
        Type::Map(Arc::new(value))
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Type::Int | Type::Uint | Type::Double)
    }

    /// Whether values of the two types may be held against each other with `==`: anything with
    /// `null`, numbers with numbers, otherwise like with like.
    pub(crate) fn comparable(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Dyn | Type::Null, _) | (_, Type::Dyn | Type::Null) => true,
            (Type::List(left), Type::List(right)) | (Type::Map(left), Type::Map(right)) => {
                left.comparable(right)
            }
            (Type::Map(_) | Type::Record(_), Type::Map(_) | Type::Record(_)) => true,
            (left, right) => left == right || (left.is_number() && right.is_number()),
        }
    }

    /// The type of a value that has one of two types, if there is one that says more than nothing.
    pub(crate) fn join(&self, other: &Type) -> Option<Type> {
        match (self, other) {
            (left, right) if left == right => Some(left.clone()),
            (Type::Dyn, _) | (_, Type::Dyn) | (Type::Null, _) | (_, Type::Null) => Some(Type::Dyn),
            (Type::List(left), Type::List(right)) => Some(Type::list(left.join(right).unwrap_or(Type::Dyn))),
            (Type::Map(left), Type::Map(right)) => Some(Type::map(left.join(right).unwrap_or(Type::Dyn))),
            (Type::Map(_) | Type::Record(_), Type::Map(_) | Type::Record(_)) => Some(Type::Dyn),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Uint => f.write_str("uint"),
            Type::Double => f.write_str("double"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Duration => f.write_str("duration"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::List(element) => write!(f, "list({element})"),
            Type::Map(value) => write!(f, "map(string, {value})"),
            Type::Record(record) => f.write_str(&record.name),
            Type::Type => f.write_str("type"),
            Type::Dyn => f.write_str("dyn"),
        }
    }
}
