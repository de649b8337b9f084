//! One MCP server over standard streams, wrapped: every message of both sides is read, what
//! attempts something is checked and settled, everything else passes byte for byte.
//!
//! One thread does all of it, so that a call costs no change of thread: it reads from either side
//! as long as the other keeps up, drives the checks that are under way, and commits their
//! records itself when there is nothing else to do.

mod asking;
mod attempt;
mod calls;
mod check;
mod from_client;
mod from_server;
mod lists;
mod outbox;
mod reply;
mod tools;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;
use ringfence_guard::{Session, Settled, Target};
use ringfence_model::Digest;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc;

use self::asking::Said;
use self::calls::Calls;
use self::check::{Asked, Checked, Checker, Forward};
use self::outbox::Outbox;
use self::tools::Tools;
use super::bridge::{self, Bridge, Way};
use super::envelope;
use super::lines::Lines;
use super::method::Sender;

/// How many checks may be under way at once; beyond it the client is not read.
const MAX_CHECKS: usize = 256;
/// How many when the server is not read either: its answers come through while the client's
/// own requests wait for people.
const MAX_ALL_CHECKS: usize = 4 * MAX_CHECKS;
/// How many bytes the messages may have that are held back until they are checked.
const MAX_HELD: usize = 2 * envelope::MAX_BYTES;
/// How long a server whose client is gone may go on with what it had begun.
const LAST_CALLS: Duration = Duration::from_secs(60);
/// How long it may be silent once it has nothing to do.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long an answer is looked out for before sleeping.
const NEAR: Duration = Duration::from_micros(60);
/// How much is read at once, by whoever has a thread for it and by one of many.
const READ: usize = 64 * 1024;
const READ_OF_MANY: usize = 8 * 1024;

/// The server that is wrapped.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name in policy.
    pub name: String,
    /// What tells it from another of the same name.
    pub identity: Digest,
    /// Whether it is believed what it says of its own tools.
    pub trusted: bool,
    /// What happens to arguments that do not fit its schemas.
    pub schema: Schema,
}

/// What happens to arguments that do not fit the schema that their tool declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// The call is denied.
    Enforce,
    /// It is logged.
    Warn,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What to tell the person, where there is something.
    pub message: Option<String>,
}

type Check = Pin<Box<dyn Future<Output = Done> + Send>>;

/// A check that is over.
struct Done {
    /// How many bytes its message has.
    bytes: usize,
    /// Whether the message is a server's result.
    is_result: bool,
    /// What came of it; nothing where the message was cancelled.
    checked: Option<Checked>,
}

