//! Whatever lines come.

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{collection, proptest};
use ringfence_gateway::mcp::all::{All, Out};
use ringfence_gateway::mcp::envelope::{self, Message};
use serde_json::Value;

/// What happens next. A server marks everything it says, wherever text may stand.
#[derive(Debug, Clone)]
enum Event {
    Client(String),
    Server(usize, String),
    Answer(usize, usize, String),
    Ends(usize),
    Second,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a__x".to_owned()),
        Just("b__x".to_owned()),
        Just("c__a__x".to_owned()),
        Just("mcp+a+x:y".to_owned()),
        Just("mcp+b+mcp+a+x:y".to_owned()),
        Just("x".to_owned()),
        "[abc_+]{0,6}",
    ]
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("1"),
        Just("1.0"),
        Just("\"1\""),
        Just("2"),
        Just("3"),
        Just("-0"),
        Just("null"),
        Just("1e400")
    ]
    .prop_map(str::to_owned)
}

fn client() -> impl Strategy<Value = String> {
    let method = prop_oneof![
        Just("tools/call"),
        Just("tools/list"),
        Just("resources/read"),
        Just("resources/list"),
        Just("prompts/get"),
        Just("tasks/get"),
        Just("tasks/list"),
        Just("initialize"),
        Just("server/discover"),
        Just("subscriptions/listen"),
        Just("logging/setLevel"),
        Just("completion/complete"),
    ];
    prop_oneof![
        8 => (method, id(), name(), id()).prop_map(|(method, id, name, token)| format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"name":"{name}","uri":"{name}","taskId":"{name}","ref":{{"type":"ref/prompt","name":"{name}"}},"notifications":{{"x":true,"taskIds":["{name}"]}},"_meta":{{"progressToken":{token}}}}}}}"#
        )),
        1 => id().prop_map(|id| format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#)),
        1 => (0..20_u32).prop_map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"task":{{"taskId":"t"}}}}}}"#)),
        1 => any::<String>(),
    ]
}

