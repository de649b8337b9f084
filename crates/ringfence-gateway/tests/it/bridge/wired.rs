//! Through the wrapper, under a policy: what is denied stays denied in either era.

use ringfence_gateway::mcp::stdio::Schema;
use serde_json::Value;

use super::script::META;
use crate::stdio::world::{TOOLS, World};

const POLICY: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: test}
layer: team
subjects: ["**"]
rules:
  - {id: look, effect: allow, actions: [tool.list], resources: ["mcp://srv"]}
  - {id: call, effect: allow, actions: [tool.call], resources: ["mcp://srv/echo"]}
  - {id: small, effect: allow, actions: [model.call], resources: ["model://client/small"]}
"#;

async fn newer_to_older() -> World {
    let mut world = World::with(POLICY, Schema::Enforce).await;
    world.client.say(&newer(0, "tools/list", "")).await;
    let asked = world.server.hear_json().await;
    assert_eq!(asked["method"], "server/discover");
    world
        .server
        .say(&format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32601,"message":"what?"}}}}"#,
            asked["id"]
        ))
        .await;
    world
        .server
        .answers("initialize", r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}"#)
        .await;
    assert_eq!(world.server.hear_json().await["method"], "notifications/initialized");
    world.server.answers("tools/list", &format!(r#"{{"tools":{TOOLS}}}"#)).await;
    let list = world.client.hear_json().await;
    assert_eq!(names(&list), ["echo"]);
    assert_eq!(list["result"]["resultType"], "complete");
    world
}

async fn older_to_newer() -> World {
    let mut world = World::with(POLICY, Schema::Enforce).await;
    world.client.say(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"sampling":{},"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}}"#).await;
    let asked = world.server.hear_json().await;
    assert_eq!(asked["method"], "initialize");
    world.server.say(r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"what?"}}"#).await;
    world.server.is_of_the_newer_era().await;
    assert_eq!(world.client.hear_json().await["result"]["protocolVersion"], "2025-11-25");
    world.client.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    let tools = format!(r#"{{"resultType":"complete","tools":{TOOLS},"ttlMs":9,"cacheScope":"public"}}"#);
    world.server.answers("tools/list", &tools).await;
    let list = world.client.hear_json().await;
    assert_eq!(names(&list), ["echo"]);
    assert_eq!(list["result"]["ttlMs"], Value::Null);
    world
}

fn names(list: &Value) -> Vec<&str> {
    list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

fn newer(id: u32, method: &str, more: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{more}"_meta":{{{META}}}}}}}"#)
}

