//! What a limit is: whose bucket, how much, over which time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ringfence_model::Timestamp;

/// Which bucket: the limit's full name and whose counter of it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketKey(Arc<str>);

impl BucketKey {
    /// From the limit's identity and its owner's; no two pairs make the same key.
    pub fn new(limit: &str, owner: &str) -> Self {
        BucketKey(format!("{}:{limit} {owner}", limit.len()).into())
    }
}

impl fmt::Display for BucketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One day, week or month of a time zone: from its first moment to the first one after it.
pub type Period = (Timestamp, Timestamp);

/// How much may be used, and over which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// At most `n` begin within any `window`, wherever it is laid.
    Sliding {
        /// Units.
        n: u64,
        /// The window's length.
        window: Duration,
    },
    /// At most `n` begin within the calendar's `period`.
    Calendar {
        /// Units.
        n: u64,
        /// The period that holds the moment of asking.
        period: Period,
    },
    /// At most `n` as long as the bucket lives; [`Buckets::forget`](super::Buckets::forget) ends it.
    Session {
        /// Units.
        n: u64,
    },
    /// At most `n` open at once, from being reserved to being settled or dropped.
    Concurrent {
        /// Units.
        n: u64,
    },
    /// At most `n` attempts within any `per`. An attempt counts when it is made, refused or not,
    /// and nothing takes it back.
    Identical {
        /// Attempts that pass.
        n: u64,
        /// How long an attempt counts.
        per: Duration,
    },
}

impl Shape {
    /// How much may be used.
    pub fn of(&self) -> u64 {
        match self {
            Shape::Sliding { n, .. }
            | Shape::Calendar { n, .. }
            | Shape::Session { n }
            | Shape::Concurrent { n }
            | Shape::Identical { n, .. } => *n,
        }
    }

    /// What makes counters comparable: two shapes of one kind share a bucket, whatever their `n`.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Shape::Sliding { window, .. } => Kind::Sliding(*window),
            Shape::Calendar { .. } => Kind::Calendar,
            Shape::Session { .. } => Kind::Session,
            Shape::Concurrent { .. } => Kind::Concurrent,
            Shape::Identical { per, .. } => Kind::Identical(*per),
        }
    }
}

/// A shape without its amount and its moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Sliding(Duration),
    Calendar,
    Session,
    Concurrent,
    Identical(Duration),
}

/// A limit that has not enough left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// When the same amount would fit if nobody else came; none when time alone will not help.
    pub until: Option<Timestamp>,
}
