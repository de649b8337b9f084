//! A person is asked: what waits, and how the answer is waited for.

use std::time::Duration;

use ringfence_audit::record::RecordRef;
use ringfence_model::{Ask, Decision, Timestamp};

use crate::check::leaf_resource;
use crate::state::Answer;
use crate::{Attempt, Session, Verdict};

/// The longest anybody waits at once.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The id of an ask, such as `k7f2-9qxz`: what an operator names to answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket(String);

impl Ticket {
    pub(crate) fn new(id: String) -> Self {
        Ticket(id)
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An attempt that waits for a person. It still owns the attempt.
pub struct Pending<A: Attempt> {
    pub(crate) attempt: A,
    pub(crate) session: Session,
    pub(crate) ticket: Ticket,
    pub(crate) decision: Decision,
    pub(crate) expires: Timestamp,
    pub(crate) record: Option<RecordRef>,
}

impl<A: Attempt> Pending<A> {
    /// Which ask.
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// What is attempted.
    pub fn attempt(&self) -> &A {
        &self.attempt
    }

    /// What was decided.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Who may answer.
    pub fn ask(&self) -> Option<&Ask> {
        self.decision.ask.as_ref()
    }

    /// Until when.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The record of the decision to ask.
    pub fn record(&self) -> Option<&RecordRef> {
        self.record.as_ref()
    }

    /// Waits for the answer, at most so long. Still [`Verdict::Pending`] afterwards where nobody
    /// answered; the ask stays open until it expires and serves the same attempt made again. One
    /// that expired meanwhile, or was killed, is denied.
    pub async fn wait(self, at_most: Duration) -> Verdict<A> {
        let Ok(action) = self.attempt.action() else {
            let Pending { attempt, session, ticket, .. } = self;
            return session.resume(ticket, attempt).await;
        };
        let resource = leaf_resource(&action.resource);
        let inner = &self.session.guard;
        let mut answers = inner.answers();
        let mut kills = inner.kills();
        let deadline = tokio::time::Instant::now() + at_most.min(LONGEST);
        loop {
            let now = inner.now();
            let awaited = inner
                .approvals
                .lock()
                .by_id(self.ticket.as_str())
                .is_some_and(|row| row.answer == Answer::Awaited && row.expires > now);
            if !awaited || inner.barred(&self.session.state, &resource).is_some() {
                let Pending { attempt, session, ticket, .. } = self;
                return session.resume(ticket, attempt).await;
            }
            let until_expiry = self.expires.duration_since(now).unsigned_abs();
            let expiry = tokio::time::Instant::now() + until_expiry.min(LONGEST);
            tokio::select! {
                changed = answers.changed() => if changed.is_err() { return Verdict::Pending(self) },
                changed = kills.changed() => if changed.is_err() { return Verdict::Pending(self) },
                () = tokio::time::sleep_until(deadline) => return Verdict::Pending(self),
                () = tokio::time::sleep_until(expiry) => {}
            }
        }
    }
}
