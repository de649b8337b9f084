//! A request of the client's that several servers are asked: under an id of ours, until each has
//! answered, failed or kept the others waiting for too long.

use serde_json::{Value, json};

use super::greeting::Greeting;
use super::list::List;
use super::listen::Listen;
use super::results::RELATED;
use super::{All, MAX_SHOWN, Open, Out, Worker, key_of};
use crate::mcp::edit::Edits;
use crate::mcp::envelope::{Answer, Object, Request, Response};
use crate::mcp::json;
use crate::mcp::method::is_stateless;

/// Seconds within which servers have to answer.
const PATIENCE: u32 = 30;
/// The same for a server that was late the last time and has said nothing since.
const PATIENCE_WITH_LATE: u32 = 2;
/// The same for taking note of a subscription, which holds nothing else up.
const PATIENCE_TO_LISTEN: u32 = 5;

/// A request that went to several.
#[derive(Debug)]
pub(super) struct Fan {
    /// The client's id, as written.
    pub(super) id: String,
    /// It names its revision itself (2026-07-28).
    pub(super) is_stateless: bool,
    /// The servers that have not answered.
    pub(super) waiting: Vec<usize>,
    pub(super) failed: Vec<(usize, Failure)>,
    pub(super) work: Work,
    seconds: u32,
}

/// What is made of the answers.
#[derive(Debug)]
pub(super) enum Work {
    /// `initialize`, `server/discover`
    Greeting(Greeting),
    /// `logging/setLevel`: whether one took it.
    Level(bool),
    /// Lists.
    List(List),
    /// `subscriptions/listen`
    Listen(Listen),
}

/// Why a server did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: i64,
    pub(super) message: String,
    /// As the server wrote it.
    pub(super) data: Option<String>,
}

impl Failure {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), data: None }
    }

    /// What a server's error says.
    fn of(error: &str) -> Failure {
        let Ok(object) = Object::parse(error, &["code", "message", "data"]) else {
            return Failure::new(-32603, "it answered with an error that cannot be read");
        };
        let message = object.member("message").and_then(json::string).unwrap_or_default();
        Failure {
            code: object.member("code").and_then(|code| code.parse().ok()).unwrap_or(-32603),
            message: message.chars().take(MAX_SHOWN).collect(),
            data: object.member("data").filter(|data| data.len() <= 64 * 1024).map(str::to_owned),
        }
    }

    pub(super) fn response(&self, id: &str) -> String {
        let (code, message) = (self.code, Value::from(self.message.as_str()));
        let data = self.data.as_ref().map(|data| format!(",\"data\":{data}")).unwrap_or_default();
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}{data}}}}}"#)
    }
}

impl Fan {
    pub(super) fn new(request: &Request<'_>, asked: &[usize], work: Work) -> Fan {
        Fan {
            id: request.id.text().to_owned(),
            is_stateless: is_stateless(&request.params),
            waiting: asked.to_vec(),
            failed: Vec::new(),
            work,
            seconds: 0,
        }
    }
}

impl All {
    /// Asks servers what the client asks, in words that may differ by server.
    pub(super) fn fan_out(&mut self, request: &Request<'_>, parts: &[(usize, String)], work: Work) {
        if self.fans.len() >= super::MAX_FANS {
            let failure = Failure::new(-32603, "too many requests to all servers are without an answer");
            self.say_error(request.id.text(), &failure);
            return;
        }
        let number = self.number();
        let asked: Vec<usize> = parts.iter().map(|(which, _)| *which).collect();
        self.open.insert(request.id.key(), Worker::Fan(number));
        self.fans.insert(number, Fan::new(request, &asked, work));
        let id = self.part_id(number);
        let key = key_of(&id).expect("invariant: an id of ours is a string");
        for (which, text) in parts {
            match self.objection(*which) {
                Some(failure) => self.part_failed(number, *which, failure),
                None => self.ask(*which, key.clone(), Open::Part(number), text.clone()),
            }
        }
        if asked.is_empty() {
            self.go_on(number);
        }
    }

