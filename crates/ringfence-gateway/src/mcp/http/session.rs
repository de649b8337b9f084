//! One session: a wire, the requests that wait for it, and where each line it says goes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::reply::Stop;
use super::{Limits, Opened};
use crate::mcp::bridge::STATES;
use crate::mcp::edit;
use crate::mcp::envelope::{self, Id, IdKey, MAX_BYTES, Message, Object, Params, Request, Response};
use crate::mcp::json::string;
use crate::mcp::lines::Lines;
use crate::mcp::mirror::Marked;

/// Lines that may wait for the wire; each holds its part of its caller's bound on bodies.
const WAITING: usize = 16;
/// How much is kept for a GET stream that is not there.
const BACKLOG_LINES: usize = 256;
const BACKLOG_BYTES: usize = 1 << 20;
const READ: usize = 8 * 1024;
/// How many tasks are remembered.
const MAX_TASKS: usize = 10_000;
const UNREAD: &str = "its client does not read what it is sent";

/// How its requests find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By its id, as `initialize` was answered with.
    Named,
    /// It is its credential's, for requests that stand alone (2026-07-28).
    OfCredential,
}

/// One session.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) server: String,
    /// The credential's session; nobody else's requests count.
    pub(super) caller: String,
    pub(super) kind: Kind,
    limits: Limits,
    to_wire: mpsc::Sender<Line>,
    state: Mutex<State>,
    /// A GET stream has come.
    attached: Notify,
    end: watch::Sender<Option<&'static str>>,
    /// Told when no request is open any more.
    settled: Arc<Notify>,
}

/// What is said to the wire, and the part of a bound that it takes up until then.
pub(super) struct Line {
    pub(super) text: Vec<u8>,
    pub(super) held: Option<OwnedSemaphorePermit>,
}

/// One message to the client, and whether nothing follows on its stream.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) text: Bytes,
    pub(super) is_last: bool,
}

struct State {
    open: HashMap<IdKey, Open>,
    listener: Option<mpsc::Sender<Said>>,
    backlog: VecDeque<(Bytes, bool)>,
    backlog_bytes: usize,
    used: Instant,
    ended: Option<&'static str>,
    posts: u64,
    /// By tool, the parameters that its schema marks; none where the tools have not been looked at
    /// since they last changed.
    marks: Option<HashMap<String, Vec<Marked>>>,
    /// Requests of the front's own.
    asked: u64,
    /// What the states begin with that its bridge hands out for clients to come back with.
    states: Option<String>,
    /// The tasks that calls of this session have made.
    tasks: HashSet<String>,
}

/// A request without an answer.
struct Open {
    id: String,
    token: Option<IdKey>,
    post: Arc<Post>,
}

/// The POST that a request came in.
struct Post {
    number: u64,
    to: mpsc::Sender<Said>,
    left: AtomicUsize,
}

/// What a POST asks.
pub(super) struct Asked {
    id: String,
    key: IdKey,
    token: Option<IdKey>,
}

/// Why a line was not taken to the wire.
pub(super) enum NotAsked {
    /// A request with this id is open.
    IdTaken(String),
    /// The session has ended.
    Ended(&'static str),
    /// The wire takes no more.
    Stuck,
}

/// What a stream of the session hears.
pub(super) struct Heard {
    session: Arc<Session>,
    lines: mpsc::Receiver<Said>,
    first: Option<Said>,
    post: Option<u64>,
    is_sent: bool,
    is_done: bool,
}

impl Asked {
    pub(super) fn of(request: &Request<'_>) -> Asked {
        let token = || {
            let meta = Object::parse(request.params.member("_meta")?, &[]).ok()?;
            Id::parse(meta.member("progressToken")?).map(Id::key)
        };
        Asked { id: request.id.text().to_owned(), key: request.id.key(), token: token() }
    }
}

impl NotAsked {
    pub(super) fn stop(self) -> Stop {
        match self {
            NotAsked::IdTaken(id) => {
                let error = json!({ "code": -32600, "message": "a request with this id is under way" });
                let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
                Stop::message(StatusCode::BAD_REQUEST, body)
            }
            NotAsked::Ended(why) => {
                Stop::new(StatusCode::NOT_FOUND, &format!("the session has ended: {why}"))
            }
            NotAsked::Stuck => {
                Stop::new(StatusCode::SERVICE_UNAVAILABLE, "the server does not read what it is sent")
            }
        }
    }
}

impl Session {
    /// One, and what [`Session::run`] needs.
    pub(super) fn new(
        id: String,
        server: &str,
        caller: &str,
        kind: Kind,
        limits: Limits,
        settled: Arc<Notify>,
    ) -> (Arc<Session>, mpsc::Receiver<Line>) {
        let (to_wire, lines) = mpsc::channel(WAITING);
        let state = State {
            open: HashMap::new(),
            listener: None,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            used: Instant::now(),
            ended: None,
            posts: 0,
            marks: None,
            asked: 0,
            states: None,
            tasks: HashSet::new(),
        };
        let session = Session {
            id,
            server: server.to_owned(),
            caller: caller.to_owned(),
            kind,
            limits,
            to_wire,
            state: Mutex::new(state),
            attached: Notify::new(),
            end: watch::channel(None).0,
            settled,
        };
        (Arc::new(session), lines)
    }

