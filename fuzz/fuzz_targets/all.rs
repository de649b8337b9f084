//! Whatever a client and two servers say, line by line: what comes of it are messages, and nothing
//! is said to a server that is gone. The first byte of a line says whose it is; `"#1"` stands for
//! an id of ours.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_gateway::mcp::all::{All, Out};
use ringfence_gateway::mcp::envelope;

const OWN: &str = "\"ringfence-";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut all = All::new(vec![("a".to_owned(), Ok(())), ("b-2".to_owned(), Ok(()))]);
    let mut own = "\"#".to_owned();
    let mut gone = [false; 2];
    for line in text.lines() {
        let Some((who, what)) = line.split_at_checked(1) else { continue };
        let what = what.replace("\"#", &own);
        let out = match who {
            "c" => all.client_line(what.as_bytes()),
            "0" => all.server_line(0, what.as_bytes()),
            "1" => all.server_line(1, what.as_bytes()),
            "x" => all.server_ended(usize::from(what.starts_with('1'))),
            "f" => {
                all.set_full(0, what.starts_with('1'));
                Vec::new()
            }
            _ => all.second_passed(),
        };
        for out in out {
            match out {
                Out::Client(text) => {
                    envelope::parse(text.as_bytes()).expect("what the client is told is a message");
                }
                Out::Server(which, text) => {
                    assert!(!gone[which], "a server that is gone is told {text}");
                    envelope::parse(text.as_bytes()).expect("what a server is told is a message");
                    if let Some(at) = text.find(OWN) {
                        // Up to the number: 16 digits and a hyphen.
                        own = text[at..at + OWN.len() + 17].to_owned();
                    }
                }
                Out::Open(which) => {
                    all.server_opened(which);
                    gone[which] = false;
                }
                Out::Close(which) => gone[which] = true,
            }
        }
    }
});
