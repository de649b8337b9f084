//! Kills while something is under way.

use ringfence_audit::record::Scope;

use super::world::{MARK_OF_SERVER, World, call, result};

#[tokio::test]
async fn a_killed_tool_answers_no_call_any_more() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "slow", "{}")).await;
    world.client.say(&call("2", "echo", "{}")).await;
    let first = world.server.hear().await;
    let second = world.server.hear().await;
    assert!(first.contains("slow") ^ second.contains("slow"));
    world.kill(Scope::Tool("mcp://srv/slow".to_owned())).await;
    // Whoever waits is told, and whoever works on it.
    let reply = world.client.hear_json().await;
    assert_eq!((&reply["id"], &reply["result"]["isError"]), (&1.into(), &true.into()));
    let cancelled = world.server.hear_json().await;
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], 1);
    // What it answers all the same goes nowhere; others go on.
    world.server.say(&result("1", "too late")).await;
    world.server.say(&result("2", "still here")).await;
    world.client.hears_only(&result("2", "still here")).await;
    assert_eq!(world.calls_of("slow").await, ["cut"]);
    world.client.say(&call("3", "slow", "{}")).await;
    assert_eq!(world.client.hear_json().await["result"]["isError"], true);
}

#[tokio::test]
async fn a_killed_session_is_denied_everything() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "slow", "{}")).await;
    world.server.hear().await;
    world.kill(Scope::All(true)).await;
    assert_eq!(world.client.hear_json().await["id"], 1);
    for request in
        [call("2", "echo", "{}"), r#"{"jsonrpc":"2.0","id":2,"method":"resources/list"}"#.to_owned()]
    {
        world.client.say(&request).await;
        let reply = world.client.hear_json().await;
        assert!(reply["error"]["code"] == -32010 || reply["result"]["isError"] == true, "{reply}");
    }
    assert_eq!(world.server.hear_json().await["method"], "notifications/cancelled");
}

#[tokio::test]
async fn a_kill_ends_the_wait_for_a_person() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "buy", r#"{"total":5}"#)).await;
    world.asked().await;
    world.kill(Scope::All(true)).await;
    assert_eq!(world.client.hear_json().await["result"]["isError"], true);
    world.server.say(MARK_OF_SERVER).await;
    world.client.hears_only(MARK_OF_SERVER).await;
}
