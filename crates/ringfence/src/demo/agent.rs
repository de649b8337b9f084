//! The demo's inventory agent: an MCP client in a process of its own. It starts its server the
//! way every MCP client does, by a command line, and does not know that the command is
//! `ringfence mcp` and not the server itself.
//!
//! What a model would decide it is told on standard input, one call a line:
//! `{"tool":…,"arguments":…}`. What it hears goes to standard output, one object a line:
//! [`Heard`]. It reports only what came over the wire.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fault::{Ending, Fault};

/// The revision it asks for.
const REVISION: &str = "2025-11-25";

/// One call to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) tool: String,
    pub(super) arguments: Value,
}

/// What the agent heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Heard {
    /// The handshake is done.
    Connected {
        /// The agent's process.
        pid: u32,
        /// The revision that was agreed on.
        revision: String,
        /// The server's name for itself.
        server: String,
        /// The names of the tools that it was shown.
        tools: Vec<String>,
    },
    /// A call is not answered yet, and says why.
    Progress(String),
    /// A call's result.
    Result(Value),
    /// A call's error.
    Error(Value),
    /// The server is gone.
    Ended {
        /// The exit code of its command, where it has one.
        code: Option<i32>,
    },
}

/// Connects to the server that `command` starts and does what standard input says, until it ends.
pub(crate) fn run(command: &[String]) -> Result<Ending, Fault> {
    let mut server = Server::start(command)?;
    let connected = server.connect()?;
    say(&connected)?;
    for line in io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let heard = server.call(&order)?;
        say(&heard)?;
    }
    say(&server.end()?)?;
    Ok(Ending::Done)
}

struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    last_id: u64,
}

impl Server {
    fn start(command: &[String]) -> Result<Server, Fault> {
        let (program, arguments) =
            command.split_first().ok_or_else(|| Fault::cannot("no command of a server was given"))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Fault::from(error).while_trying(format!("starting `{program}`")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Fault::cannot("the server's streams are not there"));
        };
        Ok(Server { child, input, output: BufReader::new(output), last_id: 0 })
    }

    fn connect(&mut self) -> Result<Heard, Fault> {
        let client = json!({ "name": "demo-inventory-agent", "version": crate::VERSION });
        let hello = json!({ "protocolVersion": REVISION, "capabilities": {}, "clientInfo": client });
        let welcome = self
            .ask("initialize", &hello)?
            .map_err(|error| Fault::no(format!("the handshake failed: {error}")))?;
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        let list = self
            .ask("tools/list", &json!({}))?
            .map_err(|error| Fault::no(format!("the tools could not be listed: {error}")))?;
        let tools = list.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Ok(Heard::Connected {
            pid: std::process::id(),
            revision: text(&welcome, "/protocolVersion"),
            server: format!(
                "{} {}",
                text(&welcome, "/serverInfo/name"),
                text(&welcome, "/serverInfo/version")
            ),
            tools: tools.iter().map(|tool| text(tool, "/name")).collect(),
        })
    }

    fn call(&mut self, order: &Order) -> Result<Heard, Fault> {
        let progress = self.last_id.saturating_add(1);
        let params = json!({ "name": order.tool, "arguments": order.arguments, "_meta": { "progressToken": progress } });
        Ok(match self.ask("tools/call", &params)? {
            Ok(result) => Heard::Result(result),
            Err(error) => Heard::Error(error),
        })
    }

    /// Asks and waits; what arrives meanwhile is reported or answered.
    fn ask(&mut self, method: &str, params: &Value) -> Result<Result<Value, Value>, Fault> {
        self.last_id = self.last_id.saturating_add(1);
        let id = self.last_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line)? == 0 {
                return Err(Fault::no(format!("the server went away before it answered `{method}`")));
            }
            let message: Value = serde_json::from_str(&line)?;
            let said = message.get("method").and_then(Value::as_str);
            match (said, message.get("id")) {
                (Some("notifications/progress"), None) => {
                    say(&Heard::Progress(text(&message, "/params/message")))?;
                }
                (Some(_), None) => {}
                (Some("ping"), Some(asked)) => {
                    self.send(&json!({ "jsonrpc": "2.0", "id": asked, "result": {} }))?;
                }
                (Some(other), Some(asked)) => {
                    let error = json!({ "code": -32601, "message": format!("`{other}` is not spoken here") });
                    self.send(&json!({ "jsonrpc": "2.0", "id": asked, "error": error }))?;
                }
                (None, Some(answered)) if *answered == json!(id) => {
                    let error = message.get("error").cloned();
                    return Ok(
                        error.map_or_else(|| Ok(message.get("result").cloned().unwrap_or(Value::Null)), Err)
                    );
                }
                (None, _) => return Err(Fault::no("the server answered what nobody asked")),
            }
        }
    }

    fn send(&mut self, message: &Value) -> Result<(), Fault> {
        writeln!(self.input, "{message}")?;
        Ok(self.input.flush()?)
    }

    /// Closes the server's input, which is how MCP over standard streams is ended.
    fn end(self) -> Result<Heard, Fault> {
        let Server { mut child, input, output, .. } = self;
        drop(input);
        drop(output);
        Ok(Heard::Ended { code: child.wait()?.code() })
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn say(heard: &Heard) -> Result<(), Fault> {
    let line = serde_json::to_string(heard)?;
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}
