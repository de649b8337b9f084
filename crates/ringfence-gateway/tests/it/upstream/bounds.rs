//! Answers without end.

use super::world::{PING, World};

const CHUNK: usize = 1 << 20;

#[tokio::test]
async fn a_body_or_an_event_without_end_is_given_up() {
    let json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[";
    let events = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: ";
    let lines = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let refusal = "HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[";
    for (head, chunk, most, said) in [
        (json, b"       1".as_slice(), 24, "longer than"),
        (events, b"       1", 24, "longer than"),
        (lines, b"data: 1\n", 32, "longer than"),
        (refusal, b"       1", 8, "status 500"),
    ] {
        let mut world = World::begun().await;
        world.say(PING).await;
        let mut asked = world.asked().await;
        asked.raw(head.as_bytes()).await;
        let chunk = chunk.repeat(CHUNK / 8);
        let mut taken = 0;
        while asked.try_raw(&chunk).await {
            taken += 1;
            assert!(taken <= most, "it goes on: {head}");
        }
        let heard = world.error(1).await;
        assert!(heard.contains(said), "{heard}");
    }
}

#[tokio::test]
async fn many_answers_at_once_have_a_bound_together() {
    let mut world = World::begun().await;
    let ping = |id: usize| PING.replace("\"id\":1", &format!("\"id\":{id}"));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[";
    let chunk = b"       1".repeat(CHUNK / 8);
    let mut waiting = Vec::new();
    let mut refused = 0;
    // Each by itself is within its bound, and none comes to its end.
    for id in 1..=8 {
        world.say(&ping(id)).await;
        let mut asked = world.asked().await;
        asked.raw(head.as_bytes()).await;
        let mut is_taken = true;
        for _ in 0..14 {
            is_taken = is_taken && asked.try_raw(&chunk).await;
        }
        if !is_taken {
            refused += 1;
            assert!(world.error(id.try_into().unwrap()).await.contains("too much at once"));
        }
        waiting.push(asked);
    }
    assert!((3..=5).contains(&refused), "{refused} of 8 were refused");
    // Where they are given up there is room again.
    drop(waiting);
    for _ in refused..8 {
        assert!(world.hear_json().await["error"].is_object());
    }
    world.say(&ping(9)).await;
    world
        .asked()
        .await
        .json("", &PING.replace("\"method\":\"ping\"", "\"result\":{}").replace("\"id\":1", "\"id\":9"))
        .await;
    assert_eq!(world.hear_json().await["id"], 9);
}

#[tokio::test]
async fn an_id_that_is_used_again_at_once_can_still_be_cancelled() {
    let mut world = World::begun().await;
    let call = |id: u32| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"server/discover","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}}}}"#
        )
    };
    for _ in 0..20 {
        world.say(&call(5)).await;
        world.asked().await.json("", r#"{"jsonrpc":"2.0","id":5,"result":{}}"#).await;
        world.hear().await;
        world.say(&call(5)).await;
        let again = world.asked().await;
        world.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#).await;
        again.closes().await;
        // In a session it is said, too.
        world.asked().await.status("202 Accepted").await;
    }
}
