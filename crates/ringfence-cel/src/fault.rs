//! How an evaluation ends.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// What came of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told: a value was missing, of another type, or out of range. Boxed, because it
    /// is rare and the others are small.
    Error(Box<Fault>),
    /// It depends on facts that are not known yet.
    Unknown,
}

/// Why a condition could not be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Fault {
    /// The bytes of the source that were being evaluated.
    pub span: Range<usize>,
    /// What happened.
    pub kind: FaultKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// A fact, a member of a record or a key of a map is absent.
    #[error("`{name}` is missing")]
    Missing {
        /// As it is written in the condition.
        name: Arc<str>,
    },
    /// A value is of a type that the operation does not take.
    #[error("{} does not take {found}", shown(operation))]
    WrongType {
        /// The operator, function or macro, as it is written.
        operation: &'static str,
        /// What it was given.
        found: Kind,
    },
    /// Two values are of types that the operator does not take together.
    #[error("{} does not take {left} and {right}", shown(operation))]
    WrongTypes {
        /// The operator, as it is written.
        operation: &'static str,
        /// What stood on its left.
        left: Kind,
        /// What stood on its right.
        right: Kind,
    },
    /// A result is beyond what its type can hold.
    #[error("the result of {} is out of range", shown(operation))]
    Overflow {
        /// The operator or function, as it is written.
        operation: &'static str,
    },
    /// An integer was divided by zero.
    #[error("division by zero")]
    DivideByZero,
    /// What came of dividing zero by zero, or the like, was to be ordered.
    #[error("{} cannot order what is not a number (NaN)", shown(operation))]
    NotANumber {
        /// The operator, as it is written.
        operation: &'static str,
    },
    /// A value cannot be converted.
    #[error("the {from} cannot be converted with {into}()")]
    BadConversion {
        /// What was to be converted.
        from: Kind,
        /// The function that was asked to.
        into: &'static str,
    },
    /// A list has no element with that number.
    #[error("the index is outside of the list's {len} elements")]
    BadIndex {
        /// How many there are.
        len: usize,
    },
    /// A map was given one key twice, or a key of a type that no key has.
    #[error("a map has distinct keys of type string, int, uint or bool")]
    BadKey,
    /// No time zone has that name.
    #[error("there is no such time zone")]
    UnknownZone,
    /// The evaluation took more steps than any condition may.
    #[error("the condition costs more than {} steps", crate::FUEL)]
    TooCostly,
}

/// Functions are shown with parentheses; operators come in backquotes.
fn shown(operation: &str) -> String {
    let function = operation.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if function { format!("{operation}()") } else { operation.to_owned() }
}

/// The kinds of values that there are when a condition runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the type of that name")]
pub enum Kind {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    List,
    Map,
    Type,
}

impl Kind {
    /// The name that the language has for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Uint => "uint",
            Kind::Double => "double",
            Kind::String => "string",
            Kind::Bytes => "bytes",
            Kind::Duration => "duration",
            Kind::Timestamp => "timestamp",
            Kind::List => "list",
            Kind::Map => "map",
            Kind::Type => "type",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
