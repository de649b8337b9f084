//! Calls that wait for a person.

use super::world::{MARK_OF_CLIENT, MARK_OF_SERVER, World, call, result};

const BUY: &str = r#"{"total":5}"#;

#[tokio::test]
async fn an_approved_call_is_sent_as_it_was() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "buy", BUY)).await;
    let id = world.asked().await;
    world.client.say(MARK_OF_CLIENT).await;
    world.server.hears_only(MARK_OF_CLIENT).await;
    world.approve(&id).await;
    world.server.hears_only(&call("1", "buy", BUY)).await;
    world.server.say(&result("1", "bought")).await;
    world.client.hears_only(&result("1", "bought")).await;
    assert_eq!(world.calls_of("buy").await, ["ask", "ok"]);
    // It was for once.
    world.client.say(&call("2", "buy", BUY)).await;
    world.asked().await;
}

#[tokio::test]
async fn a_refused_call_fails() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "buy", BUY)).await;
    let id = world.asked().await;
    world.refuse(&id).await;
    let reply = world.client.hear_json().await;
    assert_eq!(reply["result"]["isError"], true);
    world.client.say(MARK_OF_CLIENT).await;
    world.server.hears_only(MARK_OF_CLIENT).await;
}

#[tokio::test]
async fn a_call_nobody_answers_names_the_approval_and_the_same_call_is_served_later() {
    let mut world = World::listed().await;
    let with_progress = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"buy","arguments":{"total":5},"_meta":{"progressToken":"p-1"}}}"#;
    world.client.say(with_progress).await;
    let id = world.asked().await;
    // Time passes by itself from here on, whenever nothing else is to do.
    tokio::time::pause();
    let mut told = Vec::new();
    let reply = loop {
        let line = world.client.hear_json().await;
        if line["method"] != "notifications/progress" {
            break line;
        }
        assert_eq!(line["params"]["progressToken"], "p-1");
        told.push(line["params"]["progress"].as_f64().unwrap());
    };
    tokio::time::resume();
    assert!(told.len() >= 5 && told.is_sorted_by(|one, other| one < other), "{told:?}");
    assert_eq!(reply["result"]["isError"], true);
    assert_eq!(reply["result"]["_meta"]["ringfence/decision"]["approval"]["id"], id.as_str());
    assert!(reply["result"]["content"][0]["text"].as_str().unwrap().contains(&id));
    world.approve(&id).await;
    // What the client notes beside the arguments is not what was approved.
    world.client.say(&call("2", "buy", BUY)).await;
    world.server.hears_only(&call("2", "buy", BUY)).await;
}

#[tokio::test]
async fn an_approval_serves_nothing_else() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "buy", BUY)).await;
    let id = world.asked().await;
    world.client.say(&call("2", "buy", r#"{"total":6}"#)).await;
    assert_ne!(world.asked().await, id);
    world.approve(&id).await;
    world.server.hears_only(&call("1", "buy", BUY)).await;
    world.client.say(MARK_OF_CLIENT).await;
    world.server.hears_only(MARK_OF_CLIENT).await;
}

#[tokio::test]
async fn a_call_cancelled_while_a_person_is_asked_leaves_the_approval_for_the_next() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "buy", BUY)).await;
    let id = world.asked().await;
    world
        .client
        .say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#)
        .await;
    world.client.say(MARK_OF_CLIENT).await;
    world.server.hears_only(MARK_OF_CLIENT).await;
    world.approve(&id).await;
    world.server.say(MARK_OF_SERVER).await;
    world.client.hears_only(MARK_OF_SERVER).await;
    world.client.say(&call("1", "buy", BUY)).await;
    world.server.hears_only(&call("1", "buy", BUY)).await;
    assert_eq!(world.calls_of("buy").await, ["ask", "open"]);
}
