//! `mcp`: one server, wrapped, with a shell script for a server.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{DANA, World};

/// Answers what a client of MCP 2025-06-18 asks, and writes down what reached it.
pub(crate) const SERVER: &str = r#"#!/bin/sh
while IFS= read -r line; do
  printf '%s\n' "$line" >> "$JOURNAL"
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9][0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"files","version":"1"}}}\n' "$id" ;;
    *'"tools/list"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"read","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}},{"name":"write","inputSchema":{"type":"object"}}]}}\n' "$id" ;;
    *'"tools/call"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"done"}]}}\n' "$id" ;;
  esac
done
"#;

pub(crate) const POLICY: &str = "\
apiVersion: ringfence/v1
kind: Policy
metadata: {name: files}
layer: team
subjects: [\"**\"]
rules:
  - {id: list, effect: allow, actions: [tool.list], resources: [\"mcp://files\"]}
  - {id: read, effect: allow, actions: [tool.call], resources: [\"mcp://files/read\"]}
";

pub(crate) const CONFIG: &str = "\
apiVersion: ringfence/v1
kind: Gateway
policies: ./files.yaml
servers:
  files: {command: [sh, server.sh], cwd: ., env: {JOURNAL: journal}}
";

struct Session {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Session {
    fn start(mut command: std::process::Command) -> Session {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let to = child.stdin.take();
        let from = BufReader::new(child.stdout.take().unwrap());
        let mut session = Session { child, to, from };
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let welcome = session.ask(&hello);
        assert_eq!(welcome["result"]["serverInfo"]["name"], "files", "{welcome}");
        session.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        session
    }

    fn say(&mut self, message: &Value) {
        writeln!(self.to.as_mut().unwrap(), "{message}").unwrap();
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.say(message);
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| {
            let mut said = String::new();
            drop(std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut said));
            panic!("{error}: `{line}`; {said}")
        })
    }

    fn call(&mut self, id: u64, tool: &str) -> Value {
        self.ask(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}}}))
    }

    fn end(mut self) -> (i32, String) {
        drop(self.to.take());
        let ended = self.child.wait_with_output().unwrap();
        (ended.status.code().unwrap(), String::from_utf8(ended.stderr).unwrap())
    }
}

pub(crate) fn governed() -> World {
    let world = World::new();
    world.write("conf/server.sh", SERVER);
    world.write("conf/files.yaml", POLICY);
    world.write("conf/c.yaml", CONFIG);
    world
}

#[test]
fn a_call_that_no_rule_allows_never_reaches_the_server() {
    let world = governed();
    let mut session =
        Session::start(world.ringfence(&["--config", "conf/c.yaml", "mcp", "--server", "files"]));
    let listed = session.ask(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    let names: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["read"], "a tool that is certain to be denied is not shown");
    assert_eq!(session.call(3, "read")["result"]["content"][0]["text"], "done");
    let denied = session.call(4, "write");
    assert_eq!(denied["result"]["isError"], true, "{denied}");
    assert_eq!(denied["result"]["_meta"]["ringfence/decision"]["decision"], "deny", "{denied}");
    let listed = world.run(&["--json", "sessions", "list"]).exits(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let (code, said) = session.end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("is governed as server files"), "{said}");
    assert!(said.contains("cooperative"), "{said}");
    let journal = crate::world::text(&world.here().join("conf/journal"));
    assert!(journal.contains("\"read\"") && !journal.contains("\"write\""), "{journal}");
    world.run(&["stop"]).exits(0);
    world.run(&["audit", "verify"]).exits(0);
    let shown = world.run(&["audit", "show"]).exits(0);
    assert!(shown.out.contains("mcp://files/write"), "{}", shown.out);
}

#[test]
fn whoever_looks_elsewhere_is_told_that_somebody_waits_and_an_answer_lets_it_go() {
    let world = governed();
    let token = world.write_secret("conf/dana.token", DANA);
    let operators = "operators:\n  - {id: dana@acme.example, token: {file: dana.token}}\n";
    world.write("conf/c.yaml", &format!("{CONFIG}{operators}"));
    let ask = "  - {id: write, effect: ask, actions: [tool.call], resources: [\"mcp://files/write\"]}\n";
    world.write("conf/files.yaml", &format!("{POLICY}{ask}"));
    // A desktop: what is to be shown on it is written down.
    let shown = world.here().join("shown");
    let notifier =
        world.write("bin/notify-send", &format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > {}\n", shown.display()));
    fs::set_permissions(&notifier, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::join_paths(
        std::iter::once(world.here().join("bin"))
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut command = world.ringfence(&["--config", "conf/c.yaml", "mcp", "--server", "files"]);
    command.env("PATH", path.unwrap()).env("DISPLAY", ":9");
    let mut session = Session::start(command);
    session.say(&json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "write", "arguments": {}}}));
    let told = await_file(&shown);
    assert!(told.contains("`write` on `files` waits for a person"), "{told}");
    let waiting = world.run(&["--json", "approvals", "list"]).exits(0).json();
    let id = waiting[0]["id"].as_str().unwrap_or_else(|| panic!("{waiting}")).to_owned();
    let token = token.to_str().unwrap();
    world
        .run(&["--config", "conf/c.yaml", "approvals", "approve", &id, "--operator-token-file", token])
        .exits(0);
    assert_eq!(session.answer()["result"]["content"][0]["text"], "done");
    let (code, said) = session.end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("ringfence approvals approve {id}")), "{said}");
}

