use std::borrow::Cow;

use ringfence_gateway::mcp::edit::{DENIED, ResultType, ToolList, denied, denied_call, refused};
use ringfence_gateway::mcp::envelope::{Answer, Message, parse};
use serde_json::{Value, json};

use crate::envelope::request;

const LIST: &str = r#"{"jsonrpc":"2.0", "id":"\u0031" ,"result":{"x":1.0,"tools": [ {"name":"read","inputSchema":{"type":"object"},"n":1e2} ,
 {"name":"write" , "description":"writes \u00e9"},{"name":"d\u0065lete"} ] , "nextCursor":"c"},"y":2}"#;

fn list(message: &str) -> ToolList<'_> {
    match parse(message.as_bytes()) {
        Ok(Message::Response(response)) => match response.answer {
            Answer::Result(result) => ToolList::parse(message, result).unwrap(),
            Answer::Error(error) => panic!("{error}"),
        },
        other => panic!("{other:?}"),
    }
}

fn keeping(message: &str, names: &[&str]) -> String {
    list(message).keeping(|tool| names.contains(&&**tool.name.as_ref().unwrap())).into_owned()
}

#[test]
fn a_list_that_nobody_edits_is_the_same_bytes() {
    assert!(matches!(list(LIST).keeping(|_| true), Cow::Borrowed(text) if text == LIST));
    let empty = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[ ]}}"#;
    assert!(matches!(list(empty).keeping(|_| false), Cow::Borrowed(text) if text == empty));
}

#[test]
fn tools_that_are_left_are_as_they_were() {
    let before = r#"{"jsonrpc":"2.0", "id":"\u0031" ,"result":{"x":1.0,"tools": "#;
    let after = r#" , "nextCursor":"c"},"y":2}"#;
    let read = r#"{"name":"read","inputSchema":{"type":"object"},"n":1e2}"#;
    let write = r#"{"name":"write" , "description":"writes \u00e9"}"#;
    let delete = r#"{"name":"d\u0065lete"}"#;
    for (names, expected) in [
        (&["read"][..], format!("[{read}]")),
        (&["write"], format!("[{write}]")),
        (&["delete"], format!("[{delete}]")),
        (&["read", "delete"], format!("[{read},{delete}]")),
        (&[], "[]".to_owned()),
    ] {
        assert_eq!(keeping(LIST, names), format!("{before}{expected}{after}"), "{names:?}");
    }
}

#[test]
fn a_tool_is_known_by_its_text_name_and_schema() {
    let list = list(LIST);
    let tools: Vec<_> = list.tools().iter().map(|tool| (tool.name.as_deref(), tool.input_schema)).collect();
    assert_eq!(
        tools,
        [(Some("read"), Some(r#"{"type":"object"}"#)), (Some("write"), None), (Some("delete"), None)]
    );
}

#[test]
fn a_tool_that_cannot_be_told_from_another_is_left_out() {
    for tools in [
        r#"{"name":"a"},{"name":"ok"},{"name":"a","description":"another"}"#,
        r#"{"name":"a"},{"name":"ok"},{"name":"\u0061"}"#,
        r#"{"name":"a","Name":"b"},{"name":"ok"}"#,
        r#"{"name":"a","name":"b"},{"name":"ok"}"#,
        r#"{"name":"ok"},{"name":""},{"name":1},{},7,null,"x""#,
        r#"{"name":"\ud800"},{"name":"ok"}"#,
        r#"{"name":"a","inputSchema":{},"InputSchema":{}},{"name":"ok"}"#,
    ] {
        let message = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tools}]}}}}"#);
        let kept = list(&message).keeping(|_| true).into_owned();
        assert_eq!(kept, r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"ok"}]}}"#, "{tools}");
    }
}

#[test]
fn a_list_that_readers_could_differ_on_is_an_error() {
    for result in [
        r#"{"tools":[],"tools":[{"name":"a"}]}"#,
        r#"{"tools":[],"Tools":[{"name":"a"}]}"#,
        r#"{"tools":{}}"#,
        "{}",
        "[]",
        r#"{"tools":null}"#,
    ] {
        let message = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        let Ok(Message::Response(_)) = parse(message.as_bytes()) else { panic!("{result}") };
        let part = &message[message.len() - 1 - result.len()..message.len() - 1];
        assert!(ToolList::parse(&message, part).is_err(), "{result}");
    }
}

#[test]
fn a_denied_call_is_a_result_that_the_model_reads() {
    for (id, era) in
        [("1", ResultType::Unsaid), (r#""\u0061""#, ResultType::Complete), ("1e0", ResultType::Complete)]
    {
        let call = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"x"}}}}"#);
        let decision = json!({"decision": "deny", "rule": "a/b", "reason": "no"});
        let answer = denied_call(request(&call).id, era, "Not \"allowed\":\nno.", &decision);
        assert!(!answer.contains('\n'));
        assert!(answer.contains(&format!(r#""id":{id},"#)), "{answer}");
        let Ok(Message::Response(_)) = parse(answer.as_bytes()) else { panic!("{answer}") };
        let mut result = serde_json::from_str::<Value>(&answer).unwrap()["result"].take();
        let named = result.as_object_mut().unwrap().remove("resultType");
        assert_eq!(named.is_some(), era == ResultType::Complete);
        assert_eq!(
            result,
            json!({"content": [{"type": "text", "text": "Not \"allowed\":\nno."}], "isError": true, "_meta": {"ringfence/decision": decision}})
        );
    }
}

#[test]
fn any_other_denied_method_is_an_error() {
    let read = request(r#"{"jsonrpc":"2.0","id":"r","method":"resources/read","params":{"uri":"a:b"}}"#);
    let answer: Value = serde_json::from_str(&denied(read.id, "No.", &json!({"decision": "deny"}))).unwrap();
    assert_eq!(
        answer,
        json!({"jsonrpc": "2.0", "id": "r", "error": {"code": DENIED, "message": "No.", "data": {"decision": "deny"}}})
    );
    assert_eq!(DENIED, -32010);
}

#[test]
fn a_refused_message_is_answered_where_it_can_be() {
    for (message, id, code) in [
        (r#"{"jsonrpc":"2.0","id":7,"method":1}"#, json!(7), -32600),
        ("{", Value::Null, -32700),
        (r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"ping"}"#, Value::Null, -32600),
    ] {
        let answer = refused(&parse(message.as_bytes()).unwrap_err());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{message}");
    }
}
