//! The Python SDK in front, with a token that it gets by itself: from the gateway's answer to who
//! issues it, and from there by OAuth. The issuer signs with a library of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::peer::{beside, odd, python};
use crate::place::{MARK, OPEN, Place};

#[test]
fn a_client_that_knows_only_the_address_finds_the_issuer_and_comes_in() {
    let place = Place::new(OPEN);
    let mut client = Command::new(python())
        .arg(beside("issuer_client.py"))
        .env(MARK, &place.mark)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(client.stdout.take().unwrap());
    let mut hear = || -> Value {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let issuer = hear()["issuer"].as_str().unwrap().to_owned();
    let callers = format!(
        "issuers:
  - url: \"{issuer}\"
    keys: {{url: \"{issuer}/keys\"}}
    agents: {{claim: sub, prefix: \"spiffe://acme.example/agent/\"}}
    sponsor: {{claim: email}}
    scopes: [mcp]
"
    );
    let up = place.up_to("odd", &odd(&[]), &callers);
    writeln!(client.stdin.take().unwrap(), "{}", up.url).unwrap();
    assert_eq!(
        hear(),
        json!({"RS256": 200, "PS256": 200, "ES256": 200, "ES384": 200, "EdDSA": 200, "HS256": 401})
    );
    let came_in = hear();
    assert_eq!((&came_in["resource"], &came_in["scope"]), (&json!(up.url), &json!("mcp")));
    assert!(came_in["tools"].as_array().is_some_and(|tools| !tools.is_empty()), "{came_in}");
    assert!(client.wait().unwrap().success());
    up.end();
    let records = place.records();
    let started = records.iter().find(|record| record["kind"] == "session.started").unwrap();
    assert_eq!(
        (&started["subject"], &started["issuer"]),
        (&json!("spiffe://acme.example/agent/peer"), &json!(issuer))
    );
    place.finish();
}
