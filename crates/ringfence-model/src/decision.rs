//! What was decided, and why.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Digest;

/// What a rule, and in the end a decision, says. Declared from mild to strict: the strictest
/// of several is their `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It may happen.
    Allow,
    /// It may happen once a person has approved exactly this.
    Ask,
    /// It may not happen.
    Deny,
}

impl Effect {
    /// As policies, records and answers spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Allow => "allow",
            Effect::Ask => "ask",
            Effect::Deny => "deny",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule's full name: `policy name/rule id`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleName(Arc<str>);

impl RuleName {
    /// From the policy's name and the rule's id.
    pub fn new(policy: &str, rule: &str) -> Self {
        RuleName(format!("{policy}/{rule}").into())
    }

    /// A rule that no document wrote, such as the absence of any rule: `ringfence/<id>`.
    pub fn built_in(id: &str) -> Self {
        RuleName::new("ringfence", id)
    }

    /// `policy name/rule id`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who may approve.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Approver {
    /// Any operator who is a member: `group:procurement`.
    Group(Arc<str>),
    /// One operator by name: `dana@acme.example`.
    Operator(Arc<str>),
    /// The person in front of the agent's own client: `client`.
    Client,
}

impl fmt::Display for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Approver::Group(name) => write!(f, "group:{name}"),
            Approver::Operator(name) => f.write_str(name),
            Approver::Client => f.write_str("client"),
        }
    }
}

/// What a person is asked for. Each rule that asks contributes one set of approvers; the
/// approver has to be in every set. An empty set is any operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// One set for each rule that asked.
    pub approvers: Vec<Arc<[Approver]>>,
    /// How long an approval may be waited for and then used: the shortest of the rules'.
    pub expires: Duration,
}

/// Something that comes with a decision and has to be done for it to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obligation {
    /// Tell whoever watches: `message` says what.
    Warn {
        /// JSON Pointer to what is meant; empty for the whole.
        path: String,
        /// One plain sentence.
        message: String,
    },
    /// Leave this out of what is passed on.
    Hide {
        /// JSON Pointer, such as `/tools/3`.
        path: String,
    },
}

/// Which facts a decision read: a set of small numbers (0 to 63), one for each fact that the
/// policy language knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FactSet(u64);

impl FactSet {
    /// Nothing was read.
    pub const EMPTY: FactSet = FactSet(0);

    /// Adds fact number `fact`.
    pub fn insert(&mut self, fact: u8) {
        debug_assert!(fact < 64);
        self.0 |= 1 << (fact & 63);
    }

    /// Whether fact number `fact` was read.
    pub fn contains(self, fact: u8) -> bool {
        fact < 64 && self.0 & (1 << fact) != 0
    }

    /// The numbers in the set, ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |fact| self.contains(*fact))
    }
}

/// What a decision stands on: a rule or limit, and what it gives as its reason. Cheap to clone:
/// decisions that a rule makes at once on several processors share one count, and touch it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground(Arc<(RuleName, Arc<str>)>);

impl Ground {
    /// A rule or limit, and one plain sentence for a person or a model.
    pub fn new(rule: RuleName, reason: impl Into<Arc<str>>) -> Self {
        Ground(Arc::new((rule, reason.into())))
    }

    /// The rule or limit that said so: the first of the strictest.
    pub fn rule(&self) -> &RuleName {
        &self.0.0
    }

    /// One plain sentence, for a person or a model.
    pub fn reason(&self) -> &str {
        &self.0.1
    }
}

/// The answer to one attempt. There is no default: whoever has none has a deny to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The strictest of all that applied.
    pub effect: Effect,
    /// Who said so, and why.
    pub ground: Ground,
    /// What has to be done along with it.
    pub obligations: Vec<Obligation>,
    /// The policy set that decided.
    pub policy_digest: Digest,
    /// Who may approve, and for how long; present exactly when `effect` is [`Effect::Ask`].
    pub ask: Option<Ask>,
    /// Which facts were read on the way.
    pub read: FactSet,
}

impl Decision {
    /// The rule or limit that said so: the first of the strictest.
    pub fn rule(&self) -> &RuleName {
        self.ground.rule()
    }

    /// One plain sentence, for a person or a model.
    pub fn reason(&self) -> &str {
        self.ground.reason()
    }
}
