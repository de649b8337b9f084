//! Ten thousand sessions that begin and end in every way there is; nothing of them is left.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::place::{OPEN, Place, until};

const SESSIONS: usize = 10_000;
/// How many are under way at once.
const AT_ONCE: usize = 12;
/// How much more a process may have at the end than halfway: what grows by session shows.
const MAY_GROW_FILES: usize = 8;
const MAY_GROW_KIB: u64 = 16 * 1024;

/// Answers, says its own process, dies, or says nothing.
const SERVER: &str = r#"
while IFS= read -r line; do
  id=$(expr "$line" : '.*"id":\("[^"]*"\|[0-9][0-9]*\)')
  case "$line" in
    *'"initialize"'*) echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}}' ;;
    *'"tools/list"'*) echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"tools":[{"name":"pid","inputSchema":{"type":"object"}},{"name":"die","inputSchema":{"type":"object"}},{"name":"hang","inputSchema":{"type":"object"}}]}}' ;;
    *'"die"'*) exit 3 ;;
    *'"hang"'*) ;;
    *'"tools/call"'*) echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"content":[{"type":"text","text":"'$$'"}]}}' ;;
  esac
done
"#;

/// How a session ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Deleted,
    DeletedAfterACall,
    ServerDiesInACall,
    ClientGoneInACall,
    StreamDropped,
}

const ENDS: [End; 5] = [
    End::Deleted,
    End::DeletedAfterACall,
    End::ServerDiesInACall,
    End::ClientGoneInACall,
    End::StreamDropped,
];

struct Client {
    address: String,
    path: String,
}

impl Client {
    fn send(&self, method: &str, session: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let session =
            if session.is_empty() { String::new() } else { format!("Mcp-Session-Id: {session}\r\n") };
        write!(
            stream,
            "{method} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{session}Content-Length: {}\r\n\r\n{body}",
            self.path,
            self.address,
            body.len()
        )
        .unwrap();
        stream
    }

    fn ask(&self, method: &str, session: &str, body: &str) -> (u16, String) {
        let mut answer = String::new();
        self.send(method, session, body).read_to_string(&mut answer).unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    fn begin(&self) -> String {
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "soak", "version": "1"}}});
        let (status, answer) = self.ask("POST", "", &hello.to_string());
        assert_eq!(status, 200, "{answer}");
        let id = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
        id.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    fn pid(&self, session: &str) -> String {
        let (status, answer) = self.ask("POST", session, &call("pid"));
        assert_eq!(status, 200, "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        body["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
    }

    fn live(&self, end: End) {
        let session = self.begin();
        let is_deleted = match end {
            End::Deleted => true,
            End::DeletedAfterACall => {
                self.pid(&session);
                true
            }
            End::ServerDiesInACall => {
                let (_, answer) = self.ask("POST", &session, &call("die"));
                assert!(answer.contains("\"error\""), "{answer}");
                false
            }
            End::ClientGoneInACall => {
                drop(self.send("POST", &session, &call("hang")));
                true
            }
            End::StreamDropped => {
                let mut stream = self.send("GET", &session, "");
                let mut head = [0; 12];
                stream.read_exact(&mut head).unwrap();
                assert_eq!(&head, b"HTTP/1.1 200");
                true
            }
        };
        if is_deleted {
            assert_eq!(self.ask("DELETE", &session, "").0, 204, "{end:?}");
        }
        // Whoever asks again is told that it is over.
        assert_eq!(self.ask("POST", &session, &call("pid")).0, 404, "{end:?}");
    }
}

fn call(tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}})
        .to_string()
}

/// Files that a process has open, its threads, and the memory that is its own, in KiB.
fn held(pid: u32) -> (usize, usize, u64) {
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count();
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Private_Dirty:")).unwrap();
    (count("fd"), count("task"), line.split_whitespace().nth(1).unwrap().parse().unwrap())
}

#[test]
fn nothing_is_left_of_ten_thousand_sessions() {
    let place = Place::new(OPEN);
    let script = place.path("server.sh");
    fs::write(&script, SERVER).unwrap();
    let up = place.up("soak", &["sh".to_owned(), script]);
    let (address, path) = up.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let client = Client { address: address.to_owned(), path: format!("/{path}") };
    let begun = AtomicUsize::new(0);
    let play = |sessions: usize| {
        let last = begun.load(Ordering::SeqCst) + sessions;
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let number = begun.fetch_add(1, Ordering::SeqCst);
                        if number >= last {
                            begun.fetch_sub(1, Ordering::SeqCst);
                            return;
                        }
                        // Every way follows every other, in no short pattern.
                        let end = ENDS[number.wrapping_mul(2_654_435_761) / 7 % ENDS.len()];
                        client.live(end);
                    }
                });
            }
        });
        let running = || place.started_here();
        until("every server has ended", || running().len() <= 1, || format!("{:#?}", running()));
        held(up.pid())
    };
    let (files, threads, memory) = play(SESSIONS / 2);
    let (files_now, threads_now, memory_now) = play(SESSIONS - SESSIONS / 2);
    assert!(files_now <= files + MAY_GROW_FILES, "{files} files, then {files_now}");
    assert!(threads_now <= threads + MAY_GROW_FILES, "{threads} threads, then {threads_now}");
    assert!(memory_now <= memory + MAY_GROW_KIB, "{memory} KiB, then {memory_now}");
    up.end();
    place.finish();
}
