//! A wrapper under test: what stands on both of its sides is written here, line by line.

use ringfence_audit::Log;
use ringfence_audit::record::Scope;
use ringfence_gateway::mcp::stdio::{self, End, Schema, Server};
use ringfence_guard::{Answered, Evidence, Guard, Observed, Operator, Session, SessionKey, sha256};
use ringfence_model::{Assurance, Labels, Person};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::guarded::Guarded;

/// Everything that a server offers may be looked at; `echo` and `slow` may be called, `buy` needs
/// a person, the model may be sampled only as `small`, the person be asked nothing.
const POLICY: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: test}
layer: team
subjects: ["**"]
rules:
  - id: look
    effect: allow
    actions: [tool.list, resource.list, prompt.list, resource.read, prompt.get]
    resources: ["mcp://srv", "mcp://srv/**"]
  - {id: call, effect: allow, actions: [tool.call], resources: ["mcp://srv/echo", "mcp://srv/slow", "mcp://srv/odd"]}
  - {id: buy, effect: ask, actions: [tool.call], resources: ["mcp://srv/buy"], approvers: ["group:ops"], expires: 10m, reason: Buying needs a person.}
  - {id: small, effect: allow, actions: [model.call], resources: ["model://client/small"]}
"#;

/// What `tools/list` says, unless a test says otherwise. `wipe` may not be called at all.
pub(crate) const TOOLS: &str = r#"[{"name":"echo","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}},{"name":"wipe","inputSchema":{"type":"object"}},{"name":"buy","inputSchema":{"type":"object","properties":{"total":{"type":"integer"}},"required":["total"]}},{"name":"slow","inputSchema":{"type":"object"}}]"#;

/// How much a pipe holds, as Linux has it.
const PIPE: usize = 64 * 1024;

pub(crate) struct World {
    _folder: TempDir,
    pub(crate) guard: Guard,
    pub(crate) session: Session,
    log: Log,
    operator: Operator,
    pub(crate) client: Peer,
    pub(crate) server: Peer,
    pub(crate) notices: mpsc::Receiver<String>,
    proxy: JoinHandle<End>,
}

