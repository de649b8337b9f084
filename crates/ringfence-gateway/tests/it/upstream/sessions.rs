//! Sessions with a server: kept, forgotten, resumed, ended.

use super::world::{INITIALIZE, INITIALIZED, PING, PONG, WELCOME, World};

fn ping(id: usize) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)
}

#[tokio::test]
async fn a_session_is_ended_with_its_wire() {
    let mut world = World::begun().await;
    world.say(PING).await;
    let open = world.asked().await;
    assert_eq!(open.header("mcp-session-id"), Some("one"));
    let left = world.leave();
    open.closes().await;
    let goodbye = left.asked().await;
    assert!(goodbye.line.starts_with("DELETE "));
    assert_eq!(goodbye.header("mcp-session-id"), Some("one"));
    goodbye.status("204 No Content").await;
    left.ended().await;
}

#[tokio::test]
async fn nothing_is_ended_that_was_never_begun() {
    World::new().await.leave().ended().await;
}

#[tokio::test]
async fn a_session_that_was_forgotten_is_begun_again_once() {
    const CALLS: usize = 20;
    let mut world = World::begun().await;
    let mut open = Vec::new();
    for id in 1..=CALLS {
        world.say(&ping(id)).await;
        open.push(world.asked().await);
    }
    for asked in open {
        assert_eq!(asked.header("mcp-session-id"), Some("one"));
        asked.status("404 Not Found").await;
    }
    let mut again = world.asked().await;
    assert_eq!((again.body.as_str(), again.header("mcp-session-id")), (INITIALIZE, None));
    // A stream that stays open is no reason to wait.
    again.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nMcp-Session-Id: two\r\nConnection: close\r\n\r\n").await;
    again.event(&format!("data: {WELCOME}")).await;
    let told = world.asked().await;
    assert_eq!((told.body.as_str(), told.header("mcp-session-id")), (INITIALIZED, Some("two")));
    told.status("202 Accepted").await;
    let mut answered = 0;
    while answered < CALLS {
        let asked = world.asked().await;
        assert_eq!(asked.header("mcp-session-id"), Some("two"));
        if asked.line.starts_with("GET ") {
            asked.status("405 Method Not Allowed").await;
            continue;
        }
        let id = asked.body.replace("method\":\"ping\"", "result\":{}");
        asked.json("", &id).await;
        assert!(world.hear().await.contains(r#""result":{}"#));
        answered += 1;
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_begun_again_is_told() {
    let mut world = World::begun().await;
    for answer in [r#"{"jsonrpc":"2.0","id":0,"error":{"code":-1,"message":"no"}}"#, "<html>"] {
        world.say(PING).await;
        world.asked().await.status("404 Not Found").await;
        world.asked().await.json("", answer).await;
        assert!(world.error(1).await.contains("forgot the session"));
    }
    world.say(PING).await;
    world.asked().await.status("404 Not Found").await;
    let silent = world.asked().await;
    tokio::time::pause();
    assert!(world.error(1).await.contains("forgot the session"));
    tokio::time::resume();
    drop(silent);
}

#[tokio::test]
async fn a_stream_that_broke_is_resumed_where_its_server_says_so() {
    let mut world = World::begun().await;
    world.say(PING).await;
    let mut asked = world.asked().await;
    asked.stream().await;
    asked.event("id: e1\nretry: 1\ndata:").await;
    drop(asked);
    let mut asked = world.asked().await;
    assert!(asked.line.starts_with("GET "));
    assert_eq!((asked.header("last-event-id"), asked.header("mcp-session-id")), (Some("e1"), Some("one")));
    asked.stream().await;
    asked.event("id: e2\ndata:").await;
    drop(asked);
    let mut asked = world.asked().await;
    assert_eq!(asked.header("last-event-id"), Some("e2"));
    asked.stream().await;
    asked.event(&format!("data: {PONG}")).await;
    assert_eq!(world.hear().await, PONG);
    // What takes its place back is not resumed.
    world.say(PING).await;
    let mut asked = world.asked().await;
    asked.stream().await;
    asked.event("id: e1\nretry: 1\ndata:").await;
    asked.event("id:\ndata:").await;
    drop(asked);
    assert!(world.error(1).await.contains("broke off"));
}

#[tokio::test]
async fn a_stream_that_breaks_at_the_same_place_again_and_again_is_given_up() {
    let mut world = World::begun().await;
    world.say(PING).await;
    // The first time and five more.
    for _ in 0..6 {
        let mut asked = world.asked().await;
        asked.stream().await;
        asked.event("id: e1\nretry: 1\ndata:").await;
    }
    assert!(world.error(1).await.contains("broke off"));
}

#[tokio::test]
async fn what_belongs_to_no_request_is_heard_over_a_stream_of_its_own() {
    let mut world = World::new().await;
    world.begins("one").await;
    let mut listening = world.asked().await;
    listening.stream().await;
    let told = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    listening.event(&format!("id: g1\nretry: 1\ndata: {told}")).await;
    assert_eq!(world.hear().await, told);
    drop(listening);
    let again = world.asked().await;
    assert_eq!(again.header("last-event-id"), Some("g1"));
}
