use ringfence_gateway::mcp::edit::input_requests;
use ringfence_gateway::mcp::envelope::{Message, parse};
use ringfence_gateway::mcp::method::{
    Form, METHODS, Malformed, Meaning, Method, Revision, Sender, cancelled, is_stateless, of_input_request,
    of_notification, of_request,
};
use serde_json::{Value, json};

use crate::cases::{list, read, text};
use crate::envelope::request;

const KINDS: [(&str, Sender, Form); 5] = [
    ("client_requests", Sender::Client, Form::Request),
    ("client_notifications", Sender::Client, Form::Notification),
    ("server_requests", Sender::Server, Form::Request),
    ("server_notifications", Sender::Server, Form::Notification),
    ("input_requests", Sender::Server, Form::Request),
];

fn names(methods: &Value, revision: Revision, kind: &str) -> Vec<String> {
    let of = |part: &str| {
        let names = methods[part].get(revision.as_str()).map(|by_kind| by_kind[kind].clone());
        serde_json::from_value::<Vec<String>>(names.unwrap_or(json!([]))).expect("names")
    };
    [of("revisions"), of("extension")].concat()
}

fn is(method: &Method, revision: Revision, sender: Sender, form: Form) -> bool {
    method.senders.contains(&sender)
        && method.form == form
        && (method.revisions.0..=method.revisions.1).contains(&revision)
}

#[test]
fn every_method_of_every_revision_is_in_the_table() {
    let methods = read("methods");
    let mut seen = 0;
    for revision in Revision::ALL {
        for (kind, sender, form) in KINDS {
            for name in names(&methods, revision, kind) {
                seen += 1;
                let found: Vec<_> = METHODS
                    .iter()
                    .filter(|method| method.name == name && is(method, revision, sender, form))
                    .collect();
                assert_eq!(found.len(), 1, "{revision:?} {kind} {name}");
            }
        }
    }
    assert!(seen > 140, "the file was read: {seen}");
}

#[test]
fn the_table_has_nothing_that_no_revision_has() {
    let methods = read("methods");
    for method in METHODS {
        for revision in [method.revisions.0, method.revisions.1] {
            let there = KINDS.iter().any(|(kind, sender, form)| {
                is(method, revision, *sender, *form)
                    && names(&methods, revision, kind).iter().any(|name| name == method.name)
            });
            assert!(there, "{} in {revision:?}", method.name);
        }
    }
}

