//! The lines of a client and of many servers, carried with bounded memory.
//!
//! What waits for one server is bounded, and one that does not read keeps nobody else waiting:
//! requests to it are answered with an error. Where the client does not read, no server is read.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{All, Out};
use crate::mcp::edit;
use crate::mcp::envelope::{MAX_BYTES, Refused};
use crate::mcp::http::{NotOpened, Opened};
use crate::mcp::lines::Lines;

/// How much waits between the front and this, each way.
const PIPE: usize = 64 * 1024;
const READ: usize = 64 * 1024;
/// From how many waiting bytes on a server is asked nothing more.
const FULL: usize = 1 << 20;
/// From how many on it is given up: answers and cancellations wait for it, too.
const STUCK: usize = 2 * (FULL + MAX_BYTES);
/// How long a server that is left may take what waits for it.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How soon a server that was opened may be opened again.
const AGAIN: Duration = Duration::from_secs(10);

/// Opens a server again, by its name.
pub type Reopen = Box<dyn Fn(&str) -> BoxFuture<'static, Result<Opened, NotOpened>> + Send + Sync>;

/// One wire in place of many: a client on it sees the servers of `servers`, which are in the order
/// of the configuration and have names of `[a-z0-9-]{1,32}`, as one. Those that could not be opened
/// are left out. It ends when the client does, or when no server is left.
///
/// Needs a runtime of tokio with time.
pub fn all(servers: Vec<(String, Result<Opened, NotOpened>)>) -> Opened {
    let gone = "it is not opened again".to_owned();
    all_reopening(
        servers,
        Box::new(move |_| Box::pin(std::future::ready(Err(NotOpened { reason: gone.clone() })))),
    )
}

/// The same, where servers that are gone are opened again for clients whose requests stand alone,
/// each at most every [`AGAIN`].
pub fn all_reopening(servers: Vec<(String, Result<Opened, NotOpened>)>, reopen: Reopen) -> Opened {
    let (to_wire, from_client) = duplex(PIPE);
    let (to_client, from_wire) = duplex(PIPE);
    let (ending, ended) = oneshot::channel();
    tokio::spawn(async move {
        drive(servers, reopen, from_client, to_client).await;
        drop(ending);
    });
    Opened { to_wire: Box::new(to_wire), from_wire: Box::new(from_wire), ended }
}

/// What a server's reader found.
enum Heard {
    Line(Vec<u8>),
    End,
}

/// Where a line comes from: which server, and which of its lives.
#[derive(Clone, Copy, PartialEq, Eq)]
struct From {
    which: usize,
    life: u64,
}

