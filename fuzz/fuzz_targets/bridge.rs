//! Whatever either side says: a bridge says messages, ends, and answers nobody under an id of its own.

#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use ringfence_gateway::mcp::bridge::{Bridge, Said, Way};
use ringfence_gateway::mcp::envelope::{self, Answer, Message};

/// What made-up ids begin with, and what stands for it in an input.
const MADE_UP: &str = "\"ringfence-0123456789abcdef";
const STANDS_FOR_IT: &str = "\"$R";

// Lines; the first byte says who says the rest: the client, the server, or time.
fuzz_target!(|data: &[u8]| {
    let mut bridge = Bridge::default();
    let mut made_up = STANDS_FOR_IT.to_owned();
    // What the client asked under, whatever it looks like.
    let mut asked = HashSet::new();
    // What the server was asked and has not answered: the wire drops every other answer of its.
    let mut open = HashSet::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some((who, text)) = line.split_first() else { continue };
        let text = String::from_utf8_lossy(text).replace(STANDS_FOR_IT, &made_up);
        if *who == b'!' {
            if bridge.deadline().is_some() {
                bridge.overdue();
            }
        } else {
            let Ok(message) = envelope::parse(text.as_bytes()) else { continue };
            if matches!(message, Message::Batch(_)) {
                // Those are handed in message by message.
                continue;
            }
            if *who == b'c' {
                if let Message::Request(request) = &message {
                    asked.insert(request.id.text().to_owned());
                }
                if bridge.client_says(&message) == Way::On
                    && let Message::Request(request) = &message
                {
                    open.insert(request.id.key());
                }
            } else if matches!(&message, Message::Response(response) if response.id.is_none_or(|id| !open.remove(&id.key())))
            {
                continue;
            } else if bridge.client_is_told(&message) == Way::On && !bridge.is_passing() {
                is_not_ours(&message, &made_up, &asked);
            }
        }
        let mut count = 0;
        while let Some(said) = bridge.next_said() {
            count += 1;
            assert!(count < 5_000, "it does not end");
            let (Said::ToClient(text) | Said::ToServer(text)) = &said;
            let message = envelope::parse(text.as_bytes()).expect("what is said is a message");
            if let (Said::ToServer(_), Message::Request(request)) = (&said, &message) {
                open.insert(request.id.key());
            }
            if let Said::ToServer(text) = &said
                && let Some(at) = text.find("\"id\":\"ringfence-")
                && let Some(id) = text.get(at + 5..).and_then(|id| id.get(..MADE_UP.len()))
            {
                id.clone_into(&mut made_up);
            }
            if matches!(said, Said::ToClient(_)) {
                is_not_ours(&message, &made_up, &asked);
            }
        }
    }
});

/// Nothing is answered under an id of the bridge's own, but that a client which asks under one is
/// refused.
fn is_not_ours(message: &Message<'_>, made_up: &str, asked: &HashSet<String>) {
    if let Message::Response(response) = message
        && let Some(id) = response.id
    {
        let id = id.text();
        let is_refused = matches!(response.answer, Answer::Error(_)) && asked.contains(id);
        assert!(made_up == STANDS_FOR_IT || !id.starts_with(made_up) || is_refused, "{}", response.text);
    }
}
