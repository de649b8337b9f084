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
