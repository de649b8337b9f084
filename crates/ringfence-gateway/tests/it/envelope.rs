use proptest::prelude::{any, proptest};
use ringfence_gateway::mcp::envelope::{Message, Request, parse};
use serde_json::Value;

use crate::cases::{list, text};

#[test]
fn cases() {
    for case in list("envelope") {
        let name = text(&case, "name").unwrap();
        let bytes = match text(&case, "hex") {
            Some(hex) => (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect(),
            None => text(&case, "text").unwrap().as_bytes().to_vec(),
        };
        match (parse(&bytes), text(&case, "refused")) {
            (Ok(message), None) => accepted(name, &case, &bytes, &message),
            (Err(refused), Some(why)) => {
                assert!(refused.to_string().contains(why), "{name}: {refused}");
                assert_eq!(refused.id.as_deref(), text(&case, "id").or(refused.id.as_deref()), "{name}");
                if let Some(code) = case.get("code") {
                    assert_eq!(Value::from(refused.why.code()), *code, "{name}");
                }
            }
            (Ok(_), Some(why)) => panic!("{name}: passed, expected: {why}"),
            (Err(refused), None) => panic!("{name}: {refused}"),
        }
    }
}

fn accepted(name: &str, case: &Value, bytes: &[u8], message: &Message<'_>) {
    assert_eq!(message.text().as_bytes(), bytes, "{name}: byte for byte");
    let (kind, id, method) = match message {
        Message::Request(request) => ("request", Some(request.id), Some(&request.method)),
        Message::Notification(notification) => ("notification", None, Some(&notification.method)),
        Message::Response(response) => ("response", response.id, None),
        Message::Batch(batch) => {
            assert_eq!(Value::from(batch.messages.len()), case["count"], "{name}");
            ("batch", None, None)
        }
    };
    assert_eq!(Some(kind), text(case, "kind"), "{name}");
    assert_eq!(id.map(|id| id.text()), text(case, "id"), "{name}");
    assert_eq!(method.map(|method| &**method), text(case, "method"), "{name}");
}

pub(crate) fn request(text: &str) -> Request<'_> {
    match parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("no request: {other:?}"),
    }
}

#[test]
fn what_is_large_is_bounded() {
    assert!(parse("[".repeat(100_000).as_bytes()).unwrap_err().to_string().contains("nested deeper"));
    assert!(parse("[[[".repeat(5).as_bytes()).unwrap_err().to_string().contains("not JSON"));
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let batch = format!("[{}]", [ping; 257].join(","));
    assert!(parse(batch.as_bytes()).unwrap_err().to_string().contains("256"));
    let long =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":"{}"}}}}"#, "x".repeat(16 << 20));
    assert!(parse(long.as_bytes()).unwrap_err().to_string().contains("longer than"));
    let members: Vec<String> = (0..200_000).map(|n| format!("\"{n}\":0")).collect();
    let many =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{{},"7":1}}}}"#, members.join(","));
    assert!(parse(many.as_bytes()).unwrap_err().to_string().contains("`7` stands twice"));
}

#[test]
fn ids_that_some_reader_takes_for_one_are_one() {
    let key = |id: &str| request(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)).id.key();
    for (one, other) in
        [("1", "1.0"), ("1", "1e0"), ("100", "1E2"), ("0", "-0"), ("0.5", "5e-1"), (r#""a""#, r#""\u0061""#)]
    {
        assert_eq!(key(one), key(other), "{one} {other}");
    }
    for (one, other) in [
        ("1", r#""1""#),
        ("1", "2"),
        ("1", "1.5"),
        ("1", "-1"),
        (r#""a""#, r#""A""#),
        ("9007199254740993", "9007199254740992"),
    ] {
        assert_ne!(key(one), key(other), "{one} {other}");
    }
}

/// What readers agree on: the standard parser of this language reads what was let through, and
/// sees the same members.
fn agrees(bytes: &[u8]) {
    let Ok(message) = parse(bytes) else { return };
    assert_eq!(message.text().as_bytes(), bytes);
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        // Half a character or a number out of range, deeper down: no policy reads past those.
        Err(_) => return,
    };
    match message {
        Message::Request(request) => {
            assert_eq!(value["method"], *request.method);
            assert_eq!(value["id"], serde_json::from_str::<Value>(request.id.text()).unwrap());
            let params = request.params.text().map(|text| serde_json::from_str(text).unwrap());
            assert_eq!(value.get("params").filter(|params| !params.is_null()), params.as_ref());
        }
        Message::Notification(notification) => {
            assert_eq!(value["method"], *notification.method);
            assert!(value.get("id").is_none());
        }
        Message::Response(_) => assert!(value.get("method").is_none()),
        Message::Batch(batch) => {
            assert_eq!(value.as_array().unwrap().len(), batch.messages.len());
            for message in batch.messages {
                agrees(message.text().as_bytes());
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in any::<Vec<u8>>()) {
        agrees(&bytes);
    }

    /// One of the cases, with one stretch of it replaced.
    #[test]
    fn damaged_messages_are_taken_or_refused(which in any::<usize>(), at in any::<usize>(), cut in 0usize..4, put in proptest::collection::vec(proptest::sample::select(&b"{}[]\",:\\u0019eE+-. \n\r\0truefalsnidmho\xff\xc3"[..]), 0..6)) {
        let cases = list("envelope");
        let texts: Vec<&str> = cases.iter().filter_map(|case| text(case, "text")).collect();
        let mut bytes = texts[which % texts.len()].as_bytes().to_vec();
        let at = at % (bytes.len() + 1);
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, put);
        agrees(&bytes);
    }

    /// Whatever JSON values are put into a message come out of it as they were written.
    #[test]
    fn values_pass_as_written(id in "0|[1-9][0-9]{0,2}|\"[a-z]{0,3}\"", key in "[a-z]{1,8}x", value in json()) {
        let text = format!(r#" {{"jsonrpc":"2.0","id":{id} ,"method":"x","params": {{"{key}": {value} }},"{key}":{value}}}"#);
        let request = request(&text);
        assert_eq!(request.id.text(), id);
        assert_eq!(request.params.member(&key), Some(value.trim()));
        assert_eq!(request.text, text);
    }
}

fn json() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::{Just, Strategy, prop_oneof};
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|text| Value::from(text).to_string()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(" , "))),
            proptest::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("\"{name}\" : {value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}
