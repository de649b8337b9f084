//! What a rule or a limit is about: which agents, which actions, which resources.

use std::sync::Arc;

use ringfence_model::ActionKind;

use crate::pattern::{AgentPattern, ResourcePattern};
use crate::target::Target;

/// A set of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActionSet(u16);

impl ActionSet {
    pub(crate) const NONE: ActionSet = ActionSet(0);
    pub(crate) const ALL: ActionSet = ActionSet((1 << ActionKind::ALL.len()) - 1);

    pub(crate) fn insert(&mut self, action: ActionKind) {
        self.0 |= 1 << action as u16;
    }

    pub(crate) fn contains(self, action: ActionKind) -> bool {
        self.0 & (1 << action as u16) != 0
    }

    pub(crate) fn covers(self, other: ActionSet) -> bool {
        other.0 & !self.0 == 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = ActionKind> {
        ActionKind::ALL.into_iter().filter(move |action| self.contains(*action))
    }
}

/// The three dimensions together. A scope covers their product.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Shared by everything in one document.
    pub(crate) subjects: Arc<[AgentPattern]>,
    pub(crate) actions: ActionSet,
    pub(crate) resources: Arc<[ResourcePattern]>,
}

impl Scope {
    /// Whether everything that `other` is about is certain to be within this one.
    pub(crate) fn covers(&self, other: &Scope) -> bool {
        self.actions.covers(other.actions)
            && (Arc::ptr_eq(&self.subjects, &other.subjects)
                || other
                    .subjects
                    .iter()
                    .all(|theirs| self.subjects.iter().any(|own| own.glob.covers(&theirs.glob))))
            && other.resources.iter().all(|theirs| self.resources.iter().any(|own| own.covers(theirs)))
    }
}

impl ResourcePattern {
    #[inline]
    pub(crate) fn matches(&self, target: &Target) -> bool {
        self.kind.is_none_or(|kind| kind == target.kind) && self.glob.matches(&target.bytes)
    }
}
