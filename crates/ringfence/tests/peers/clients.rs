//! Further clients than the SDKs that the other tests speak through.

use serde_json::{Value, json};

use crate::peer::{Sdk, npm};
use crate::same::same;

/// What each of them can be asked for, before what only some can.
fn steps() -> Vec<Value> {
    vec![
        json!({ "do": "tools" }),
        json!({ "do": "call", "tool": "echo", "arguments": { "message": "grüße \u{1F600} \u{0}" } }),
        json!({ "do": "call", "tool": "get-structured-content", "arguments": { "location": "Chicago" } }),
        json!({ "do": "call", "tool": "no-such-tool", "arguments": {} }),
        json!({ "do": "templates" }),
        json!({ "do": "read", "uri": "demo://resource/static/document/architecture.md" }),
        json!({ "do": "read", "uri": "demo://nothing" }),
        json!({ "do": "prompt", "name": "args-prompt", "arguments": { "city": "Bonn" } }),
    ]
}

fn is_told_the_same(client: Sdk, more: &[Value]) {
    let steps = [steps(), more.to_vec()].concat();
    same(&[client], "everything", |_| npm("everything", &[]), |_| Value::from(steps.clone()));
}

#[test]
fn fastmcp_is_told_the_same() {
    is_told_the_same(Sdk::FastMcp, &[json!({ "do": "about" }), json!({ "do": "prompts" })]);
}

#[test]
fn the_inspector_is_told_the_same() {
    is_told_the_same(Sdk::Inspector, &[]);
}

#[test]
fn rmcp_is_told_the_same() {
    is_told_the_same(Sdk::Rmcp, &[json!({ "do": "about" }), json!({ "do": "prompts" })]);
}