    /// The id of a part, as JSON: what [`All::part`] puts in place of the client's. To be used for
    /// the request that is fanned out next.
    pub(super) fn next_part_id(&self) -> String {
        self.part_id(self.numbers.saturating_add(1))
    }

    fn part_id(&self, number: u64) -> String {
        format!("\"ringfence-{:016x}-{number}\"", self.nonce)
    }

    /// What a server says to its part.
    pub(super) fn part_answered(&mut self, number: u64, which: usize, response: &Response<'_>) {
        let result = match response.answer {
            Answer::Result(result) => result,
            Answer::Error(error) => return self.part_failed(number, which, Failure::of(error)),
        };
        let name = self.name(which).to_owned();
        let held = self.held;
        let Some(fan) = self.fans.get_mut(&number) else { return };
        fan.waiting.retain(|waiting| *waiting != which);
        let taken = match &mut fan.work {
            Work::Greeting(greeting) => greeting.take(which, result, held),
            Work::Level(is_set) => {
                *is_set = true;
                Ok(())
            }
            Work::List(list) => list.take(which, &name, result, held),
            // It ended the subscription.
            Work::Listen(listen) => {
                listen.ended(which);
                Ok(())
            }
        };
        match taken {
            Ok(()) => self.go_on(number),
            Err(failure) => self.part_failed(number, which, failure),
        }
    }

    /// A server does not do its part.
    pub(super) fn part_failed(&mut self, number: u64, which: usize, failure: Failure) {
        let name = self.name(which).to_owned();
        let Some(fan) = self.fans.get_mut(&number) else { return };
        fan.waiting.retain(|waiting| *waiting != which);
        tracing::info!(server = name, why = failure.message, "a server is left out of an answer");
        fan.failed.push((which, failure));
        match &mut fan.work {
            Work::List(list) => list.failed(which),
            Work::Listen(listen) => listen.ended(which),
            Work::Greeting(_) | Work::Level(_) => {}
        }
        self.go_on(number);
    }

    /// Goes as far as the answers allow.
    pub(super) fn go_on(&mut self, number: u64) {
        self.count_held();
        let Some(fan) = self.fans.get(&number) else { return };
        let is_done = match &fan.work {
            Work::Greeting(_) | Work::Level(_) => fan.waiting.is_empty(),
            Work::List(list) => list.is_done(),
            Work::Listen(_) => return self.listen_on(number),
        };
        if !is_done {
            return;
        }
        let Some(fan) = self.close_fan(number) else { return };
        match fan.work {
            Work::Greeting(greeting) => self.greeted(&fan.id, greeting, fan.failed),
            Work::Level(true) => self.say(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, fan.id)),
            Work::Level(false) => {
                let failure = self.why_nobody(&fan.failed, "no server takes a level of logging");
                self.say_error(&fan.id, &failure);
            }
            Work::List(list) => self.listed(&fan.id, fan.is_stateless, list, &fan.failed),
            Work::Listen(_) => {}
        }
        self.count_held();
    }

    /// Takes a fan out; servers that still work on it are told that nobody waits.
    pub(super) fn close_fan(&mut self, number: u64) -> Option<Fan> {
        let fan = self.fans.remove(&number)?;
        if let Some(key) = key_of(&fan.id) {
            self.open.remove(&key);
        }
        let id = self.part_id(number);
        let key = key_of(&id)?;
        for (which, server) in self.servers.iter_mut().enumerate() {
            if server.open.remove(&key).is_some() && !matches!(fan.work, Work::Greeting(_)) {
                self.out.push(Out::Server(which, cancelled(&id)));
            }
        }
        Some(fan)
    }

    /// One more second for everything that waits.
    pub(super) fn grow_late(&mut self) {
        let mut late = Vec::new();
        for (number, fan) in &mut self.fans {
            fan.seconds = fan.seconds.saturating_add(1);
            let (patience, waited_for) = match &fan.work {
                Work::Listen(listen) => (PATIENCE_TO_LISTEN, listen.unacknowledged()),
                Work::Greeting(_) | Work::Level(_) | Work::List(_) => (PATIENCE, fan.waiting.clone()),
            };
            let servers = &self.servers;
            let is_late = |which: &usize| {
                let was_late = servers.get(*which).is_some_and(|server| server.is_late);
                fan.seconds >= if was_late { PATIENCE_WITH_LATE } else { patience }
            };
            late.extend(waited_for.into_iter().filter(is_late).map(|which| (*number, which)));
        }
        for (number, which) in late {
            let id = self.part_id(number);
            let Some((server, key)) = self.servers.get_mut(which).zip(key_of(&id)) else { continue };
            server.is_late = true;
            // The handshake is not cancelled (Utilities, Cancellation).
            if server.open.remove(&key).is_some() && !self.is_greeting(number) {
                self.tell(which, cancelled(&id));
            }
            self.part_failed(number, which, Failure::new(-32603, "it did not answer in time"));
        }
    }

    pub(super) fn is_greeting(&self, number: u64) -> bool {
        self.fans.get(&number).is_some_and(|fan| matches!(fan.work, Work::Greeting(_)))
    }

    /// One failure for those of several servers.
    pub(super) fn why_nobody(&self, failed: &[(usize, Failure)], else_why: &str) -> Failure {
        let Some((_, first)) = failed.first() else { return Failure::new(-32601, else_why) };
        let alike = failed.iter().all(|(_, failure)| failure.code == first.code);
        let told: Vec<String> = failed
            .iter()
            .map(|(which, failure)| format!("{}: {}", self.name(*which), failure.message))
            .collect();
        Failure {
            code: if alike { first.code } else { -32603 },
            message: told.join("; "),
            data: first.data.clone().filter(|_| alike),
        }
    }

    fn count_held(&mut self) {
        let held = |fan: &Fan| match &fan.work {
            Work::List(list) => list.held(),
            Work::Listen(listen) => listen.held(),
            Work::Greeting(greeting) => greeting.held(),
            Work::Level(_) => 0,
        };
        self.held = self.fans.values().map(held).fold(0, usize::saturating_add);
    }
}