    /// Carries lines until the wire ends, nobody needs it, or it is told to end.
    pub(super) async fn run(self: Arc<Self>, opened: Opened, lines: mpsc::Receiver<Line>) {
        let Opened { to_wire, from_wire, ended } = opened;
        let mut told = self.end.subscribe();
        let writing = tokio::spawn(write(to_wire, lines));
        let why = tokio::select! {
            biased;
            why = told_to_end(&mut told) => why,
            why = self.carry(from_wire) => why,
        };
        tracing::info!(server = self.server, session = self.caller, why, "an HTTP session ended");
        self.finish(why);
        writing.abort();
        // An error means that it ended without saying so.
        ended.await.ok();
    }

    /// Ends it.
    pub(super) fn end(&self, why: &'static str) {
        self.state().ended.get_or_insert(why);
        self.end.send_if_modified(|end| end.is_none() && end.replace(why).is_none());
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.state().open.is_empty()
    }

    /// Says a line that nobody waits for an answer to.
    pub(super) async fn say(&self, line: Line) -> Result<(), NotAsked> {
        self.usable()?;
        match timeout(self.limits.patience, self.to_wire.reserve()).await {
            Ok(Ok(place)) => {
                place.send(line);
                Ok(())
            }
            Ok(Err(_)) => Err(NotAsked::Ended("the server has ended")),
            Err(_) => Err(NotAsked::Stuck),
        }
    }

    /// Says a line with requests; what is heard is their answers, and what belongs to them.
    pub(super) async fn ask(
        self: &Arc<Self>,
        asked: Vec<Asked>,
        line: impl FnOnce() -> Line,
    ) -> Result<Heard, NotAsked> {
        let mut heard = self.open(asked)?;
        self.say(line()).await?;
        heard.is_sent = true;
        Ok(heard)
    }

    fn open(self: &Arc<Self>, asked: Vec<Asked>) -> Result<Heard, NotAsked> {
        let (to, lines) = mpsc::channel(1);
        let mut state = self.state();
        if let Some(why) = state.ended {
            return Err(NotAsked::Ended(why));
        }
        if let Some(taken) = asked.iter().find(|asked| state.open.contains_key(&asked.key)) {
            return Err(NotAsked::IdTaken(taken.id.clone()));
        }
        state.used = Instant::now();
        state.posts = state.posts.saturating_add(1);
        let post = Arc::new(Post { number: state.posts, to, left: AtomicUsize::new(0) });
        for Asked { id, key, token } in asked {
            // An id that stands twice in a batch is told by the wire; its answers are one here.
            if state.open.insert(key, Open { id, token, post: Arc::clone(&post) }).is_none() {
                post.left.fetch_add(1, Ordering::SeqCst);
            }
        }
        let post = Some(post.number);
        Ok(Heard { session: Arc::clone(self), lines, first: None, post, is_sent: false, is_done: false })
    }

