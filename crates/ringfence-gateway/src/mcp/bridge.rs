//! Between a client and a server of different eras: those that begin with `initialize` (to
//! 2025-11-25) and those whose requests stand alone (2026-07-28).
//!
//! It sits on the client's side of a wire, so that what is checked is what the server gets. Where
//! both speak alike, which the first answer tells, it changes nothing. It decides nothing, and
//! holds bounded memory.
//!
//! - A client that begins with `initialize` and is refused: its server is asked to `discover`, and
//!   where it answers, [`older`] stands in for the session that the client believes to have.
//! - A client whose requests stand alone: a server that does not know `server/discover` is begun
//!   with, and [`newer`] answers for it. The first request is held back until that is known: a
//!   server of the older era might do it all the same.

mod newer;
mod newer_asks;
mod newer_listens;
mod older;
mod older_listens;
mod write;

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use self::newer::Newer;
use self::older::Older;
use super::envelope::{Answer, IdKey, Message, Object, Request, Response};
use super::json;
use super::method::{self, Revision};

/// How long a server may take to say which era it is of. Some say nothing to what they do not know.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many requests are held back meanwhile.
const MAX_HELD: usize = 64;
/// How many requests of a client's are remembered until they are answered.
const MAX_CALLS: usize = 1024;
/// How many bytes are kept of what is held back or may have to be said again.
const MAX_KEPT: usize = 2 * super::envelope::MAX_BYTES;
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

const UNDER_WAY: &str = "a request with this id is under way";

/// What begins every id and every state that a bridge makes up.
pub(super) const STATES: &str = "ringfence-";

/// A message of the bridge's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// To the client.
    ToClient(String),
    /// To the server, as if the client had said it: it goes through every check.
    ToServer(String),
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It goes on as it is.
    On,
    /// The bridge has taken it. What it says instead, if anything, is in [`Bridge::next`].
    Taken,
}

/// The bridge of one wire.
#[derive(Debug)]
pub struct Bridge {
    state: State,
    said: Outbox,
}

/// What is said, and ids that nobody else uses.
#[derive(Debug)]
struct Outbox {
    said: VecDeque<Said>,
    prefix: String,
    count: u64,
    /// An answer to a request of ours may still come when nobody waits for it.
    strays: bool,
    /// The client's own `server/discover` that it was told something else about, while its server
    /// was silent. That may answer still.
    late: Option<IdKey>,
}

#[derive(Debug)]
enum State {
    /// Nobody has said what tells the era.
    Unknown,
    /// Both are of the same.
    Same,
    /// The client said `initialize`.
    Opening(Opening),
    /// The server was asked to `discover`.
    Probing(Probing),
    Older(Box<Older>),
    Newer(Box<Newer>),
}

#[derive(Debug)]
struct Opening {
    id: IdKey,
    /// The request, whole.
    text: String,
    /// What the server answered to it, and the id of our own `server/discover`.
    refused: Option<Refusal>,
}

#[derive(Debug)]
struct Refusal {
    text: String,
    discover: IdKey,
    until: Instant,
}

#[derive(Debug)]
struct Probing {
    id: IdKey,
    /// The client's own `server/discover`, where that is what tells.
    probe: Option<String>,
    /// Capabilities and client info are the same in each request of a client.
    first: String,
    held: Vec<String>,
    until: Instant,
}

impl Default for Bridge {
    fn default() -> Self {
        let nonce = RandomState::new().hash_one(0);
        let said = Outbox {
            said: VecDeque::new(),
            prefix: format!("{STATES}{nonce:016x}"),
            count: 0,
            strays: false,
            late: None,
        };
        Bridge { state: State::Unknown, said }
    }
}

impl Bridge {
    /// Whether nothing is changed from here on.
    pub fn is_passing(&self) -> bool {
        matches!(self.state, State::Same) && !self.said.strays
    }

    /// What the bridge says next, oldest first.
    pub fn next_said(&mut self) -> Option<Said> {
        self.said.said.pop_front()
    }

