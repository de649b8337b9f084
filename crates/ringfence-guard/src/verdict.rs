//! What the guard answers.

use std::fmt;

use ringfence_audit::record::RecordRef;
use ringfence_model::{Decision, RuleName, Timestamp};

use crate::{Attempt, Pending, Permit};

/// The answer to one attempt. Failure of any kind is [`Verdict::Denied`].
#[must_use = "an attempt that was let through has to be begun or dropped knowingly"]
pub enum Verdict<A: Attempt> {
    /// It may happen, once.
    Allowed(Permit<A>),
    /// A person is asked.
    Pending(Pending<A>),
    /// It may not happen.
    Denied(Denied),
}

/// A denial: a value, not an error.
#[derive(Debug, Clone, PartialEq)]
pub struct Denied {
    /// What was decided.
    pub decision: Decision,
    /// The record that proves it; absent only where the log could not be written.
    pub record: Option<RecordRef>,
    /// When the same attempt may succeed, where that is known.
    pub retry_after: Option<Timestamp>,
}

impl Denied {
    /// The rule that denied.
    pub fn rule(&self) -> &RuleName {
        self.decision.rule()
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "denied by {}: {}", self.decision.rule(), self.decision.reason())
    }
}

/// Rules that no document wrote.
pub(crate) mod built_in {
    /// The value could not be read as an action.
    pub(crate) const MALFORMED: &str = "malformed";
    /// The arguments do not fit what the target declares.
    pub(crate) const SCHEMA: &str = "schema";
    /// A kill latch covers this.
    pub(crate) const KILLED: &str = "killed";
    /// The agent is unknown, suspended or revoked.
    pub(crate) const AGENT: &str = "agent";
    /// The session has ended.
    pub(crate) const SESSION: &str = "session-ended";
    /// The log cannot be written.
    pub(crate) const LOG: &str = "log";
    /// A person said no, or the approval does not serve this.
    pub(crate) const APPROVAL: &str = "approval";
    /// What the decision demands cannot be done.
    pub(crate) const OBLIGATION: &str = "obligation";
    /// Nothing was attempted; something came in.
    pub(crate) const OBSERVED: &str = "observed";
    /// A newer policy says otherwise.
    pub(crate) const POLICY: &str = "policy-changed";
    /// A limit is used up.
    pub(crate) const LIMIT: &str = "limit";
}