    /// The stream for what belongs to no request. A newer one takes the place of an older one.
    pub(super) fn listen(self: &Arc<Self>) -> Result<Heard, Stop> {
        self.usable().map_err(NotAsked::stop)?;
        let (to, lines) = mpsc::channel(1);
        self.state().listener = Some(to);
        self.attached.notify_one();
        Ok(Heard { session: Arc::clone(self), lines, first: None, post: None, is_sent: true, is_done: false })
    }

    /// The client wants no answer any more, and gets none.
    pub(super) fn cancelled(&self, id: Id<'_>) {
        let mut state = self.state();
        state.open.remove(&id.key());
        self.tell_if_settled(&state);
    }

    /// Whether a client that comes back with this state has been here.
    pub(super) fn handed_out(&self, given: &str) -> bool {
        self.state().states.as_ref().is_some_and(|states| given.starts_with(states.as_str()))
    }

    /// Whether a call of this session made that task.
    pub(super) fn made_task(&self, task: &str) -> bool {
        self.state().tasks.contains(task)
    }

    /// An id for a request of the front's own.
    pub(super) fn own_id(&self) -> String {
        let mut state = self.state();
        state.asked = state.asked.saturating_add(1);
        format!("\"ringfence-front-{}\"", state.asked)
    }

    /// What is known of the marks of a tool; none where the tools have not been looked at.
    pub(super) fn known_marks(&self, tool: &str) -> Option<Vec<Marked>> {
        let state = self.state();
        Some(state.marks.as_ref()?.get(tool).cloned().unwrap_or_default())
    }

    pub(super) fn remember_marks(&self, found: HashMap<String, Vec<Marked>>) {
        self.state().marks = Some(found);
    }

    fn usable(&self) -> Result<(), NotAsked> {
        let mut state = self.state();
        state.used = Instant::now();
        state.ended.map_or(Ok(()), |why| Err(NotAsked::Ended(why)))
    }

    async fn carry(&self, mut from_wire: Box<dyn AsyncRead + Send + Unpin>) -> &'static str {
        let mut lines = Lines::new(MAX_BYTES);
        let mut bytes = vec![0; READ];
        let mut tick =
            interval((self.limits.idle / 8).clamp(Duration::from_millis(5), Duration::from_secs(60)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let read = tokio::select! {
                biased;
                () = self.attached.notified() => {
                    if let Err(why) = self.catch_up().await {
                        return why;
                    }
                    continue;
                }
                _ = tick.tick() => {
                    if self.is_idle() {
                        return "nobody used it";
                    }
                    continue;
                }
                read = from_wire.read(&mut bytes) => read.unwrap_or(0),
            };
            if read == 0 {
                return "the server has ended";
            }
            lines.push(bytes.get(..read).unwrap_or_default());
            loop {
                let line = match lines.next_line() {
                    Some(Ok(line)) => Bytes::copy_from_slice(line),
                    Some(Err(refused)) => {
                        tracing::warn!(server = self.server, %refused, "a line was dropped");
                        continue;
                    }
                    None => break,
                };
                if let Err(why) = self.deliver(line).await {
                    return why;
                }
            }
        }
    }

    /// Hands a line to where it belongs. A stream that does not take it in time ends the session.
    async fn deliver(&self, line: Bytes) -> Result<(), &'static str> {
        // What was kept comes first.
        self.catch_up().await?;
        while let Some((to, said)) = self.place(&line)? {
            match timeout(self.limits.patience, to.send(said)).await {
                Ok(Ok(())) => return Ok(()),
                // Its client is gone: there may be another place for what is no answer.
                Ok(Err(_)) => {}
                Err(_) => return Err(UNREAD),
            }
        }
        Ok(())
    }

