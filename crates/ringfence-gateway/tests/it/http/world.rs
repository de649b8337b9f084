//! A front that listens, scripted servers behind it, and a client that writes its own requests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};

use ringfence_gateway::mcp::http::{Front, Limits, NotOpened, Opened, Shown, Stranger, Upstreams, serve};
use ringfence_gateway::mcp::stdio::{self, Schema, Server};
use ringfence_guard::{Evidence, Guard, Session, SessionKey, sha256};
use ringfence_model::{Assurance, Person};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::guarded::Guarded;
use crate::stdio::world::Peer;

const POLICY: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: test}
layer: team
subjects: ["**"]
rules:
  - {id: look, effect: allow, actions: [tool.list], resources: ["mcp://srv"]}
  - {id: call, effect: allow, actions: [tool.call], resources: ["mcp://srv/echo"]}
  - {id: ask, effect: allow, actions: [model.call, user.ask], resources: ["model://**", "mcp://srv"]}
"#;

pub(crate) const TOOLS: &str =
    r#"[{"name":"echo","inputSchema":{"type":"object"}},{"name":"wipe","inputSchema":{"type":"object"}}]"#;
pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const WELCOME: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"srv","version":"1"}}}"#;

pub(crate) struct World {
    _folder: TempDir,
    pub(crate) address: SocketAddr,
    servers: Mutex<mpsc::UnboundedReceiver<Peer>>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

struct Scripted {
    guard: Guard,
    servers: mpsc::UnboundedSender<Peer>,
    opened: AtomicU8,
}

impl Upstreams for Scripted {
    fn serves(&self, server: &str) -> bool {
        matches!(server, "srv" | "other")
    }

    /// A token names its agent; who shows none is `nobody`.
    async fn caller(&self, shown: Shown, _: &str) -> Result<Session, Stranger> {
        let agent = match &shown {
            Shown::Bearer(token) => token.strip_prefix("rf_"),
            Shown::NothingLocally => Some("nobody"),
        };
        let agent = agent.ok_or_else(|| Stranger::Unknown { reason: "the token is no token".to_owned() })?;
        let evidence = Evidence::Declared {
            agent: format!("spiffe://acme.example/{agent}").parse().unwrap(),
            sponsor: Person::new("dana"),
        };
        let session = self.guard.session(evidence, SessionKey::Credential, Assurance::Cooperative).await;
        session.map_err(|denied| Stranger::Unknown { reason: denied.to_string() })
    }

    async fn open(&self, server: &str, caller: Session) -> Result<Opened, NotOpened> {
        let (client, near) = tokio::io::duplex(64 * 1024);
        let (peer, upstream) = Peer::new();
        self.servers.send(peer).unwrap();
        let wrapped = Server {
            name: server.to_owned(),
            identity: sha256(b"srv"),
            trusted: false,
            schema: Schema::Enforce,
        };
        let (ending, ended) = oneshot::channel();
        let (notices, _) = mpsc::channel(1);
        tokio::spawn(async move {
            stdio::proxy(caller, wrapped, tokio::io::split(near), upstream, notices).await;
            drop(ending);
        });
        let (from_wire, to_wire) = tokio::io::split(client);
        Ok(Opened { to_wire: Box::new(to_wire), from_wire: Box::new(from_wire), ended })
    }

    fn chance(&self) -> Option<[u8; 16]> {
        Some([self.opened.fetch_add(1, Ordering::SeqCst); 16])
    }
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(Limits::STANDARD).await
    }