/// Carries messages between a client and its server until the server's output ends, or the
/// client is gone and the server has had its time. `notices` takes what a person should see.
///
/// Where the session is [led](Session::led), it blocks its thread for as long as the disk takes to
/// flush the log, so it then has one to itself.
pub async fn proxy<CR, CW, SR, SW>(
    session: Session,
    server: Server,
    client: (CR, CW),
    upstream: (SR, SW),
    notices: mpsc::Sender<String>,
) -> End
where
    CR: AsyncRead + Unpin + Send,
    CW: AsyncWrite + Unpin + Send,
    SR: AsyncRead + Unpin + Send,
    SW: AsyncWrite + Unpin + Send,
{
    let (mut from_client, to_client) = client;
    let (mut from_server, to_server) = upstream;
    let server = Arc::new(server);
    let (said, mut heard) = mpsc::unbounded_channel();
    let mut kills = session.kills();
    let mut wire = Wire {
        checker: Checker::new(session.clone(), Arc::clone(&server), notices, said),
        server,
        bridge: Bridge::default(),
        to_client: Outbox::new(to_client),
        to_server: Outbox::new(to_server),
        calls: Calls::default(),
        elicits: false,
        tools: Tools::default(),
        checks: FuturesUnordered::new(),
        held: 0,
        results: 0,
        leads: session.is_led(),
        uncommitted: false,
        sent: None,
        settled: Vec::new(),
    };
    let mut client_lines = Lines::new(envelope::MAX_BYTES);
    let mut server_lines = Lines::new(envelope::MAX_BYTES);
    let read = if session.is_led() { READ } else { READ_OF_MANY };
    let mut client_bytes = vec![0; read];
    let mut server_bytes = vec![0; read];
    let mut gone: Option<tokio::time::Instant> = None;
    let mut last_heard = tokio::time::Instant::now();
    loop {
        let patience = match gone {
            None => None,
            Some(since) if wire.is_busy() => Some(since + LAST_CALLS),
            Some(since) => Some((since.max(last_heard) + LAST_WORDS).min(since + LAST_CALLS)),
        };
        if gone.is_some() && wire.is_all_sent() {
            // Everything the client had to say has arrived: the server sees the end of its input.
            wire.to_server.close();
        }
        wire.say_bridged();
        let era = wire.bridge.deadline().map(tokio::time::Instant::from_std);
        tokio::select! {
            biased;
            Some(done) = wire.checks.next(), if !wire.checks.is_empty() => wire.done(done),
            Ok(()) = kills.changed() => wire.stop(),
            Some(aside) = heard.recv() => {
                if let Some((question, call)) = aside.about {
                    wire.bridge.is_about(question, call);
                }
                wire.tell_client(&aside.text);
            }
            written = wire.to_server.write(), if !wire.to_server.is_empty() => {
                if written.is_err() {
                    // It reads no more; what it still says is taken.
                    wire.to_server.close();
                }
            }
            written = wire.to_client.write(), if !wire.to_client.is_empty() => {
                if written.is_err() {
                    return End { message: None };
                }
            }
            () = std::future::ready(()), if !wire.settled.is_empty() => wire.settled.clear(),
            read = from_server.read(&mut server_bytes), if wire.takes_from_server() => {
                last_heard = tokio::time::Instant::now();
                let read = read.unwrap_or(0);
                server_lines.push(server_bytes.get(..read).unwrap_or_default());
                while let Some(line) = server_lines.next_line() {
                    wire.server_line(line);
                }
                if read == 0 {
                    if let Some(line) = server_lines.last_line() {
                        wire.server_line(line);
                    }
                    wire.drain().await;
                    return End { message: None };
                }
            }
            read = from_client.read(&mut client_bytes), if gone.is_none() && wire.takes_from_client() => {
                let read = read.unwrap_or(0);
                client_lines.push(client_bytes.get(..read).unwrap_or_default());
                while let Some(line) = client_lines.next_line() {
                    wire.client_line(line);
                }
                if read == 0 {
                    if let Some(line) = client_lines.last_line() {
                        wire.client_line(line);
                    }
                    gone = Some(tokio::time::Instant::now());
                }
            }
            () = until(patience) => return End { message: None },
            () = until(era) => wire.bridge.overdue(),
            () = std::future::ready(()), if wire.uncommitted => {
                session.commit();
                wire.uncommitted = false;
            }
            () = tokio::task::yield_now(), if wire.answer_is_near() => {}
        }
    }
}

async fn until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Both sides and what is under way between them.
struct Wire<CW, SW> {
    checker: Checker,
    server: Arc<Server>,
    bridge: Bridge,
    to_client: Outbox<CW>,
    to_server: Outbox<SW>,
    calls: Calls,
    /// The client of this session can be asked by requests.
    elicits: bool,
    tools: Tools,
    checks: FuturesUnordered<Check>,
    /// Bytes of the messages that are being checked.
    held: usize,
    /// How many of them are results.
    results: usize,
    /// It commits its records itself, on a thread of its own.
    leads: bool,
    /// A check has begun since records were last committed.
    uncommitted: bool,
    /// When the last request was sent to the server.
    sent: Option<Instant>,
    /// Outcomes whose records are written once the replies are on their way.
    settled: Vec<Settled>,
}

impl<CW: AsyncWrite + Unpin, SW: AsyncWrite + Unpin> Wire<CW, SW> {
    fn is_busy(&self) -> bool {
        !self.checks.is_empty() || self.calls.any_awaited()
    }

    /// Whether nothing that the client said is still on its way to the server.
    fn is_all_sent(&self) -> bool {
        self.checks.is_empty() && !self.tools.any_waiting() && self.to_server.is_empty()
    }

    fn takes_from_client(&self) -> bool {
        !self.to_server.is_full()
            && !self.to_client.is_flooded()
            && self.checks.len() < MAX_CHECKS
            && self.held.saturating_add(self.tools.waiting_bytes()) < MAX_HELD
    }

    fn takes_from_server(&self) -> bool {
        !self.to_client.is_full() && !self.to_server.is_flooded() && self.checks.len() < MAX_ALL_CHECKS
    }

    /// What the client is told, in its own words.
    fn tell_client(&mut self, text: &[u8]) {
        if self.bridge.is_passing() {
            self.to_client.push(text);
            return;
        }
        // What the wire lets through or says itself was read before, and has a meaning.
        let way = envelope::parse(text).map_or(Way::On, |message| self.bridge.client_is_told(&message));
        if way == Way::On {
            self.to_client.push(text);
        }
    }

