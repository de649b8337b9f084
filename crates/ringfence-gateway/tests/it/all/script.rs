//! A conversation with many servers, written out: who says what, and below it, indented, what
//! comes of that, byte for byte and in order.
//!
//! `{~` stands for the beginning of every message, `$META` for what a request of 2026-07-28
//! carries, `"#1"` for the first id of ours. `files ends`, `files opens`, `files full`, `files free`, `seconds 30`
//! are events.

use ringfence_gateway::mcp::all::{All, Out};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

pub(crate) struct Script {
    all: All,
    names: Vec<String>,
    /// What our ids begin with, once one was seen.
    own: Option<String>,
}

impl Script {
    pub(crate) fn of(names: &[&str]) -> Script {
        Script::with(names.iter().map(|name| (*name, Ok(()))))
    }

    pub(crate) fn with<'a>(servers: impl IntoIterator<Item = (&'a str, Result<(), String>)>) -> Script {
        let servers: Vec<_> = servers.into_iter().map(|(name, there)| (name.to_owned(), there)).collect();
        let names = servers.iter().map(|(name, _)| name.clone()).collect();
        Script { all: All::new(servers), names, own: None }
    }

    /// Plays it.
    #[track_caller]
    pub(crate) fn play(&mut self, script: &str) {
        let mut lines = script.lines().filter(|line| !line.trim().is_empty()).peekable();
        while let Some(line) = lines.next() {
            let came = self.say(line);
            let mut expected = Vec::new();
            while let Some(below) = lines.next_if(|line| line.starts_with(' ')) {
                expected.push(long(below.trim()));
            }
            assert_eq!(came.join("\n"), expected.join("\n"), "\nafter: {line}\n");
        }
    }

    /// What comes of one line or event.
    #[track_caller]
    pub(crate) fn say(&mut self, line: &str) -> Vec<String> {
        let (who, what) = line.split_once(' ').unwrap();
        let which = self.names.iter().position(|name| name == who);
        let text = long(what);
        let text = match &self.own {
            Some(own) => text.replace("\"#", own),
            None => text,
        };
        let out = match (who, what, which) {
            ("client", _, _) => self.all.client_line(text.as_bytes()),
            ("seconds", count, _) => {
                (0..count.parse().unwrap()).flat_map(|_: u32| self.all.second_passed()).collect()
            }
            (_, "ends", Some(which)) => self.all.server_ended(which),
            (_, "opens", Some(which)) => {
                self.all.server_opened(which);
                Vec::new()
            }
            (_, "does not open", Some(which)) => {
                self.all.server_not_opened(which, "it is broken".to_owned());
                Vec::new()
            }
            (_, "full" | "free", Some(which)) => {
                self.all.set_full(which, what == "full");
                Vec::new()
            }
            (_, _, Some(which)) => self.all.server_line(which, text.as_bytes()),
            (_, _, None) => panic!("nobody is called {who}"),
        };
        out.into_iter().map(|out| self.told(out)).collect()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.all.is_over()
    }

    fn told(&mut self, out: Out) -> String {
        match out {
            Out::Client(text) => format!("client {}", self.short(&text)),
            Out::Server(which, text) => {
                let text = self.short(&text);
                format!("{} {text}", self.names[which])
            }
            Out::Open(which) => format!("{} wanted", self.names[which]),
            Out::Close(which) => format!("{} closed", self.names[which]),
        }
    }

    /// Our ids, by their number alone.
    fn short(&mut self, text: &str) -> String {
        const OWN: &str = "\"ringfence-";
        if self.own.is_none()
            && let Some(at) = text.find(OWN)
        {
            self.own = text.get(at..at + OWN.len() + 17).map(str::to_owned);
        }
        match &self.own {
            Some(own) => text.replace(own.as_str(), "\"#"),
            None => text.to_owned(),
        }
    }
}

fn long(text: &str) -> String {
    text.replace("{~", "{\"jsonrpc\":\"2.0\",").replace("$META", META)
}
