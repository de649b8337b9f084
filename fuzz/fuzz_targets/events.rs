//! Server-sent events are the same however their bytes arrive, and none is longer than its bound.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_gateway::mcp::upstream::events::{Event, Events};

const BOUND: usize = 48;

fuzz_target!(|data: &[u8]| {
    let Some((step, data)) = data.split_first() else { return };
    let at_once = read(data, data.len().max(1));
    let in_pieces = read(data, usize::from(*step).max(1));
    assert_eq!(at_once, in_pieces);
    for event in at_once.iter().flatten() {
        let texts = [&event.data, &event.kind, &event.id];
        let length: usize = texts.into_iter().flatten().map(String::len).sum();
        assert!(length <= BOUND);
    }
});

/// Every event; last, none where the stream is refused.
fn read(data: &[u8], step: usize) -> Vec<Option<Event>> {
    let mut events = Events::new(BOUND);
    let mut found = Vec::new();
    for piece in data.chunks(step) {
        events.push(piece);
        loop {
            match events.next_event() {
                Ok(Some(event)) => found.push(Some(event)),
                Ok(None) => break,
                Err(_) => {
                    found.push(None);
                    return found;
                }
            }
        }
    }
    found
}