    /// When a silent server is taken not to know `server/discover`.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Probing(probing) => Some(probing.until),
            State::Opening(opening) => opening.refused.as_ref().map(|refused| refused.until),
            State::Unknown | State::Same | State::Older(_) | State::Newer(_) => None,
        }
    }

    /// That moment has come.
    pub fn overdue(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Unknown) {
            State::Probing(probing) => {
                if probing.probe.is_some() {
                    self.said.strays = true;
                    self.said.late = Some(probing.id.clone());
                }
                probing.begin(&mut self.said)
            }
            State::Opening(Opening { refused: Some(refused), .. }) => {
                self.said.strays = true;
                self.said.tell_client(refused.text);
                State::Unknown
            }
            state => state,
        };
    }

    /// What the client says. A batch is handed in message by message.
    pub fn client_says(&mut self, message: &Message<'_>) -> Way {
        match &mut self.state {
            State::Same => Way::On,
            State::Opening(Opening { refused: Some(_), .. }) => match message {
                Message::Request(request) => {
                    let text = "the server is being asked which revisions it speaks";
                    self.said.tell_client(write::error(request.id.text(), -32600, text));
                    Way::Taken
                }
                Message::Notification(_) | Message::Response(_) | Message::Batch(_) => Way::Taken,
            },
            State::Unknown | State::Opening(_) => match message {
                Message::Request(request) => self.first(request),
                Message::Notification(_) | Message::Response(_) | Message::Batch(_) => Way::On,
            },
            State::Probing(probing) => probing.client_says(message, &mut self.said),
            State::Older(older) => older.client_says(message, &mut self.said),
            State::Newer(newer) => newer.client_says(message, &mut self.said),
        }
    }

    /// A request to the client that follows, by its id, is about this request of the client's.
    pub fn is_about(&mut self, question: IdKey, call: IdKey) {
        if let State::Newer(newer) = &mut self.state {
            newer.is_about(question, call);
        }
    }

    /// What the client is told, by its server or by the wire.
    pub fn client_is_told(&mut self, message: &Message<'_>) -> Way {
        let way = self.told(message);
        match message {
            Message::Response(Response { id: Some(id), .. }) if way == Way::On => {
                let is_late = self.said.late.take_if(|late| *late == id.key()).is_some();
                // Nobody waits for it any more, and the client never asked it.
                if is_late || self.said.is_ours(id.text()) { Way::Taken } else { Way::On }
            }
            Message::Response(_) | Message::Request(_) | Message::Notification(_) | Message::Batch(_) => way,
        }
    }

    fn told(&mut self, message: &Message<'_>) -> Way {
        let next = match (&mut self.state, message) {
            (State::Same | State::Unknown, _) => return Way::On,
            (State::Older(older), message) => return older.client_is_told(message, &mut self.said),
            (State::Newer(newer), message) => match newer.client_is_told(message, &mut self.said) {
                Ok(way) => return way,
                // It refused to begin.
                Err(newer::NotBegun) => Some((State::Unknown, Way::Taken)),
            },
            (State::Opening(opening), Message::Response(response)) => {
                opening.answered(response, &mut self.said)
            }
            (State::Probing(probing), Message::Response(response)) => {
                probing.answered(response, &mut self.said)
            }
            (State::Opening(_) | State::Probing(_), _) => None,
        };
        match next {
            Some((state, way)) => {
                self.state = state;
                way
            }
            None => Way::On,
        }
    }

    /// A client's request before its era is known.
    fn first(&mut self, request: &Request<'_>) -> Way {
        if request.method == "initialize" {
            let (id, text) = (request.id.key(), request.text.to_owned());
            self.state = State::Opening(Opening { id, text, refused: None });
            return Way::On;
        }
        if !method::is_stateless(&request.params) {
            return Way::On;
        }
        let until = Instant::now() + PATIENCE;
        let first = request.params.member("_meta").unwrap_or("{}").to_owned();
        if request.method == "server/discover" {
            let probe = Some(request.text.to_owned());
            let id = request.id.key();
            self.state = State::Probing(Probing { id, probe, first, held: Vec::new(), until });
            return Way::On;
        }
        let id = self.said.discover(&first);
        let held = vec![request.text.to_owned()];
        self.state = State::Probing(Probing { id, probe: None, first, held, until });
        Way::Taken
    }
}

impl Opening {
    fn answered(&mut self, response: &Response<'_>, said: &mut Outbox) -> Option<(State, Way)> {
        let id = response.id?.key();
        if let Some(refused) = &self.refused {
            if id != refused.discover {
                return None;
            }
            let older = match (response.answer, super::envelope::parse(self.text.as_bytes())) {
                (Answer::Result(result), Ok(Message::Request(opening))) => {
                    Older::begin(&opening, result, said)
                }
                _ => None,
            };
            return Some(match older {
                Some(older) => (State::Older(Box::new(older)), Way::Taken),
                None => {
                    said.tell_client(refused.text.clone());
                    (State::Unknown, Way::Taken)
                }
            });
        }
        if id != self.id {
            return None;
        }
        match response.answer {
            Answer::Result(_) => Some((State::Same, Way::On)),
            Answer::Error(_) => {
                let Ok(Message::Request(opening)) = super::envelope::parse(self.text.as_bytes()) else {
                    return Some((State::Unknown, Way::On));
                };
                let meta = older::meta(&opening, None);
                let discover = said.discover(&meta);
                let until = Instant::now() + PATIENCE;
                let refused = Some(Refusal { text: response.text.to_owned(), discover, until });
                let text = std::mem::take(&mut self.text);
                let opening = Opening { id: self.id.clone(), text, refused };
                Some((State::Opening(opening), Way::Taken))
            }
        }
    }
}

