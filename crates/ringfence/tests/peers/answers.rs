//! What clients are told: through the wrapper the same as without it, and where policy says no,
//! words that the model reads.

use std::fs;

use serde_json::{Value, json};

use crate::peer::{Sdk, modern, npm};
use crate::place::{OPEN, Place};
use crate::same::{compare, same};

const BOTH: [Sdk; 2] = [Sdk::Python, Sdk::TypeScript];

#[test]
fn the_everything_server_answers_as_it_does_directly() {
    same(
        &BOTH,
        "everything",
        |_| npm("everything", &[]),
        |_| {
            json!([
                { "do": "about" },
                { "do": "tools" },
                { "do": "call", "tool": "echo", "arguments": { "message": "grüße \u{1F600} \u{0} \\u0000" } },
                { "do": "call", "tool": "get-sum", "arguments": { "a": 2, "b": 3.5 } },
                { "do": "call", "tool": "get-tiny-image", "arguments": {} },
                { "do": "call", "tool": "get-structured-content", "arguments": { "location": "Chicago" } },
                { "do": "call", "tool": "get-resource-links", "arguments": { "count": 3 } },
                { "do": "call", "tool": "get-annotated-message", "arguments": { "messageType": "error", "includeImage": true } },
                { "do": "call", "tool": "trigger-long-running-operation", "arguments": { "duration": 0.3, "steps": 3 }, "progress": true },
                { "do": "call", "tool": "no-such-tool", "arguments": {} },
                { "do": "resources" },
                { "do": "templates" },
                { "do": "read", "uri": "demo://resource/static/document/architecture.md" },
                { "do": "read", "uri": "demo://nothing" },
                { "do": "prompts" },
                { "do": "prompt", "name": "args-prompt", "arguments": { "city": "Bonn" } },
                { "do": "cancel", "tool": "trigger-long-running-operation", "arguments": { "duration": 60, "steps": 200 } },
                { "do": "call", "tool": "echo", "arguments": { "message": "still there" } },
            ])
        },
    );
}

#[test]
fn the_filesystem_server_answers_as_it_does_directly_big_files_included() {
    same(
        &BOTH,
        "files",
        |place| {
            let folder = place.path("shared");
            fs::create_dir_all(&folder).unwrap();
            fs::write(format!("{folder}/small.txt"), "small\r\n\u{2028}").unwrap();
            fs::write(format!("{folder}/big.txt"), "0123456789abcde\n".repeat(1 << 18)).unwrap();
            npm("filesystem", &[&folder])
        },
        |place| {
            let file = |name: &str| place.path(&format!("shared/{name}"));
            json!([
                { "do": "tools" },
                { "do": "call", "tool": "read_text_file", "arguments": { "path": file("small.txt") } },
                { "do": "call", "tool": "read_text_file", "arguments": { "path": file("big.txt") } },
                { "do": "call", "tool": "write_file", "arguments": { "path": file("new.txt"), "content": "x".repeat(1 << 16) } },
                { "do": "call", "tool": "read_text_file", "arguments": { "path": file("../ringfence.yaml") } },
                { "do": "call", "tool": "list_directory", "arguments": { "path": place.path("shared") } },
            ])
        },
    );
}

#[test]
fn the_memory_server_answers_as_it_does_directly() {
    same(
        &BOTH,
        "memory",
        |place| {
            let store = place.path("memory.json");
            // Each run starts from nothing.
            drop(fs::remove_file(&store));
            let mut command = vec!["env".to_owned(), format!("MEMORY_FILE_PATH={store}")];
            command.extend(npm("memory", &[]));
            command
        },
        |_| {
            json!([
                { "do": "tools" },
                { "do": "call", "tool": "delete_entities", "arguments": { "entityNames": ["a", "b"] } },
                { "do": "call", "tool": "create_entities", "arguments": { "entities": [{ "name": "a", "entityType": "t", "observations": ["o"] }] } },
                { "do": "call", "tool": "search_nodes", "arguments": { "query": "a" } },
                { "do": "call", "tool": "read_graph", "arguments": {} },
            ])
        },
    );
}

/// Most clients speak 2026-07-28 to it, which over HTTP is a POST for each request and no session;
/// the TypeScript SDK speaks 2025-11-25 unless it is told to ask first.
#[test]
fn a_server_of_the_newest_revision_answers_as_it_does_directly() {
    same(
        &[Sdk::Python, Sdk::TypeScript, Sdk::TypeScriptAuto, Sdk::FastMcp],
        "modern",
        |_| modern(),
        |_| {
            json!([
                { "do": "about" },
                { "do": "tools" },
                { "do": "call", "tool": "echo", "arguments": { "text": "grüße" } },
                { "do": "call", "tool": "none", "arguments": {} },
                { "do": "resources" },
                { "do": "read", "uri": "demo://a" },
            ])
        },
    );
}

