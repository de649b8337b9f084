//! The demo's ERP: a real MCP server over standard streams, in a process of its own. It knows
//! nothing of Ringfence, so that what it was asked and what it did is its own testimony: every
//! tool call that reaches it is written to its journal before anything else is done with it.

mod stock;
mod tools;

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::path::Path;

use serde_json::{Value, json};

use self::tools::Refused;
use crate::fault::{Ending, Fault};

/// The revisions it speaks, newest first. All of them have the handshake, lists and calls that
/// are needed here in common; batches are of 2025-03-26 alone.
const REVISIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The longest line it takes, in bytes.
const MAX_LINE: u64 = 1024 * 1024;

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const UNKNOWN_METHOD: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// Serves standard input until it ends.
pub(crate) fn run(journal: &Path) -> Result<Ending, Fault> {
    let journal = File::options().create(true).append(true).open(journal).map_err(|error| {
        Fault::from(error).while_trying(format!("opening the journal `{}`", journal.display()))
    })?;
    let mut server = Server { journal, revision: None, calls: 0, orders: 0 };
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = io::Read::take(&mut input, MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(Ending::Done);
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if let Some(answer) = server.line(&line)? {
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
    }
}

struct Server {
    journal: File,
    /// What was agreed on, once it was.
    revision: Option<&'static str>,
    calls: u64,
    orders: u64,
}

/// A JSON-RPC error: code and message.
struct RpcError(i64, String);

impl Server {
    fn line(&mut self, line: &[u8]) -> io::Result<Option<Value>> {
        match serde_json::from_slice(line) {
            Ok(Value::Array(batch)) if self.revision == Some("2025-03-26") && !batch.is_empty() => {
                let mut answers = Vec::new();
                for message in &batch {
                    answers.extend(self.message(message)?);
                }
                Ok((!answers.is_empty()).then_some(Value::Array(answers)))
            }
            Ok(message) => self.message(&message),
            Err(error) => Ok(Some(failed(&Value::Null, &RpcError(PARSE_ERROR, error.to_string())))),
        }
    }

    /// The answer to one message; none to notifications and responses.
    fn message(&mut self, message: &Value) -> io::Result<Option<Value>> {
        let (id, method) = (message.get("id"), message.get("method").and_then(Value::as_str));
        let (id, method) = match (id, method) {
            (Some(id @ (Value::String(_) | Value::Number(_))), Some(method)) => (id, method),
            (None, Some(_)) => return Ok(None),
            (Some(_), None) if message.get("result").or(message.get("error")).is_some() => return Ok(None),
            _ => {
                let error = RpcError(INVALID_REQUEST, "this is no JSON-RPC message".to_owned());
                return Ok(Some(failed(&Value::Null, &error)));
            }
        };
        let nothing = json!({});
        let params = message.get("params").unwrap_or(&nothing);
        Ok(Some(match self.request(method, params)? {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(error) => failed(id, &error),
        }))
    }

    fn request(&mut self, method: &str, params: &Value) -> io::Result<Result<Value, RpcError>> {
        Ok(match method {
            "ping" => Ok(json!({})),
            "initialize" => self.initialize(params),
            _ if self.revision.is_none() => {
                Err(RpcError(INVALID_REQUEST, "`initialize` comes first".to_owned()))
            }
            "tools/list" => Ok(json!({ "tools": tools::declared() })),
            "tools/call" => self.call(params)?,
            other => Err(RpcError(UNKNOWN_METHOD, format!("`{other}` is not spoken here"))),
        })
    }

    /// The revision that the client asks for where it is known, else the newest (Lifecycle,
    /// Version Negotiation).
    fn initialize(&mut self, params: &Value) -> Result<Value, RpcError> {
        let Some(wanted) = params.get("protocolVersion").and_then(Value::as_str) else {
            return Err(RpcError(INVALID_PARAMS, "`protocolVersion` is missing".to_owned()));
        };
        let [newest, ..] = REVISIONS;
        let agreed = REVISIONS.into_iter().find(|known| *known == wanted).unwrap_or(newest);
        self.revision = Some(agreed);
        Ok(json!({
            "protocolVersion": agreed,
            "capabilities": { "tools": { "listChanged": false } },
            "serverInfo": { "name": "demo-erp", "title": "Demo ERP", "version": crate::VERSION },
            "instructions": "Stock can be searched and read. A purchase order is binding: it is sent to the supplier.",
        }))
    }

    fn call(&mut self, params: &Value) -> io::Result<Result<Value, RpcError>> {
        let Some(name) = params.get("name").and_then(Value::as_str) else {
            return Ok(Err(RpcError(INVALID_PARAMS, "`name` is missing".to_owned())));
        };
        let nothing = json!({});
        let arguments = params.get("arguments").unwrap_or(&nothing);
        self.calls = self.calls.saturating_add(1);
        let entry = json!({ "call": self.calls, "tool": name, "arguments": arguments });
        writeln!(self.journal, "{entry}")?;
        Ok(match tools::call(name, arguments, &mut self.orders) {
            Ok(content) => Ok(json!({
                "content": [{ "type": "text", "text": content.to_string() }],
                "structuredContent": content,
                "isError": false,
            })),
            // What the arguments get wrong is for the model to read and mend (Tools, Error Handling).
            Err(Refused::Arguments(why)) => {
                Ok(json!({ "content": [{ "type": "text", "text": why }], "isError": true }))
            }
            Err(Refused::UnknownTool) => Err(RpcError(INVALID_PARAMS, format!("there is no tool `{name}`"))),
        })
    }
}

fn failed(id: &Value, RpcError(code, message): &RpcError) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}
