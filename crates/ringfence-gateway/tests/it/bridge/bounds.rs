//! What a bridge keeps in memory is bounded, whoever fills it.

use ringfence_gateway::mcp::bridge::{Bridge, Said};
use ringfence_gateway::mcp::envelope;
use serde_json::Value;

use super::script::META;

const LONG: usize = 4 << 20;
const DISCOVERED: &str = r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#;
const WELCOME: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}}}"#;

fn says(bridge: &mut Bridge, text: &str) -> Vec<Said> {
    bridge.client_says(&envelope::parse(text.as_bytes()).unwrap());
    std::iter::from_fn(|| bridge.next_said()).collect()
}

fn is_told(bridge: &mut Bridge, text: &str) -> Vec<Said> {
    bridge.client_is_told(&envelope::parse(text.as_bytes()).unwrap());
    std::iter::from_fn(|| bridge.next_said()).collect()
}

/// The server answers what it was just asked.
fn answers(bridge: &mut Bridge, said: &[Said], answer: &str) -> Vec<Said> {
    let Some(Said::ToServer(text)) = said.last() else { panic!("{said:?}") };
    let asked: Value = serde_json::from_str(text).unwrap();
    is_told(bridge, &format!(r#"{{"jsonrpc":"2.0","id":{},{answer}}}"#, asked["id"]))
}

fn call(id: usize, length: usize) -> String {
    let text = "x".repeat(length);
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t","arguments":{{"x":"{text}"}},"_meta":{{{META}}}}}}}"#
    )
}

fn older() -> Bridge {
    let mut bridge = Bridge::default();
    says(&mut bridge, r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#);
    let said = is_told(&mut bridge, r#"{"jsonrpc":"2.0","id":0,"error":{"code":-1,"message":"no"}}"#);
    answers(&mut bridge, &said, &format!(r#""result":{DISCOVERED}"#));
    bridge
}

fn newer() -> Bridge {
    let mut bridge = Bridge::default();
    let said = says(&mut bridge, &call(0, 0));
    let said = answers(&mut bridge, &said, r#""error":{"code":-32601,"message":"no"}"#);
    let said = answers(&mut bridge, &said, &format!(r#""result":{WELCOME}"#));
    answers(&mut bridge, &said, r#""result":{}"#);
    bridge
}

/// How many of these are refused.
fn refused(said: impl IntoIterator<Item = Vec<Said>>) -> usize {
    let is_refusal = |said: &[Said]| match said {
        [Said::ToClient(text)] => text.contains(r#""error""#),
        _ => false,
    };
    said.into_iter().filter(|said| is_refusal(said)).count()
}

#[test]
fn requests_that_are_held_back() {
    let mut bridge = Bridge::default();
    assert_eq!(refused((0..16).map(|id| says(&mut bridge, &call(id, LONG)))), 16 - 7);
    let mut bridge = Bridge::default();
    assert_eq!(refused((0..100).map(|id| says(&mut bridge, &call(id, 1)))), 100 - 64);
}

#[test]
fn calls_that_may_have_to_be_made_again() {
    for begin in [older, newer] {
        let mut bridge = begin();
        assert_eq!(refused((1..17).map(|id| says(&mut bridge, &call(id, LONG)))), 16 - 7);
        let mut bridge = begin();
        assert_eq!(refused((1..1_101).map(|id| says(&mut bridge, &call(id, 1)))), 1_100 - 1_024);
    }
}

#[test]
fn what_a_server_asks_and_answers_while_its_client_is_away() {
    let mut bridge = newer();
    let said = says(&mut bridge, &call(1, 1));
    let long = "x".repeat(LONG);
    let ask = |id: usize| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"elicitation/create","params":{{"message":"{long}"}}}}"#
        )
    };
    let asked: Vec<_> = (0..8).map(|id| is_told(&mut bridge, &ask(id))).collect();
    let turned_down = asked.iter().filter(|said| matches!(said.as_slice(), [Said::ToServer(_)])).count();
    // One message holds them all.
    assert_eq!(turned_down, 8 - 1);
    answers(&mut bridge, &said, r#""result":{}"#);
    // Nobody comes back for any of these.
    let mut kept = 0;
    for id in 2..20 {
        let said = says(&mut bridge, &call(id, 1));
        let parked = is_told(
            &mut bridge,
            &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"elicitation/create","params":{{}}}}"#),
        );
        let [Said::ToClient(parked)] = parked.as_slice() else { panic!("{parked:?}") };
        let parked: Value = serde_json::from_str(parked).unwrap();
        answers(&mut bridge, &said, &format!(r#""result":{{"x":"{long}"}}"#));
        let state = &parked["result"]["requestState"];
        let again = call(id, 1).replacen(r#""name""#, &format!(r#""requestState":{state},"name""#), 1);
        if id > 12 {
            let said = says(&mut bridge, &again);
            let [Said::ToClient(text)] = said.as_slice() else { panic!("{said:?}") };
            kept += usize::from(text.len() > LONG);
        }
    }
    assert_eq!(kept, 0, "it keeps what there is no room for");
}

#[test]
fn changes_that_many_streams_hear_of() {
    let mut bridge = newer();
    for id in 0..1_100 {
        says(
            &mut bridge,
            &format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"subscriptions/listen","params":{{"notifications":{{"toolsListChanged":true}},"_meta":{{{META}}}}}}}"#
            ),
        );
    }
    let changed = |length: usize| {
        let text = "x".repeat(length);
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{"_meta":{{"x":"{text}"}}}}}}"#
        )
    };
    assert_eq!(is_told(&mut bridge, &changed(1)).len(), 1_000);
    assert_eq!(is_told(&mut bridge, &changed(LONG)).len(), 0);
}