/// One server's streams. Dropped, what waits is written within [`LAST_WORDS`], and nothing more is
/// read.
struct Attached {
    lines: mpsc::UnboundedSender<String>,
    waiting: Arc<AtomicUsize>,
    _until: oneshot::Sender<Infallible>,
    reader: AbortHandle,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// A place for a server.
struct Slot {
    name: String,
    /// None where nothing more is said to it.
    attached: Option<Attached>,
    life: u64,
    opened: Instant,
}

struct Driver {
    all: All,
    slots: Vec<Slot>,
    reopen: Reopen,
    opening: JoinSet<(usize, Result<Opened, NotOpened>)>,
    heard: mpsc::Sender<(From, Heard)>,
    tasks: JoinSet<()>,
    ends: Vec<oneshot::Receiver<()>>,
    to_client: Option<DuplexStream>,
}

async fn drive(
    servers: Vec<(String, Result<Opened, NotOpened>)>,
    reopen: Reopen,
    mut from_client: DuplexStream,
    to_client: DuplexStream,
) {
    let (heard, mut hearing) = mpsc::channel(1);
    let there = servers.iter().map(|(name, opened)| {
        let there = opened.as_ref().map(drop).map_err(|not_opened| not_opened.reason.clone());
        (name.clone(), there)
    });
    let mut driver = Driver {
        all: All::new(there.collect()),
        slots: Vec::new(),
        reopen,
        opening: JoinSet::new(),
        heard,
        tasks: JoinSet::new(),
        ends: Vec::new(),
        to_client: Some(to_client),
    };
    for (which, (name, opened)) in servers.into_iter().enumerate() {
        driver.slots.push(Slot { name, attached: None, life: 0, opened: Instant::now() });
        if let Ok(opened) = opened {
            driver.attach(which, opened);
        }
    }
    driver.carry(&mut from_client, &mut hearing).await;
    // The client sees the end. Servers see theirs once what was said to them is written.
    drop((from_client, hearing));
    let Driver { slots, opening, to_client, mut tasks, ends, .. } = driver;
    drop((slots, opening, to_client));
    let mut over = pin!(async {
        for ended in ends {
            // An error means that it ended without saying so.
            ended.await.ok();
        }
    });
    loop {
        tokio::select! {
            () = &mut over => break,
            Some(_) = tasks.join_next() => {}
        }
    }
}

impl Driver {
    async fn carry(&mut self, from_client: &mut DuplexStream, hearing: &mut mpsc::Receiver<(From, Heard)>) {
        let mut lines = Lines::new(MAX_BYTES);
        let mut bytes = vec![0; READ];
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        seconds.tick().await;
        while !self.all.is_over() && self.to_client.is_some() {
            let out = tokio::select! {
                Some((from, heard)) = hearing.recv() => self.hear(from, &heard),
                read = from_client.read(&mut bytes) => {
                    let read = read.unwrap_or(0);
                    if read == 0 {
                        return;
                    }
                    lines.push(bytes.get(..read).unwrap_or_default());
                    self.client_lines(&mut lines).await;
                    continue;
                }
                Some(opened) = self.opening.join_next(), if !self.opening.is_empty() => {
                    self.opened_again(opened);
                    continue;
                }
                _ = seconds.tick(), if self.all.is_waiting() => self.all.second_passed(),
            };
            self.carry_out(out).await;
            // What is over is not kept.
            while self.tasks.try_join_next().is_some() {}
        }
    }

    fn hear(&mut self, from: From, heard: &Heard) -> Vec<Out> {
        if self.slots.get(from.which).is_none_or(|slot| slot.life != from.life) {
            return Vec::new();
        }
        match heard {
            Heard::Line(line) => self.all.server_line(from.which, line),
            Heard::End => self.all.server_ended(from.which),
        }
    }

    async fn client_lines(&mut self, lines: &mut Lines) {
        while let Some(line) = lines.next_line() {
            for (which, slot) in self.slots.iter().enumerate() {
                let waiting =
                    slot.attached.as_ref().map_or(0, |attached| attached.waiting.load(Ordering::Relaxed));
                self.all.set_full(which, waiting >= FULL);
            }
            let out = match line {
                Ok(line) => self.all.client_line(line),
                Err(refused) => vec![Out::Client(edit::refused(&refused))],
            };
            self.carry_out(out).await;
        }
    }

    async fn carry_out(&mut self, out: Vec<Out>) {
        let mut left = VecDeque::from(out);
        while let Some(out) = left.pop_front() {
            match out {
                Out::Client(text) => self.say(text).await,
                Out::Server(which, text) => {
                    if !self.tell(which, text) {
                        left.extend(self.all.server_ended(which));
                    }
                }
                Out::Close(which) => {
                    if let Some(slot) = self.slots.get_mut(which) {
                        slot.attached = None;
                    }
                }
                Out::Open(which) => self.open_again(which),
            }
        }
    }

    fn attach(&mut self, which: usize, opened: Opened) {
        let Opened { to_wire, from_wire, ended } = opened;
        let Some(slot) = self.slots.get_mut(which) else { return };
        slot.life = slot.life.saturating_add(1);
        let (lines, written) = mpsc::unbounded_channel();
        let (until, gone) = oneshot::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        self.tasks.spawn(write(to_wire, written, Arc::clone(&waiting), gone));
        let from = From { which, life: slot.life };
        let reader = self.tasks.spawn(read(from, slot.name.clone(), from_wire, self.heard.clone()));
        slot.attached = Some(Attached { lines, waiting, _until: until, reader });
        // Those that are over need not be waited for.
        self.ends.retain_mut(|ended| matches!(ended.try_recv(), Err(TryRecvError::Empty)));
        self.ends.push(ended);
    }