/// A file's text, as soon as there is a whole line of it.
fn await_file(path: &std::path::Path) -> String {
    let begun = Instant::now();
    loop {
        match fs::read_to_string(path) {
            Ok(text) if text.contains("waits") && text.ends_with('\n') => return text,
            _ => assert!(begun.elapsed() < Duration::from_secs(30), "{} is not written", path.display()),
        }
        std::thread::yield_now();
    }
}

#[test]
fn without_policy_a_command_says_what_to_choose_from() {
    let world = World::new();
    let ran = world.run(&["mcp", "--", "cat"]).exits(2);
    assert!(ran.err.contains("read-only") && ran.err.contains("--profile"), "{}", ran.err);
    let ran = world.run(&["mcp", "--profile", "flow", "--", "cat"]).exits(2);
    assert!(ran.err.contains("no profile `flow`"), "{}", ran.err);
}

#[test]
fn names_and_commands_have_to_fit_the_configuration() {
    let world = governed();
    let other =
        world.run(&["--config", "conf/c.yaml", "mcp", "--server", "files", "--", "sh", "other.sh"]).exits(2);
    assert!(other.err.contains("to another command"), "{}", other.err);
    let unknown = world.run(&["--config", "conf/c.yaml", "mcp", "--server", "mail"]).exits(2);
    assert!(unknown.err.contains("has no server `mail`"), "{}", unknown.err);
    let bad = world.run(&["--config", "conf/c.yaml", "mcp", "--server", "My Files"]).exits(2);
    assert!(bad.err.contains("cannot be a server's name"), "{}", bad.err);
}

#[test]
fn the_servers_own_exit_code_is_passed_on() {
    let world = governed();
    let ran = world.run(&["--config", "conf/c.yaml", "mcp", "--server", "short", "--", "sh", "-c", "exit 7"]);
    assert_eq!(ran.code, 7, "{}", ran.shown());
    let missing = world.run(&["--config", "conf/c.yaml", "mcp", "--", "no-such-program-anywhere"]).exits(2);
    assert!(missing.err.contains("no-such-program-anywhere"), "{}", missing.err);
}

#[test]
fn the_servers_tree_ends_with_its_client() {
    let world = governed();
    let mut command = world.ringfence(&["--config", "conf/c.yaml", "mcp", "--server", "files"]);
    command.env("JOURNAL", "elsewhere");
    let mut session = Session::start(command);
    session.call(2, "read");
    session.child.kill().unwrap();
    session.child.wait().unwrap();
    // The monitor noticed, ended the server and let the client go: it makes way for another.
    world.run(&["stop"]).exits(0);
    let shown = world.run(&["--json", "audit", "show", "-n", "50"]).exits(0).out;
    assert!(shown.contains("\"outcome\""), "{shown}");
    assert!(!world.here().join("elsewhere").exists(), "the configuration's environment wins");
}

#[test]
fn a_kill_ends_the_session_it_names() {
    let world = governed();
    let token = world.write_secret("conf/dana.token", crate::world::DANA);
    world.write(
        "conf/c.yaml",
        &format!("{CONFIG}operators:\n  - {{id: dana, token: {{file: dana.token}}}}\n"),
    );
    let session = Session::start(world.ringfence(&["--config", "conf/c.yaml", "mcp", "--server", "files"]));
    let id = world.run(&["--json", "sessions", "list"]).exits(0).json()[0]["id"].as_str().unwrap().to_owned();
    world.run(&["kill", "--session", &id, "--operator-token-file", token.to_str().unwrap()]).exits(0);
    let ended = session.child.wait_with_output().unwrap();
    assert_ne!(ended.status.code(), Some(0));
    let again = world.run(&["--config", "conf/c.yaml", "mcp", "--server", "files"]).exits(1);
    assert!(again.err.contains("error:"), "{}", again.err);
}

#[test]
fn operators_tokens_are_kept_from_servers() {
    let world = governed();
    world
        .write("conf/c.yaml", &format!("{CONFIG}operators:\n  - {{id: dana, token: {{env: DANA_TOKEN}}}}\n"));
    let mut command =
        world.ringfence(&["--config", "conf/c.yaml", "mcp", "--server", "env", "--", "sh", "-c", "env >&2"]);
    command.env("DANA_TOKEN", crate::world::DANA).env("HARMLESS", "yes");
    let ran = world.ran(&command.output().unwrap()).exits(0);
    assert!(ran.err.contains("HARMLESS=yes"), "{}", ran.err);
    assert!(!ran.err.contains(crate::world::DANA), "{}", ran.err);
}
