//! One wire in place of many: a client sees every server as one.
//!
//! It stands between a client and the wires to its servers, gives what they name names that tell
//! them apart ([`names`]), hands each request to the server it names, asks all of them where a
//! request names none and makes one answer of theirs. It never decides anything and knows no
//! policy: whatever reaches a server passes that server's own wire, under the server's own names,
//! and is checked and filtered there.
//!
//! [`All`] is that without I/O: lines in, lines out. What a server says counts by the wire that
//! it came on; no id, token or name in it can make it another's. Both eras are spoken, each
//! request's its own; that every wire speaks its client's era is the wires' matter.

mod asked;
mod drive;
mod fan;
mod from_client;
mod from_server;
mod greeting;
mod list;
mod listen;
mod names;
mod results;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use serde_json::{Map, Value};

use self::asked::Asked;
use self::fan::{Failure, Fan};
use super::envelope::{Id, IdKey, MAX_BYTES};

pub use self::drive::{Reopen, all, all_reopening};

/// How many requests of the client may be without an answer.
const MAX_OPEN: usize = 10_000;
/// How many requests that go to many servers may be.
const MAX_FANS: usize = 256;
/// How many requests of one server may be without an answer.
const MAX_ASKED: usize = 1_000;
/// How many of the client's tasks are remembered, and of each server how many of its progress
/// tokens that outlived their request.
const MAX_KEPT: usize = 10_000;
/// How many bytes of answers may be held until others have come.
const MAX_HELD: usize = 32 << 20;
/// How many characters of what a server said went wrong are told.
const MAX_SHOWN: usize = 300;

/// What is to be done with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// It is said to the client.
    Client(String),
    /// It is said to a server.
    Server(usize, String),
    /// Nothing more is said to a server, and nothing it says counts.
    Close(usize),
    /// A server that is gone is wanted again, by a client whose requests stand alone. What comes
    /// of it is told by [`All::server_opened`] or [`All::server_not_opened`].
    Open(usize),
}

/// Where many servers are one.
#[derive(Debug)]
pub struct All {
    servers: Vec<Server>,
    /// The client's requests without an answer, and who works on each.
    open: HashMap<IdKey, Worker>,
    fans: HashMap<u64, Fan>,
    /// What servers asked of the client, by the id that it got here.
    asked: HashMap<u64, Asked>,
    /// The client's progress tokens, and whose progress each stands for.
    tokens: HashMap<IdKey, usize>,
    /// Tasks that the client made for a server.
    client_tasks: HashMap<String, usize>,
    /// What our ids begin with, so that nobody chooses one of them by accident.
    nonce: u64,
    numbers: u64,
    /// Bytes of answers that are held.
    held: usize,
    is_greeted: bool,
    out: Vec<Out>,
}

/// One server.
#[derive(Debug)]
struct Server {
    name: String,
    state: State,
    /// It does not take what it is sent.
    is_full: bool,
    /// It kept others waiting for too long, and has said nothing since.
    is_late: bool,
    /// What it said it can do, where it was asked.
    capabilities: Option<Map<String, Value>>,
    /// What it owes an answer to.
    open: HashMap<IdKey, Open>,
    /// What it waits for an answer to, under its own ids, and the number of each here.
    asking: HashMap<IdKey, u64>,
    /// Tokens of calls that were answered with a task, which may still have progress.
    task_tokens: HashSet<IdKey>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Up,
    /// It takes part no more; why.
    Out(String),
    /// The same, and it is being opened again.
    Coming(String),
}

/// Who works on a request of the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worker {
    Server(usize),
    Fan(u64),
}

/// A request that a server owes an answer to.
#[derive(Debug)]
enum Open {
    /// The client's own, under the client's id.
    Routed { id: String, token: Option<IdKey> },
    /// A part of one that went to many.
    Part(u64),
}

impl All {
    /// One in front of servers, by name and whether each is there or why not.
    pub fn new(servers: Vec<(String, Result<(), String>)>) -> All {
        let servers = servers.into_iter().map(|(name, there)| Server {
            name,
            state: there.map_or_else(State::Out, |()| State::Up),
            is_full: false,
            is_late: false,
            capabilities: None,
            open: HashMap::new(),
            asking: HashMap::new(),
            task_tokens: HashSet::new(),
        });
        All {
            servers: servers.collect(),
            open: HashMap::new(),
            fans: HashMap::new(),
            asked: HashMap::new(),
            tokens: HashMap::new(),
            client_tasks: HashMap::new(),
            nonce: RandomState::new().hash_one("ringfence"),
            numbers: 0,
            held: 0,
            is_greeted: false,
            out: Vec::new(),
        }
    }

    /// What comes of a line of the client's.
    pub fn client_line(&mut self, line: &[u8]) -> Vec<Out> {
        self.hear_client(line);
        std::mem::take(&mut self.out)
    }

    /// What comes of a line of a server's.
    pub fn server_line(&mut self, which: usize, line: &[u8]) -> Vec<Out> {
        self.hear_server(which, line);
        std::mem::take(&mut self.out)
    }