impl Probing {
    fn client_says(&mut self, message: &Message<'_>, said: &mut Outbox) -> Way {
        match message {
            Message::Request(request) => {
                hold(&mut self.held, request, said);
                Way::Taken
            }
            Message::Notification(notification) if notification.method == "notifications/cancelled" => {
                let cancelled = method::cancelled(&notification.params).map(|id| id.key());
                let before = self.held.len();
                self.held.retain(|held| id_of(held) != cancelled);
                if self.held.len() < before { Way::Taken } else { Way::On }
            }
            Message::Notification(_) | Message::Response(_) | Message::Batch(_) => Way::On,
        }
    }

    fn answered(&mut self, response: &Response<'_>, said: &mut Outbox) -> Option<(State, Way)> {
        if response.id?.key() != self.id {
            return None;
        }
        let is_modern = match response.answer {
            Answer::Result(_) => true,
            // Unsupported revision, missing capability, headers that do not fit: whoever says that
            // is of the newer era (2026-07-28, Versioning, Backward Compatibility).
            Answer::Error(error) => matches!(write::code(error), Some(-32022..=-32020)),
        };
        if !is_modern {
            let probing = std::mem::replace(self, Probing::nothing(self.id.clone(), self.until));
            return Some((probing.begin(said), Way::Taken));
        }
        for held in self.held.drain(..) {
            said.tell_server(held);
        }
        Some((State::Same, if self.probe.is_some() { Way::On } else { Way::Taken }))
    }

    fn nothing(id: IdKey, until: Instant) -> Probing {
        Probing { id, probe: None, first: String::new(), held: Vec::new(), until }
    }

    /// The server is of the older era: it is begun with.
    fn begin(self, said: &mut Outbox) -> State {
        let held = self.probe.into_iter().chain(self.held).collect();
        State::Newer(Box::new(Newer::begin(&self.first, held, said)))
    }
}

impl Outbox {
    fn tell_client(&mut self, text: String) {
        self.said.push_back(Said::ToClient(text));
    }

    fn tell_server(&mut self, text: String) {
        self.said.push_back(Said::ToServer(text));
    }

    /// An id as written.
    fn id(&mut self) -> String {
        self.count = self.count.saturating_add(1);
        format!("\"{}-{}\"", self.prefix, self.count)
    }

    /// Whether an id, as written, is one that [`Outbox::id`] may give.
    fn is_ours(&self, id: &str) -> bool {
        json::string(id)
            .is_some_and(|id| id.strip_prefix(&*self.prefix).is_some_and(|id| id.starts_with('-')))
    }

    /// Sends a request of our own; its id.
    fn ask(&mut self, method: &str, params: &str) -> IdKey {
        let id = self.id();
        self.tell_server(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#));
        write::key(&id)
    }

    fn discover(&mut self, meta: &str) -> IdKey {
        let meta = super::envelope::without_progress(meta).unwrap_or_else(|| "{}".to_owned());
        self.ask("server/discover", &format!(r#"{{"_meta":{meta}}}"#))
    }
}

/// Holds a request back until it is known how to say it.
fn hold(held: &mut Vec<String>, request: &Request<'_>, said: &mut Outbox) {
    let bytes = held.iter().fold(request.text.len(), |sum, held| sum.saturating_add(held.len()));
    let id = request.id.text();
    if held.len() >= MAX_HELD || bytes > MAX_KEPT {
        let text = "too many requests before the server has said which revisions it speaks";
        said.tell_client(write::error(id, -32000, text));
    } else if held.iter().any(|held| id_of(held) == Some(request.id.key())) {
        said.tell_client(write::error(id, -32600, UNDER_WAY));
    } else {
        held.push(request.text.to_owned());
    }
}

fn id_of(text: &str) -> Option<IdKey> {
    match super::envelope::parse(text.as_bytes()) {
        Ok(Message::Request(request)) => Some(request.id.key()),
        _ => None,
    }
}

/// Whether a discovery offers the revision that is spoken here.
fn offers(discovered: &Object<'_>) -> bool {
    let versions = discovered.member("supportedVersions").and_then(|list| json::items(list).ok());
    versions.is_some_and(|versions| {
        versions.into_iter().filter_map(json::string).any(|one| one == Revision::V20260728.as_str())
    })
}
