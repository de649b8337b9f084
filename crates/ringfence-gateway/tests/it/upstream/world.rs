//! A server that listens and is written here, request by request, and a wire that speaks to it.

use std::net::SocketAddr;

use hyper::header::HeaderValue;
use ringfence_gateway::mcp::upstream::{Authorization, Endpoint, Http, Reached, reach};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
pub(crate) const WELCOME: &str =
    r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
pub(crate) const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
pub(crate) const PONG: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

pub(crate) struct World {
    listener: TcpListener,
    lines: BufReader<DuplexStream>,
    write: DuplexStream,
    _hold: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

/// One request that came in, on a connection of its own.
pub(crate) struct Asked {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    stream: BufReader<TcpStream>,
}

impl World {
    pub(crate) async fn new() -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint {
            name: "srv".to_owned(),
            uri: format!("http://{}/mcp?x=1", listener.local_addr().unwrap()).parse().unwrap(),
            authorization: Authorization::Fixed(HeaderValue::from_static("Bearer of-the-server")),
        };
        assert!(!format!("{endpoint:?}").contains("of-the-server"));
        let Reached { from_server, to_server, hold, ended } = reach(Http::new().unwrap(), endpoint);
        World { listener, lines: BufReader::new(from_server), write: to_server, _hold: hold, ended }
    }

    /// One with a session, whose own stream there is not.
    pub(crate) async fn begun() -> World {
        let mut world = World::new().await;
        world.begins("one").await;
        let listening = world.asked().await;
        assert!(listening.line.starts_with("GET "));
        assert_eq!(listening.header("mcp-session-id"), Some("one"));
        listening.status("405 Method Not Allowed").await;
        world
    }

    /// The client begins, and the server gives the session this name.
    pub(crate) async fn begins(&mut self, session: &str) {
        self.say(INITIALIZE).await;
        let asked = self.asked().await;
        assert_eq!((asked.body.as_str(), asked.header("mcp-session-id")), (INITIALIZE, None));
        asked.json(&format!("Mcp-Session-Id: {session}\r\n"), WELCOME).await;
        assert_eq!(self.hear().await, WELCOME);
        self.say(INITIALIZED).await;
        let asked = self.asked().await;
        assert_eq!((asked.body.as_str(), asked.header("mcp-session-id")), (INITIALIZED, Some(session)));
        assert_eq!(asked.header("mcp-protocol-version"), Some("2025-11-25"));
        asked.status("202 Accepted").await;
    }

    pub(crate) async fn say(&mut self, line: &str) {
        self.write.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    pub(crate) async fn hear(&mut self) -> String {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).await.unwrap() > 0, "the wire has ended");
        line.trim_end().to_owned()
    }

    pub(crate) async fn hear_json(&mut self) -> Value {
        serde_json::from_str(&self.hear().await).unwrap()
    }

    /// The message of the error that the wire hears next, to this id.
    pub(crate) async fn error(&mut self, id: u32) -> String {
        let heard = self.hear_json().await;
        assert_eq!(heard["id"], id, "{heard}");
        heard["error"]["message"].as_str().unwrap_or_else(|| panic!("{heard}")).to_owned()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next request.
    pub(crate) async fn asked(&self) -> Asked {
        accepted(&self.listener).await
    }

    /// Ends the wire. What is left hears what the server is told then.
    pub(crate) fn leave(self) -> Left {
        Left { listener: self.listener, ended: self.ended }
    }
}

/// A server whose wire has ended.
pub(crate) struct Left {
    listener: TcpListener,
    ended: oneshot::Receiver<()>,
}

impl Left {
    pub(crate) async fn asked(&self) -> Asked {
        accepted(&self.listener).await
    }

    /// Waits until nothing is under way any more.
    pub(crate) async fn ended(self) {
        // Dropped is the same.
        self.ended.await.ok();
    }
}

async fn accepted(listener: &TcpListener) -> Asked {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).await.unwrap() > 0, "no request: {lines:?}");
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |line: &String| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    };
    let headers: Vec<(String, String)> = lines[1..].iter().map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    let asked = Asked { line: lines[0].clone(), headers, body: String::from_utf8(body).unwrap(), stream };
    // Whatever it is, it is shown what the server is to be shown, and at the place of the server.
    assert_eq!(asked.header("authorization"), Some("Bearer of-the-server"));
    assert_eq!(asked.line.split(' ').nth(1), Some("/mcp?x=1"));
    asked
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).await.unwrap();
    }

    /// As much as it takes; whether that was all.
    pub(crate) async fn try_raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.get_mut().write_all(bytes).await.is_ok()
    }

    pub(crate) async fn status(mut self, status: &str) {
        self.raw(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
    }

    /// Answers with a whole body.
    pub(crate) async fn body(mut self, status: &str, headers: &str, body: &[u8]) {
        let head = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        self.raw(&[head.as_bytes(), body].concat()).await;
    }

    pub(crate) async fn json(self, headers: &str, body: &str) {
        self.body("200 OK", &format!("Content-Type: application/json\r\n{headers}"), body.as_bytes()).await;
    }

    /// Begins a stream, which ends when this is dropped.
    pub(crate) async fn stream(&mut self) {
        self.raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nConnection: close\r\n\r\n",
        )
        .await;
    }

    pub(crate) async fn event(&mut self, event: &str) {
        self.raw(format!("{event}\n\n").as_bytes()).await;
    }

    /// Waits until the other side has closed the connection.
    pub(crate) async fn closes(mut self) {
        let mut rest = Vec::new();
        // A reset is an end too.
        if let Ok(read) = self.stream.read_to_end(&mut rest).await {
            assert_eq!(read, 0);
        }
    }
}
