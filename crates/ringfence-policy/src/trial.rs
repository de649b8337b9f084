//! The tests that documents carry: one supposed attempt, and what has to come of it. Limits have room
//! left and hours are open unless the test says otherwise.

use std::ops::Range;
use std::sync::Arc;

use ringfence_cel::Fact;
use ringfence_model::{ActionKind, Decision, Effect, Resource, Subject};

use crate::decide::{Clock, decide_by};
use crate::facts::{FactId, Facts};
use crate::limit::{Limit, LimitKind, Room};
use crate::set::PolicySet;
use crate::supposed::Supposed;

/// One test of one document.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    pub(crate) name: String,
    pub(crate) attempt: Supposed,
    pub(crate) spent: Vec<(Arc<str>, Spent)>,
    pub(crate) expect: Effect,
    /// The full name of the rule that has to be named, where the test says.
    pub(crate) rule: Option<String>,
    pub(crate) policy: Arc<str>,
    pub(crate) span: Range<usize>,
}

/// How much of a limit was used before the attempt, in the limit's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    Amount(u64),
    /// What the attempt itself would use is not known.
    Unmeasured,
}

/// What came of one test against a whole set.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// The policy that carries the test.
    pub policy: String,
    /// The test's name.
    pub name: String,
    /// What was expected.
    pub expected: Effect,
    /// The rule that was expected, in full, where the test says.
    pub expected_rule: Option<String>,
    /// What was decided.
    pub decision: Decision,
}

impl TestResult {
    /// Whether it came as expected.
    pub fn passed(&self) -> bool {
        self.expected == self.decision.effect
            && self.expected_rule.as_deref().is_none_or(|rule| rule == self.decision.rule().as_str())
    }

    /// What was expected and what was decided, in one sentence.
    pub fn difference(&self) -> String {
        let expected = match &self.expected_rule {
            Some(rule) => format!("{} by `{rule}`", self.expected),
            None => self.expected.to_string(),
        };
        format!("expected {expected}, decided {} by `{}`", self.decision.effect, self.decision.rule())
    }
}

impl Trial {
    /// Decides it against a set.
    pub(crate) fn run(&self, set: &PolicySet) -> TestResult {
        TestResult {
            policy: self.policy.to_string(),
            name: self.name.clone(),
            expected: self.expect,
            expected_rule: self.rule.clone(),
            decision: decide_by(
                set,
                self,
                if self.attempt.now.is_some() { Clock::Asked } else { Clock::Open },
            ),
        }
    }

    fn room(&self, limit: &Limit) -> Room {
        let spent = self
            .spent
            .iter()
            .find(|(id, _)| *limit.id == **id && limit.policy == self.policy)
            .map_or(Spent::Amount(0), |(_, spent)| *spent);
        let Spent::Amount(spent) = spent else { return Room::Unmeasured };
        let (of, more) = match limit.kind() {
            LimitKind::Calls { n, .. } | LimitKind::Concurrent { n } | LimitKind::Identical { n, .. } => {
                (*n, 1)
            }
            // What a model call will cost is not known to a test: there is room while any is left.
            LimitKind::Tokens { n, .. } | LimitKind::Usd { micro: n, .. } => (*n, 0),
            LimitKind::Hours(_) => return Room::Left,
        };
        let used = spent.saturating_add(more);
        if used > of || (more == 0 && spent == of) {
            return Room::Spent { until: None };
        }
        match limit.warn_at() {
            Some(part) if used as f64 >= part * of as f64 => Room::Warned { used, of },
            Some(_) | None => Room::Left,
        }
    }
}

impl Facts for Trial {
    fn subject(&self) -> &Subject {
        self.attempt.subject()
    }

    fn action(&self) -> ActionKind {
        self.attempt.action()
    }

    fn resource(&self) -> &Resource {
        self.attempt.resource()
    }

    fn fact(&self, fact: FactId) -> Fact<'_> {
        self.attempt.fact(fact)
    }

    fn limit(&self, limit: &Limit) -> Room {
        self.room(limit)
    }
}
