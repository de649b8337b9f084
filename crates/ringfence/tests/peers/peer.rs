//! The peers: where they are, and how they are started.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// The folder that `cargo xtask tools` installs into; `RINGFENCE_PEERS` names another.
fn tools() -> PathBuf {
    match std::env::var_os("RINGFENCE_PEERS") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/ci-tools"),
    }
}

/// A file that has to be there.
fn installed(path: &str) -> String {
    let path = tools().join(path);
    assert!(path.exists(), "a peer is missing: {}; `cargo xtask tools` installs it", path.display());
    path.canonicalize().unwrap().into_os_string().into_string().unwrap()
}

/// A file beside this one.
pub(crate) fn beside(name: &str) -> String {
    format!("{}/tests/peers/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Python with the SDK. Not made canonical: the environment is found by the path.
pub(crate) fn python() -> String {
    installed("python/lib");
    tools().join("python/bin/python").into_os_string().into_string().unwrap()
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Sdk {
    Python,
    TypeScript,
}

/// The command of one of npm's servers.
pub(crate) fn npm(server: &str, arguments: &[&str]) -> Vec<String> {
    let mut command =
        vec!["node".to_owned(), installed(&format!("node/node_modules/.bin/mcp-server-{server}"))];
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    command
}

/// A server of the Python SDK.
pub(crate) fn modern() -> Vec<String> {
    vec![python(), beside("modern_server.py")]
}

/// A server of our own that does what the others do not.
pub(crate) fn odd(arguments: &[&str]) -> Vec<String> {
    let mut command = vec!["python3".to_owned(), "-S".to_owned(), beside("odd_server.py")];
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    command
}

impl Sdk {
    /// Plays steps against the server that `command` starts; what came of each.
    pub(crate) fn play(self, steps: &Value, command: &[String], mark: &str) -> Vec<Value> {
        let mut client = self.start(steps, command, mark);
        drop(client.input.take());
        let mut said = Vec::new();
        while let Some(line) = client.next() {
            said.push(line);
        }
        let ended = client.process.wait().unwrap();
        assert!(ended.success(), "the {self:?} client ended with {ended} after {said:?}");
        said
    }

    /// Starts to play.
    pub(crate) fn start(self, steps: &Value, command: &[String], mark: &str) -> Client {
        let mut client = match self {
            Sdk::Python => {
                let mut client = Command::new(python());
                client.arg(beside("client.py"));
                client
            }
            Sdk::TypeScript => {
                let mut client = Command::new("node");
                client.arg(beside("client.mjs")).env("PEER_MODULES", installed("node"));
                client
            }
        };
        client.arg(steps.to_string()).args(command).env(super::place::MARK, mark);
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process =
            client.spawn().unwrap_or_else(|error| panic!("the {self:?} client cannot be started: {error}"));
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        Client { process, input, output }
    }
}

/// A client at work.
pub(crate) struct Client {
    pub(crate) process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Client {
    /// What came of the next step; nothing once it has ended.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).unwrap();
        (read > 0).then(|| serde_json::from_str(&line).unwrap())
    }
}

/// A client that is no SDK: it says lines and hears lines.
pub(crate) struct Bare {
    pub(crate) process: Child,
    pub(crate) input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Bare {
    pub(crate) fn start(command: &[String], mark: &str) -> Bare {
        let (program, arguments) = command.split_first().unwrap();
        let mut process = Command::new(program)
            .args(arguments)
            .env(super::place::MARK, mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        Bare { process, input, output }
    }

    pub(crate) fn call(&mut self, id: u64, tool: &str) {
        let request = serde_json::json!({
            "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": {} },
        });
        writeln!(self.input.as_mut().unwrap(), "{request}").unwrap();
    }

    pub(crate) fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).unwrap();
        (read > 0).then(|| serde_json::from_str(&line).unwrap())
    }
}
