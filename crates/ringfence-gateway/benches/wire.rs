//! What one message costs: `cargo bench -p ringfence-gateway`. Prints the median of many runs.

use std::hint::black_box;
use std::time::Instant;

use ringfence_gateway::mcp::all::All;
use ringfence_gateway::mcp::edit::ToolList;
use ringfence_gateway::mcp::envelope::{Answer, Message, parse};
use ringfence_gateway::mcp::lines::Lines;
use ringfence_gateway::mcp::method::{Sender, of_request};
use ringfence_gateway::mcp::schema::InputSchema;

fn main() {
    let call = |size: usize| {
        let filler = "lorem ipsum dolor sit amet ".repeat(size / 27);
        format!(
            r#"{{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{{"name":"write_file","arguments":{{"path":"notes/today.txt","mode":420,"content":"{filler}"}},"_meta":{{"progressToken":17}}}}}}"#
        )
    };
    let small = call(1024 - 170);
    let large = call(20 << 10);
    for (name, text) in [("call, 1 KiB", &small), ("call, 20 KiB", &large)] {
        median(&format!("parse {name} ({} bytes)", text.len()), || parse(black_box(text.as_bytes())).is_ok());
        let Ok(Message::Request(request)) = parse(text.as_bytes()) else { return };
        median(&format!("meaning of {name}"), || {
            of_request("files", Sender::Client, black_box(&request)).is_ok()
        });
    }
    let mut all = All::new(["files", "notes"].map(|name| (name.to_owned(), Ok(()))).into());
    let named = small.replace("write_file", "files__write_file");
    let answer = format!(
        r#"{{"jsonrpc":"2.0","id":17,"result":{{"content":[{{"type":"text","text":"{}"}}]}}}}"#,
        "lorem ipsum dolor sit amet ".repeat(35)
    );
    median("one of many servers, call and answer, 1 KiB each", || {
        all.client_line(black_box(named.as_bytes())).len() + all.server_line(0, answer.as_bytes()).len() == 2
    });

    let line = format!("{small}\n");
    let mut lines = Lines::new(16 << 20);
    median("cut a line of 1 KiB", || {
        lines.push(black_box(line.as_bytes()));
        lines.next_line().is_some_and(|line| line.is_ok())
    });

    let schema = r#"{"type":"object","properties":{"path":{"type":"string"},"mode":{"type":"integer"},"content":{"type":"string"}},"required":["path"],"additionalProperties":false}"#;
    median("compile a schema", || InputSchema::compile(black_box(schema)).is_ok());
    let compiled = InputSchema::compile(schema);
    let arguments = serde_json::json!({"path": "notes/today.txt", "mode": 420, "content": "x".repeat(800)});
    if let Ok(compiled) = &compiled {
        median("check arguments", || compiled.check(black_box(&arguments)).is_ok());
    }

    let tool = format!(
        r#"{{"name":"tool_N","description":"{}","inputSchema":{schema}}}"#,
        "What it does. ".repeat(20)
    );
    let tools: Vec<String> = (0..20).map(|n| tool.replace("_N", &n.to_string())).collect();
    let list = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]}}}}"#, tools.join(","));
    median(&format!("leave half of 20 tools out ({} bytes)", list.len()), || {
        let Ok(Message::Response(response)) = parse(black_box(list.as_bytes())) else { return false };
        let Answer::Result(result) = response.answer else { return false };
        let mut odd = false;
        ToolList::parse(&list, result).is_ok_and(|tools| {
            tools.keeping(|_| {
                odd = !odd;
                odd
            });
            true
        })
    });
}

fn median(name: &str, mut run: impl FnMut() -> bool) {
    const RUNS: usize = 501;
    const EACH: u32 = 20;
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        for _ in 0..EACH {
            assert!(black_box(run()), "{name}");
        }
        times.push(start.elapsed() / EACH);
    }
    times.sort_unstable();
    println!("{name:48} {:>10.2?}", times[RUNS / 2]);
}
