//! What a client and a server that behave say to each other, over HTTP.

use super::world::{INITIALIZE, TOOLS, World};
use crate::stdio::world::{call, result};

const TOLD: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"é"}}"#;

/// Answers the list that the wire asks for before the first call.
async fn list(server: &mut crate::stdio::world::Peer) {
    let asked = server.hear_json().await;
    assert_eq!(asked["method"], "tools/list");
    server.say(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":{TOOLS}}}}}"#, asked["id"])).await;
}

#[tokio::test]
async fn a_call_is_answered_as_json_and_a_denied_one_never_reaches_the_server() {
    let world = World::new().await;
    let (session, mut server) = world.session("ann").await;
    assert_eq!(session.len(), 32, "128 bits");
    let denied =
        tokio::join!(world.post("srv", "ann", &session, &call("1", "wipe", "{}")), list(&mut server)).0;
    let denied = denied.json().await;
    assert_eq!(denied["result"]["isError"], true, "{denied}");
    assert_eq!(denied["result"]["_meta"]["ringfence/decision"]["decision"], "deny");
    // Spread over lines, as some clients write it; on the wire it is one.
    let spread = call("2", "echo", "{\r\n \"text\": \"a\"}");
    let (answer, ()) = tokio::join!(world.post("srv", "ann", &session, &spread), async {
        assert_eq!(server.hear().await, spread.replace("\r\n", "  "));
        server.say(&format!("{}\r", result("2", "done"))).await;
    });
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json().await["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn what_comes_before_an_answer_is_streamed_with_it() {
    let world = World::new().await;
    let (session, mut server) = world.session("ann").await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let asks = r#"{"jsonrpc":"2.0","id":"s","method":"roots/list"}"#;
    let (mut answer, ()) = tokio::join!(world.post("srv", "ann", &session, ping), async {
        server.hears_only(ping).await;
        server.say(TOLD).await;
        server.say(asks).await;
    });
    assert_eq!(answer.event().await.unwrap(), TOLD);
    assert_eq!(answer.event().await.unwrap(), asks);
    let roots = r#"{"jsonrpc":"2.0","id":"s","result":{"roots":[]}}"#;
    let taken = world.post("srv", "ann", &session, roots).await;
    assert_eq!(taken.status, 202);
    server.hears_only(roots).await;
    server.say(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    assert_eq!(answer.event().await.unwrap(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!(answer.event().await, None, "the stream ends with the answer");
}

#[tokio::test]
async fn progress_finds_its_request_and_the_rest_the_get_stream() {
    let world = World::new().await;
    let (session, mut server) = world.session("ann").await;
    let ask = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":"{id}","method":"ping","params":{{"_meta":{{"progressToken":"t{id}"}}}}}}"#
        )
    };
    let progress = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":"t{id}","progress":1}}}}"#
        )
    };
    // Nobody listens yet: it is kept.
    server.say(TOLD).await;
    let mut stream = world.get("ann", &session).await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.event().await.unwrap(), TOLD);
    let one = tokio::spawn(world.post("srv", "ann", &session, &ask("a")));
    server.hears_only(&ask("a")).await;
    let two = tokio::spawn(world.post("srv", "ann", &session, &ask("b")));
    server.hears_only(&ask("b")).await;
    server.say(&progress("b")).await;
    server.say(TOLD).await;
    server.say(&progress("a")).await;
    let (mut one, mut two) = (one.await.unwrap(), two.await.unwrap());
    assert_eq!(one.event().await.unwrap(), progress("a"));
    assert_eq!(two.event().await.unwrap(), progress("b"));
    assert_eq!(stream.event().await.unwrap(), TOLD);
    server.say(r#"{"jsonrpc":"2.0","id":"b","result":{}}"#).await;
    server.say(r#"{"jsonrpc":"2.0","id":"a","result":{}}"#).await;
    assert_eq!(one.event_json().await["id"], "a");
    assert_eq!(two.event_json().await["id"], "b");
}

#[tokio::test]
async fn each_of_a_batch_is_answered() {
    let world = World::new().await;
    let (session, mut server) = world.session("ann").await;
    let ping = |id: u8| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    let batch = format!("[{},{},{}]", ping(1), ping(2), crate::stdio::world::MARK_OF_CLIENT);
    let (mut answer, ()) = tokio::join!(world.post("srv", "ann", &session, &batch), async {
        for said in [ping(1), ping(2), crate::stdio::world::MARK_OF_CLIENT.to_owned()] {
            server.hears_only(&said).await;
        }
        server.say(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#).await;
        server.say(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    });
    assert_eq!(answer.event_json().await["id"], 2);
    assert_eq!(answer.event_json().await["id"], 1);
    assert_eq!(answer.event().await, None);
}

#[tokio::test]
async fn a_session_that_is_deleted_or_whose_server_ends_is_gone() {
    let world = World::new().await;
    let (session, mut server) = world.session("ann").await;
    let headers = vec!["Authorization: Bearer rf_ann".to_owned(), format!("Mcp-Session-Id: {session}")];
    assert_eq!(world.request("DELETE", "/mcp/srv", headers, "").await.status, 204);
    assert_eq!(server.rest().await, "", "its server is told");
    assert_eq!(world.get("ann", &session).await.status, 404);

    let (session, mut server) = world.session("ann").await;
    let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
    let asking = tokio::spawn(world.post("srv", "ann", &session, ping));
    server.hears_only(ping).await;
    drop(server);
    let answer = asking.await.unwrap().json().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&7.into(), &(-32603).into()), "{answer}");
    assert_eq!(world.post("srv", "ann", &session, ping).await.status, 404);
}

#[tokio::test]
async fn a_cancelled_request_ends_its_stream() {
    let world = World::new().await;
    let (session, mut server) = world.session("ann").await;
    let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
    let asking = tokio::spawn(world.post("srv", "ann", &session, ping));
    server.hears_only(ping).await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    assert_eq!(world.post("srv", "ann", &session, cancel).await.status, 202);
    server.hears_only(cancel).await;
    assert_eq!(asking.await.unwrap().event().await, None);
}

#[tokio::test]
async fn requests_that_stand_alone_share_their_credential_s_wire_and_no_ids() {
    let world = World::new().await;
    let alone = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"server/discover","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        )
    };
    let ask = |agent: &str, id: &str| {
        let headers = vec![
            format!("Authorization: Bearer rf_{agent}"),
            "MCP-Protocol-Version: 2026-07-28".to_owned(),
            "Mcp-Method: server/discover".to_owned(),
        ];
        tokio::spawn(world.request("POST", "/mcp/srv", headers, &alone(id)))
    };
    let answer = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete"}}}}"#);
    let zero = ask("ann", "0");
    let mut first = world.server().await;
    first.hears_only(&alone("0")).await;
    // Others wait until it is known which era the server is of.
    first.say(&answer("0")).await;
    assert_eq!(zero.await.unwrap().status, 200);
    let one = ask("ann", "1");
    first.hears_only(&alone("1")).await;
    // Another id goes the same way; the same id, of another process, another one.
    let two = ask("ann", "2");
    first.hears_only(&alone("2")).await;
    let same = ask("ann", "1");
    let mut second = world.server().await;
    second.hears_only(&alone("1")).await;
    // Another credential has a wire of its own.
    let other = ask("bob", "3");
    let mut third = world.server().await;
    third.hears_only(&alone("3")).await;
    // Whoever closes its stream has cancelled (one that is still answered shows it).
    other.abort();
    assert_eq!(third.hear_json().await["params"]["requestId"], 3);
    first.say(&answer("2")).await;
    first.say(&answer("1")).await;
    second.say(&answer("1")).await;
    for asked in [one, two, same] {
        let answer = asked.await.unwrap();
        assert_eq!(answer.header("mcp-session-id"), None);
        assert_eq!(answer.json().await["result"]["resultType"], "complete");
    }
}

#[tokio::test]
async fn a_front_that_is_told_to_end_lets_open_requests_end_first() {
    let mut world = World::new().await;
    let (session, mut server) = world.session("ann").await;
    let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
    let asking = tokio::spawn(world.post("srv", "ann", &session, ping));
    server.hears_only(ping).await;
    world.stop();
    // Told for certain once no session is made any more.
    loop {
        let refused = world.post("srv", "bob", "", INITIALIZE);
        let mut refused = std::pin::pin!(refused);
        let answer = tokio::select! {
            answer = &mut refused => answer,
            server = world.server() => {
                drop(server);
                refused.await
            }
        };
        if answer.status == 503 {
            break;
        }
    }
    server.say(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#).await;
    assert_eq!(asking.await.unwrap().json().await["id"], 7);
    world.ended().await;
    assert_eq!(server.rest().await, "");
}