/// Says that nobody waits for a request any more.
pub(super) fn cancelled(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#)
}

/// A request with another id and without what belongs to the client alone: whose progress it
/// wants told, and to which task it belongs.
pub(super) fn part<'a>(request: &Request<'a>, id: &str) -> Result<Edits<'a>, Failure> {
    let mut edits = Edits::of(request.text);
    edits.put(request.id.text(), id);
    if let Some(meta) = request.params.member("_meta") {
        let meta = Object::parse(meta, &["progressToken", RELATED])
            .map_err(|refused| Failure::new(-32602, format!("`params._meta`: {refused}")))?;
        edits.leave_out(&meta, "progressToken");
    }
    Ok(edits)
}

/// `{"cacheScope":…,"ttlMs":…}` of a result (2026-07-28, Caching).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caching {
    pub(super) ttl: u64,
    pub(super) is_public: bool,
}

impl Caching {
    pub(super) const LONGEST: Caching = Caching { ttl: u64::MAX, is_public: true };
    pub(super) const NONE: Caching = Caching { ttl: 0, is_public: false };

    pub(super) fn of(result: &Object<'_>) -> Caching {
        let ttl = result.member("ttlMs").and_then(|ttl| ttl.parse::<f64>().ok()).unwrap_or(0.0);
        Caching {
            ttl: ttl.max(0.0) as u64,
            is_public: result.member("cacheScope").and_then(json::string).as_deref() == Some("public"),
        }
    }

    /// What holds for both.
    pub(super) fn and(self, other: Caching) -> Caching {
        Caching { ttl: self.ttl.min(other.ttl), is_public: self.is_public && other.is_public }
    }

    /// The members, without braces.
    pub(super) fn members(self) -> String {
        // Beyond what every reader takes for the same number, it is for ever anyway.
        let ttl = self.ttl.min(1 << 53);
        let scope = if self.is_public { "public" } else { "private" };
        let members = json!({ "cacheScope": scope, "ttlMs": ttl }).to_string();
        members.trim_matches(['{', '}']).to_owned()
    }
}