#[test]
fn servers_that_are_served_as_one_answer_as_they_do_alone() {
    let place = Place::new(OPEN);
    let (everything, memory) = (npm("everything", &[]), npm("memory", &[]));
    let steps = |name: &str, uri: &str| {
        json!([
            { "do": "tools" },
            { "do": "call", "tool": format!("{name}echo"), "arguments": { "message": "grüße everything" } },
            { "do": "call", "tool": format!("{name}get-resource-links"), "arguments": { "count": 2 } },
            { "do": "call", "tool": format!("{name}trigger-long-running-operation"), "arguments": { "duration": 0.1, "steps": 2 }, "progress": true },
            { "do": "cancel", "tool": format!("{name}trigger-long-running-operation"), "arguments": { "duration": 30, "steps": 300 } },
            { "do": "resources" },
            { "do": "templates" },
            { "do": "read", "uri": format!("{uri}demo://resource/static/document/features.md") },
            { "do": "prompts" },
            { "do": "prompt", "name": format!("{name}args-prompt"), "arguments": { "city": "Bern" } },
        ])
    };
    for sdk in BOTH {
        let direct = sdk.play(&steps("", ""), &everything, &place.mark);
        let up = place.up_as_one(&[("everything", &everything), ("memory", &memory)]);
        let asked = steps("everything__", "mcp+everything+");
        let served = sdk.play(&asked, std::slice::from_ref(&up.url), &place.mark);
        up.end();
        place.nothing_left();
        let others = served[0]["tools"].as_array().unwrap().iter();
        let others = others.filter(|tool| tool["name"].as_str().unwrap().starts_with("memory__"));
        assert!(others.count() > 5, "{sdk:?}: {}", served[0]);
        let alone: Vec<Value> = served.into_iter().map(|said| as_alone("everything", said)).collect();
        compare(sdk, "as one", &direct, &alone);
    }
    place.finish();
}

/// What one of several servers said, called as it calls it itself.
fn as_alone(server: &str, mut said: Value) -> Value {
    let (name, uri) = (format!("{server}__"), format!("mcp+{server}+"));
    for (list, key, own) in [
        ("tools", "name", &name),
        ("prompts", "name", &name),
        ("resources", "uri", &uri),
        ("resourceTemplates", "uriTemplate", &uri),
    ] {
        if let Some(items) = said[list].as_array_mut() {
            items.retain(|item| item[key].as_str().unwrap().starts_with(own.as_str()));
        }
    }
    let text = said.to_string().replace(&format!("\"{name}"), "\"").replace(&uri, "");
    let mut said: Value = serde_json::from_str(&text).unwrap();
    if let Some(object) = said.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    said
}

#[test]
fn a_denied_call_reaches_the_model_as_a_failed_one() {
    let policy = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: some}
layer: team
subjects: ["**"]
rules:
  - {id: look, effect: allow, actions: [tool.list], resources: ["mcp://everything"]}
  - {id: call, effect: allow, actions: [tool.call], resources: ["mcp://everything/echo", "mcp://everything/get-sum"]}
  - {id: small, effect: deny, actions: [tool.call], resources: ["mcp://everything/get-sum"], when: args.a > 100, reason: Sums of more than 100 are made by people.}
"#;
    let (place, over_http) = (Place::new(policy), Place::new(policy));
    let steps = json!([
        { "do": "tools" },
        { "do": "call", "tool": "get-sum", "arguments": { "a": 1, "b": 2 } },
        { "do": "call", "tool": "get-sum", "arguments": { "a": 101, "b": 2 } },
        { "do": "call", "tool": "get-env", "arguments": {} },
        { "do": "call", "tool": "get-sum", "arguments": { "a": "x", "b": 2 } },
        { "do": "resources" },
        { "do": "call", "tool": "echo", "arguments": { "message": "still there" } },
    ]);
    for sdk in BOTH {
        let up = over_http.up("everything", &npm("everything", &[]));
        let served = sdk.play(&steps, std::slice::from_ref(&up.url), &over_http.mark);
        up.end();
        let said = sdk.play(&steps, &place.wrapped("everything", &npm("everything", &[])), &place.mark);
        for (said, served) in said.iter().zip(&served) {
            // Who asks has another name there, and records differ.
            let rule = |said: &Value| said["_meta"]["ringfence/decision"]["rule"].clone();
            assert_eq!(said.get("isError"), served.get("isError"), "{sdk:?}: {served}");
            assert_eq!(rule(said), rule(served), "{sdk:?}");
            assert_eq!(said.get("tools"), served.get("tools"), "{sdk:?}");
            assert_eq!(said["error"]["code"], served["error"]["code"], "{sdk:?}: {served}");
        }
        let names: Vec<&str> =
            said[0]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["echo", "get-sum"], "{sdk:?}");
        assert_ne!(said[1]["isError"], true);
        assert_eq!(said[2]["isError"], true);
        let text = said[2]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("Sums of more than 100 are made by people."), "{text}");
        assert_eq!(said[2]["_meta"]["ringfence/decision"]["rule"], "some/small");
        assert_eq!(said[3]["isError"], true);
        assert_eq!(said[4]["isError"], true);
        assert_eq!(said[5]["error"]["code"], -32010, "{sdk:?}");
        assert_ne!(said[6]["isError"], true);
    }
    over_http.finish();
    place.finish();
}
