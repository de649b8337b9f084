//! The same agent over HTTP, in the newest revision: the same server, policy and log.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Call, Fault, GET, ORDER, Story, answered, demand};
use crate::demo::puppet::journal;
use crate::demo::records::{self, Entry};

/// What every request says of itself.
const REVISION: &str = "2026-07-28";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

impl Story<'_> {
    pub(super) fn over_http(&mut self, address: SocketAddr) -> Result<(), Fault> {
        self.teller.chapter("The same over HTTP, in MCP's newest revision")?;
        let at = format!("http://{address}/mcp/erp");
        self.teller.line("agent", &format!("POST {at}, MCP {REVISION}"))?;
        let call = json!({ "name": GET, "arguments": { "sku": "FL-1010" } });
        let foreign = ask(address, "shop.example", None, &call)?;
        demand(foreign.status == 403, || format!("a page's request was answered with {}", foreign.status))?;
        self.teller.line("", "from a page of shop.example: 403, refused")?;
        let nobody = ask(address, &address.to_string(), None, &call)?;
        demand(nobody.status == 401, || {
            format!("a request without a token was answered with {}", nobody.status)
        })?;
        self.teller.line("", "without a token: 401, refused")?;

        let call = self.attempt_over_http(address, GET, json!({ "sku": "FL-1010" }))?;
        self.decided_as(&call, "allow", "inventory-readers/read-stock")?;
        demand(!call.is_error, || format!("it was answered with an error: {}", call.answer))?;
        let found: Value = serde_json::from_str(&call.answer)?;
        self.teller.line("erp", &super::articles(&found))?;
        self.done(call);

        let arguments = json!({ "sku": "PU-3001", "quantity": 4, "total": 5000.0 });
        let call = self.attempt_over_http(address, ORDER, arguments)?;
        self.decided_as(&call, "deny", "inventory-readers/no-large-purchase")?;
        self.refused(call)
    }

    fn attempt_over_http(&self, address: SocketAddr, tool: &str, arguments: Value) -> Result<Call, Fault> {
        let (scene, teller) = (self.scene, self.teller);
        teller.line("agent", &format!("{tool} {arguments}"))?;
        let from = records::size(&scene.data())?;
        let token = std::fs::read_to_string(scene.agent_token())?;
        let call = json!({ "name": tool, "arguments": arguments });
        let answer = ask(address, &address.to_string(), Some(token.trim()), &call)?;
        demand(answer.status == 200, || format!("the gateway answered {}: {}", answer.status, answer.body))?;
        let message: Value = serde_json::from_str(&answer.body)?;
        let result = message.get("result").unwrap_or(&Value::Null);
        let (is_error, text) = answered(result);
        let decisions: Vec<Entry> =
            records::since(&scene.data(), from)?.into_iter().filter(|entry| entry.decides(tool)).collect();
        let [decision] = decisions.as_slice() else {
            return Err(Fault::no(format!("{} decisions about `{tool}` were recorded", decisions.len())));
        };
        teller.decided(&decision.decided())?;
        Ok(Call {
            tool: tool.to_owned(),
            arguments,
            first: decision.decided(),
            approval: None,
            last: decision.decided(),
            is_error,
            answer: text,
            server_calls: journal(&scene.journal())?.len(),
        })
    }
}

struct Answer {
    status: u16,
    body: String,
}

/// One request as any HTTP client would send it, but that a page of another site names that site.
fn ask(address: SocketAddr, host: &str, token: Option<&str>, call: &Value) -> Result<Answer, Fault> {
    let mut params = call.clone();
    if let Some(members) = params.as_object_mut() {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientInfo": { "name": "inventory-agent", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        members.insert("_meta".to_owned(), meta);
    }
    let name = call.get("name").and_then(Value::as_str).unwrap_or_default();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST /mcp/erp HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {REVISION}\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: {name}\r\n{authorization}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let not_http = || Fault::no(format!("the gateway answered what is no HTTP: {answer}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(not_http)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(not_http)?;
    Ok(Answer { status, body: body.to_owned() })
}
