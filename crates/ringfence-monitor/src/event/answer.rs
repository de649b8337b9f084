//! The answers, as they stand on a line.

use ringfence_audit::record::RecordRef;
use ringfence_guard::obligation_json;
use ringfence_model::{Decision, Effect, Labels, Timestamp};
use serde_json::{Value, json};

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer(Value);

impl Answer {
    pub(super) fn error(id: Option<&Value>, error: &str) -> Answer {
        Answer(json!({ "id": id, "error": error, "decision": Effect::Deny.as_str() }))
    }

    pub(super) fn decision(
        id: &str,
        decision: &Decision,
        labels: Labels,
        record: Option<&RecordRef>,
    ) -> Answer {
        let mut answer = json!({
            "id": id,
            "decision": decision.effect.as_str(),
            "rule": decision.rule().as_str(),
            "reason": decision.reason(),
            "obligations": decision.obligations.iter().map(obligation_json).collect::<Vec<_>>(),
            "findings": [],
            "labels": {
                "integrity": labels.integrity.as_str(),
                "confidentiality": labels.confidentiality.as_str(),
            },
            "policy_digest": decision.policy_digest.to_string(),
        });
        if let (Some(record), Some(members)) = (record, answer.as_object_mut()) {
            let record = json!({
                "origin": &*record.origin,
                "index": record.index,
                "leaf": record.leaf.to_string(),
            });
            members.insert("record".to_owned(), record);
        }
        Answer(answer)
    }

    /// Names the ask that waits.
    pub(super) fn asking(mut self, approval: &str, expires: Timestamp) -> Answer {
        if let Some(members) = self.0.as_object_mut() {
            members.insert("approval".to_owned(), json!({ "id": approval, "expires": expires.to_string() }));
        }
        self
    }

    /// Says that what was decided is not enforced for now.
    pub(super) fn observing(mut self) -> Answer {
        if let Some(members) = self.0.as_object_mut() {
            members.insert("observing".to_owned(), Value::Bool(true));
        }
        self
    }

    /// Whether the answer is that it may go on.
    pub fn allows(&self) -> bool {
        self.0.get("decision").and_then(Value::as_str) == Some(Effect::Allow.as_str())
    }

    /// The line, without its end.
    pub fn to_line(&self) -> String {
        self.0.to_string()
    }
}
