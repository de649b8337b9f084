//! Nothing is left behind, whoever ends and however.

use serde_json::json;

use crate::peer::{Bare, Sdk, odd};
use crate::place::{OPEN, Place, processes, signal, until, until_there};

#[test]
fn a_server_that_forks_twice_is_gone_when_its_client_has_ended_well() {
    let place = Place::new(OPEN);
    let steps = json!([{ "do": "call", "tool": "echo", "arguments": {} }]);
    for sdk in [Sdk::Python, Sdk::TypeScript] {
        let said = sdk.play(&steps, &place.wrapped("odd", &odd(&["fork"])), &place.mark);
        assert_eq!(said[0]["content"][0]["text"], "echo");
        place.nothing_left();
    }
    place.finish();
}

#[test]
fn nothing_is_left_of_a_client_that_is_killed() {
    let place = Place::new(OPEN);
    let steps = json!([{ "do": "call", "tool": "echo", "arguments": {} }, { "do": "hold" }]);
    for sdk in [Sdk::Python, Sdk::TypeScript] {
        let mut client = sdk.start(&steps, &place.wrapped("odd", &odd(&["fork"])), &place.mark);
        client.next().unwrap();
        assert_eq!(client.next().unwrap()["holding"], true);
        // The client, the wrapper, the server and its grandchild at least, beside the monitor.
        assert!(place.started_here().len() >= 5);
        client.process.kill().unwrap();
        client.process.wait().unwrap();
        place.nothing_left();
    }
    place.finish();
}

#[test]
fn nothing_is_left_of_a_wrapper_that_is_killed() {
    let place = Place::new(OPEN);
    let mut client = Bare::start(&place.wrapped("odd", &odd(&["fork"])), &place.mark);
    client.call(1, "echo");
    assert_eq!(client.hear().unwrap()["id"], 1);
    client.process.kill().unwrap();
    client.process.wait().unwrap();
    // Its client sees the end although it still holds its own side open.
    assert_eq!(client.hear(), None);
    place.nothing_left();
    place.finish();
}

#[test]
fn a_monitor_killed_in_mid_call_takes_everything_along_and_the_next_one_knows() {
    let place = Place::new(OPEN);
    let noted = place.path("called");
    let mut client = Bare::start(&place.wrapped("odd", &odd(&["fork", "--noted", &noted])), &place.mark);
    client.call(1, "echo");
    assert_eq!(client.hear().unwrap()["id"], 1);
    client.call(2, "hang");
    until_there(&noted);
    let before: Vec<u32> = place.started_here().into_iter().map(|process| process.pid).collect();
    signal(place.monitor(), "KILL");
    assert_eq!(client.hear(), None);
    assert!(!client.process.wait().unwrap().success());
    let left = || processes().into_iter().filter(|process| before.contains(&process.pid)).collect::<Vec<_>>();
    until("nothing is left", || left().is_empty(), || format!("{:#?}", left()));

    // The next command starts the next monitor.
    let mut client = Bare::start(&place.wrapped("odd", &odd(&[])), &place.mark);
    client.call(1, "echo");
    assert_eq!(client.hear().unwrap()["id"], 1);
    let records = place.records();
    let call = records.iter().position(|record| record["resource"] == "mcp://odd/hang").unwrap();
    let outcome = records.iter().find(|record| record["kind"] == "outcome" && record["of"] == call).unwrap();
    assert_eq!(outcome["result"], "unknown");
    drop(client.input.take());
    assert_eq!(client.hear(), None);
    client.process.wait().unwrap();
    place.finish();
}

#[test]
fn a_server_that_ends_by_itself_ends_the_wrapper_with_its_code() {
    let place = Place::new(OPEN);
    let command = ["sh", "-c", "read line; exit 7"].map(str::to_owned);
    let mut client = Bare::start(&place.wrapped("odd", &command), &place.mark);
    client.call(1, "echo");
    assert_eq!(client.hear(), None);
    assert_eq!(client.process.wait().unwrap().code(), Some(7));
    place.nothing_left();
    place.finish();
}