    fn open_again(&mut self, which: usize) {
        let Some(slot) = self.slots.get_mut(which) else { return };
        if slot.opened.elapsed() < AGAIN {
            let why = "it has ended, and was started a short time ago".to_owned();
            self.all.server_not_opened(which, why);
            return;
        }
        slot.opened = Instant::now();
        let opening = (self.reopen)(&slot.name);
        self.opening.spawn(async move { (which, opening.await) });
    }

    fn opened_again(&mut self, opened: Result<(usize, Result<Opened, NotOpened>), JoinError>) {
        match opened {
            Ok((which, Ok(opened))) => {
                self.attach(which, opened);
                self.all.server_opened(which);
            }
            Ok((which, Err(NotOpened { reason }))) => self.all.server_not_opened(which, reason),
            Err(error) => tracing::error!(%error, "a server could not be opened again"),
        }
    }

    async fn say(&mut self, mut text: String) {
        text.push('\n');
        if let Some(to_client) = &mut self.to_client
            && to_client.write_all(text.as_bytes()).await.is_err()
        {
            self.to_client = None;
        }
    }

    /// Whether a server still takes it, or is none any more.
    fn tell(&self, which: usize, text: String) -> bool {
        let Some(server) = self.slots.get(which).and_then(|slot| slot.attached.as_ref()) else {
            return true;
        };
        let waiting = server.waiting.fetch_add(text.len(), Ordering::Relaxed).saturating_add(text.len());
        waiting <= STUCK && server.lines.send(text).is_ok()
    }
}

/// Writes until nothing more is said, and not much longer; the server then sees the end of its
/// input.
async fn write(
    to_wire: Box<dyn AsyncWrite + Send + Unpin>,
    lines: mpsc::UnboundedReceiver<String>,
    waiting: Arc<AtomicUsize>,
    gone: oneshot::Receiver<Infallible>,
) {
    let mut writing = pin!(write_lines(to_wire, lines, waiting));
    tokio::select! {
        () = &mut writing => return,
        _ = gone => {}
    }
    if timeout(LAST_WORDS, writing).await.is_err() {
        tracing::debug!("a server did not take what was said to it last");
    }
}

async fn write_lines(
    mut to_wire: Box<dyn AsyncWrite + Send + Unpin>,
    mut lines: mpsc::UnboundedReceiver<String>,
    waiting: Arc<AtomicUsize>,
) {
    while let Some(mut text) = lines.recv().await {
        let length = text.len();
        text.push('\n');
        if to_wire.write_all(text.as_bytes()).await.is_err() {
            return;
        }
        waiting.fetch_sub(length, Ordering::Relaxed);
    }
    if let Err(error) = to_wire.shutdown().await {
        tracing::debug!(%error, "a wire could not be told that nothing more is said");
    }
}

async fn read(
    from: From,
    name: String,
    mut from_wire: Box<dyn AsyncRead + Send + Unpin>,
    heard: mpsc::Sender<(From, Heard)>,
) {
    let mut lines = Lines::new(MAX_BYTES);
    let mut bytes = vec![0; READ];
    loop {
        let read = from_wire.read(&mut bytes).await.unwrap_or(0);
        lines.push(bytes.get(..read).unwrap_or_default());
        while let Some(line) = lines.next_line() {
            if !pass(from, &name, line, &heard).await {
                return;
            }
        }
        if read == 0 {
            if let Some(line) = lines.last_line()
                && !pass(from, &name, line, &heard).await
            {
                return;
            }
            // An error means that nobody listens any more.
            heard.send((from, Heard::End)).await.ok();
            return;
        }
    }
}

async fn pass(
    from: From,
    name: &str,
    line: Result<&[u8], Refused>,
    heard: &mpsc::Sender<(From, Heard)>,
) -> bool {
    match line {
        Ok(line) => heard.send((from, Heard::Line(line.to_vec()))).await.is_ok(),
        Err(refused) => {
            tracing::warn!(server = name, %refused, "a line of the server was dropped");
            true
        }
    }
}
