//! Several wrapped servers and the commands of another terminal: one state, one log.

use serde_json::Value;

use crate::peer::{Bare, odd};
use crate::place::{Place, until, until_there};

const POLICY: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: shared}
layer: team
subjects: ["**"]
rules:
  - {id: look, effect: allow, actions: [tool.list], resources: ["mcp://*"]}
  - {id: call, effect: allow, actions: [tool.call], resources: ["mcp://*/echo", "mcp://*/hang"]}
  - {id: buy, effect: ask, actions: [tool.call], resources: ["mcp://*/buy"], approvers: ["group:ops"], expires: 10m}
limits:
  - {id: few, actions: [tool.call], resources: ["mcp://*/echo"], calls: 4, per: 1h, by: sponsor}
"#;

fn is_denied(reply: &Value) -> bool {
    reply["result"]["isError"] == true
}

#[test]
fn two_servers_share_one_limit_and_one_log() {
    let place = Place::new(POLICY);
    let mut one = Bare::start(&place.wrapped("one", &odd(&[])), &place.mark);
    let mut two = Bare::start(&place.wrapped("two", &odd(&[])), &place.mark);
    let mut denied = Vec::new();
    for id in 0..3 {
        for client in [&mut one, &mut two] {
            client.call(id, "echo");
            denied.push(is_denied(&client.hear().unwrap()));
        }
    }
    assert_eq!(denied, [false, false, false, false, true, true]);
    let records = place.records();
    let calls = records.iter().filter(|record| record["action"] == "tool.call").count();
    assert_eq!(calls, 6);
    for mut client in [one, two] {
        drop(client.input.take());
        assert_eq!(client.hear(), None);
        client.process.wait().unwrap();
    }
    place.finish();
}

#[test]
fn an_approval_from_another_terminal_lets_the_call_go_on() {
    let place = Place::new(POLICY);
    let mut client = Bare::start(&place.wrapped("one", &odd(&[])), &place.mark);
    client.call(1, "buy");
    let asks = || -> Vec<String> {
        let listed = place.json(&["approvals", "list"]).into_iter();
        let all = listed.flat_map(|value| if let Value::Array(all) = value { all } else { vec![value] });
        all.filter_map(|ask| ask["id"].as_str().map(str::to_owned)).collect()
    };
    until("somebody is asked", || !asks().is_empty(), String::new);
    let id = asks().remove(0);
    assert!(place.run(&["approvals", "approve", &id]).status.success());
    assert_eq!(client.hear().unwrap()["result"]["content"][0]["text"], "buy");
    drop(client.input.take());
    client.process.wait().unwrap();
    place.finish();
}

#[test]
fn a_kill_from_another_terminal_ends_every_wrapped_server() {
    let place = Place::new(POLICY);
    let noted = place.path("called");
    let mut one = Bare::start(&place.wrapped("one", &odd(&["fork", "--noted", &noted])), &place.mark);
    let mut two = Bare::start(&place.wrapped("two", &odd(&["fork"])), &place.mark);
    two.call(1, "echo");
    two.hear().unwrap();
    one.call(1, "hang");
    until_there(&noted);
    assert!(place.run(&["kill", "--all", "--reason", "test"]).status.success());
    // Whoever still waited is told, if anything.
    if let Some(last) = one.hear() {
        assert!(is_denied(&last), "{last}");
        assert_eq!(one.hear(), None);
    }
    assert_eq!(two.hear(), None);
    one.process.wait().unwrap();
    two.process.wait().unwrap();
    place.nothing_left();
    // It outlives the monitor: nothing is started any more.
    assert!(place.run(&["stop"]).status.success());
    let mut again = Bare::start(&place.wrapped("one", &odd(&[])), &place.mark);
    assert_eq!(again.hear(), None);
    assert_eq!(again.process.wait().unwrap().code(), Some(1));
    place.finish();
}
