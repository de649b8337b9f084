//! The tests that documents carry: one attempt, the facts it happens under, and what has to come
//! of it. A fact that a test does not give is missing, except that its session is a fresh one. Limits
//! have room left and hours are open unless the test says otherwise.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ringfence_cel::{Fact, Value};
use ringfence_model::{ActionKind, Decision, Effect, Resource, Subject};
use serde_json::json;

use crate::decide::{Clock, decide_by};
use crate::facts::{FactId, Facts};
use crate::limit::{Limit, LimitKind, Room};
use crate::set::PolicySet;

/// One test of one document.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    pub(crate) name: String,
    pub(crate) subject: Subject,
    pub(crate) action: ActionKind,
    pub(crate) resource: Resource,
    pub(crate) args: serde_json::Value,
    pub(crate) annotations: Option<serde_json::Value>,
    pub(crate) session: Session,
    pub(crate) now: Option<Timestamp>,
    pub(crate) findings: serde_json::Value,
    pub(crate) spent: Vec<(Arc<str>, Spent)>,
    pub(crate) expect: Effect,
    /// The full name of the rule that has to be named, where the test says.
    pub(crate) rule: Option<String>,
    pub(crate) policy: Arc<str>,
    pub(crate) span: Range<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) calls: i64,
    pub(crate) tokens: i64,
    pub(crate) micro_usd: i64,
    pub(crate) age: Duration,
    pub(crate) labels: serde_json::Value,
}

impl Session {
    pub(crate) fn fresh() -> Self {
        Session {
            id: "test".to_owned(),
            calls: 0,
            tokens: 0,
            micro_usd: 0,
            age: Duration::ZERO,
            labels: json!({"integrity": "trusted", "confidentiality": "internal"}),
        }
    }
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
            decision: decide_by(set, self, if self.now.is_some() { Clock::Asked } else { Clock::Open }),
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
        &self.subject
    }

    fn action(&self) -> ActionKind {
        self.action
    }

    fn resource(&self) -> &Resource {
        &self.resource
    }

    fn fact(&self, fact: FactId) -> Fact<'_> {
        let session = &self.session;
        Fact::Known(match fact {
            FactId::SessionId => Value::Str(&session.id),
            FactId::SessionAge => {
                Value::Duration(SignedDuration::try_from(session.age).unwrap_or(SignedDuration::MAX))
            }
            FactId::SessionCalls => Value::Int(session.calls),
            FactId::SessionTokens => Value::Int(session.tokens),
            FactId::SessionUsd => Value::Int(session.micro_usd),
            FactId::SessionLabels => Value::Json(&session.labels),
            FactId::ResourceAnnotations => match &self.annotations {
                Some(annotations) => Value::Json(annotations),
                None => return Fact::Missing,
            },
            FactId::ResourceLabels => return Fact::Missing,
            FactId::Args => Value::Json(&self.args),
            FactId::Now => match self.now {
                Some(now) => Value::Timestamp(now),
                None => return Fact::Missing,
            },
            FactId::Findings => Value::Json(&self.findings),
        })
    }

    fn limit(&self, limit: &Limit) -> Room {
        self.room(limit)
    }
}