    pub(crate) async fn with(limits: Limits) -> World {
        let Guarded { folder, guard, log: _ } = Guarded::by(POLICY);
        let (opened, servers) = mpsc::unbounded_channel();
        let front = Front::new(Scripted { guard, servers: opened, opened: AtomicU8::new(0) }, limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(serve(listener, front, async {
            stopped.await.ok();
        }));
        World { _folder: folder, address, servers: Mutex::new(servers), stop: Some(stop), serving }
    }

    /// The server that was opened next.
    pub(crate) async fn server(&self) -> Peer {
        self.servers.lock().await.recv().await.unwrap()
    }

    /// Whether no further server was opened so far.
    pub(crate) fn opened_nothing(&mut self) -> bool {
        self.servers.get_mut().try_recv().is_err()
    }

    /// Initializes a session of an agent's: its id, and its server.
    pub(crate) async fn session(&self, agent: &str) -> (String, Peer) {
        let asking = self.post("srv", agent, "", INITIALIZE);
        let (answer, server) = tokio::join!(asking, async {
            let mut server = self.server().await;
            assert_eq!(server.hear_json().await["method"], "initialize");
            server.say(WELCOME).await;
            server
        });
        assert_eq!(answer.status, 200);
        let id = answer.header("mcp-session-id").unwrap().to_owned();
        assert_eq!(answer.json().await["result"]["serverInfo"]["name"], "srv");
        (id, server)
    }

    /// Says a request as an agent, in a session where one is named.
    pub(crate) fn post(
        &self,
        server: &str,
        agent: &str,
        session: &str,
        body: &str,
    ) -> impl Future<Output = Answer> + use<> {
        let mut headers = vec![format!("Authorization: Bearer rf_{agent}")];
        if !session.is_empty() {
            headers.push(format!("Mcp-Session-Id: {session}"));
        }
        self.request("POST", &format!("/mcp/{server}"), headers, body)
    }

    /// Opens a session's own stream.
    pub(crate) async fn get(&self, agent: &str, session: &str) -> Answer {
        let headers = vec![format!("Authorization: Bearer rf_{agent}"), format!("Mcp-Session-Id: {session}")];
        self.request("GET", "/mcp/srv", headers, "").await
    }

    /// A request with what every client sends and, after it, other headers.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: Vec<String>,
        body: &str,
    ) -> impl Future<Output = Answer> + use<> {
        let usual = [
            format!("Host: {}", self.address),
            "Content-Type: application/json".to_owned(),
            "Accept: application/json, text/event-stream".to_owned(),
            format!("Content-Length: {}", body.len()),
        ];
        // What a test says itself is not said twice.
        let name = |line: &str| line.split(':').next().unwrap().to_ascii_lowercase();
        let usual = usual.into_iter().filter(|line| !headers.iter().any(|own| name(own) == name(line)));
        let lines: Vec<String> = usual.collect::<Vec<_>>().into_iter().chain(headers).collect();
        let head = format!("{method} {path} HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n"));
        let (address, text) = (self.address, [head.as_bytes(), body.as_bytes()].concat());
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(&text).await.unwrap();
            Answer::read(stream).await
        }
    }

    /// Tells the front to end.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has.
    pub(crate) async fn ended(self) {
        self.serving.await.unwrap();
    }
}

/// What came back; its body is read on demand.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
    text: String,
}

impl Answer {
    pub(crate) async fn read(stream: TcpStream) -> Answer {
        let mut stream = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = stream.read_line(&mut line).await.unwrap();
            assert!(read > 0, "the connection ended before an answer: {lines:?}");
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines[1..].iter().map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Answer { status, headers, stream, text: String::new() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// A body that is JSON, whole.
    pub(crate) async fn json(mut self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        let length = self.header("content-length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    /// The next event's data; nothing at the end of the stream.
    pub(crate) async fn event(&mut self) -> Option<String> {
        assert_eq!(self.header("content-type"), Some("text/event-stream"));
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                match event.strip_prefix("event: message\ndata: ") {
                    Some(data) => return Some(data.to_owned()),
                    None => assert_eq!(event, ": "),
                }
                continue;
            }
            let chunk = self.chunk().await?;
            self.text += &chunk;
        }
    }

    /// The next event, as JSON.
    pub(crate) async fn event_json(&mut self) -> Value {
        serde_json::from_str(&self.event().await.expect("the stream has ended")).unwrap()
    }

    /// The next chunk as it came; nothing at the end, or where the connection broke.
    pub(crate) async fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        if self.stream.read_line(&mut size).await.unwrap_or(0) == 0 {
            return None;
        }
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).await.ok()?;
        chunk.truncate(size);
        (size > 0).then(|| String::from_utf8(chunk).unwrap())
    }
}
