//! The demo's ERP server by itself: the protocol it speaks with whoever starts it.
#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

struct Erp {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Erp {
    fn start(journal: &Path) -> Erp {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
            .args(["demo-erp-server", "--journal"])
            .arg(journal)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Erp { child, input, output }
    }

    fn line(&mut self, line: &str) -> Value {
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.line(&json!({ "jsonrpc": "2.0", "id": "q", "method": method, "params": params }).to_string())
    }

    fn hello(&mut self, revision: &str) -> Value {
        let client = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": client });
        self.ask("initialize", &params)["result"]["protocolVersion"].clone()
    }

    fn end(mut self) {
        drop(self.input);
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn revisions_are_negotiated() {
    let folder = tempfile::tempdir().unwrap();
    let agreed = [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2024-11-05"),
        ("1999-01-01", "2025-11-25"),
    ];
    for (wanted, agreed) in agreed {
        let mut erp = Erp::start(&folder.path().join("journal"));
        assert_eq!(erp.hello(wanted), agreed);
        erp.end();
    }
}

#[test]
fn every_call_that_arrives_is_in_the_journal_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut erp = Erp::start(&journal);
    let order = json!({ "sku": "FL-1010", "quantity": 20, "total": 90.0 });
    let early = erp.ask("tools/call", &json!({ "name": "purchase_order.create", "arguments": order }));
    assert_eq!(early["error"]["code"], -32600);
    erp.hello("2025-11-25");
    assert_eq!(erp.ask("ping", &json!({}))["result"], json!({}));
    let placed = erp.ask("tools/call", &json!({ "name": "purchase_order.create", "arguments": order }));
    assert_eq!(placed["result"]["structuredContent"]["order"], "PO-0001");
    let wrong = json!({ "sku": "FL-1010", "quantity": 20, "total": 9.0 });
    let refused = erp.ask("tools/call", &json!({ "name": "purchase_order.create", "arguments": wrong }));
    assert_eq!(refused["result"]["isError"], true);
    assert_eq!(erp.ask("tools/call", &json!({ "name": "nothing" }))["error"]["code"], -32602);
    erp.end();
    let arrived: Vec<Value> = fs::read_to_string(&journal)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        arrived,
        [
            json!({ "call": 1, "tool": "purchase_order.create", "arguments": order }),
            json!({ "call": 2, "tool": "purchase_order.create", "arguments": wrong }),
            json!({ "call": 3, "tool": "nothing", "arguments": {} }),
        ]
    );
}

#[test]
fn what_is_no_message_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut erp = Erp::start(&folder.path().join("journal"));
    assert_eq!(erp.line("{")["error"]["code"], -32700);
    assert_eq!(erp.line("{}")["error"]["code"], -32600);
    erp.hello("2025-03-26");
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let answers = erp.line(&format!(r#"[{ping},{{"jsonrpc":"2.0","method":"notifications/initialized"}}]"#));
    assert_eq!(answers, json!([{ "jsonrpc": "2.0", "id": 1, "result": {} }]));
    assert_eq!(erp.ask("tools/paint", &json!({}))["error"]["code"], -32601);
    erp.end();
}