/// What a server says unasked. Whatever names something of its own says by whom it was said.
fn server() -> impl Strategy<Value = (usize, String)> {
    (0..NAMES.len(), 0..8, id(), name()).prop_map(|(which, form, id, name)| {
        let own = match form {
            0 => format!(r#""id":{id},"method":"roots/list","params":{{"said":{which}}}"#),
            1 => format!(r#""id":{id},"error":{{"code":1,"message":"","data":{{"said":{which}}}}}"#),
            2 => format!(r#""method":"notifications/progress","params":{{"said":{which},"progressToken":{id}}}"#),
            3 => format!(r#""method":"notifications/resources/updated","params":{{"said":{which},"uri":"{name}","_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}"#),
            4 => format!(r#""method":"notifications/resources/updated","params":{{"said":{which},"uri":"{name}"}}"#),
            5 => format!(r#""method":"notifications/tasks/status","params":{{"said":{which},"taskId":"{name}"}}"#),
            6 => format!(r#""method":"notifications/cancelled","params":{{"requestId":{id}}}"#),
            _ => format!(r#""method":"notifications/subscriptions/acknowledged","params":{{"notifications":{{"taskIds":["{name}"]}},"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}"#),
        };
        (which, format!(r#"{{"jsonrpc":"2.0",{own}}}"#))
    })
}

/// What a server answers to a method.
fn result(method: &str, said: usize, name: &str) -> String {
    let uri = format!(r#"{{"said":{said},"type":"resource_link","uri":"{name}"}}"#);
    match method {
        "tools/list" => format!(r#"{{"tools":[{{"said":{said},"name":"{name}x"}}]}}"#),
        "prompts/list" => format!(r#"{{"prompts":[{{"said":{said},"name":"{name}x"}}]}}"#),
        "resources/list" => format!(r#"{{"resources":[{{"said":{said},"uri":"{name}x"}}],"nextCursor":"{name}"}}"#),
        "tasks/list" => format!(r#"{{"tasks":[{{"said":{said},"taskId":"{name}x"}}]}}"#),
        "resources/read" => format!(r#"{{"said":{said},"contents":[{uri}]}}"#),
        "prompts/get" => format!(r#"{{"said":{said},"messages":[{{"role":"user","content":{uri}}}]}}"#),
        "tools/call" | "tasks/get" => format!(r#"{{"said":{said},"content":[{uri}],"taskId":"{name}"}}"#),
        _ => r#"{"protocolVersion":"2025-11-25","supportedVersions":["2026-07-28"],"capabilities":{"tasks":{"list":{}},"tools":{}}}"#.to_owned(),
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => client().prop_map(Event::Client),
        3 => server().prop_map(|(which, text)| Event::Server(which, text)),
        6 => (0..NAMES.len(), 0..8_usize, name()).prop_map(|(which, back, name)| Event::Answer(which, back, name)),
        1 => (0..NAMES.len()).prop_map(Event::Ends),
        1 => Just(Event::Second),
    ]
}

/// Whatever names something is called as what the server has that said it.
fn look(value: &Value, out: &str) {
    match value {
        Value::Object(object) => {
            if let Some(said) = object.get("said").and_then(Value::as_u64) {
                let name = NAMES[usize::try_from(said).unwrap()];
                let (named, uri) = (format!("{name}__"), format!("mcp+{name}+"));
                for (member, prefix) in [("name", &named), ("taskId", &named), ("uri", &uri)] {
                    let called = object.get(member).and_then(Value::as_str);
                    assert!(called.is_none_or(|called| called.starts_with(prefix)), "{out}");
                }
            }
            object.values().for_each(|value| look(value, out));
        }
        Value::Array(list) => list.iter().for_each(|value| look(value, out)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn nothing_panics_and_nothing_is_anothers(events in collection::vec(event(), 0..60)) {
        let mut all = All::new(NAMES.iter().map(|name| ((*name).to_owned(), Ok(()))).collect());
        // What each server was asked, and the client's requests: who may answer.
        let mut asked: Vec<Vec<(String, String)>> = vec![Vec::new(); NAMES.len()];
        let mut tokens: Vec<Vec<Value>> = vec![Vec::new(); NAMES.len()];
        for event in events {
            let (speaker, out) = match event {
                Event::Client(text) => (None, all.client_line(text.as_bytes())),
                Event::Server(which, text) => (Some(which), all.server_line(which, text.as_bytes())),
                Event::Answer(which, back, name) => {
                    let Some((id, method)) = asked[which].iter().rev().nth(back) else { continue };
                    let result = result(method, which, &name);
                    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
                    (Some(which), all.server_line(which, text.as_bytes()))
                }
                Event::Ends(which) => (None, all.server_ended(which)),
                Event::Second => (None, all.second_passed()),
            };
            for out in out {
                match out {
                    Out::Client(text) => {
                        let message = envelope::parse(text.as_bytes()).unwrap();
                        let value: Value = serde_json::from_str(&text).unwrap();
                        look(&value, &text);
                        // Whose request an answer or progress belongs to is who says it.
                        if let (Message::Response(response), Some(which)) = (&message, speaker)
                            && value.pointer("/result/said").is_some()
                        {
                            let id = response.id.unwrap().text();
                            assert!(asked[which].iter().any(|(asked, _)| asked == id), "{text}");
                        }
                        if let Some(token) = value.pointer("/params/progressToken") {
                            let tokens = speaker.map(|which| tokens[which].as_slice()).unwrap_or_default();
                            assert!(tokens.iter().any(|known| known == token || known.as_f64().is_some() && known.as_f64() == token.as_f64()), "{text}");
                        }
                        // What is said by one alone came from that one.
                        if let Some(said) = value.pointer("/result/said").or(value.pointer("/params/said")) {
                            assert_eq!(said.as_u64(), speaker.map(|which| which as u64), "{text}");
                        }
                    }
                    Out::Server(which, text) => {
                        match envelope::parse(text.as_bytes()).unwrap() {
                            Message::Request(request) => {
                                // Not where a number is more than a double holds.
                                let value: Value = serde_json::from_str(&text).unwrap_or_default();
                                tokens[which].extend(value.pointer("/params/_meta/progressToken").cloned());
                                asked[which].push((request.id.text().to_owned(), request.method.into_owned()));
                            }
                            Message::Notification(_) | Message::Response(_) => {}
                            Message::Batch(_) => panic!("{text}"),
                        }
                    }
                    Out::Open(which) => all.server_opened(which),
                    Out::Close(_) => {}
                }
            }
        }
    }
}