    /// A server says nothing more: whoever waits for it is told, the rest goes on.
    pub fn server_ended(&mut self, which: usize) -> Vec<Out> {
        self.leave(which, "it has ended");
        std::mem::take(&mut self.out)
    }

    /// Whether a server takes what it is sent. As long as it does not, requests to it are answered
    /// with an error.
    pub fn set_full(&mut self, which: usize, is_full: bool) {
        if let Some(server) = self.servers.get_mut(which) {
            server.is_full = is_full;
        }
    }

    /// A second has passed: servers that keep the others waiting for too long are left out.
    pub fn second_passed(&mut self) -> Vec<Out> {
        self.grow_late();
        std::mem::take(&mut self.out)
    }

    /// A server that was wanted again is there, as if nothing had been said to it.
    pub fn server_opened(&mut self, which: usize) {
        if let Some(server) = self.servers.get_mut(which).filter(|server| server.state != State::Up) {
            server.state = State::Up;
            (server.is_full, server.is_late, server.capabilities) = (false, false, None);
        }
    }

    /// A server that was wanted again is not there; why.
    pub fn server_not_opened(&mut self, which: usize, why: String) {
        if let Some(server) = self.servers.get_mut(which).filter(|server| server.state != State::Up) {
            server.state = State::Out(why);
        }
    }

    /// Whether anything waits for time to pass.
    pub fn is_waiting(&self) -> bool {
        !self.fans.is_empty()
    }

    /// Whether no server is there any more.
    pub fn is_over(&self) -> bool {
        self.servers.iter().all(|server| server.state != State::Up)
    }

    /// Takes a server out.
    fn leave(&mut self, which: usize, why: &str) {
        let Some(server) = self.servers.get_mut(which).filter(|server| server.state == State::Up) else {
            return;
        };
        server.state = State::Out(why.to_owned());
        tracing::warn!(server = server.name, why, "a server takes part no more");
        let name = server.name.clone();
        server.task_tokens.clear();
        self.out.push(Out::Close(which));
        for (key, open) in std::mem::take(&mut server.open) {
            match open {
                Open::Routed { id, token: _ } => {
                    self.open.remove(&key);
                    self.say_error(&id, &Failure::new(-32603, format!("the server `{name}` failed: {why}")));
                }
                Open::Part(fan) => self.part_failed(fan, which, Failure::new(-32603, why)),
            }
        }
        self.tokens.retain(|_, of| *of != which);
        self.client_tasks.retain(|_, of| *of != which);
        self.forget_asked_by(which);
    }

    /// Wants servers back that are gone. In a session that cannot be: they would have to be greeted,
    /// and the client knows what it was greeted with.
    fn want_back(&mut self) {
        for (which, server) in self.servers.iter_mut().enumerate() {
            if let State::Out(why) = &mut server.state {
                server.state = State::Coming(std::mem::take(why));
                self.out.push(Out::Open(which));
            }
        }
    }

    fn server(&self, which: usize) -> &Server {
        self.servers.get(which).expect("invariant: servers are numbered by this and none is removed")
    }

    fn name(&self, which: usize) -> &str {
        &self.server(which).name
    }

    /// The servers that are there.
    fn up(&self) -> Vec<usize> {
        let up = |(which, server): (usize, &Server)| (server.state == State::Up).then_some(which);
        self.servers.iter().enumerate().filter_map(up).collect()
    }

    /// Why a server cannot be asked now, where it cannot.
    fn objection(&self, which: usize) -> Option<Failure> {
        let server = self.server(which);
        let name = &server.name;
        match &server.state {
            State::Out(why) => {
                Some(Failure::new(-32603, format!("the server `{name}` is not available: {why}")))
            }
            State::Coming(why) => {
                let why = format!("the server `{name}` is being started again: {why}; try again later");
                Some(Failure::new(-32603, why))
            }
            State::Up if server.is_full => {
                let why = format!("the server `{name}` does not take what it is sent; try again later");
                Some(Failure::new(-32603, why))
            }
            State::Up => None,
        }
    }

    /// A number that has not been used.
    fn number(&mut self) -> u64 {
        self.numbers = self.numbers.saturating_add(1);
        self.numbers
    }

    fn ask(&mut self, which: usize, id: IdKey, open: Open, text: String) {
        if let Some(server) = self.servers.get_mut(which) {
            server.open.insert(id, open);
            self.out.push(Out::Server(which, text));
        }
    }

    fn tell(&mut self, which: usize, text: impl Into<String>) {
        if self.server(which).state == State::Up {
            self.out.push(Out::Server(which, text.into()));
        }
    }

    fn say(&mut self, text: impl Into<String>) {
        self.out.push(Out::Client(text.into()));
    }

    /// An answer to the client's request `id`. One that grew too long by its names is an error.
    fn answer(&mut self, id: &str, text: String) {
        if text.len() > MAX_BYTES {
            self.say_error(id, &Failure::new(-32603, "the answer is too long"));
        } else {
            self.say(text);
        }
    }

    fn say_error(&mut self, id: &str, failure: &Failure) {
        self.say(failure.response(id));
    }
}

fn key_of(id: &str) -> Option<IdKey> {
    Id::parse(id).map(Id::key)
}
