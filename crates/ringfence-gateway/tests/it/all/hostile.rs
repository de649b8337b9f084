//! Servers that pretend, clients that tamper, and lists without end.

use ringfence_gateway::mcp::all::{All, Out};
use ringfence_gateway::mcp::method::{Form, METHODS, Sender};

use super::script::Script;
use super::sessions::greeted;

#[test]
fn nobody_answers_for_another() {
    greeted().play(
        r##"
client {~"id":1,"method":"tools/call","params":{"name":"files__read"}}
  files {~"id":1,"method":"tools/call","params":{"name":"read"}}
notes {~"id":1,"result":{"content":[]}}
notes {~"id":"#2","result":{"tools":[]}}
notes {~"id":null,"error":{"code":-32700,"message":"x"}}
client {~"id":2,"method":"tools/call","params":{"name":"notes__read","_meta":{"progressToken":"t"}}}
  notes {~"id":2,"method":"tools/call","params":{"name":"read","_meta":{"progressToken":"t"}}}
files {~"method":"notifications/progress","params":{"progressToken":"t","progress":1}}
files {~"method":"notifications/message","params":{"progressToken":"t","data":1}}
files {~"id":1,"result":{"content":[]}}
  client {~"id":1,"result":{"content":[]}}
files {~"id":1,"result":{"content":[]}}
notes {~"id":2,"result":{"content":[]}}
  client {~"id":2,"result":{"content":[]}}
notes {~"method":"notifications/progress","params":{"progressToken":"t","progress":1}}
client {~"id":3,"method":"tools/list"}
  files {~"id":"#2","method":"tools/list"}
  notes {~"id":"#2","method":"tools/list"}
files {~"method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"#2"}}}
files {~"method":"notifications/cancelled","params":{"requestId":"#2"}}
files {~"id":1,"method":"roots/list"}
  client {~"id":3,"method":"roots/list"}
client {~"id":3,"result":{"roots":[],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"notes__1"}}}}
  files {~"id":1,"result":{"roots":[],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"notes__1"}}}}
"##,
    );
}