    /// Where a line goes now; none where nobody waits for it, or where it is kept.
    fn place(&self, line: &Bytes) -> Result<Option<(mpsc::Sender<Said>, Said)>, &'static str> {
        let message = match envelope::parse(line) {
            Ok(message) => message,
            Err(refused) => {
                tracing::warn!(server = self.server, %refused, "a line was dropped");
                return Ok(None);
            }
        };
        let mut state = self.state();
        let text = line.clone();
        let is_request = match &message {
            Message::Response(response) => {
                let open = response.id.and_then(|id| state.open.remove(&id.key()));
                let Some(Open { post, .. }) = open else {
                    tracing::debug!(server = self.server, "an answer that nobody waits for was dropped");
                    return Ok(None);
                };
                let is_last = post.left.fetch_sub(1, Ordering::SeqCst) <= 1;
                state.used = Instant::now();
                if state.states.is_none()
                    && self.kind == Kind::OfCredential
                    && edit::may_name(response.text, "requestState")
                {
                    state.states = states_of(response);
                }
                if self.kind == Kind::OfCredential
                    && state.tasks.len() < MAX_TASKS
                    && edit::may_name(response.text, "taskId")
                {
                    let result = Object::of_result(response);
                    state.tasks.extend(result.as_ref().and_then(edit::task_of));
                }
                self.tell_if_settled(&state);
                return Ok(Some((post.to.clone(), Said { text, is_last })));
            }
            Message::Notification(notification) => {
                if notification.method == "notifications/tools/list_changed" {
                    state.marks = None;
                }
                if let Some(to) = state.asker_of(&notification.params) {
                    return Ok(Some((to, Said { text, is_last: false })));
                }
                false
            }
            Message::Request(_) | Message::Batch(_) => true,
        };
        if let Some(to) = state.listener_for(self.kind) {
            return Ok(Some((to, Said { text, is_last: false })));
        }
        if self.kind == Kind::OfCredential {
            tracing::debug!(server = self.server, "a message that belongs to no request was dropped");
            return Ok(None);
        }
        state.keep(text, is_request)?;
        Ok(None)
    }

    /// What was kept for a GET stream goes to it, as long as it is there.
    async fn catch_up(&self) -> Result<(), &'static str> {
        loop {
            let Some((to, line, is_request)) = self.state().kept() else { return Ok(()) };
            let said = Said { text: line.clone(), is_last: false };
            match timeout(self.limits.patience, to.send(said)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    let mut state = self.state();
                    state.backlog_bytes = state.backlog_bytes.saturating_add(line.len());
                    state.backlog.push_front((line, is_request));
                    return Ok(());
                }
                Err(_) => return Err(UNREAD),
            }
        }
    }

    fn is_idle(&self) -> bool {
        let state = self.state();
        let listens = state.listener.as_ref().is_some_and(|listener| !listener.is_closed());
        state.open.is_empty() && !listens && state.used.elapsed() >= self.limits.idle
    }

    /// Whoever still waits is told, where there is room to tell it.
    fn finish(&self, why: &'static str) {
        self.end(why);
        let mut state = self.state();
        state.listener = None;
        state.backlog.clear();
        for (_, open) in state.open.drain() {
            let message = format!("the session has ended: {why}");
            let error = json!({ "code": -32603, "message": message });
            let text = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, open.id);
            let is_last = open.post.left.fetch_sub(1, Ordering::SeqCst) <= 1;
            if open.post.to.try_send(Said { text: text.into(), is_last }).is_err() {
                tracing::debug!(server = self.server, "a client could not be told that its session ended");
            }
        }
        self.tell_if_settled(&state);
    }

    /// A stream's client is gone.
    fn let_go(&self, post: u64, is_sent: bool) {
        let mut state = self.state();
        state.used = Instant::now();
        if is_sent && self.kind == Kind::Named {
            // Whoever comes back may still want it done (Streamable HTTP, Sending Messages).
            return;
        }
        for (_, open) in state.open.extract_if(|_, open| open.post.number == post) {
            if !is_sent {
                continue;
            }
            // Closing the stream is the cancellation (2026-07-28, Cancellation).
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{}}}}}"#,
                open.id
            );
            if self.to_wire.try_send(Line { text: text.into_bytes(), held: None }).is_err() {
                tracing::debug!(
                    server = self.server,
                    "a request whose client is gone could not be cancelled"
                );
            }
        }
        self.tell_if_settled(&state);
    }

    fn tell_if_settled(&self, state: &State) {
        if state.open.is_empty() {
            self.settled.notify_waiters();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The POST that a notification says it belongs to: by its progress token, or by the
    /// subscription's request (2026-07-28).
    fn asker_of(&self, params: &Params<'_>) -> Option<mpsc::Sender<Said>> {
        let subscription = || {
            let meta = Object::parse(params.member("_meta")?, &[]).ok()?;
            let id = Id::parse(meta.member("io.modelcontextprotocol/subscriptionId")?)?;
            self.open.get(&id.key())
        };
        let progress = || {
            let token = Id::parse(params.member("progressToken")?)?.key();
            self.open.values().find(|open| open.token.as_ref() == Some(&token))
        };
        let open = progress().or_else(subscription)?;
        (!open.post.to.is_closed()).then(|| open.post.to.clone())
    }

    /// Where a message goes that says of no request that it belongs to it: to the one POST that is
    /// open, else to the GET stream, else to the newest POST.
    fn listener_for(&self, kind: Kind) -> Option<mpsc::Sender<Said>> {
        let mut posts: Vec<&Arc<Post>> =
            self.open.values().map(|open| &open.post).filter(|post| !post.to.is_closed()).collect();
        posts.sort_unstable_by_key(|post| post.number);
        posts.dedup_by_key(|post| post.number);
        let listener = self.listener.as_ref().filter(|listener| !listener.is_closed());
        match (posts.as_slice(), listener) {
            ([post], _) => Some(post.to.clone()),
            (_, Some(listener)) => Some(listener.clone()),
            // Another request's words are not for whoever shares the credential.
            (_, None) if kind == Kind::OfCredential => None,
            (_, None) => posts.last().map(|post| post.to.clone()),
        }
    }

    /// The oldest of what is kept, where there is a GET stream to hear it.
    fn kept(&mut self) -> Option<(mpsc::Sender<Said>, Bytes, bool)> {
        let listener = self.listener.clone().filter(|listener| !listener.is_closed())?;
        let (line, is_request) = self.backlog.pop_front()?;
        self.backlog_bytes = self.backlog_bytes.saturating_sub(line.len());
        Some((listener, line, is_request))
    }

    /// Keeps what nobody hears yet. What is only told gives way; a question that does cannot.
    fn keep(&mut self, line: Bytes, is_request: bool) -> Result<(), &'static str> {
        self.backlog_bytes = self.backlog_bytes.saturating_add(line.len());
        self.backlog.push_back((line, is_request));
        while self.backlog.len() > BACKLOG_LINES || self.backlog_bytes > BACKLOG_BYTES {
            let Some((line, was_request)) = self.backlog.pop_front() else { break };
            self.backlog_bytes = self.backlog_bytes.saturating_sub(line.len());
            if was_request {
                return Err("its client does not listen to what its server asks");
            }
        }
        Ok(())
    }
}

