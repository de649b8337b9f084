//! One rule of one policy, checked and compiled.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ringfence_model::{Approver, Effect, Ground, RuleName};

use crate::condition::{Condition, Constant};
use crate::scope::Scope;

/// Whose policy it is. Across layers the strictest wins; the order only says which of several
/// equally strict rules is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The organisation's.
    Org,
    /// A team's.
    Team,
    /// One agent's.
    Agent,
}

impl Layer {
    /// Every layer, in order.
    pub const ALL: [Layer; 3] = [Layer::Org, Layer::Team, Layer::Agent];

    /// As policies spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Layer::Org => "org",
            Layer::Team => "team",
            Layer::Agent => "agent",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// Its full name, and one sentence: its own, or one made from its name.
    pub(crate) ground: Ground,
    pub(crate) layer: Layer,
    pub(crate) effect: Effect,
    pub(crate) scope: Scope,
    pub(crate) condition: Option<Condition>,
    /// Whether the condition, if there is one, depends on anything.
    pub(crate) constant: Constant,
    pub(crate) approvers: Arc<[Approver]>,
    pub(crate) expires: Duration,
    /// Where it stands among all rules and limits: layer, policy, position.
    pub(crate) rank: u32,
    pub(crate) origin: Origin,
}

/// Where something was written.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// Which source of the set.
    pub(crate) source: usize,
    pub(crate) span: Range<usize>,
    /// Where the condition was written.
    pub(crate) when: Option<Range<usize>>,
}

impl Rule {
    /// Whether it applies to everything in its scope.
    pub(crate) fn is_unconditional(&self) -> bool {
        match self.constant {
            Constant::True => true,
            Constant::False | Constant::Error | Constant::No => false,
        }
    }

    /// The reason it gives where its author wrote none.
    pub(crate) fn standard_reason(name: &RuleName, effect: Effect) -> Arc<str> {
        match effect {
            Effect::Allow => format!("The rule {name} allows this."),
            Effect::Ask => format!("The rule {name} needs a person to approve this."),
            Effect::Deny => format!("The rule {name} denies this."),
        }
        .into()
    }
}
