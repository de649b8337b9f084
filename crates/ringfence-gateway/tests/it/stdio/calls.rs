//! Calls and their answers: who may answer what, once.

use ringfence_gateway::mcp::stdio::Schema;

use super::world::{MARK_OF_SERVER, World, call, result};

#[tokio::test]
async fn a_denied_call_reads_as_a_failed_one_and_never_reaches_the_server() {
    let mut world = World::listed().await;
    world.client.say(&call("7", "wipe", r#"{"all":true}"#)).await;
    let reply = world.client.hear_json().await;
    assert_eq!(reply["id"], 7);
    assert_eq!(reply["result"]["isError"], true);
    let text = reply["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("Ringfence denied this"), "{text}");
    let decision = &reply["result"]["_meta"]["ringfence/decision"];
    assert_eq!(decision["decision"], "deny");
    assert!(decision["record"]["index"].is_u64(), "{decision}");
    assert_eq!(world.calls_of("wipe").await, ["deny"]);
    world.client.say(&call("8", "echo", "{}")).await;
    world.server.hears_only(&call("8", "echo", "{}")).await;
}

#[tokio::test]
async fn anything_else_that_is_denied_is_an_error() {
    let mut world = World::with(
        "apiVersion: ringfence/v1\nkind: Policy\nmetadata: {name: none}\nlayer: team\nsubjects: [\"**\"]\nrules:\n  - {id: one, effect: allow, actions: [tool.call], resources: [\"mcp://srv/echo\"]}\n",
        Schema::Enforce,
    )
    .await;
    for request in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///etc/shadow"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":"v"}}}"#,
    ] {
        world.client.say(request).await;
        let reply = world.client.hear_json().await;
        assert_eq!(reply["error"]["code"], -32010, "{request}");
        assert_eq!(reply["error"]["data"]["decision"], "deny", "{request}");
    }
}

#[tokio::test]
async fn only_what_was_asked_is_answered_and_only_once() {
    let mut world = World::listed().await;
    // To nobody, and before being asked.
    world.server.say(&result("1", "early")).await;
    world.server.say(MARK_OF_SERVER).await;
    world.client.hears_only(MARK_OF_SERVER).await;
    world.client.say(&call("1", "echo", "{}")).await;
    world.server.hear().await;
    world.server.say(&result("\"1\"", "to another")).await;
    world.server.say(&result("1", "once")).await;
    world.server.say(&result("1", "twice")).await;
    world.server.say(MARK_OF_SERVER).await;
    world.client.hears_only(&result("1", "once")).await;
    world.client.hears_only(MARK_OF_SERVER).await;
    assert_eq!(world.calls_of("echo").await, ["ok"]);
}

#[tokio::test]
async fn an_answer_to_a_call_that_is_held_back_is_made_up() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "buy", r#"{"total":5}"#)).await;
    let id = world.asked().await;
    world.server.say(&result("1", "guessed")).await;
    world.server.say(MARK_OF_SERVER).await;
    world.client.hears_only(MARK_OF_SERVER).await;
    world.approve(&id).await;
    world.server.hears_only(&call("1", "buy", r#"{"total":5}"#)).await;
    world.server.say(&result("1", "real")).await;
    world.client.hears_only(&result("1", "real")).await;
}

#[tokio::test]
async fn one_id_is_one_request_however_it_is_written() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "slow", "{}")).await;
    world.server.hear().await;
    for same in ["1", "1.0", "1e0", "10e-1"] {
        world.client.say(&call(same, "echo", "{}")).await;
        let reply = world.client.hear().await;
        assert!(reply.contains(r#""code":-32600"#), "{same}: {reply}");
    }
    // A string is not a number.
    world.client.say(&call("\"1\"", "echo", "{}")).await;
    world.server.hears_only(&call("\"1\"", "echo", "{}")).await;
    world.server.say(&result("1.0", "to the first")).await;
    world.client.hears_only(&result("1.0", "to the first")).await;
    // It may be used again once it is answered.
    world.client.say(&call("1", "echo", "{}")).await;
    world.server.hears_only(&call("1", "echo", "{}")).await;
}

#[tokio::test]
async fn an_error_of_the_server_is_recorded_as_one() {
    let mut world = World::listed().await;
    for answer in [
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"broken"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#,
    ] {
        world.client.say(&call("1", "echo", "{}")).await;
        world.server.hear().await;
        world.server.say(answer).await;
        world.client.hears_only(answer).await;
    }
    assert_eq!(world.calls_of("echo").await, ["error", "error"]);
}

#[tokio::test]
async fn a_call_cancelled_while_it_is_checked_never_happens_and_its_id_is_free() {
    let mut world = World::listed().await;
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#;
    let (first, second) =
        (call("5", "echo", r#"{"text":"first"}"#), call("5", "echo", r#"{"text":"second"}"#));
    world.client.write(format!("{first}\n{cancelled}\n{second}\n").as_bytes()).await;
    world.server.hears_only(&second).await;
    world.server.say(&result("5", "second")).await;
    world.client.hears_only(&result("5", "second")).await;
    assert_eq!(world.calls_of("echo").await.last().unwrap(), "ok");
    assert!(world.calls_of("echo").await.len() <= 2);
}

#[tokio::test]
async fn a_call_cancelled_after_it_was_sent_is_settled_and_its_late_answer_passes() {
    let mut world = World::listed().await;
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#;
    world.client.say(&call("5", "slow", "{}")).await;
    world.server.hear().await;
    world.client.say(cancelled).await;
    world.server.hears_only(cancelled).await;
    assert_eq!(world.calls_of("slow").await, ["unknown"]);
    world.server.say(&result("5", "late")).await;
    world.client.hears_only(&result("5", "late")).await;
    world.client.say(&call("5", "echo", "{}")).await;
    world.server.hears_only(&call("5", "echo", "{}")).await;
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_in_words_for_the_model() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "echo", r#"{"text":[1,2]}"#)).await;
    let reply = world.client.hear_json().await;
    assert_eq!(reply["result"]["isError"], true);
    let text = reply["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("/text"), "{text}");
    assert_eq!(world.calls_of("echo").await, ["deny"]);
}

#[tokio::test]
async fn arguments_that_do_not_fit_pass_where_that_is_configured() {
    let policy = include_str!("look_and_call.yaml");
    let mut world = World::with(policy, Schema::Warn).await;
    world.list(super::world::TOOLS).await;
    let misfit = call("1", "echo", r#"{"text":[1,2]}"#);
    world.client.say(&misfit).await;
    world.server.hears_only(&misfit).await;
}
