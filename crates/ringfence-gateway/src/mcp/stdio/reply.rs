//! What Ringfence itself says on the wire.

use ringfence_guard::{Cut, Denied, Pending, RecordRef, obligation_json};
use ringfence_model::{Decision, Effect};
use serde_json::{Value, json};

use super::attempt::Sending;
use super::check::Asked;
use crate::mcp::edit;
use crate::mcp::envelope::{Id, Refused};

/// A message that could not be read.
pub(super) fn refused(refused: &Refused) -> Vec<u8> {
    edit::refused(refused).into_bytes()
}

/// A request that is of no use (JSON-RPC 2.0, section 5.1).
pub(super) fn error(id: Id<'_>, code: i32, message: &str) -> Vec<u8> {
    let message = Value::from(message);
    format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":{code},"message":{message}}}}}"#, id.text())
        .into_bytes()
}

/// A request about a task of a client that has not declared that it has them (SEP-2663).
pub(super) fn no_tasks(id: Id<'_>) -> Vec<u8> {
    let data = json!({ "requiredCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } } });
    let error =
        json!({ "code": -32021, "message": "the client has not declared that it has tasks", "data": data });
    format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id.text()).into_bytes()
}

/// A request that is denied: a result for a tool's call, so that the model reads why; an error
/// for everything else.
pub(super) fn denied(asked: &Asked, denied: &Denied) -> Vec<u8> {
    let decision = decision(&denied.decision, denied.record.as_ref());
    let text = format!("Ringfence denied this ({}): {}", denied.decision.rule(), denied.decision.reason());
    not_done(asked, &text, &decision)
}

/// A request that nobody has answered the ask of.
pub(super) fn still_waiting(asked: &Asked, pending: &Pending<Sending>) -> Vec<u8> {
    let mut decision = decision(pending.decision(), pending.record());
    let id = pending.ticket().as_str();
    if let Some(members) = decision.as_object_mut() {
        let approval = json!({ "id": id, "expires": pending.expires().to_string() });
        members.insert("approval".to_owned(), approval);
    }
    let text = format!(
        "A person has to approve this first (approval {id}, until {}): {}. Nobody has answered yet. Make the same call again once it is approved.",
        pending.expires(),
        pending.decision().reason()
    );
    not_done(asked, &text, &decision)
}

/// A request that was stopped while it was under way.
pub(super) fn stopped(asked: &Asked, cut: &Cut) -> Vec<u8> {
    let decision =
        json!({ "decision": Effect::Deny.as_str(), "rule": "ringfence/killed", "reason": cut.reason });
    not_done(asked, &format!("Ringfence stopped this while it was under way: {}", cut.reason), &decision)
}

/// Tells whoever works on a request that nobody wants it any more (Utilities, Cancellation).
pub(super) fn cancelled(asked: &Asked) -> Vec<u8> {
    let id = asked.id();
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{},"reason":"stopped by Ringfence"}}}}"#,
        id.text()
    )
    .into_bytes()
}

fn not_done(asked: &Asked, text: &str, decision: &Value) -> Vec<u8> {
    match asked.method.as_str() {
        "tools/call" => edit::denied_call(asked.id(), asked.result_type, text, decision).into_bytes(),
        _ => edit::denied(asked.id(), text, decision).into_bytes(),
    }
}

fn decision(decision: &Decision, record: Option<&RecordRef>) -> Value {
    json!({
        "decision": decision.effect.as_str(),
        "rule": decision.rule().as_str(),
        "reason": decision.reason(),
        "obligations": decision.obligations.iter().map(obligation_json).collect::<Vec<_>>(),
        "policy_digest": decision.policy_digest.to_string(),
        "record": record.map(|record| json!({
            "origin": &*record.origin,
            "index": record.index,
            "leaf": record.leaf.to_string(),
        })),
    })
}

/// A call that waits says so (Utilities, Progress).
pub(super) fn progress(token: &str, round: u64, rounds: u64, approval: &str) -> Vec<u8> {
    let message = Value::from(format!("waiting for a person (approval {approval})"));
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{round},"total":{rounds},"message":{message}}}}}"#
    )
    .into_bytes()
}