#[test]
fn cases() {
    for case in list("meaning") {
        let name = text(&case, "name").unwrap();
        let sender = match text(&case, "sender").unwrap() {
            "client" => Sender::Client,
            "server" => Sender::Server,
            other => panic!("{other}"),
        };
        let method = Value::from(text(&case, "method").unwrap());
        let params = text(&case, "params").map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
        let id = if case.get("notification").is_some() { "" } else { r#""id":1,"# };
        let message = format!(r#"{{"jsonrpc":"2.0",{id}"method":{method}{params}}}"#);
        let message = parse(message.as_bytes()).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        let meaning = match &message {
            Message::Request(request) => of_request("files", sender, request),
            Message::Notification(notification) => of_notification(sender, notification),
            other => panic!("{name}: {other:?}"),
        };
        check(name, &case, meaning);
    }
}

fn check(name: &str, case: &Value, meaning: Result<Meaning<'_>, Malformed>) {
    match meaning {
        Ok(Meaning::Nothing) => assert_eq!(case.get("nothing"), Some(&Value::Bool(true)), "{name}"),
        Ok(Meaning::Task(task)) => assert_eq!(Some(&*task), text(case, "task"), "{name}"),
        Ok(Meaning::Actions(actions)) => {
            let actions: Vec<Value> = actions
                .iter()
                .map(|action| {
                    json!({"action": action.kind.as_str(), "resource": action.resource.to_string(), "arguments": action.arguments.raw()})
                })
                .collect();
            assert_eq!(Some(&Value::from(actions)), case.get("actions"), "{name}");
        }
        Err(malformed) => {
            let why = text(case, "malformed").unwrap_or_else(|| panic!("{name}: {malformed}"));
            assert!(malformed.to_string().contains(why), "{name}: {malformed}");
        }
    }
}

#[test]
fn a_resource_reads_back_from_its_uri() {
    let call =
        request(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a/../b%2F?#\u0000é"}}"#);
    let Ok(Meaning::Actions(actions)) = of_request("s", Sender::Client, &call) else { panic!("no action") };
    let resource = &actions[0].resource;
    assert_eq!(&resource.to_string().parse::<ringfence_model::Resource>().unwrap(), resource);
    assert_eq!(resource.name(), Some("a/../b%2F?#\0é"));
}

#[test]
fn what_a_server_asks_inside_a_result_is_looked_at_as_its_requests_were() {
    let result = r#"{"resultType":"input_required","inputRequests":{
        "who":{"method":"elicitation/create","params":{"message":"Who are you?","requestedSchema":{}}},
        "say":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}},
        "dirs":{"method":"roots/list"},
        "bad":{"method":"tools/call","params":{"name":"x"}}},"requestState":"s"}"#;
    let found = input_requests(result).unwrap();
    let meanings: Vec<String> = found
        .iter()
        .map(|asked| match of_input_request("files", &asked.method, &asked.params) {
            Ok(Meaning::Actions(actions)) => {
                format!("{} {} {}", asked.key, actions[0].kind, actions[0].resource)
            }
            Ok(other) => format!("{} {other:?}", asked.key),
            Err(malformed) => format!("{} {malformed}", asked.key),
        })
        .collect();
    assert_eq!(
        meanings,
        [
            "who user.ask mcp://files",
            "say model.call model://client/default",
            "dirs Nothing",
            "bad `tools/call` is not a method that this side sends",
        ]
    );
}

#[test]
fn input_requests_are_found_wherever_they_hide() {
    let ask = r#"{"k":{"method":"elicitation/create","params":{}}}"#;
    for text in [
        format!(r#"{{"inputRequests":{ask}}}"#),
        format!(r#"{{"resultType":"complete","content":[],"inputRequests":{ask}}}"#),
        format!(r#"{{"task":{{"taskId":"t","inputRequests":{ask}}}}}"#),
        format!(r#"{{"taskId":"t","status":"input_required","inputRequests":{ask}}}"#),
        format!(r#"{{"\u0069nputRequests":{ask}}}"#),
    ] {
        assert_eq!(input_requests(&text).unwrap().len(), 1, "{text}");
    }
    for text in [
        format!(r#"{{"InputRequests":{ask}}}"#),
        format!(r#"{{"ｉnputRequests":{ask}}}"#),
        format!(r#"{{"inputRequests":{ask},"inputRequests":{{}}}}"#),
        r#"{"inputRequests":[1]}"#.to_owned(),
        r#"{"inputRequests":{"k":{"params":{}}}}"#.to_owned(),
    ] {
        assert!(input_requests(&text).is_err(), "{text}");
    }
    for text in
        [r#"{"content":[{"type":"text","text":"inputRequests"}]}"#, r#"{"inputRequests":null}"#, "{}", "[]"]
    {
        assert!(input_requests(text).unwrap().is_empty(), "{text}");
    }
}

#[test]
fn the_era_is_told_by_the_request() {
    let era = |meta: &str| {
        is_stateless(
            &request(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{meta}}}}}"#))
                .params,
        )
    };
    assert!(era(r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#));
    // Whatever it says it is of: only from 2026-07-28 on does a request say so.
    assert!(era(r#"{"io.modelcontextprotocol/protocolVersion":"1999-01-01"}"#));
    assert!(!era(r#"{"progressToken":1}"#));
    assert!(!is_stateless(&request(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).params));
}

#[test]
fn a_cancellation_names_a_request_however_it_is_written() {
    let Ok(Message::Notification(cancel)) =
        parse(br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1.0}}"#)
    else {
        panic!("no notification")
    };
    let named = cancelled(&cancel.params).unwrap().key();
    assert_eq!(named, request(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).id.key());
}
