//! `up`: the configured servers over HTTP, with a shell script for a server and requests written
//! out.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::governing::{CONFIG, governed};
use crate::world::{DANA, ERIN, World, text};

/// `up`, as long as it runs.
pub(crate) struct Up {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) said: Value,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Up {
    /// Starts it over a configuration with these lines besides.
    pub(crate) fn start(world: &World, more: &str) -> Up {
        Up::over(world, &format!("{CONFIG}{more}"))
    }

    /// Starts it over a configuration that does not say where it listens.
    pub(crate) fn over(world: &World, config: &str) -> Up {
        Up::of(world, &format!("{config}listen: 127.0.0.1:0\n"))
    }

    /// Starts it over a configuration.
    fn of(world: &World, config: &str) -> Up {
        world.write("conf/c.yaml", config);
        let mut command = world.ringfence(&["--config", "conf/c.yaml", "--json", "up"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|error| {
            let mut said = String::new();
            drop(child.stderr.take().unwrap().read_to_string(&mut said));
            panic!("{error}: {line}{said}")
        });
        Up { child, out, said }
    }

    pub(crate) fn address(&self) -> String {
        self.said["listen"].as_str().unwrap().to_owned()
    }

    pub(crate) fn ask(&self, method: &str, headers: &[&str], body: &str) -> Answer {
        self.ask_at("/mcp/files", method, headers, body)
    }

    pub(crate) fn ask_at(&self, path: &str, method: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {length}\r\n{more}\r\n{body}",
            self.address()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// Begins a session; its header.
    pub(crate) fn session(&self, credential: &[&str]) -> String {
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let answer = self.ask("POST", credential, &hello.to_string());
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["result"]["serverInfo"]["name"], "files");
        answer.head.lines().find(|line| line.starts_with("mcp-session-id: ")).unwrap().to_owned()
    }

    pub(crate) fn call(&self, session: &[&str], tool: &str) -> Answer {
        let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
        self.ask("POST", session, &call.to_string())
    }

    /// Told to end, it ends in order.
    pub(crate) fn end(mut self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // After a failure, too: nothing is left behind.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}{}", self.head, self.body))
    }
}

#[test]
fn a_server_is_served_to_whoever_shows_a_token_and_governed() {
    let world = governed();
    world.write_secret("conf/a.token", DANA);
    let agents = "agents:\n  - {id: \"spiffe://acme.example/a\", sponsor: dana, token: {file: a.token}}\n";
    let up = Up::start(&world, agents);
    let url = format!("http://{}/mcp/files", up.address());
    assert_eq!(up.said["servers"], json!([{"name": "files", "url": url}]));
    assert_eq!(up.said["anonymous"], Value::Null);

    let nobody = up.ask("POST", &[], "{}");
    assert_eq!(nobody.status, 401);
    assert!(nobody.head.contains("www-authenticate: bearer"), "{}", nobody.head);
    let wrong = format!("Authorization: Bearer {ERIN}");
    assert_eq!(up.ask("POST", &[&wrong], "{}").status, 401);

    let token = format!("Authorization: Bearer {DANA}");
    let session = up.session(&[&token]);
    let shown = [token.as_str(), session.as_str()];
    let listed = up.ask("POST", &shown, r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#).json();
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(up.call(&shown, "read").json()["result"]["content"][0]["text"], "done");
    let denied = up.call(&shown, "write").json();
    assert_eq!(denied["result"]["isError"], true, "{denied}");
    assert_eq!(up.call(&[&session], "read").status, 401, "a session is no credential");

    let sessions = world.run(&["--json", "sessions", "list"]).exits(0).json();
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
    up.end("-TERM");
    let journal = text(&world.here().join("conf/journal"));
    assert!(journal.contains("\"read\"") && !journal.contains("\"write\""), "{journal}");
    assert!(!journal.contains(DANA) && !journal.contains(&session), "{journal}");
    world.run(&["audit", "verify"]).exits(0);
    let shown = world.run(&["audit", "show"]).exits(0).out;
    assert!(shown.contains("mcp://files/write"), "{shown}");
}

#[test]
fn a_caller_on_this_machine_is_who_the_configuration_says() {
    let world = governed();
    let up = Up::start(&world, "anonymous: \"spiffe://acme.example/local\"\n");
    let session = up.session(&[]);
    assert_eq!(up.call(&[&session], "read").json()["result"]["content"][0]["text"], "done");
    assert_eq!(up.ask("POST", &["Authorization: Bearer rf_nonsense"], "{}").status, 401);
    let listed = world.run(&["--json", "sessions", "list"]).exits(0);
    assert!(listed.out.contains("spiffe://acme.example/local"), "{}", listed.out);
    assert_eq!(up.ask("DELETE", &[&session], "").status, 204);
    assert_eq!(up.call(&[&session], "read").status, 404);
    up.end("-INT");
}

#[test]
fn every_server_is_served_under_one_address_and_governed_by_its_own_name() {
    let world = governed();
    let policy = format!(
        "{}  - {{id: notes, effect: allow, actions: [tool.list, tool.call], resources: [\"mcp://notes\", \"mcp://notes/write\"]}}\n",
        crate::governing::POLICY
    );
    world.write("conf/files.yaml", &policy);
    let config = format!(
        "{CONFIG}  notes: {{command: [sh, server.sh], cwd: ., env: {{JOURNAL: journal2}}}}\n  gone: {{command: [\"false\"]}}\nlisten: 127.0.0.1:0\nanonymous: \"spiffe://acme.example/local\"\n"
    );
    let up = Up::of(&world, &config);
    assert_eq!(up.said["url"], format!("http://{}/mcp", up.address()));
    let ask = |headers: &[&str], body: &str| up.ask_at("/mcp", "POST", headers, body);
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let welcome = ask(&[], &hello.to_string());
    assert_eq!(welcome.json()["result"]["serverInfo"]["name"], "ringfence", "{}", welcome.body);
    let session = welcome.head.lines().find(|line| line.starts_with("mcp-session-id: ")).unwrap().to_owned();

    let listed = ask(&[&session], r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#).json();
    let names: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["files__read", "notes__write"]);
    let call = |tool: &str| {
        let call = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
        ask(&[&session], &call.to_string()).json()
    };
    assert_eq!(call("files__read")["result"]["content"][0]["text"], "done");
    assert_eq!(call("notes__write")["result"]["content"][0]["text"], "done");
    // What one may be asked, the other may not.
    for denied in ["files__write", "notes__read"] {
        let denied = call(denied);
        assert_eq!(denied["result"]["_meta"]["ringfence/decision"]["decision"], "deny", "{denied}");
    }
    assert_eq!(call("read")["error"]["code"], -32602);
    assert!(call("gone__x")["error"]["message"].as_str().unwrap().contains("`gone` is not available"));
    let (files, notes) =
        (text(&world.here().join("conf/journal")), text(&world.here().join("conf/journal2")));
    assert!(files.contains(r#""name":"read""#) && !files.contains("__"), "{files}");
    assert!(notes.contains(r#""name":"write""#) && !notes.contains("__"), "{notes}");

    // A session of one address is none of another's.
    assert_eq!(up.ask("POST", &[&session], r#"{"jsonrpc":"2.0","id":4,"method":"ping"}"#).status, 404);
    assert_eq!(up.ask_at("/mcp/", "POST", &[&session], "{}").status, 404);
    assert_eq!(up.ask_at("/mcp", "DELETE", &[&session], "").status, 204);
    up.end("-TERM");
    let shown = world.run(&["--json", "audit", "show", "-n", "100"]).exits(0).out;
    assert!(shown.contains("mcp://notes/write") && !shown.contains("notes__write"), "{shown}");
}

#[test]
fn servers_get_no_credential_and_what_they_say_aside_is_read() {
    let world = governed();
    let aside = "head -c 300000 /dev/zero | tr '\\0' 'x' >&2; echo >&2; env > env.txt\n";
    world.write("conf/server.sh", &format!("{aside}{}", crate::governing::SERVER));
    world.write_secret("conf/a.token", DANA);
    let config = "agents:\n  - {id: \"spiffe://acme.example/a\", sponsor: dana, token: {file: a.token}}\n\
                  operators:\n  - {id: dana, token: {file: dana.token}}\n";
    world.write_secret("conf/dana.token", ERIN);
    let up = Up::start(&world, config);
    let token = format!("Authorization: Bearer {DANA}");
    let session = up.session(&[&token]);
    assert_eq!(up.call(&[&token, &session], "read").status, 200);
    let environment = text(&world.here().join("conf/env.txt"));
    assert!(environment.contains("JOURNAL=journal"), "{environment}");
    assert!(!environment.contains(DANA) && !environment.contains(ERIN), "{environment}");
    up.end("-TERM");
}

#[test]
fn guessing_tokens_does_not_fill_the_log() {
    let world = governed();
    let up = Up::start(&world, "anonymous: \"spiffe://acme.example/local\"\n");
    let wrong = format!("Authorization: Bearer {ERIN}");
    for _ in 0..200 {
        assert_eq!(up.ask("POST", &[&wrong], "{}").status, 401);
    }
    up.end("-TERM");
    let shown = world.run(&["--json", "audit", "show", "-n", "1000"]).exits(0).out;
    let refused = shown.matches("ringfence/agent").count();
    assert!((1..200).contains(&refused), "{refused}");
}

#[test]
fn a_server_is_told_when_its_session_is_deleted() {
    let world = governed();
    world.write("conf/server.sh", &format!("{}echo ended > ended.txt\n", crate::governing::SERVER));
    let up = Up::start(&world, "anonymous: \"spiffe://acme.example/local\"\n");
    let session = up.session(&[]);
    assert_eq!(up.ask("DELETE", &[&session], "").status, 204);
    up.end("-TERM");
    assert_eq!(text(&world.here().join("conf/ended.txt")), "ended\n");
}

#[test]
fn a_kill_ends_the_http_session_too() {
    let world = governed();
    let token = world.write_secret("conf/dana.token", DANA);
    let more =
        "anonymous: \"spiffe://acme.example/local\"\noperators:\n  - {id: dana, token: {file: dana.token}}\n";
    let up = Up::start(&world, more);
    let session = up.session(&[]);
    let id = world.run(&["--json", "sessions", "list"]).exits(0).json()[0]["id"].as_str().unwrap().to_owned();
    world.run(&["kill", "--session", &id, "--operator-token-file", token.to_str().unwrap()]).exits(0);
    // Denied by what is left of the wire, or there is none any more.
    let stopped = up.call(&[&session], "read");
    assert!(!stopped.body.contains("done"), "{}", stopped.body);
    let again = up.ask("POST", &[], r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#);
    assert_ne!(again.status, 200, "{}", again.body);
    up.end("-TERM");
}

#[test]
fn what_serves_stays_until_it_is_stopped_and_is_the_only_one() {
    let world = governed();
    let mut up = Up::start(&world, "anonymous: \"spiffe://acme.example/local\"\n");
    let second = world.run(&["--config", "conf/c.yaml", "up"]).exits(2);
    assert!(second.err.contains("another monitor works on"), "{}", second.err);
    // Another configuration does not push it aside, though nobody is connected.
    world.write("conf/d.yaml", &format!("{CONFIG}\n# another\n"));
    let other = world.run(&["--config", "conf/d.yaml", "mcp", "--server", "files"]).exits(2);
    assert!(other.err.contains("another configuration"), "{}", other.err);
    // Its own configuration reaches it, for servers over standard streams too.
    world.run_with(&["--config", "conf/c.yaml", "mcp", "--server", "files"], b"").exits(0);
    world.run(&["stop"]).exits(0);
    assert_eq!(up.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_cannot_be_served_is_said() {
    let world = World::new();
    let nothing = world.run(&["up"]).exits(2);
    assert!(nothing.err.contains("nothing to serve"), "{}", nothing.err);
    let config = "apiVersion: ringfence/v1\nkind: Gateway\n";
    world.write("c.yaml", config);
    let nothing = world.run(&["--config", "c.yaml", "up"]).exits(2);
    assert!(nothing.err.contains("names no server"), "{}", nothing.err);
    world.write("c.yaml", &format!("{config}servers:\n  a: {{command: [cat]}}\n"));
    let nothing = world.run(&["--config", "c.yaml", "up"]).exits(2);
    assert!(nothing.err.contains("no policy is loaded"), "{}", nothing.err);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let servers = "policies: read-only\nservers:\n  a: {command: [cat]}\n";
    world.write("c.yaml", &format!("{config}{servers}listen: \"{address}\"\n"));
    let nothing = world.run(&["--config", "c.yaml", "up"]).exits(2);
    assert!(nothing.err.contains(&format!("listening on {address}")), "{}", nothing.err);
    for (key, said) in [
        ("listen: 0.0.0.0:7070", "open to other machines"),
        ("listen: localhost", "no address and port"),
        ("anonymous: dana", "SPIFFE"),
    ] {
        world.write("c.yaml", &format!("{config}{servers}{key}\n"));
        let refused = world.run(&["--config", "c.yaml", "up"]).exits(2);
        assert!(refused.err.contains(said), "{key}: {}", refused.err);
    }
}

/// Says what it is, then waits with each call until a file is there.
const SLOW: &str = r#"
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9][0-9]*\).*/\1/p')
  case "$line" in
    *initialize\"*) echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"files","version":"1"}}}' ;;
    *tools/list*) echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"tools":[{"name":"read","inputSchema":{"type":"object"}}]}}' ;;
    *tools/call*) echo called > called.txt; while ! test -e go.txt; do sleep 0.01; done
      echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"content":[{"type":"text","text":"done"}]}}' ;;
  esac
done
"#;

/// Lets the call come to its end, also after a failure.
struct Go<'a>(&'a World);

impl Drop for Go<'_> {
    fn drop(&mut self) {
        self.0.write("conf/go.txt", "");
    }
}

#[test]
fn what_is_read_again_holds_from_then_on_and_what_is_under_way_goes_on() {
    let world = governed();
    world.write("conf/server.sh", SLOW);
    let more = "anonymous: \"spiffe://acme.example/local\"\n";
    let up = Up::start(&world, more);
    let session = up.session(&[]);
    let called = std::thread::scope(|scope| {
        let calling = scope.spawn(|| up.call(&[&session], "read").json());
        let go = Go(&world);
        let there = world.here().join("conf/called.txt");
        while !there.exists() {
            std::thread::yield_now();
        }
        // What cannot be loaded changes nothing, and is shown with its place.
        let policy = text(&world.here().join("conf/files.yaml"));
        world.write("conf/files.yaml", &policy.replace("effect: allow", "effect: alow"));
        let refused = world.run(&["--config", "conf/c.yaml", "reload"]).exits(2);
        assert!(refused.err.contains("files.yaml") && refused.err.contains("alow"), "{}", refused.shown());
        assert_eq!(world.run(&["--json", "status"]).exits(0).json()["policies"], 1);
        // Nobody may read any more.
        world.write("conf/files.yaml", &policy.replace("mcp://files/read", "mcp://files/nothing"));
        world.run(&["--config", "conf/c.yaml", "reload"]).exits(0);
        drop(go);
        calling.join().unwrap()
    });
    assert_eq!(called["result"]["content"][0]["text"], "done", "{called}");
    let denied = up.call(&[&session], "read").json();
    assert_eq!(denied["result"]["_meta"]["ringfence/decision"]["decision"], "deny", "{denied}");
    // A server that is new is there at once; what is in use as long as it runs is said to be.
    let config = format!("{CONFIG}  more: {{command: [sh, server.sh], cwd: .}}\nlisten: 127.0.0.1:0\n{more}");
    world.write("conf/c.yaml", &config);
    let pid = up.child.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    while up.ask_at("/mcp/more", "POST", &[], &hello.to_string()).status == 404 {
        std::thread::yield_now();
    }
    world.write("conf/c.yaml", &config.replace("spiffe://acme.example/local", "spiffe://acme.example/other"));
    let refused = world.run(&["--config", "conf/c.yaml", "reload"]).exits(2);
    assert!(refused.err.contains("`anonymous` has changed"), "{}", refused.shown());
    up.end("-TERM");
}
