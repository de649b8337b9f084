//! Wires that do not behave: each costs bounded memory and time, and none touches another session.

use std::time::Duration;

use ringfence_gateway::mcp::http::Limits;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::world::{Answer, INITIALIZE, World};

const ANN: &str = "Authorization: Bearer rf_ann";
const PING: &str = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;

/// Limits that are reached soon.
const SOON: Limits = Limits { patience: Duration::from_millis(500), ..Limits::STANDARD };

#[tokio::test]
async fn what_another_site_s_page_could_send_is_refused_before_anything_else() {
    let mut world = World::new().await;
    let port = world.address.port();
    let foreign = [
        format!("Host: evil.example:{port}"),
        "Host: evil.example".to_owned(),
        "Host: 127.0.0.1".to_owned(),
        format!("Host: 127.0.0.1:{}", port - 1),
        format!("Host: 10.1.2.3:{port}"),
        format!("Host: localhost.evil.example:{port}"),
        format!("Host: 127.0.0.1:{port}@evil.example"),
        format!("Host: evil.example\r\nHost: 127.0.0.1:{port}"),
        "Host:".to_owned(),
        "Origin: http://evil.example".to_owned(),
        "Origin: null".to_owned(),
        format!("Origin: https://127.0.0.1:{port}"),
        format!("Origin: http://evil.example:{port}"),
        "Sec-Fetch-Site: cross-site".to_owned(),
        "Sec-Fetch-Site: same-site".to_owned(),
    ];
    for header in foreign {
        // No credential, no server, no method: none of it is looked at.
        for (method, path) in [("POST", "/mcp/srv"), ("GET", "/healthz"), ("BREW", "/nowhere")] {
            let answer = world.request(method, path, vec![header.clone()], "").await;
            assert_eq!(answer.status, 403, "{header}");
        }
    }
    let other =
        world.request("POST", &format!("http://evil.example:{port}/mcp/srv"), vec![], INITIALIZE).await;
    assert_eq!(other.status, 403);
    for own in [
        format!("Host: localhost:{port}"),
        format!("Host: [::1]:{port}"),
        format!("Origin: http://127.0.0.1:{port}"),
        "Sec-Fetch-Site: same-origin".to_owned(),
    ] {
        assert_eq!(world.request("GET", "/healthz", vec![own.clone()], "").await.status, 200, "{own}");
    }
    assert!(world.opened_nothing());
}

