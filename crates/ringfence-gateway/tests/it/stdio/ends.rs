//! Ends of streams: whoever still waits is served as far as that goes.

use super::world::{MARK_OF_SERVER, TOOLS, World, call, result};

#[tokio::test]
async fn calls_that_are_open_when_the_client_has_said_its_last_are_answered() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "echo", "{}")).await;
    world.client.close();
    world.server.hears_only(&call("1", "echo", "{}")).await;
    // The server sees the end of its input once all of it has arrived.
    assert_eq!(world.server.rest().await, "");
    world.server.say(&result("1", "served")).await;
    world.client.hears_only(&result("1", "served")).await;
    world.server.close();
    let (mut client, _, end) = world.end().await;
    assert_eq!(client.rest().await, "");
    assert_eq!(end.message, None);
}

#[tokio::test]
async fn a_call_that_waits_for_the_list_is_sent_after_the_client_said_its_last() {
    let mut world = World::new().await;
    world.client.say(&call("1", "echo", "{}")).await;
    world.client.close();
    let id = world.server.hear_json().await["id"].to_string();
    world.server.say(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":{TOOLS}}}}}"#)).await;
    world.server.hears_only(&call("1", "echo", "{}")).await;
    assert_eq!(world.server.rest().await, "");
    world.server.say(&result("1", "served")).await;
    world.client.hears_only(&result("1", "served")).await;
}

#[tokio::test]
async fn a_last_line_without_its_end_counts_if_it_is_whole() {
    let mut world = World::new().await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    world.client.write(ping.as_bytes()).await;
    world.client.close();
    world.server.hears_only(ping).await;
    world.server.write(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    world.server.close();
    world.client.hears_only(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    let (mut client, mut server, _) = world.end().await;
    assert_eq!((client.rest().await, server.rest().await), (String::new(), String::new()));
}

#[tokio::test]
async fn half_a_line_is_no_message() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "echo", "{}")).await;
    world.server.hear().await;
    world.server.write(br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"te"#).await;
    world.server.close();
    assert_eq!(world.client.rest().await, "");
    assert_eq!(world.calls_of("echo").await, ["unknown"]);
}

#[tokio::test]
async fn a_server_that_ends_in_mid_call_ends_the_connection_with_what_it_said() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "echo", "{}")).await;
    world.server.hear().await;
    world.server.say(MARK_OF_SERVER).await;
    world.server.close();
    assert_eq!(world.client.rest().await, format!("{MARK_OF_SERVER}\n"));
    assert_eq!(world.calls_of("echo").await, ["unknown"]);
}

#[tokio::test]
async fn a_result_that_asks_for_something_arrives_although_the_server_has_ended() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "echo", "{}")).await;
    world.server.hear().await;
    let asking = r#"{"jsonrpc":"2.0","id":1,"result":{"inputRequests":{"q":{"method":"sampling/createMessage","params":{"messages":[],"modelPreferences":{"hints":[{"name":"small"}]}}}}}}"#;
    world.server.say(asking).await;
    world.server.close();
    world.client.hears_only(asking).await;
    assert_eq!(world.client.rest().await, "");
}
