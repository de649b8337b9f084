//! What comes in that is not an attempt: lists of tools, results, what people and models say.
//! It is recorded, and its labels are taken over.

use ringfence_audit::Payload;
use ringfence_audit::record::{self, Record, RecordRef};
use ringfence_model::{Decision, Effect, FactSet, Ground, Labels, RuleName};

use crate::facts::{AttemptFacts, Limits};
use crate::session::{Session, record_labels};
use crate::verdict::built_in;
use crate::{Denied, Target};

/// Something that came in.
#[derive(Debug, Clone)]
pub struct Observed {
    /// `tool_list`, `tool_result`, `user_input`, `system_input`, `model_output` or `output`.
    pub event: &'static str,
    /// The server it came from, where one did.
    pub server: Option<String>,
    /// The decision's record that it answers, where it does.
    pub of: Option<u64>,
    /// What it says; goes into the encrypted payload.
    pub content: Vec<u8>,
    /// The labels of what came in.
    pub labels: Labels,
}

/// It may go on from here.
#[derive(Debug, Clone)]
pub struct Release {
    /// What was decided.
    pub decision: Decision,
    /// The session's labels afterwards.
    pub labels: Labels,
    /// The record that proves it.
    pub record: RecordRef,
}

impl Session {
    /// Records what came in and takes its labels over.
    ///
    /// # Errors
    /// The session has ended or is killed, or the log cannot be written: it is withheld.
    pub async fn observe(&self, seen: Observed) -> Result<Release, Denied> {
        let inner = &self.guard;
        let labels = self.state.touched(inner.now(), Some(seen.labels));
        let body = record::Observed {
            session: self.state.id.to_string(),
            event: seen.event.into(),
            server: seen.server,
            of: seen.of,
            labels: record_labels(labels),
        };
        let payload = Payload {
            session: self.state.id.to_string(),
            persons: vec![self.state.subject.sponsor.clone()],
            content: seen.content,
        };
        let appended = match inner.append(Record::Observed(body), Some(payload)).await {
            Ok(appended) => appended,
            Err(error) => return Err(inner.unrecorded(&error)),
        };
        let record = inner.record_ref(&appended);
        if let Some((rule, reason)) = inner.barred(&self.state, "") {
            let decision = inner.built_in_denial(rule, &reason);
            return Err(Denied { decision, record: Some(record), retry_after: None });
        }
        let decision = Decision {
            effect: Effect::Allow,
            ground: Ground::new(RuleName::built_in(built_in::OBSERVED), "taken in and recorded"),
            obligations: Vec::new(),
            policy_digest: inner.in_force().set.digest(),
            ask: None,
            read: FactSet::EMPTY,
        };
        Ok(Release { decision, labels, record })
    }

    /// Whether a tool may be shown: unless calling it is certain to be denied with arguments,
    /// time, session and limits unknown.
    pub fn visible(&self, action: &ringfence_model::Action, target: &Target) -> bool {
        let inner = &self.guard;
        if inner.barred(&self.state, &crate::check::leaf_resource(&action.resource)).is_some() {
            return false;
        }
        let force = self.in_force();
        if force.observes(inner.now()) {
            return true;
        }
        let facts = AttemptFacts::new(inner, &self.state, action, target, Limits::Unknown);
        !ringfence_policy::certainly_denied(&force.set, &facts)
    }
}
