//! What the server asks of the client.

use super::world::{MARK_OF_CLIENT, MARK_OF_SERVER, World, call};

fn sampling(id: &str, model: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"sampling/createMessage","params":{{"messages":[],"maxTokens":5,"modelPreferences":{{"hints":[{{"name":"{model}"}}]}},"x":1}}}}"#
    )
}

#[tokio::test]
async fn sampling_and_elicitation_are_decided_too() {
    let mut world = World::new().await;
    world.server.say(&sampling("1", "small")).await;
    world.client.hears_only(&sampling("1", "small")).await;
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"role":"assistant","content":{"type":"text","text":"hi"},"model":"small"}}"#;
    world.client.say(answer).await;
    world.server.hears_only(answer).await;
    for denied in [
        sampling("2", "large"),
        r#"{"jsonrpc":"2.0","id":2,"method":"elicitation/create","params":{"message":"Your password?","requestedSchema":{}}}"#.to_owned(),
    ] {
        world.server.say(&denied).await;
        let reply = world.server.hear_json().await;
        assert_eq!((&reply["id"], &reply["error"]["code"]), (&2.into(), &(-32010).into()));
    }
    world.server.say(MARK_OF_SERVER).await;
    world.client.hears_only(MARK_OF_SERVER).await;
}

#[tokio::test]
async fn ids_of_both_sides_are_apart() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "slow", "{}")).await;
    world.server.hear().await;
    world.server.say(&sampling("1", "small")).await;
    world.client.hears_only(&sampling("1", "small")).await;
    // A denied request of the server with the id of an open one of the client's leaves that open.
    world.server.say(&sampling("2", "large")).await;
    world.server.hear().await;
    let to_client = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
    world.server.say(to_client).await;
    world.client.hears_only(to_client).await;
    let to_server = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#;
    world.client.say(to_server).await;
    world.server.hears_only(to_server).await;
    // Nobody asks for it any more.
    world.client.say(to_server).await;
    world.client.say(MARK_OF_CLIENT).await;
    world.server.hears_only(MARK_OF_CLIENT).await;
}

#[tokio::test]
async fn a_request_cancelled_by_the_server_before_it_was_sent_does_not_arrive() {
    let mut world = World::new().await;
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let both = format!("{}\n{cancelled}\n{MARK_OF_SERVER}\n", sampling("1", "small"));
    world.server.write(both.as_bytes()).await;
    world.client.hears_only(MARK_OF_SERVER).await;
    assert_eq!(world.session.labels(), ringfence_model::Labels::FRESH);
    world.server.say(MARK_OF_SERVER).await;
    world.client.hears_only(MARK_OF_SERVER).await;
}

#[tokio::test]
async fn what_a_result_asks_for_is_decided_before_the_result_passes() {
    let mut world = World::listed().await;
    let asking = |method: &str, params: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"resultType":"inputRequired","inputRequests":{{"q":{{"method":"{method}","params":{params}}}}},"requestState":"s"}}}}"#
        )
    };
    let small = asking(
        "sampling/createMessage",
        r#"{"messages":[],"maxTokens":1,"modelPreferences":{"hints":[{"name":"small"}]}}"#,
    );
    world.client.say(&call("1", "echo", "{}")).await;
    world.server.hear().await;
    world.server.say(&small).await;
    world.client.hears_only(&small).await;
    for denied in [
        asking("elicitation/create", r#"{"message":"Your password?"}"#),
        asking("tools/call", r#"{"name":"wipe"}"#),
        asking("made/up", "{}"),
    ] {
        // The server has a request of its own open under the same id meanwhile.
        world.server.say(&sampling("1", "small")).await;
        world.client.hear().await;
        world.client.say(&call("1", "echo", "{}")).await;
        world.server.hear().await;
        world.server.say(&denied).await;
        let reply = world.client.hear_json().await;
        assert_eq!(reply["id"], 1);
        assert!(reply["error"]["code"].is_i64(), "{denied}: {reply}");
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        world.client.say(answer).await;
        world.server.hears_only(answer).await;
    }
}

#[tokio::test]
async fn a_task_belongs_to_the_call_that_made_it() {
    let mut world = World::listed().await;
    let get = |id: &str, task: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tasks/get","params":{{"taskId":"{task}"}}}}"#)
    };
    world.client.say(&get("1", "t1")).await;
    assert_eq!(world.client.hear_json().await["error"]["code"], -32602);
    world.client.say(&call("2", "echo", "{}")).await;
    world.server.hear().await;
    let made = r#"{"jsonrpc":"2.0","id":2,"result":{"task":{"taskId":"t1","status":"working"}}}"#;
    world.server.say(made).await;
    world.client.hears_only(made).await;
    world.client.say(&get("3", "t1")).await;
    world.server.hears_only(&get("3", "t1")).await;
}