    /// What the bridge has to say.
    fn say_bridged(&mut self) {
        while let Some(said) = self.bridge.next_said() {
            match said {
                bridge::Said::ToClient(text) => self.to_client.push(text.as_bytes()),
                bridge::Said::ToServer(text) => match envelope::parse(text.as_bytes()) {
                    Ok(message) => self.client_message(&message),
                    Err(refused) => {
                        tracing::warn!(server = self.server.name, %refused, "a message was not translated");
                    }
                },
            }
        }
    }

    /// The server is gone: what it said last still reaches the client.
    async fn drain(&mut self) {
        self.to_server.close();
        loop {
            self.say_bridged();
            tokio::select! {
                biased;
                Some(done) = self.checks.next(), if self.results > 0 => self.done(done),
                written = self.to_client.write(), if !self.to_client.is_empty() => {
                    if written.is_err() {
                        return;
                    }
                }
                else => return,
            }
        }
    }

    fn check(
        &mut self,
        sender: Sender,
        asked: Asked,
        text: &str,
        (actions, target): (usize, Target),
        answer: Option<(String, Said)>,
    ) {
        let (abort, registration) = AbortHandle::new_pair();
        let (bytes, is_result) = (text.len(), asked.is_response);
        if is_result {
            self.results = self.results.saturating_add(1);
        } else {
            self.calls.checking(sender, &asked.key, abort);
        }
        self.held = self.held.saturating_add(bytes);
        self.uncommitted = self.leads;
        let check =
            Abortable::new(self.checker.check(sender, asked, text, actions, target, answer), registration);
        self.checks.push(Box::pin(async move { Done { bytes, is_result, checked: check.await.ok() } }));
    }

    fn done(&mut self, done: Done) {
        let Done { bytes, is_result, checked } = done;
        self.held = self.held.saturating_sub(bytes);
        self.results = self.results.saturating_sub(usize::from(is_result));
        match checked {
            Some(Checked::Forward(forward)) => self.forward(forward),
            Some(Checked::Refuse { asked, sender, reply }) => self.refuse(&asked, sender, &reply),
            None => {}
        }
    }

    fn refuse(&mut self, asked: &Asked, sender: Sender, reply: &[u8]) {
        if asked.is_response {
            // In place of a result that asked for too much.
            self.tell_client(reply);
            return;
        }
        self.calls.close(sender, &asked.key);
        match sender {
            Sender::Client => self.tell_client(reply),
            Sender::Server => self.to_server.push(reply),
        }
    }

    /// The last look, and then the very bytes that were checked.
    fn forward(&mut self, forward: Forward) {
        let Forward { asked, sender, permits } = forward;
        if sender == Sender::Client && self.to_server.is_closed() {
            // The permits go unused.
            let reply = reply::error(asked.id(), -32603, "the server takes no more requests");
            self.refuse(&asked, sender, &reply);
            return;
        }
        let mut sent = Vec::with_capacity(permits.len());
        let mut bytes = None;
        for permit in permits {
            match permit.begin() {
                Ok((started, began)) => {
                    sent.push(began);
                    bytes = Some(started.into_inner().text);
                }
                Err(denied) => {
                    sent.into_iter().for_each(calls::never_sent);
                    let reply = reply::denied(&asked, &denied);
                    self.refuse(&asked, sender, &reply);
                    return;
                }
            }
        }
        let Some(bytes) = bytes else { return };
        if asked.is_response {
            // It was delivered; what the client answers comes in a request of its own.
            sent.into_iter().for_each(calls::delivered);
            self.tell_client(&bytes);
            return;
        }
        self.calls.begun(sender, asked, sent, bytes.len());
        match sender {
            Sender::Client => {
                self.sent = Some(Instant::now());
                self.to_server.push(&bytes);
            }
            Sender::Server => self.tell_client(&bytes),
        }
    }

    /// Whether a server may be about to answer. To sleep and be woken would cost more than looking
    /// a few times more.
    fn answer_is_near(&mut self) -> bool {
        let near =
            self.leads && self.sent.is_some_and(|sent| sent.elapsed() < NEAR) && self.calls.any_awaited();
        if !near {
            self.sent = None;
        }
        near
    }

    /// A latch was set: whoever waits for what it covers is told, and whoever works on it.
    fn stop(&mut self) {
        for stopped in self.calls.stop() {
            let reply = reply::stopped(&stopped.asked, &stopped.cut);
            let cancelled = reply::cancelled(&stopped.asked);
            match stopped.sender {
                Sender::Client => {
                    self.tell_client(&reply);
                    self.to_server.push(&cancelled);
                }
                Sender::Server => {
                    self.to_server.push(&reply);
                    self.tell_client(&cancelled);
                }
            }
        }
    }
}
