//! Lists of tools: what the client sees of them, and what calls are held against.

use serde_json::Value;

use super::world::{MARK_OF_SERVER, TOOLS, World, call};

fn names(list: &Value) -> Vec<&str> {
    list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

/// The wrapper's own request for tools; `cursor` is what it should ask from.
async fn own_request(world: &mut World, cursor: Option<&str>) -> String {
    let request = world.server.hear_json().await;
    assert_eq!(request["method"], "tools/list", "{request}");
    assert_eq!(request["params"]["cursor"].as_str(), cursor, "{request}");
    request["id"].to_string()
}

fn page(id: &str, tools: &str, rest: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":{tools}{rest}}}}}"#)
}

fn failure(id: &str, code: i32, message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)
}

#[tokio::test]
async fn tools_that_are_denied_whatever_their_arguments_are_not_shown() {
    let mut world = World::new().await;
    let list = world.list(TOOLS).await;
    assert_eq!(names(&list), ["echo", "buy", "slow"]);
}

#[tokio::test]
async fn a_list_of_which_all_is_shown_is_the_same_to_the_byte() {
    let mut world = World::new().await;
    world.client.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    world.server.hear().await;
    let answer = r#"{"result": {"tools" :[ {"name":"echo" ,"inputSchema":{"type":"object"},"x":1.0} ],"y":[]},"jsonrpc":"2.0","id":1}"#;
    world.server.say(answer).await;
    world.client.hears_only(answer).await;
}

