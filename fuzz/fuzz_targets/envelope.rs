//! One message of either side: refused, or read as it was written, whatever it means.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_gateway::mcp::edit::{self, ToolList};
use ringfence_gateway::mcp::envelope::{self, Answer, Message};
use ringfence_gateway::mcp::method::{self, Sender};

fuzz_target!(|data: &[u8]| {
    let message = match envelope::parse(data) {
        Ok(message) => message,
        Err(refused) => {
            serde_json::from_str::<serde_json::Value>(&edit::refused(&refused)).expect("a refusal is JSON");
            return;
        }
    };
    assert_eq!(message.text().as_bytes(), data);
    serde_json::from_slice::<&serde_json::value::RawValue>(data).expect("what is let through is JSON");
    look(&message);
});

fn look(message: &Message<'_>) {
    match message {
        Message::Request(request) => {
            assert_eq!(request.id.key(), request.id.key());
            for sender in [Sender::Client, Sender::Server] {
                drop(method::of_request("s", sender, request));
            }
        }
        Message::Notification(notification) => {
            for sender in [Sender::Client, Sender::Server] {
                drop(method::of_notification(sender, notification));
            }
        }
        Message::Response(response) => {
            let Answer::Result(result) = response.answer else { return };
            drop(edit::input_requests(result));
            let Ok(list) = ToolList::parse(response.text, result) else { return };
            let none = list.keeping(|_| false);
            let again = envelope::parse(none.as_bytes()).expect("a shortened list is a message");
            let Message::Response(again) = again else { panic!("a shortened list is a response") };
            assert_eq!(again.id.map(envelope::Id::key), response.id.map(envelope::Id::key));
        }
        Message::Batch(batch) => batch.messages.iter().for_each(look),
    }
}
