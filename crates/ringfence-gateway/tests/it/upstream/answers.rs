//! What a server may answer, and what becomes of it.

use super::world::{PING, PONG, World};

#[tokio::test]
async fn answers_as_one_body_and_as_events() {
    let mut world = World::begun().await;
    world.say(PING).await;
    world.asked().await.json("", "{\n \"jsonrpc\": \"2.0\",\r\n \"id\": 1, \"result\": {\"n\": 1.0}}").await;
    assert_eq!(world.hear().await, r#"{  "jsonrpc": "2.0",   "id": 1, "result": {"n": 1.0}}"#);
    world.say(PING).await;
    let mut asked = world.asked().await;
    asked.stream().await;
    asked.event(": hello").await;
    asked.event("event: other\ndata: not for us").await;
    let told = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
    asked.event(&format!("data: {told}")).await;
    assert_eq!(world.hear().await, told);
    asked.event(&format!("data: {PONG}")).await;
    assert_eq!(world.hear().await, PONG);
    // With its answer the stream is over.
    asked.closes().await;
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_that_says_so() {
    let html = ("200 OK", "Content-Type: text/html\r\n", &b"<html>"[..], "not JSON");
    for (status, headers, body, said) in [
        html,
        ("200 OK", "", b"", "not JSON"),
        ("202 Accepted", "", b"", "not JSON"),
        (
            "200 OK",
            "Content-Type: application/json\r\n",
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\xff\"}",
            "not UTF-8",
        ),
        ("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", b"", "refuses the credential"),
        ("403 Forbidden", "", b"no", "status 403"),
        ("500 Internal Server Error", "Content-Type: text/html\r\n", b"<html>", "status 500"),
        ("200 OK", "Content-Type: text/event-stream\r\n", b"data: \xff\n\n", "not UTF-8"),
        ("200 OK", "Content-Type: text/event-stream\r\n", b"data: {}", "broke off"),
    ] {
        let mut world = World::begun().await;
        world.say(PING).await;
        world.asked().await.body(status, headers, body).await;
        let heard = world.error(1).await;
        assert!(heard.contains(said) && heard.contains("`srv`"), "{status} {headers}: {heard}");
    }
}

#[tokio::test]
async fn a_refusal_in_the_protocols_own_words_is_passed_on() {
    let mut world = World::begun().await;
    world.say(PING).await;
    let refusal = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"headers"}}"#;
    world.asked().await.body("400 Bad Request", "", refusal).await;
    let heard = world.hear_json().await;
    assert_eq!((&heard["id"], &heard["error"]["code"]), (&1.into(), &(-32020).into()));
}

#[tokio::test]
async fn an_answer_to_another_id_is_none() {
    let mut world = World::begun().await;
    world.say(PING).await;
    let other = r#"{"jsonrpc":"2.0","id":2,"result":{}}"#;
    world.asked().await.json("", other).await;
    // The wire knows what to do with it.
    assert_eq!(world.hear().await, other);
    assert!(world.error(1).await.contains("something else"));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = World::begun().await;
    let mut world = World::begun().await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        world.say(PING).await;
        world
            .asked()
            .await
            .body(status, &format!("Location: http://{}/\r\n", elsewhere.address()), b"")
            .await;
        assert!(world.error(1).await.contains("status 30"));
    }
    // The next that comes there is its own goodbye: nobody else came.
    let left = elsewhere.leave();
    assert!(left.asked().await.line.starts_with("DELETE "));
}

#[tokio::test]
async fn a_server_that_dies_in_mid_call() {
    let mut world = World::begun().await;
    world.say(PING).await;
    drop(world.asked().await);
    assert!(world.error(1).await.contains("cannot be reached"));
    world.say(PING).await;
    world
        .asked()
        .await
        .raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
        .await;
    assert!(world.error(1).await.contains("broke off"));
    // It is asked again all the same.
    world.say(PING).await;
    world.asked().await.json("", PONG).await;
    assert_eq!(world.hear().await, PONG);
}
