//! Servers that run by themselves and speak Streamable HTTP.

use serde_json::{Value, json};

use crate::peer::{Language, Sdk};
use crate::same::same_far;

const EVERY: [Sdk; 5] = [Sdk::Python, Sdk::TypeScript, Sdk::TypeScriptAuto, Sdk::FastMcp, Sdk::Rmcp];

/// What both everything-servers have.
fn steps() -> Value {
    json!([
        { "do": "about" },
        { "do": "tools" },
        { "do": "call", "tool": "test_simple_text", "arguments": {} },
        { "do": "call", "tool": "test_image_content", "arguments": {} },
        { "do": "call", "tool": "test_error_handling", "arguments": {} },
        { "do": "call", "tool": "test_x_mcp_header", "arguments": { "region": "grüße" } },
        { "do": "call", "tool": "no-such-tool", "arguments": {} },
        { "do": "resources" },
        { "do": "templates" },
        { "do": "read", "uri": "test://template/42/data" },
        { "do": "read", "uri": "test://nothing" },
        { "do": "prompts" },
        { "do": "prompt", "name": "test_prompt_with_arguments", "arguments": { "arg1": "a", "arg2": "b" } },
        { "do": "call", "tool": "test_simple_text", "arguments": {} },
    ])
}

#[test]
fn the_python_server_answers_as_it_does_directly() {
    same_far(&EVERY, Language::Python, &steps());
}

#[test]
fn the_typescript_server_answers_as_it_does_directly() {
    same_far(&EVERY, Language::TypeScript, &steps());
}
