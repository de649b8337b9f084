//! Clients and servers of different eras, with every check in between.

use serde_json::{Value, json};

use super::world::World;

const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"sampling":{}}}"#;
const TOOLS: &str = r#"[{"name":"echo","inputSchema":{"type":"object"}},{"name":"wipe","inputSchema":{"type":"object"}},{"name":"slow","inputSchema":{"type":"object"}}]"#;

fn said(id: &Value, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

fn alone(id: &str, method: &str, more: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{more}"_meta":{META}}}}}"#)
}

fn call(id: &str, tool: &str, more: &str) -> String {
    alone(id, "tools/call", &format!(r#""name":"{tool}","arguments":{{"n":1e0}},{more}"#))
}

/// A client that begins with `initialize`, in front of a server that refuses it.
async fn older() -> World {
    let mut world = World::new().await;
    world.client.say(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{},"sampling":{}},"clientInfo":{"name":"c","version":"1"}}}"#).await;
    let asked = world.server.hear_json().await;
    let refusal =
        json!({ "jsonrpc": "2.0", "id": asked["id"], "error": { "code": -32601, "message": "gone" } });
    world.server.say(&refusal.to_string()).await;
    world.server.is_of_the_newer_era().await;
    let welcome = world.client.hear_json().await;
    assert_eq!(welcome["id"], 0);
    assert_eq!(welcome["result"]["protocolVersion"], "2025-06-18");
    world.client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    world.client.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    let asked = world
        .server
        .answers(
            "tools/list",
            &format!(r#"{{"resultType":"complete","tools":{TOOLS},"ttlMs":1,"cacheScope":"public"}}"#),
        )
        .await;
    assert_eq!(asked["params"]["_meta"], serde_json::from_str::<Value>(META).unwrap());
    let listed = world.client.hear_json().await;
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(listed["result"]["resultType"], Value::Null);
    world
}

/// A client whose requests stand alone, in front of a server that has to be begun with.
async fn newer() -> World {
    let mut world = World::new().await;
    world.client.say(&alone("1", "tools/list", "")).await;
    let probe = world.server.hear_json().await;
    assert_eq!(probe["method"], "server/discover", "nothing else before the era is known");
    let unknown =
        json!({ "jsonrpc": "2.0", "id": probe["id"], "error": { "code": -32602, "message": "begin" } });
    world.server.say(&unknown.to_string()).await;
    let asked = world.server.answers("initialize", r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"logging":{}},"serverInfo":{"name":"s","version":"1"}}"#).await;
    assert_eq!(asked["params"]["clientInfo"]["name"], "c");
    assert_eq!(asked["params"]["capabilities"], json!({ "elicitation": {}, "sampling": {} }));
    assert_eq!(world.server.hear_json().await["method"], "notifications/initialized");
    let asked = world.server.answers("tools/list", &format!(r#"{{"tools":{TOOLS}}}"#)).await;
    assert_eq!(asked["params"], json!({}));
    let listed = world.client.hear_json().await;
    assert_eq!(listed["id"], 1);
    assert_eq!(listed["result"]["resultType"], "complete");
    assert_eq!(listed["result"]["cacheScope"], "private");
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 2, "{listed}");
    world
}

#[tokio::test]
async fn a_client_that_begins_with_initialize_uses_a_server_whose_requests_stand_alone() {
    let mut world = older().await;
    world.client.say(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"n":1e0}}}"#).await;
    // Numbers are as they were written.
    world
        .server
        .hears_only(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"n":1e0},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"sampling":{}},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}}}}"#)
        .await;
    // What it asks first, the client is asked; what policy has something against, it is not.
    world.server.say(r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"input_required","requestState":"st","inputRequests":{"q":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1,"modelPreferences":{"hints":[{"name":"small"}]}}}}}}"#).await;
    let question = world.client.hear_json().await;
    assert_eq!(question["method"], "sampling/createMessage");
    world
        .client
        .say(&said(
            &question["id"],
            r#"{"role":"assistant","content":{"type":"text","text":"ok"},"model":"m"}"#,
        ))
        .await;
    let again = world.server.hear_json().await;
    assert_ne!(again["id"], 2);
    assert_eq!(again["params"]["requestState"], "st");
    assert_eq!(again["params"]["inputResponses"]["q"]["model"], "m");
    assert_eq!(again["params"]["name"], "echo");
    world.server.say(&said(&again["id"], r#"{"resultType":"complete","content":[]}"#)).await;
    world.client.hears_only(r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#).await;
    // Both times the call was checked, and so was the question.
    assert_eq!(world.calls_of("echo").await, ["ok", "ok"]);
}

#[tokio::test]
async fn what_policy_denies_is_denied_in_the_client_s_own_words() {
    let mut world = older().await;
    world.client.say(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"wipe"}}"#).await;
    let denied = world.client.hear_json().await;
    assert_eq!(denied["result"]["_meta"]["ringfence/decision"]["decision"], "deny");
    assert_eq!(denied["result"]["resultType"], Value::Null);
    // The person may not be asked anything here, so the question goes no further.
    world.client.say(r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"echo"}}"#).await;
    assert_eq!(world.server.hear_json().await["id"], 3);
    world.server.say(r#"{"jsonrpc":"2.0","id":3,"result":{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"password?","requestedSchema":{"type":"object","properties":{}}}}}}}"#).await;
    let denied = world.client.hear_json().await;
    assert_eq!((&denied["id"], &denied["error"]["code"]), (&json!(3), &json!(-32010)), "{denied}");

    let mut world = newer().await;
    world.client.say(&call("2", "wipe", "")).await;
    let denied = world.client.hear_json().await;
    assert_eq!(denied["id"], 2);
    assert_eq!(denied["result"]["resultType"], "complete");
    assert_eq!(denied["result"]["_meta"]["ringfence/decision"]["decision"], "deny");
}

#[tokio::test]
async fn a_client_whose_requests_stand_alone_uses_a_server_that_begins_with_initialize() {
    let mut world = newer().await;
    world.client.say(&call("2", "slow", "")).await;
    let asked = world.server.hear_json().await;
    assert_eq!(asked["params"], json!({ "name": "slow", "arguments": { "n": 1.0 } }));
    // In mid-call the server asks its client's model, which is checked; the call is answered with it.
    world.server.say(r#"{"jsonrpc":"2.0","id":"s-1","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1,"modelPreferences":{"hints":[{"name":"small"}]}}}"#).await;
    let interim = world.client.hear_json().await;
    assert_eq!(interim["id"], 2);
    assert_eq!(interim["result"]["resultType"], "input_required");
    let (name, question) = interim["result"]["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(question["method"], "sampling/createMessage");
    let more = format!(
        r#""inputResponses":{{"{name}":{{"role":"assistant","content":{{"type":"text","text":"ok"}},"model":"m"}}}},"requestState":{},"#,
        interim["result"]["requestState"]
    );
    // It comes back with another call's: no.
    world.client.say(&call("3", "echo", &more)).await;
    assert_eq!(world.client.hear_json().await["error"]["code"], -32602);
    world.client.say(&call("4", "slow", &more)).await;
    let answer = world.server.hear_json().await;
    assert_eq!((&answer["id"], &answer["result"]["model"]), (&json!("s-1"), &json!("m")));
    world.server.say(&said(&asked["id"], r#"{"content":[]}"#)).await;
    world
        .client
        .hears_only(r#"{"jsonrpc":"2.0","id":4,"result":{"content":[],"resultType":"complete"}}"#)
        .await;
    // The call was made once.
    assert_eq!(world.calls_of("slow").await, ["ok"]);
    // What the person may not be asked is not asked.
    world.client.say(&call("5", "slow", "")).await;
    world.server.hear_json().await;
    world.server.say(r#"{"jsonrpc":"2.0","id":"s-2","method":"elicitation/create","params":{"message":"password?","requestedSchema":{"type":"object","properties":{}}}}"#).await;
    let refused = world.server.hear_json().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!("s-2"), &json!(-32010)));
}