impl Heard {
    /// The next message; none when the stream is over.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Said>> {
        let next = match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => self.lines.poll_recv(context),
        };
        if let Poll::Ready(said) = &next {
            self.is_done = said.as_ref().is_none_or(|said| said.is_last);
        }
        next
    }

    /// The same, to wait for.
    pub(super) async fn next(&mut self) -> Option<Said> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Puts back what was heard first.
    pub(super) fn begin_with(&mut self, said: Said) {
        self.is_done = false;
        self.first = Some(said);
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        match self.post {
            Some(_) if self.is_done => {}
            Some(post) => self.session.let_go(post, self.is_sent),
            None => self.session.state().used = Instant::now(),
        }
    }
}

/// What the state of an interim result of the bridge's begins with: it names the wire.
fn states_of(response: &Response<'_>) -> Option<String> {
    let state = Object::of_result(response)?.member("requestState").and_then(string)?;
    let (wire, _) = state.rsplit_once('-').filter(|_| state.starts_with(STATES))?;
    Some(format!("{wire}-"))
}

async fn write(mut to_wire: Box<dyn AsyncWrite + Send + Unpin>, mut lines: mpsc::Receiver<Line>) {
    while let Some(Line { mut text, held }) = lines.recv().await {
        text.push(b'\n');
        if to_wire.write_all(&text).await.is_err() {
            return;
        }
        drop(held);
    }
}

async fn told_to_end(told: &mut watch::Receiver<Option<&'static str>>) -> &'static str {
    loop {
        if let Some(why) = *told.borrow_and_update() {
            return why;
        }
        if told.changed().await.is_err() {
            return "nobody can end it any more";
        }
    }
}
