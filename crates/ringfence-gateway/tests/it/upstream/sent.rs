//! What a server is sent.

use super::world::World;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;

fn alone(id: u32, method: &str, more: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{more}{META}}}}}"#)
}

async fn listed(tools: &str) -> (World, Vec<String>) {
    let mut world = World::new().await;
    world.say(&alone(1, "tools/list", "")).await;
    let asked = world.asked().await;
    assert_eq!(asked.header("mcp-method"), Some("tools/list"));
    assert_eq!(asked.header("mcp-name"), None);
    assert_eq!(asked.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(asked.header("mcp-session-id"), None);
    assert_eq!(asked.header("accept"), Some("application/json, text/event-stream"));
    asked.json("", &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{tools}}}}}"#)).await;
    let list = world.hear_json().await;
    let tools = list["result"]["tools"].as_array().unwrap().iter();
    let names = tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
    (world, names)
}

#[tokio::test]
async fn a_request_that_stands_alone_says_itself_in_its_headers() {
    let (mut world, names) = listed(r#"[{"name":"t","inputSchema":{"type":"object","properties":{"city":{"type":"string","x-mcp-header":"City"},"n":{"type":"integer","x-mcp-header":"N"},"o":{"type":"object","properties":{"b":{"type":"boolean","x-mcp-header":"B"}}},"s":{"type":"string"}}}},{"name":"bad","inputSchema":{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"no good"}}}},{"name":"split","inputSchema":{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"a\r\nb"}}}}]"#).await;
    assert_eq!(names, ["t"]);
    let call = alone(
        2,
        "tools/call",
        r#""name":"t","arguments":{"city":"Zürich","n":5,"o":{"b":true},"s":"secret"},"#,
    );
    world.say(&call).await;
    let asked = world.asked().await;
    assert_eq!(asked.body, call);
    for (header, value) in [
        ("mcp-method", Some("tools/call")),
        ("mcp-name", Some("t")),
        ("mcp-param-city", Some("=?base64?WsO8cmljaA==?=")),
        ("mcp-param-n", Some("5")),
        ("mcp-param-b", Some("true")),
        ("mcp-param-s", None),
    ] {
        assert_eq!(asked.header(header), value, "{header}");
    }
    for (uri, value) in [
        (r"a\r\nAuthorization: Bearer mine", "=?base64?YQ0KQXV0aG9yaXphdGlvbjogQmVhcmVyIG1pbmU=?="),
        (" a", "=?base64?IGE=?="),
        ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ("file:///a b", "file:///a b"),
    ] {
        world.say(&alone(3, "resources/read", &format!(r#""uri":"{uri}","#))).await;
        // What a server is shown is held wherever it is asked.
        assert_eq!(world.asked().await.header("mcp-name"), Some(value), "{uri}");
        world.error(3).await;
    }
}

#[tokio::test]
async fn to_cancel_is_to_close_where_requests_stand_alone() {
    let mut world = World::new().await;
    world.say(&alone(1, "tools/call", r#""name":"t","#)).await;
    let mut asked = world.asked().await;
    asked.stream().await;
    world.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#).await;
    asked.closes().await;
    // Nothing else was said: the next request is the next that comes.
    world.say(&alone(2, "tools/list", "")).await;
    assert!(world.asked().await.body.contains("tools/list"));
}

#[tokio::test]
async fn to_cancel_is_to_close_where_a_session_was_refused_first() {
    let mut world = World::new().await;
    world.say(super::world::INITIALIZE).await;
    world.asked().await.status("400 Bad Request").await;
    world.error(0).await;
    world.say(&alone(1, "tools/call", r#""name":"t","#)).await;
    let asked = world.asked().await;
    world.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#).await;
    asked.closes().await;
    world.say(&alone(2, "tools/list", "")).await;
    assert!(world.asked().await.body.contains("tools/list"));
}

#[tokio::test]
async fn to_cancel_is_to_say_so_in_a_session() {
    let mut world = World::begun().await;
    world.say(super::world::PING).await;
    let asked = world.asked().await;
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    world.say(cancelled).await;
    let told = world.asked().await;
    assert_eq!((told.body.as_str(), told.header("mcp-session-id")), (cancelled, Some("one")));
    told.status("202 Accepted").await;
    asked.closes().await;
}