#[tokio::test]
async fn what_is_no_request_of_the_protocol_is_refused_and_opens_nothing() {
    let mut world = World::new().await;
    let stateless = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let revision = "MCP-Protocol-Version: 2026-07-28";
    let cases: &[(u16, &str, &str, &[&str], &str)] = &[
        (404, "POST", "/mcp/nothing", &[], INITIALIZE),
        (404, "POST", "/", &[], INITIALIZE),
        (405, "PUT", "/mcp/srv", &[], INITIALIZE),
        (405, "POST", "/healthz", &[], ""),
        (406, "POST", "/mcp/srv", &["Accept: application/json"], INITIALIZE),
        (406, "POST", "/mcp/srv", &["Accept: application/json, text/event-stream;q=0"], INITIALIZE),
        (406, "GET", "/mcp/srv", &["Accept: application/json"], ""),
        (415, "POST", "/mcp/srv", &["Content-Type: text/plain"], INITIALIZE),
        (415, "POST", "/mcp/srv", &["Content-Type: text/plain; application/json"], INITIALIZE),
        (415, "POST", "/mcp/srv", &["Content-Type: application/json, text/plain"], INITIALIZE),
        (415, "POST", "/mcp/srv", &["Content-Type: application/json; charset=utf-16"], INITIALIZE),
        (415, "POST", "/mcp/srv", &["Content-Type: application/json; boundary=x"], INITIALIZE),
        (
            415,
            "POST",
            "/mcp/srv",
            &["Content-Type: application/json", "Content-Type: text/plain"],
            INITIALIZE,
        ),
        (415, "POST", "/mcp/srv", &["Content-Type: application/jsonx"], INITIALIZE),
        (415, "POST", "/mcp/srv", &["Content-Encoding: gzip"], INITIALIZE),
        (400, "POST", "/mcp/srv", &[], "{"),
        (400, "POST", "/mcp/srv", &[], "[]"),
        (400, "POST", "/mcp/srv", &[], r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#),
        (400, "POST", "/mcp/srv", &[], PING),
        (400, "POST", "/mcp/srv", &[], crate::stdio::world::MARK_OF_CLIENT),
        (400, "GET", "/mcp/srv", &[], ""),
        (400, "DELETE", "/mcp/srv", &[], ""),
        (404, "POST", "/mcp/srv", &["Mcp-Session-Id: 00000000000000000000000000000000"], PING),
        (404, "GET", "/mcp/srv", &["Mcp-Session-Id: x"], ""),
        (400, "POST", "/mcp/srv", &["Mcp-Session-Id: a", "Mcp-Session-Id: b"], PING),
        (400, "POST", "/mcp/srv", &["MCP-Protocol-Version: 1999-01-01"], INITIALIZE),
        (
            400,
            "POST",
            "/mcp/srv",
            &["MCP-Protocol-Version: 2025-06-18"],
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        ),
        (400, "POST", "/mcp/srv", &[], r#"[{"jsonrpc":"2.0","id":1,"method":"initialize"}]"#),
        (400, "POST", "/mcp/srv", &["Mcp-Method: ping"], INITIALIZE),
        (400, "POST", "/mcp/srv", &["Mcp-Name: echo"], INITIALIZE),
        (400, "POST", "/mcp/srv", &[revision], stateless),
        (400, "POST", "/mcp/srv", &[revision, "Mcp-Method: tools/call"], stateless),
        (400, "POST", "/mcp/srv", &[revision, "Mcp-Method: tools/call", "Mcp-Name: wipe"], stateless),
        (400, "POST", "/mcp/srv", &[revision, "Mcp-Method: tools/list", "Mcp-Name: echo"], stateless),
        (400, "POST", "/mcp/srv", &["Mcp-Method: tools/call", "Mcp-Name: echo"], stateless),
        (
            400,
            "POST",
            "/mcp/srv",
            &[revision, "Mcp-Method: tools/call", "Mcp-Name: =?base64?d2lwZQ==?="],
            stateless,
        ),
    ];
    for (status, method, path, headers, body) in cases {
        let mut headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
        headers.push(ANN.to_owned());
        let answer = world.request(method, path, headers.clone(), body).await;
        assert_eq!(answer.status, *status, "{method} {path} {headers:?} {body}");
    }
    assert!(world.opened_nothing());
}

#[tokio::test]
async fn a_header_that_agrees_with_the_body_passes_however_it_is_written() {
    let world = World::new().await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\u0065cho","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let world_server = async || {
        let mut server = world.server().await;
        server.is_of_the_newer_era().await;
        server
    };
    let mut known = None;
    for name in ["echo", "=?base64?ZWNobw==?="] {
        let headers = vec![
            ANN.to_owned(),
            "MCP-Protocol-Version: 2026-07-28".to_owned(),
            "Mcp-Method: tools/call".to_owned(),
            format!("Mcp-Name: {name}"),
        ];
        let asking = tokio::spawn(world.request("POST", "/mcp/srv", headers, call));
        let server = match &mut known {
            Some(server) => server,
            // The front looks which parameters stand in headers, too.
            None => {
                let server = known.insert(world_server().await);
                server.answers("tools/list", r#"{"resultType":"complete","tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#).await;
                server
            }
        };
        server.answers("tools/call", r#"{"resultType":"complete","content":[]}"#).await;
        assert_eq!(asking.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn who_shows_nothing_that_counts_is_challenged() {
    let mut world = World::new().await;
    for shown in ["Basic cmZfYW5uOg==", "Bearer", "Bearer sk-ann", "rf_ann"] {
        let headers = vec![format!("Authorization: {shown}")];
        let answer = world.request("POST", "/mcp/srv", headers, INITIALIZE).await;
        assert_eq!(answer.status, 401, "{shown}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert_eq!(challenge, r#"Bearer realm="ringfence", error="invalid_token""#);
    }
    let two = vec![ANN.to_owned(), "Authorization: Bearer rf_bob".to_owned()];
    assert_eq!(world.request("POST", "/mcp/srv", two, INITIALIZE).await.status, 401);
    assert!(world.opened_nothing());
}

#[tokio::test]
async fn a_session_is_its_credential_s_and_its_server_s_alone() {
    let world = World::new().await;
    let (session, mut server) = world.session("ann").await;
    assert_eq!(world.post("srv", "bob", &session, PING).await.status, 404);
    assert_eq!(world.get("bob", &session).await.status, 404);
    let headers = vec!["Authorization: Bearer rf_bob".to_owned(), format!("Mcp-Session-Id: {session}")];
    assert_eq!(world.request("DELETE", "/mcp/srv", headers, "").await.status, 404);
    assert_eq!(
        world.request("POST", "/mcp/srv", vec![format!("Mcp-Session-Id: {session}")], PING).await.status,
        404
    );
    assert_eq!(world.post("other", "ann", &session, PING).await.status, 404);
    let asking = tokio::spawn(world.post("srv", "ann", &session, PING));
    server.hears_only(PING).await;
    server.say(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#).await;
    assert_eq!(asking.await.unwrap().status, 200, "its own credential still has it");
}

#[tokio::test]
async fn an_id_that_is_open_is_not_taken_twice() {
    let world = World::new().await;
    let (session, mut server) = world.session("ann").await;
    let asking = tokio::spawn(world.post("srv", "ann", &session, PING));
    server.hears_only(PING).await;
    let again = world.post("srv", "ann", &session, &PING.replace('7', "7.0")).await;
    assert_eq!(again.status, 400);
    assert_eq!(again.json().await["id"], 7.0);
    server.say(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#).await;
    assert_eq!(asking.await.unwrap().json().await["id"], 7);
}

#[tokio::test]
async fn a_body_has_a_bound_however_it_is_sent() {
    let limits = Limits { body: 1000, bodies: 2000, ..Limits::STANDARD };
    let mut world = World::with(limits).await;
    let long = format!("{}{}", " ".repeat(1001 - INITIALIZE.len()), INITIALIZE);
    assert_eq!(long.len(), 1001);
    assert_eq!(world.post("srv", "ann", "", &long).await.status, 413);
    // One that does not say how long it is.
    let chunk = format!("{:x}\r\n{}\r\n", 600, " ".repeat(600));
    let chunked = format!(
        "POST /mcp/srv HTTP/1.1\r\nHost: {}\r\n{ANN}\r\nContent-Type: application/json\r\nAccept: */*\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}",
        world.address
    );
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(chunked.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(stream).await.status, 413);
    assert!(world.opened_nothing());
    // What fits the bound passes; its room is given back.
    for _ in 0..4 {
        world.session("ann").await;
    }
}

#[tokio::test]
async fn heads_and_bodies_that_do_not_come_are_not_waited_for() {
    let world = World::with(Limits { arrival: Duration::from_millis(100), ..Limits::STANDARD }).await;
    let head = format!(
        "POST /mcp/srv HTTP/1.1\r\nHost: {}\r\n{ANN}\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: 100\r\n",
        world.address
    );
    let mut body = TcpStream::connect(world.address).await.unwrap();
    body.write_all(format!("{head}\r\n{{").as_bytes()).await.unwrap();
    assert_eq!(Answer::read(body).await.status, 408);
    for some in [head.as_str(), ""] {
        let mut headless = TcpStream::connect(world.address).await.unwrap();
        headless.write_all(some.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut headless, &mut said).await.unwrap();
        assert!(!String::from_utf8(said).unwrap().contains(" 200 "), "the connection ends");
    }
}

#[tokio::test]
async fn sessions_are_bounded_for_each_credential_and_in_all() {
    let world = World::with(Limits { sessions_of_one: 2, sessions: 3, ..Limits::STANDARD }).await;
    let (first, _one) = world.session("ann").await;
    let _two = world.session("ann").await;
    assert_eq!(world.post("srv", "ann", "", INITIALIZE).await.status, 429);
    let _three = world.session("bob").await;
    let refused = world.post("srv", "eve", "", INITIALIZE).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")));
    // A session that ends makes room once nothing of it runs.
    let headers = vec![ANN.to_owned(), format!("Mcp-Session-Id: {first}")];
    assert_eq!(world.request("DELETE", "/mcp/srv", headers, "").await.status, 204);
    let answer = loop {
        let asking = tokio::spawn(world.post("srv", "eve", "", INITIALIZE));
        let answer = tokio::select! {
            answer = asking => answer.unwrap(),
            _server = world.server() => break 200,
        };
        assert_eq!(answer.status, 503);
    };
    assert_eq!(answer, 200);
}

#[tokio::test]
async fn open_requests_are_bounded_for_each_credential() {
    let world = World::with(Limits { requests_of_one: 4, ..Limits::STANDARD }).await;
    let (session, mut server) = world.session("ann").await;
    let mut open = Vec::new();
    // A request that has just been answered may still count.
    for id in 0..4 {
        let ping = format!(r#"{{"jsonrpc":"2.0","id":"p{id}","method":"ping"}}"#);
        let mut asking = Box::pin(world.post("srv", "ann", &session, &ping));
        tokio::select! {
            answer = &mut asking => assert_eq!(answer.status, 429),
            heard = server.hear() => {
                assert_eq!(heard, ping);
                open.push((id, tokio::spawn(asking)));
            }
        }
    }
    assert!(open.len() >= 3);
    while open.len() < 4 {
        let ping = r#"{"jsonrpc":"2.0","id":"p9","method":"ping"}"#;
        let mut asking = Box::pin(world.post("srv", "ann", &session, ping));
        tokio::select! {
            answer = &mut asking => assert_eq!(answer.status, 429),
            _heard = server.hear() => open.push((9, tokio::spawn(asking))),
        }
    }
    assert_eq!(world.post("srv", "ann", &session, PING).await.status, 429);
    world.session("bob").await;
    for (id, asking) in open {
        server.say(&format!(r#"{{"jsonrpc":"2.0","id":"p{id}","result":{{}}}}"#)).await;
        assert_eq!(asking.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_session_and_no_other() {
    let world = World::with(SOON).await;
    let (deaf, mut flood) = world.session("ann").await;
    let (other, mut calm) = world.session("bob").await;
    let mut stream = world.get("ann", &deaf).await;
    let line = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":"{}"}}}}"#,
        "x".repeat(1 << 20)
    );
    // More than sockets, pipes and the front hold together: it is stuck until the session is gone.
    let flooding = tokio::spawn(async move {
        for _ in 0..64 {
            flood.say(&line).await;
        }
    });
    assert!(flooding.await.is_err(), "the wire went away under the flood");
    assert_eq!(world.get("ann", &deaf).await.status, 404);
    let asking = tokio::spawn(world.post("srv", "bob", &other, PING));
    calm.hears_only(PING).await;
    calm.say(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#).await;
    assert_eq!(asking.await.unwrap().status, 200);
    // What was held for it was not much, and its stream ends.
    let mut held = 0;
    while let Some(chunk) = stream.chunk().await {
        held += chunk.len();
    }
    assert!(held < 32 << 20, "{held}");
}

#[tokio::test]
async fn what_nobody_listens_to_is_kept_up_to_a_bound() {
    let world = World::new().await;
    let (session, mut server) = world.session("ann").await;
    for number in 0..1000 {
        server
            .say(&format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":{number}}}}}"#
            ))
            .await;
    }
    crate::stdio::world::idle().await;
    let mut stream = world.get("ann", &session).await;
    assert_eq!(stream.event_json().await["params"]["data"], 1000 - 256, "the newest are kept");
    // A question that nobody listens to cannot be dropped: its server would wait for ever.
    drop(stream);
    let (session, mut server) = world.session("ann").await;
    for number in 0..300 {
        server.say(&format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"ping"}}"#)).await;
    }
    assert_eq!(server.rest().await, "");
    assert_eq!(world.get("ann", &session).await.status, 404);
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_and_its_server_with_it() {
    let world = World::with(Limits { idle: Duration::from_secs(1), ..Limits::STANDARD }).await;
    let (used, mut alive) = world.session("ann").await;
    let mut stream = world.get("ann", &used).await;
    let (idle, mut server) = world.session("ann").await;
    assert_eq!(server.rest().await, "", "its input has ended");
    assert_eq!(world.post("srv", "ann", &idle, PING).await.status, 404);
    alive.say(crate::stdio::world::MARK_OF_SERVER).await;
    assert_eq!(stream.event().await.unwrap(), crate::stdio::world::MARK_OF_SERVER, "who listens is not idle");
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_by_comments() {
    let world = World::with(Limits { beat: Duration::from_millis(20), ..Limits::STANDARD }).await;
    let (session, mut server) = world.session("ann").await;
    let asking = tokio::spawn(world.post("srv", "ann", &session, PING));
    server.hears_only(PING).await;
    let mut answer = asking.await.unwrap();
    assert_eq!(answer.chunk().await.unwrap(), ": \n\n");
    server.say(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#).await;
    assert_eq!(answer.event_json().await["id"], 7);
    assert_eq!(answer.event().await, None);
}

#[tokio::test]
async fn an_answer_made_twice_or_for_nobody_is_told_to_nobody() {
    let world = World::new().await;
    let (session, mut server) = world.session("ann").await;
    let mut stream = world.get("ann", &session).await;
    let asking = tokio::spawn(world.post("srv", "ann", &session, PING));
    server.hears_only(PING).await;
    for answer in [7, 7, 8] {
        server.say(&format!(r#"{{"jsonrpc":"2.0","id":{answer},"result":{{}}}}"#)).await;
    }
    assert_eq!(asking.await.unwrap().json().await["id"], 7);
    server.say(crate::stdio::world::MARK_OF_SERVER).await;
    assert_eq!(stream.event().await.unwrap(), crate::stdio::world::MARK_OF_SERVER);
}

#[tokio::test]
async fn a_session_that_could_not_be_initialized_does_not_stay() {
    let world = World::with(Limits { sessions_of_one: 1, ..Limits::STANDARD }).await;
    let asking = tokio::spawn(world.post("srv", "ann", "", INITIALIZE));
    let mut server = world.server().await;
    server.hears_only(INITIALIZE).await;
    server.say(r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"no"}}"#).await;
    // It may be of the newer era; it is not.
    let asked = server.hear_json().await;
    assert_eq!(asked["method"], "server/discover");
    let refusal =
        json!({ "jsonrpc": "2.0", "id": asked["id"], "error": { "code": -32601, "message": "no" } });
    server.say(&refusal.to_string()).await;
    let answer = asking.await.unwrap();
    assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
    assert_eq!(server.rest().await, "");
}