#[tokio::test]
async fn a_tool_with_an_unusable_schema_is_neither_shown_nor_called() {
    let mut world = World::new().await;
    let list = world
        .list(r#"[{"name":"odd","inputSchema":{"type":"object","properties":{"a":{"pattern":"(?=x)y"}}}},{"name":"slow"},{"name":"echo","inputSchema":{}}]"#)
        .await;
    assert_eq!(names(&list), ["echo"]);
    for tool in ["odd", "slow"] {
        world.client.say(&call("1", tool, "{}")).await;
        assert_eq!(world.client.hear_json().await["result"]["isError"], true);
        assert_eq!(world.calls_of(tool).await, ["deny"]);
    }
}

#[tokio::test]
async fn before_any_list_the_wrapper_asks_for_it_and_holds_the_call_against_it() {
    let mut world = World::new().await;
    world.client.say(&call("1", "echo", r#"{"text":7}"#)).await;
    world.client.say(&call("2", "echo", r#"{"text":"t"}"#)).await;
    let id = own_request(&mut world, None).await;
    // The second waits as well, and asks for nothing of its own.
    world.server.say(&page(&id, "[]", r#","nextCursor":"n""#)).await;
    let id = own_request(&mut world, Some("n")).await;
    world.server.say(&page(&id, TOOLS, "")).await;
    world.server.hears_only(&call("2", "echo", r#"{"text":"t"}"#)).await;
    let refused = world.client.hear_json().await;
    assert_eq!((&refused["id"], &refused["result"]["isError"]), (&1.into(), &true.into()));
    // From now on it is known.
    world.client.say(&call("3", "slow", "{}")).await;
    world.server.hears_only(&call("3", "slow", "{}")).await;
}

#[tokio::test]
async fn a_call_that_waits_for_the_list_can_be_cancelled() {
    let mut world = World::new().await;
    world.client.say(&call("1", "echo", "{}")).await;
    let id = own_request(&mut world, None).await;
    world
        .client
        .say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#)
        .await;
    world.client.say(&call("1", "slow", "{}")).await;
    super::world::idle().await;
    world.server.say(&page(&id, TOOLS, "")).await;
    world.server.hears_only(&call("1", "slow", "{}")).await;
    assert!(world.calls_of("echo").await.is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_say_its_tools_is_not_called_without_their_schemas() {
    let mut world = World::new().await;
    world.client.say(&call("1", "echo", "{}")).await;
    let id = own_request(&mut world, None).await;
    world.server.say(&failure(&id, -32602, "not initialized")).await;
    let refused = world.client.hear_json().await;
    assert_eq!(refused["result"]["isError"], true);
    assert!(refused["result"]["content"][0]["text"].as_str().unwrap().contains("not initialized"));
    // It is asked again next time.
    world.client.say(&call("2", "echo", "{}")).await;
    let id = own_request(&mut world, None).await;
    world.server.say(&page(&id, TOOLS, "")).await;
    world.server.hears_only(&call("2", "echo", "{}")).await;
}

#[tokio::test]
async fn a_server_without_lists_is_called_on_what_is_known() {
    let mut world = World::new().await;
    world.client.say(&call("1", "echo", "{}")).await;
    let id = own_request(&mut world, None).await;
    world.server.say(&failure(&id, -32601, "no such method")).await;
    world.server.hears_only(&call("1", "echo", "{}")).await;
}

#[tokio::test]
async fn pages_are_filtered_one_by_one() {
    let mut world = World::new().await;
    world.client.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    world.server.hear().await;
    let first = r#"[{"name":"echo","inputSchema":{}},{"name":"wipe","inputSchema":{}}]"#;
    world.server.say(&page("1", first, r#","nextCursor":"2""#)).await;
    let list = world.client.hear_json().await;
    assert_eq!(names(&list), ["echo"]);
    assert_eq!(list["result"]["nextCursor"], "2");
    world.client.say(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"cursor":"2"}}"#).await;
    world.server.hear().await;
    let second = r#"[{"name":"wipe2","inputSchema":{}},{"name":"slow","inputSchema":{}}]"#;
    world.server.say(&page("2", second, "")).await;
    assert_eq!(names(&world.client.hear_json().await), ["slow"]);
}

#[tokio::test]
async fn a_client_that_leaves_a_page_out_does_not_get_around_its_schemas() {
    let mut world = World::new().await;
    world.client.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    world.server.hear().await;
    world.server.say(&page("1", r#"[{"name":"slow","inputSchema":{}}]"#, r#","nextCursor":"2""#)).await;
    world.client.hear().await;
    world.client.say(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"cursor":"3"}}"#).await;
    world.server.hear().await;
    world.server.say(&page("2", "[]", "")).await;
    world.client.hear().await;
    // `echo` was on the page in between.
    world.client.say(&call("3", "echo", r#"{"text":7}"#)).await;
    let id = own_request(&mut world, None).await;
    world.server.say(&page(&id, TOOLS, "")).await;
    assert_eq!(world.client.hear_json().await["result"]["isError"], true);
}

#[tokio::test]
async fn a_list_that_changed_is_read_anew() {
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    let mut world = World::listed().await;
    world.server.say(changed).await;
    world.client.hears_only(changed).await;
    world.client.say(&call("1", "echo", r#"{"text":"t"}"#)).await;
    let id = own_request(&mut world, None).await;
    // And again while it is read: what was read before does not count.
    world.server.say(&page(&id, TOOLS, r#","nextCursor":"2""#)).await;
    let id = own_request(&mut world, Some("2")).await;
    world.server.say(changed).await;
    world.server.say(&page(&id, "[]", "")).await;
    let id = own_request(&mut world, None).await;
    world.server.say(&page(&id, r#"[{"name":"echo","inputSchema":{"required":["other"]}}]"#, "")).await;
    world.client.hears_only(changed).await;
    assert_eq!(world.client.hear_json().await["result"]["isError"], true);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_for_sure_is_withheld() {
    let mut world = World::new().await;
    world.client.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    world.server.hear().await;
    world.server.say(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"Tools":[{"name":"wipe"}]}}"#).await;
    assert!(world.client.hear_json().await["error"]["message"].as_str().unwrap().contains("withheld"));
    world.server.say(MARK_OF_SERVER).await;
    world.client.hears_only(MARK_OF_SERVER).await;
}

const SOME: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: test}
layer: team
subjects: ["**"]
rules:
  - {id: look, effect: allow, actions: [prompt.list, resource.list], resources: ["mcp://srv"]}
  - {id: use, effect: allow, actions: [prompt.get, resource.read], resources: ["mcp://srv/open*", "mcp://srv/file%3A%2F%2F%2Fopen"]}
"#;

#[tokio::test]
async fn prompts_and_resources_are_listed_to_who_may_use_them_and_for_it_alone() {
    let mut world = World::with(SOME, ringfence_gateway::mcp::stdio::Schema::Enforce).await;
    for (method, list, kept) in [
        (
            "prompts/list",
            r#"{"prompts": [{"name":"open","x":1e0},{"name":"closed"},{"title":"none"}],"ttlMs":5,"cacheScope":"public"}"#,
            r#"{"prompts": [{"name":"open","x":1e0}],"ttlMs":5,"cacheScope":"private"}"#,
        ),
        (
            "resources/list",
            r#"{"resources":[{"uri":"file:///closed","name":"open"},{"uri":"file:///open","name":"a"}],"nextCursor":"n"}"#,
            r#"{"resources":[{"uri":"file:///open","name":"a"}],"nextCursor":"n"}"#,
        ),
        (
            "resources/templates/list",
            r#"{"resourceTemplates":[{"uriTemplate":"file:///{x}","name":"t"}],"cacheScope":"public"}"#,
            r#"{"resourceTemplates":[{"uriTemplate":"file:///{x}","name":"t"}],"cacheScope":"private"}"#,
        ),
    ] {
        world.client.say(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)).await;
        world.server.hear_json().await;
        world.server.say(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{list}}}"#)).await;
        world.client.hears_only(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{kept}}}"#)).await;
    }
}

#[tokio::test]
async fn a_list_that_readers_could_read_in_two_ways_is_withheld() {
    let mut world = World::new().await;
    world.client.say(r#"{"jsonrpc":"2.0","id":1,"method":"prompts/list"}"#).await;
    world.server.hear_json().await;
    world.server.say(r#"{"jsonrpc":"2.0","id":1,"result":{"prompts":[],"Prompts":[{"name":"x"}]}}"#).await;
    assert_eq!(world.client.hear_json().await["error"]["code"], -32603);
}
