//! Limits: what may happen, but not so often. A limit never grants; it turns what rules allow
//! into something stricter. How much is left is known to whoever counts ([`crate::Facts::limit`]);
//! only office hours are decided here, because they need nothing but the time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ringfence_model::{Approver, Effect, RuleName};

use crate::facts::Facts;
use crate::hours::Hours;
use crate::scope::Scope;
use crate::target::{Target, agent};
use crate::units::{duration_text, usd_text};
use crate::window::Window;

/// One limit of one policy.
#[derive(Debug, Clone)]
pub struct Limit {
    pub(crate) name: RuleName,
    pub(crate) id: Arc<str>,
    pub(crate) policy: Arc<str>,
    pub(crate) ordinal: usize,
    pub(crate) scope: Scope,
    pub(crate) kind: LimitKind,
    pub(crate) by: By,
    pub(crate) then: Effect,
    pub(crate) warn_at: Option<f64>,
    pub(crate) approvers: Arc<[Approver]>,
    pub(crate) expires: Duration,
    /// Where it stands among all rules and limits: layer, policy, position.
    pub(crate) rank: u32,
}

/// What a limit counts, and how much of it there may be.
#[derive(Debug, Clone, PartialEq)]
pub enum LimitKind {
    /// Permits.
    Calls {
        /// How many there may be.
        n: u64,
        /// In which time.
        window: Window,
    },
    /// Tokens of models.
    Tokens {
        /// How many there may be.
        n: u64,
        /// In which time.
        window: Window,
    },
    /// Money.
    Usd {
        /// How many micro-dollars there may be.
        micro: u64,
        /// In which time.
        window: Window,
    },
    /// What is open at once.
    Concurrent {
        /// How much there may be.
        n: u64,
    },
    /// Attempts with the same action, resource and arguments.
    Identical {
        /// How many pass; the next one meets the limit.
        n: u64,
        /// Within which sliding time.
        per: Duration,
    },
    /// Only at these hours.
    Hours(Hours),
}

/// Whose consumption is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// Each agent has its own.
    Agent,
    /// All agents of one sponsor share one.
    Sponsor,
}

impl By {
    /// As policies spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            By::Agent => "agent",
            By::Sponsor => "sponsor",
        }
    }
}

/// How much of a limit is left for this action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Enough.
    Left,
    /// Enough, and what is used has reached `warn_at`. In the limit's own unit.
    Warned {
        /// With this action.
        used: u64,
        /// Of how much.
        of: u64,
    },
    /// Not enough.
    Spent {
        /// When there may be room again, where that is known.
        until: Option<Timestamp>,
    },
    /// Not known, because the action is not attempted yet.
    Unknown,
    /// What this action would use cannot be told.
    Unmeasured,
}

impl Limit {
    /// `policy name/limit id`.
    pub fn name(&self) -> &RuleName {
        &self.name
    }

    /// The id within its policy.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of its policy.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// Its number among the limits of the set: layer, policy, position. Changes with the set.
    pub fn ordinal(&self) -> usize {
        self.ordinal
    }

    /// What is counted.
    pub fn kind(&self) -> &LimitKind {
        &self.kind
    }

    /// Whose consumption is added up.
    pub fn by(&self) -> By {
        self.by
    }

    /// What happens beyond it: [`Effect::Deny`], or [`Effect::Ask`] for [`LimitKind::Identical`].
    pub fn then(&self) -> Effect {
        self.then
    }

    /// The part of it, above 0 and at most 1, from which on decisions carry a warning.
    pub fn warn_at(&self) -> Option<f64> {
        self.warn_at
    }

    /// Whether it counts this subject, action and resource.
    pub fn applies(&self, facts: &dyn Facts) -> bool {
        let target = Target::new(facts.resource());
        self.scope.actions.contains(facts.action())
            && self.scope.resources.iter().any(|pattern| pattern.matches(&target))
            && self.scope.subjects.iter().any(|pattern| pattern.glob.matches(agent(&facts.subject().id)))
    }
}

impl fmt::Display for LimitKind {
    /// `60 calls in 1m`, `5.00 USD in a day (Europe/Berlin)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LimitKind::Calls { n, window } => write!(f, "{n} calls {window}"),
            LimitKind::Tokens { n, window } => write!(f, "{n} tokens {window}"),
            LimitKind::Usd { micro, window } => write!(f, "{} USD {window}", usd_text(*micro)),
            LimitKind::Concurrent { n } => write!(f, "{n} at once"),
            LimitKind::Identical { n, per } => write!(f, "{n} identical calls in {}", duration_text(*per)),
            LimitKind::Hours(hours) => write!(f, "{hours}"),
        }
    }
}