fn sampling(model: &str) -> String {
    format!(r#"{{"messages":[],"maxTokens":1,"modelPreferences":{{"hints":[{{"name":"{model}"}}]}}}}"#)
}

#[tokio::test]
async fn a_newer_client_is_denied_as_any_other_and_told_in_its_own_way() {
    let mut world = newer_to_older().await;
    world.client.say(&newer(1, "tools/call", r#""name":"wipe","arguments":{},"#)).await;
    let denied = world.client.hear_json().await;
    assert_eq!((&denied["id"], &denied["result"]["isError"]), (&1.into(), &true.into()));
    assert_eq!(denied["result"]["resultType"], "complete");
    assert_eq!(denied["result"]["_meta"]["ringfence/decision"]["decision"], "deny");
    world.client.say(&newer(2, "resources/read", r#""uri":"file:///a","#)).await;
    let denied = world.client.hear_json().await;
    assert_eq!((&denied["id"], &denied["error"]["code"]), (&2.into(), &(-32010).into()));
    // The server has heard of neither.
    world.client.say(&newer(3, "tools/call", r#""name":"echo","arguments":{"text":"a"},"#)).await;
    let heard = world.server.answers("tools/call", r#"{"content":[]}"#).await;
    assert_eq!(heard["params"]["arguments"]["text"], "a");
    assert_eq!(world.client.hear_json().await["id"], 3);
}

#[tokio::test]
async fn what_an_older_server_asks_of_a_newer_client_is_decided() {
    let mut world = newer_to_older().await;
    world.client.say(&newer(1, "tools/call", r#""name":"echo","arguments":{},"#)).await;
    let call = world.server.hear_json().await;
    for (method, params) in [
        ("elicitation/create", r#"{"message":"Your password?"}"#.to_owned()),
        ("sampling/createMessage", sampling("large")),
    ] {
        world
            .server
            .say(&format!(r#"{{"jsonrpc":"2.0","id":5,"method":"{method}","params":{params}}}"#))
            .await;
        assert_eq!(world.server.hear_json().await["error"]["code"], -32010, "{method}");
    }
    world
        .server
        .say(&format!(
            r#"{{"jsonrpc":"2.0","id":6,"method":"sampling/createMessage","params":{}}}"#,
            sampling("small")
        ))
        .await;
    let asked = world.client.hear_json().await;
    assert_eq!((&asked["id"], &asked["result"]["resultType"]), (&1.into(), &"input_required".into()));
    let (name, question) = asked["result"]["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(question["method"], "sampling/createMessage");
    let again = format!(
        r#""name":"echo","arguments":{{}},"requestState":{},"inputResponses":{{"{name}":{{"model":"small"}}}},"#,
        asked["result"]["requestState"]
    );
    world.client.say(&newer(2, "tools/call", &again)).await;
    let answer = world.server.hear_json().await;
    assert_eq!((&answer["id"], &answer["result"]["model"]), (&6.into(), &"small".into()));
    world.server.say(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[]}}}}"#, call["id"])).await;
    assert_eq!(world.client.hear_json().await["id"], 2);
    // One call, once decided.
    assert_eq!(world.calls_of("echo").await, ["ok"]);
}

#[tokio::test]
async fn an_older_client_is_denied_as_any_other_and_told_in_its_own_way() {
    let mut world = older_to_newer().await;
    world
        .client
        .say(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"wipe","arguments":{}}}"#)
        .await;
    let denied = world.client.hear_json().await;
    assert_eq!((&denied["id"], &denied["result"]["isError"]), (&2.into(), &true.into()));
    assert_eq!(denied["result"]["resultType"], Value::Null);
    // A subscription is a reading, whatever it is called there.
    world
        .client
        .say(r#"{"jsonrpc":"2.0","id":3,"method":"resources/subscribe","params":{"uri":"file:///a"}}"#)
        .await;
    let denied = world.client.hear_json().await;
    assert_eq!((&denied["id"], &denied["error"]["code"]), (&3.into(), &(-32010).into()));
    world
        .client
        .say(r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#)
        .await;
    world.server.answers("tools/call", r#"{"resultType":"complete","content":[]}"#).await;
    assert_eq!(world.client.hear_json().await["id"], 4);
}

#[tokio::test]
async fn what_a_newer_server_asks_of_an_older_client_is_decided() {
    let mut world = older_to_newer().await;
    let call = |id: u32| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{}}}}}}"#
        )
    };
    let asking = |method: &str, params: &str| {
        format!(
            r#"{{"resultType":"input_required","inputRequests":{{"q":{{"method":"{method}","params":{params}}}}},"requestState":"s"}}"#
        )
    };
    for (id, method, params) in [
        (2, "elicitation/create", r#"{"message":"Your password?"}"#.to_owned()),
        (3, "sampling/createMessage", sampling("large")),
    ] {
        world.client.say(&call(id)).await;
        world.server.answers("tools/call", &asking(method, &params)).await;
        let denied = world.client.hear_json().await;
        assert_eq!((&denied["id"], &denied["error"]["code"]), (&id.into(), &(-32010).into()));
    }
    world.client.say(&call(4)).await;
    world.server.answers("tools/call", &asking("sampling/createMessage", &sampling("small"))).await;
    let asked = world.client.hear_json().await;
    assert_eq!(asked["method"], "sampling/createMessage");
    world
        .client
        .say(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"model":"small"}}}}"#, asked["id"]))
        .await;
    let again = world.server.answers("tools/call", r#"{"resultType":"complete","content":[]}"#).await;
    assert_eq!(again["params"]["inputResponses"]["q"]["model"], "small");
    assert_eq!(again["params"]["requestState"], "s");
    assert_eq!(world.client.hear_json().await["id"], 4);
    // Made again, it is decided again.
    assert_eq!(world.calls_of("echo").await, ["ok", "ok", "ok", "ok"]);
}

#[tokio::test]
async fn a_silent_server_is_waited_for_and_then_begun_with() {
    let mut world = World::with(POLICY, Schema::Enforce).await;
    world.client.say(&newer(0, "tools/list", "")).await;
    assert_eq!(world.server.hear_json().await["method"], "server/discover");
    tokio::time::pause();
    let begun = world.server.hear_json().await;
    tokio::time::resume();
    assert_eq!(begun["method"], "initialize");
}