#[test]
fn progress_that_could_be_two_requests_is_not_asked_for() {
    greeted().play(
        r##"
client {~"id":1,"method":"tools/call","params":{"name":"files__a","_meta":{"progressToken":1}}}
  files {~"id":1,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":1}}}
client {~"id":2,"method":"tools/call","params":{"name":"notes__a","_meta":{"progressToken":1.0,"x":1}}}
  notes {~"id":2,"method":"tools/call","params":{"name":"a","_meta":{"x":1}}}
notes {~"method":"notifications/progress","params":{"progressToken":1,"progress":1}}
"##,
    );
}

#[test]
fn what_a_server_names_is_its_own_whatever_it_calls_it() {
    greeted().play(
        r##"
client {~"id":1,"method":"tools/list"}
  files {~"id":"#2","method":"tools/list"}
  notes {~"id":"#2","method":"tools/list"}
files {~"id":"#2","result":{"tools":[{"name":"notes__add"}]}}
notes {~"id":"#2","result":{"tools":[{"name":"add"}]}}
  client {~"id":1,"result":{"tools":[{"name":"files__notes__add"},{"name":"notes__add"}]}}
client {~"id":2,"method":"tools/call","params":{"name":"files__notes__add"}}
  files {~"id":2,"method":"tools/call","params":{"name":"notes__add"}}
files {~"id":2,"result":{"content":[{"type":"resource_link","uri":"mcp+notes+n:a"}],"task":{"taskId":"notes__1"}}}
  client {~"id":2,"result":{"content":[{"type":"resource_link","uri":"mcp+files+mcp+notes+n:a"}],"task":{"taskId":"files__notes__1"}}}
files {~"method":"notifications/tasks/status","params":{"taskId":"notes__1","status":"failed"}}
  client {~"method":"notifications/tasks/status","params":{"taskId":"files__notes__1","status":"failed"}}
files {~"method":"notifications/message","params":{"data":"x","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"notes__1"}}}}
  client {~"method":"notifications/message","params":{"data":"x","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"files__notes__1"}}}}
"##,
    );
}

#[test]
fn what_can_be_read_as_another_servers_is_withheld() {
    for content in [
        r#"{"type":"resource_link","uri":"a:b","uri":"mcp+notes+n:a"}"#,
        r#"{"type":"resource_link","uri":"a:b","URI":"mcp+notes+n:a"}"#,
        r#"{"type":"resource","resource":{"text":"","uri":"a:b","Uri":"mcp+notes+n:a"}}"#,
        r#"{"type":"text","Type":"resource_link","uri":"mcp+notes+n:a"}"#,
        r#"{"type":"resource","resource":{"text":"","u\u0072i":"a:b","uri":"mcp+notes+n:a"}}"#,
    ] {
        let mut script = greeted();
        script.say(r#"client {~"id":1,"method":"tools/call","params":{"name":"files__a"}}"#);
        let came = script.say(&format!(r#"files {{~"id":1,"result":{{"content":[{content}]}}}}"#));
        let [came] = came.as_slice() else { panic!("{came:?}") };
        assert!(
            came.starts_with(
                r#"client {"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"the answer of the server `files` is withheld: member"#
            ),
            "{came}"
        );
    }
}

#[test]
fn cursors_that_were_tampered_with_reach_nobody_or_whom_they_name() {
    // `other`, `files` and its beginning, `notes` with what would end a string.
    greeted().play(
        r##"
client {~"id":1,"method":"tools/list","params":{"cursor":"b3RoZXI"}}
  client {~"id":1,"error":{"code":-32602,"message":"there is no such cursor"}}
client {~"id":2,"method":"tools/list","params":{"cursor":"!"}}
  client {~"id":2,"error":{"code":-32602,"message":"there is no such cursor"}}
client {~"id":3,"method":"tools/list","params":{"cursor":7}}
  client {~"id":3,"error":{"code":-32602,"message":"there is no such cursor"}}
client {~"id":4,"method":"tools/list","params":{"cursor":"ZmlsZXM"}}
  files {~"id":"#2","method":"tools/list","params":{}}
  notes {~"id":"#2","method":"tools/list","params":{}}
client {~"id":5,"method":"tools/list","params":{"cursor":"bm90ZXMKIiwieCI6Ig"}}
  notes {~"id":"#3","method":"tools/list","params":{"cursor":"\",\"x\":\""}}
notes {~"id":"#3","error":{"code":-32602,"message":"no such cursor"}}
  client {~"id":5,"error":{"code":-32602,"message":"notes: no such cursor"}}
client {~"id":6,"method":"prompts/list","params":{"cursor":"ZmlsZXMKeA"}}
  client {~"id":6,"error":{"code":-32602,"message":"there is no such cursor"}}
"##,
    );
}

#[test]
fn lists_without_end_are_held_within_bounds() {
    let page = |count: usize, size: usize| {
        let item = |number: usize| format!(r#"{{"name":"t{number}","description":"{}"}}"#, "x".repeat(size));
        let items: Vec<String> = (0..count).map(item).collect();
        format!(r##"{{~"id":"#1","result":{{"tools":[{}]}}}}"##, items.join(","))
    };
    let mut script = Script::of(&["a", "b", "c"]);
    script.say(r#"client {~"id":1,"method":"tools/list","params":{}}"#);
    // What comes out of turn is held; a page is full with a thousand.
    assert!(script.say(&format!("b {}", page(3_000, 1))).is_empty());
    let came = script.say(&format!("a {}", page(1, 1)));
    let [cancelled, answer] = came.as_slice() else { panic!("{}", came.len()) };
    assert!(cancelled.starts_with("c "), "{cancelled}");
    assert!(answer.contains("a__t0") && answer.contains("b__t2999"));
    // The next page begins with the next server.
    assert!(answer.ends_with(r#""nextCursor":"Yw"}}"#));

    // A page that is too long costs its server its place, and nobody else's.
    let mut script = Script::of(&["a", "b"]);
    script.say(r#"client {~"id":1,"method":"tools/list"}"#);
    script.say(&format!("a {}", page(9, 1 << 20)));
    script.play(
        r##"
b {~"id":"#1","result":{"tools":[{"name":"t"}]}}
  client {~"id":1,"result":{"tools":[{"name":"b__t"}]}}
"##,
    );
}

#[test]
fn what_is_held_of_many_lists_is_bounded_in_all() {
    let mut all = All::new(vec![("a".to_owned(), Ok(())), ("b".to_owned(), Ok(()))]);
    let mut ids = Vec::new();
    for number in 0..100 {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"tools/list","params":{{}}}}"#);
        let out = all.client_line(text.as_bytes());
        let Some(Out::Server(1, text)) = out.get(1) else { panic!("{out:?}") };
        let message: serde_json::Value = serde_json::from_str(text).unwrap();
        ids.push(message["id"].clone());
    }
    // `b` answers all of them at length, and `a` none.
    let filler = "x".repeat(1 << 20);
    for id in &ids {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{{"name":"t","description":"{filler}"}}]}}}}"#
        );
        assert!(all.server_line(1, text.as_bytes()).is_empty());
    }
    let mut whole = 0;
    for id in &ids {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[]}}}}"#);
        let out = all.server_line(0, text.as_bytes());
        let [Out::Client(text)] = out.as_slice() else { panic!("{}", out.len()) };
        if text.contains("b__t") {
            whole += 1;
        } else {
            // It is asked again on the next page.
            assert!(text.ends_with(r#""result":{"tools":[],"nextCursor":"Yg"}}"#), "{text}");
        }
    }
    assert!((30..40).contains(&whole), "{whole}");
}

#[test]
fn a_client_and_a_server_can_have_only_so_much_under_way() {
    let mut script = greeted();
    for number in 0..10_000 {
        let call =
            format!(r#"client {{~"id":{number},"method":"tools/call","params":{{"name":"files__a"}}}}"#);
        assert_eq!(script.say(&call).len(), 1);
    }
    script.play(
        r##"
client {~"id":"x","method":"tools/call","params":{"name":"files__a"}}
  client {~"id":"x","error":{"code":-32603,"message":"too many requests are without an answer"}}
"##,
    );
    let mut script = greeted();
    for number in 0..1_000 {
        script.say(&format!(r#"files {{~"id":{number},"method":"roots/list"}}"#));
    }
    script.play(
        r##"
files {~"id":"x","method":"roots/list"}
  files {~"id":"x","error":{"code":-32603,"message":"too many requests are without an answer"}}
notes {~"id":"x","method":"roots/list"}
  client {~"id":1003,"method":"roots/list"}
"##,
    );
}

#[test]
fn every_method_of_the_table_has_a_way() {
    for method in METHODS.iter().filter(|method| method.senders.contains(&Sender::Client)) {
        let name = method.name;
        let mut all = All::new(vec![("a".to_owned(), Ok(()))]);
        let params = r#"{"name":"a__x","uri":"mcp+a+x:y","taskId":"a__1","ref":{"type":"ref/prompt","name":"a__x"},"notifications":{"x":true}}"#;
        if method.form == Form::Request {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{name}","params":{params}}}"#);
            let out = all.client_line(text.as_bytes());
            let is_answered = matches!(out.as_slice(), [Out::Client(text)] if text.contains("\"result\":{}"));
            assert!(is_answered || matches!(out.as_slice(), [Out::Server(0, _)]), "{name}: {out:?}");
        }
    }
}
