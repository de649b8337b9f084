//! Server-sent events, however their bytes arrive.

use proptest::prelude::{Strategy as _, proptest};
use proptest::test_runner::Config;
use ringfence_gateway::mcp::upstream::events::{Event, Events};

fn read(bytes: &[u8], step: usize) -> Result<Vec<Event>, String> {
    let mut events = Events::new(200);
    let mut found = Vec::new();
    for piece in bytes.chunks(step) {
        events.push(piece);
        while let Some(event) = events.next_event().map_err(|refused| refused.to_string())? {
            found.push(event);
        }
    }
    Ok(found)
}

fn data(text: &str) -> Event {
    Event { data: Some(text.to_owned()), ..Event::default() }
}

#[test]
fn lines_end_in_each_way_there_is() {
    for text in [
        "data: a\n\ndata:b\n\n",
        "data: a\r\rdata:b\r\r",
        "data: a\r\n\r\ndata:b\r\n\r\n",
        "\u{feff}data: a\n\r\ndata:b\r\n\n",
    ] {
        for step in 1..text.len() {
            assert_eq!(read(text.as_bytes(), step), Ok(vec![data("a"), data("b")]), "{text:?} by {step}");
        }
    }
}

#[test]
fn fields_are_what_the_standard_says() {
    let text = ": hello\n\nid: 7\nretry: 30\ndata\n\nevent: ping\ndata: a\ndata:  b\nid: x\0y\nretry: soon\nfoo: bar\n\ndata: without an end\n";
    let read = read(text.as_bytes(), 3).unwrap();
    let first = Event { data: Some(String::new()), id: Some("7".to_owned()), retry: Some(30), kind: None };
    let second =
        Event { data: Some("a\n b".to_owned()), kind: Some("ping".to_owned()), id: None, retry: None };
    assert_eq!(read, [first, second]);
}

#[test]
fn what_has_no_end_or_is_no_text_is_refused() {
    for bytes in [vec![b'a'; 300], b"data: a\n".repeat(60), b": a\n".repeat(200), b"data: \xff\n\n".to_vec()]
    {
        for step in [1, 7, 300] {
            assert!(read(&bytes, step).is_err());
        }
    }
}

/// Each byte is looked at once: otherwise this takes hours.
#[test]
fn many_small_events_and_one_long_line_take_no_time() {
    let mut events = Events::new(16 << 20);
    events.push(&b"id\n\n".repeat(4 << 20));
    let mut count = 0;
    while events.next_event().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 4 << 20);
    for _ in 0..(1 << 20) {
        events.push(b"eightbyt");
        assert_eq!(events.next_event().unwrap(), None);
    }
}

proptest! {
    #![proptest_config(Config { cases: 500, failure_persistence: None, ..Config::default() })]

    #[test]
    fn events_are_the_same_however_they_arrive(
        parts in proptest::collection::vec(proptest::sample::select(vec![&b"data"[..], b":", b" ", b"\r", b"\n", b"\r\n", b"id", b"x", b"\xff", b"\xc3\xa9", b"\n\n"]), 0..60),
        step in (1_usize..9).prop_map(|step| step),
    ) {
        let bytes = parts.concat();
        assert_eq!(read(&bytes, step), read(&bytes, bytes.len().max(1)));
    }
}