/// One side's own end of the streams.
pub(crate) struct Peer {
    lines: BufReader<DuplexStream>,
    write: Option<DuplexStream>,
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(POLICY, Schema::Enforce).await
    }

    pub(crate) async fn with(policy: &str, schema: Schema) -> World {
        let Guarded { folder, log, guard } = Guarded::by(policy);
        let token =
            guard.add_operator(&Person::new("dana@acme.example"), vec!["ops".to_owned()]).await.unwrap();
        let operator = guard.operator(&token).unwrap();
        let evidence = Evidence::Peer { user: Person::new("dana"), program: "agent".to_owned() };
        let session = guard.session(evidence, SessionKey::Credential, Assurance::Cooperative).await;
        let session = session.unwrap_or_else(|denied| panic!("{denied}"));
        let (client, near_client) = Peer::new();
        let (server, near_server) = Peer::new();
        let (notices, heard) = mpsc::channel(16);
        let wrapped = Server { name: "srv".to_owned(), identity: sha256(b"srv"), trusted: false, schema };
        let proxy =
            tokio::spawn(stdio::proxy(session.clone().led(), wrapped, near_client, near_server, notices));
        World { _folder: folder, guard, session, log, operator, client, server, notices: heard, proxy }
    }

    /// A client that has the list of tools already.
    pub(crate) async fn listed() -> World {
        let mut world = World::new().await;
        world.list(TOOLS).await;
        world
    }

    /// The client asks for the tools and gets what it may see of them.
    pub(crate) async fn list(&mut self, tools: &str) -> Value {
        self.client.say(r#"{"jsonrpc":"2.0","id":"list","method":"tools/list"}"#).await;
        assert_eq!(self.server.hear_json().await["method"], "tools/list");
        self.server.say(&format!(r#"{{"jsonrpc":"2.0","id":"list","result":{{"tools":{tools}}}}}"#)).await;
        self.client.hear_json().await
    }

    /// The id of the ask that was told to the person.
    pub(crate) async fn asked(&mut self) -> String {
        let notice = self.notices.recv().await.expect("somebody is told");
        notice.rsplit(' ').next().unwrap().to_owned()
    }

    pub(crate) async fn approve(&self, id: &str) {
        let said = Answered::Approved("dana@acme.example".to_owned());
        self.guard.answer(&self.operator, id, said).await.unwrap();
    }

    pub(crate) async fn refuse(&self, id: &str) {
        let said = Answered::Refused("dana@acme.example".to_owned());
        self.guard.answer(&self.operator, id, said).await.unwrap();
    }

    pub(crate) async fn kill(&self, scope: Scope) {
        self.guard.kill(&self.operator, scope, "enough").await.unwrap();
    }

    /// Every record so far, those that are queued included.
    pub(crate) async fn records(&self) -> Vec<Value> {
        let seen =
            Observed { event: "output", server: None, of: None, content: Vec::new(), labels: Labels::FRESH };
        // Refused where the session is killed, and recorded all the same.
        drop(self.session.observe(seen).await);
        self.log.read(0).map(|leaf| serde_json::from_slice(&leaf.unwrap().bytes).unwrap()).collect()
    }

    /// The decisions on calls of a tool, each with what came of it: `deny`, `ask`, or the outcome.
    pub(crate) async fn calls_of(&self, tool: &str) -> Vec<String> {
        let records = self.records().await;
        let resource = format!("mcp://srv/{tool}");
        let calls = records.iter().enumerate().filter(|(_, record)| record["resource"] == resource.as_str());
        calls
            .map(|(index, decision)| match decision["permit"].as_bool() {
                Some(true) => {
                    let outcome = records.iter().find(|record| {
                        record["kind"] == "outcome" && record["of"].as_u64() == Some(index as u64)
                    });
                    outcome.map_or("open", |outcome| outcome["result"].as_str().unwrap()).to_owned()
                }
                Some(false) | None => decision["decision"].as_str().unwrap().to_owned(),
            })
            .collect()
    }

    /// How the wrapper ended; the sides keep what it wrote last.
    pub(crate) async fn end(self) -> (Peer, Peer, End) {
        let end = self.proxy.await.unwrap();
        (self.client, self.server, end)
    }
}

impl Peer {
    /// Answers the next request, which has to be of this method.
    pub(crate) async fn answers(&mut self, method: &str, result: &str) -> Value {
        let asked = self.hear_json().await;
        assert_eq!(asked["method"], method);
        self.say(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, asked["id"])).await;
        asked
    }

    /// Answers `server/discover`, which shows that it is of 2026-07-28.
    pub(crate) async fn is_of_the_newer_era(&mut self) {
        let result = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"public"}"#;
        self.answers("server/discover", result).await;
    }

    /// One, and what the wrapper reads of it and writes to it.
    pub(crate) fn new() -> (Peer, (DuplexStream, DuplexStream)) {
        let (said, read) = duplex(PIPE);
        let (heard, written) = duplex(PIPE);
        (Peer { lines: BufReader::new(heard), write: Some(said) }, (read, written))
    }

    pub(crate) async fn say(&mut self, line: &str) {
        self.write(format!("{line}\n").as_bytes()).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.write.as_mut().expect("it has not said its last").write_all(bytes).await.unwrap();
    }

    /// As much of it as there is room for.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> usize {
        let write = self.write.as_mut().expect("it has not said its last");
        let mut written = 0;
        while written < bytes.len() {
            // Ready or not at once: nothing here waits for time to pass, but for other tasks.
            let step = tokio::select! {
                biased;
                step = write.write(&bytes[written..]) => step.unwrap(),
                () = idle() => return written,
            };
            written += step;
        }
        written
    }

    /// Ends what it says; it still hears.
    pub(crate) fn close(&mut self) {
        drop(self.write.take().expect("it has not said its last"));
    }

    /// The next line, without its end.
    pub(crate) async fn hear(&mut self) -> String {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).await.unwrap();
        assert!(read > 0, "the stream has ended");
        line.strip_suffix('\n').expect("a whole line").to_owned()
    }

    pub(crate) async fn hear_json(&mut self) -> Value {
        serde_json::from_str(&self.hear().await).unwrap()
    }

    /// The rest until the end of the stream.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).await.unwrap();
        rest
    }

    /// Asserts that nothing is on its way by having the other side say something innocent, which
    /// comes through in order.
    pub(crate) async fn hears_only(&mut self, line: &str) {
        assert_eq!(self.hear().await, line);
    }
}

/// Gives every other task its turn, often.
pub(crate) async fn idle() {
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn call(id: &str, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

pub(crate) fn result(id: &str, text: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#)
}

/// A notification that passes, to show that nothing came before it.
pub(crate) const MARK_OF_SERVER: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"mark"}}"#;
pub(crate) const MARK_OF_CLIENT: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
