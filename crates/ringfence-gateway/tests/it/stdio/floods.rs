//! More than fits: lines without end, sides that do not read, requests without number.

use super::world::{MARK_OF_CLIENT, MARK_OF_SERVER, World, call, idle, result};

/// What a side may have in flight at most: what the wrapper holds for the other, and the pipes.
const BOUND: usize = 40 << 20;

#[tokio::test]
async fn a_line_too_long_is_refused_and_the_next_one_is_served() {
    let mut world = World::listed().await;
    let long =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":"{}"}}}}"#, "x".repeat(20 << 20));
    world.client.say(&long).await;
    let refused = world.client.hear_json().await;
    assert_eq!(refused["error"]["code"], -32700);
    world.client.say(MARK_OF_CLIENT).await;
    world.server.hears_only(MARK_OF_CLIENT).await;
    // From the server it is left out, and the call it answered stays open.
    world.client.say(&call("1", "echo", "{}")).await;
    world.server.hear().await;
    world.server.say(&result("1", &"x".repeat(20 << 20))).await;
    world.server.say(&result("1", "short")).await;
    world.client.hears_only(&result("1", "short")).await;
}

#[tokio::test]
async fn a_big_result_passes_whole() {
    let mut world = World::listed().await;
    world.client.say(&call("1", "echo", "{}")).await;
    world.server.hear().await;
    let answer = result("1", &"0123456789abcdef".repeat(900_000));
    let (_, heard) = tokio::join!(world.server.say(&answer), world.client.hear());
    assert!(heard == answer);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_for_ever() {
    let mut world = World::new().await;
    let garbage = "x\n".repeat(1 << 20);
    let mut written = 0;
    loop {
        let some = world.client.try_write(garbage.as_bytes()).await;
        written += some;
        assert!(written < BOUND, "the client is read although it reads nothing");
        if some < garbage.len() {
            break;
        }
    }
    // What it was answered is there, once it reads.
    for _ in 0..written / 2 / 100 {
        assert_eq!(world.client.hear_json().await["error"]["code"], -32700);
    }
}

#[tokio::test]
async fn a_server_whose_client_does_not_read_is_held_back() {
    let mut world = World::new().await;
    let flood = format!("{MARK_OF_SERVER}\n").repeat(10_000);
    let mut written = 0;
    loop {
        let some = world.server.try_write(flood.as_bytes()).await;
        written += some;
        assert!(written < 4 << 20, "the server is read although the client reads nothing");
        if some < flood.len() {
            break;
        }
    }
    // The other direction is open, and nothing is lost once the client reads.
    world.client.say(MARK_OF_CLIENT).await;
    world.server.hears_only(MARK_OF_CLIENT).await;
    for _ in 0..written / (MARK_OF_SERVER.len() + 1) {
        world.client.hears_only(MARK_OF_SERVER).await;
    }
}

#[tokio::test]
async fn a_client_whose_server_does_not_read_is_held_back_and_still_hears() {
    let mut world = World::listed().await;
    let ping = |id: usize| {
        let padding = "x".repeat(1_000);
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\",\"params\":{{\"x\":\"{padding}\"}}}}\n"
        )
    };
    let flood: String = (0..8_000).map(ping).collect();
    let written = world.client.try_write(flood.as_bytes()).await;
    assert!(written < 4 << 20, "the client is read although the server reads nothing");
    world.server.say(MARK_OF_SERVER).await;
    world.client.hears_only(MARK_OF_SERVER).await;
}

#[tokio::test]
async fn a_thousand_calls_at_once_are_each_answered_once() {
    const CALLS: usize = 1_000;
    let mut world = World::listed().await;
    let (client, server) = (&mut world.client, &mut world.server);
    let calls = (0..CALLS).map(|id| call(&id.to_string(), "echo", "{}") + "\n").collect::<String>();
    let serve = async {
        for _ in 0..CALLS {
            let request = server.hear_json().await;
            server.say(&result(&request["id"].to_string(), "ok")).await;
        }
    };
    let mut answered = std::collections::BTreeSet::new();
    client.write(calls.as_bytes()).await;
    let hear = async {
        while answered.len() < CALLS {
            let answer = client.hear_json().await;
            assert!(answered.insert(answer["id"].as_u64().unwrap()), "answered twice");
        }
    };
    tokio::join!(serve, hear);
    assert!(world.calls_of("echo").await.iter().all(|outcome| outcome == "ok"));
}

#[tokio::test]
async fn requests_nobody_answers_are_taken_up_to_a_number() {
    let mut world = World::new().await;
    let pings: String =
        (0..10_001).map(|id| format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n")).collect();
    let (client, server) = (&mut world.client, &mut world.server);
    let swallow = async {
        for _ in 0..10_000 {
            server.hear().await;
        }
    };
    tokio::join!(client.write(pings.as_bytes()), swallow);
    let refused = world.client.hear_json().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&10_000.into(), &(-32600).into()));
    idle().await;
}
