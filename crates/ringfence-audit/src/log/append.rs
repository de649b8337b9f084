//! The queue, and what a caller holds while its record is in it.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use ringfence_model::{Digest, Timestamp};

use super::{Entry, Payload, Shared, lock};
use crate::keyring::{Key, KeyringError, Owner};
use crate::leaf::{self, BadBody, MAX_LEAF, OutOfRange, STAMP};
use crate::payload::{Commitment, MAX_CONTENT, MAX_PERSONS, seal};

/// Records and bytes in the queue, before callers have to wait for room.
const MAX_QUEUED: usize = 16_384;
const MAX_QUEUED_BYTES: usize = 32 << 20;

/// How long a record that nobody waits for may wait for company.
const LINGER: Duration = Duration::from_millis(5);

/// Records and bytes of a group, where there are several.
const MAX_GROUP: usize = 8_192;
const MAX_GROUP_BYTES: usize = 4 << 20;

/// Where a record is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its index.
    pub index: u64,
    /// The hash of its leaf (RFC 6962, section 2.1).
    pub leaf: Digest,
    /// The time in it.
    pub time: Timestamp,
}

/// A record that was not appended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Its leaf would be longer than a leaf may be.
    #[error("the record has {bytes} bytes, of which 65,535 are allowed; move what is large into its payload")]
    TooLarge {
        /// How long it would be.
        bytes: usize,
    },
    /// Its payload is larger than a payload may be.
    #[error("the payload has {bytes} bytes and is about {persons} persons; 8 MiB and 250 are allowed")]
    PayloadTooLarge {
        /// The bytes of its content.
        bytes: usize,
        /// How many persons it is about.
        persons: usize,
    },
    /// Its body cannot be part of a leaf.
    #[error("the record is refused")]
    Body(#[source] Arc<BadBody>),
    /// Its payload cannot be encrypted.
    #[error("cannot make the keys for the record's payload")]
    Keys(#[source] Arc<KeyringError>),
    /// It cannot be stamped.
    #[error("the record cannot be given a time")]
    Time(#[from] OutOfRange),
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// A write or flush failed. Whether this record is there shows when the log is opened again;
    /// everything acknowledged is.
    #[error("nothing more can be recorded until the log is opened again")]
    Failed(#[source] Failure),
}

/// What ended a log before it was closed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {doing} `{}`", path.display())]
pub struct Failure {
    pub(super) doing: &'static str,
    pub(super) path: PathBuf,
    pub(super) source: Arc<io::Error>,
}

impl Failure {
    /// What the system said.
    pub fn cause(&self) -> &io::Error {
        &self.source
    }

    /// A panic where none can be.
    pub(super) fn defect(path: &Path) -> Self {
        let source = Arc::new(io::Error::other("a defect of this program, please report it"));
        Failure { doing: "go on with", path: path.to_owned(), source }
    }
}

/// A record on its way. It is committed even if this is dropped.
///
/// Await it on any runtime; or [`wait`](Append::wait) in a thread that may block, which commits
/// with the least delay; or [`detach`](Append::detach) it. When so much is queued that there is no
/// room, awaiting waits for room, and the others commit a group themselves first.
#[must_use = "what became of the record is only known here"]
pub struct Append {
    shared: Arc<Shared>,
    state: State,
    led: bool,
}

enum State {
    Refused(AppendError),
    /// There was no room yet.
    Held(Box<Queued>),
    /// Queued, and nobody has been told yet that somebody waits.
    Quiet(Arc<Slot>),
    Told(Arc<Slot>),
    Over,
}

/// A record in the queue.
pub(super) struct Queued {
    /// The leaf behind its stamp.
    pub(super) tail: Vec<u8>,
    pub(super) payload: Sealing,
    pub(super) slot: Arc<Slot>,
}

/// A payload on its way into the journal.
pub(super) enum Sealing {
    Nothing,
    Done(Vec<u8>),
    /// Some of its keys have to be made first.
    Open(Payload, Commitment),
}

impl Queued {
    fn bytes(&self) -> usize {
        let payload = match &self.payload {
            Sealing::Nothing => 0,
            Sealing::Done(stored) => stored.len(),
            Sealing::Open(payload, _) => payload.content.len(),
        };
        self.tail.len() + payload + 512
    }
}

/// Everything that waits to be committed.
#[derive(Default)]
pub(super) struct Queue {
    entries: VecDeque<Queued>,
    bytes: usize,
    room: Vec<Waker>,
    pub(super) told: bool,
    /// When what nobody waits for is committed at the latest.
    pub(super) due: Option<Instant>,
    /// The writer sleeps on the bell.
    pub(super) asleep: bool,
    pub(super) closed: bool,
}

impl Queue {
    fn has_room(&self) -> bool {
        self.entries.len() < MAX_QUEUED && self.bytes < MAX_QUEUED_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Where the outcome of one record arrives.
#[derive(Default)]
pub(super) struct Slot(Mutex<Waiting>);

#[derive(Default)]
enum Waiting {
    #[default]
    Nobody,
    Task(Waker),
    Thread(Thread),
    Callback(Callback),
    Done(Result<Appended, AppendError>),
}

type Callback = Box<dyn FnOnce(Result<Appended, AppendError>) + Send>;

impl Slot {
    pub(super) fn complete(&self, outcome: Result<Appended, AppendError>) {
        let mut waiting = lock(&self.0);
        match std::mem::replace(&mut *waiting, Waiting::Nobody) {
            Waiting::Callback(callback) => {
                drop(waiting);
                // What a caller does with the news must not end the log.
                catch_unwind(AssertUnwindSafe(move || callback(outcome))).ok();
            }
            Waiting::Nobody | Waiting::Done(_) => *waiting = Waiting::Done(outcome),
            Waiting::Task(waker) => {
                *waiting = Waiting::Done(outcome);
                drop(waiting);
                waker.wake();
            }
            Waiting::Thread(thread) => {
                *waiting = Waiting::Done(outcome);
                drop(waiting);
                thread.unpark();
            }
        }
    }

    /// The outcome, or `otherwise` waits for it.
    fn take_or(&self, otherwise: impl FnOnce() -> Waiting) -> Option<Result<Appended, AppendError>> {
        let mut waiting = lock(&self.0);
        match std::mem::replace(&mut *waiting, Waiting::Nobody) {
            Waiting::Done(outcome) => Some(outcome),
            Waiting::Nobody | Waiting::Task(_) | Waiting::Thread(_) | Waiting::Callback(_) => {
                *waiting = otherwise();
                None
            }
        }
    }
}

impl Append {
    pub(super) fn new(shared: &Arc<Shared>, entry: Entry) -> Append {
        let state = match shared.prepare(entry) {
            Ok(queued) => match shared.enqueue(queued) {
                Ok(slot) => State::Quiet(slot),
                Err(NoRoom::Full(queued)) => State::Held(queued),
                Err(NoRoom::Closed) => State::Refused(AppendError::Closed),
            },
            Err(error) => State::Refused(error),
        };
        Append { shared: Arc::clone(shared), state, led: false }
    }

    /// Whoever awaits it calls [`Log::commit`](super::Log::commit) before going to sleep, so the
    /// log's own thread is not woken for it. Where that call does not come, the record is
    /// committed a few milliseconds later.
    pub fn led(mut self) -> Append {
        self.led = true;
        self
    }

    /// Waits for the outcome, and commits what is queued where nobody else does.
    ///
    /// # Errors
    /// The record was not appended.
    pub fn wait(mut self) -> Result<Appended, AppendError> {
        let slot = self.settle()?;
        self.state = State::Over;
        loop {
            if let Some(outcome) = slot.take_or(|| Waiting::Nobody) {
                return outcome;
            }
            if self.shared.try_commit() {
                continue;
            }
            // Somebody else commits, or has just done so; the writer sees to what they leave.
            let outcome = slot.take_or(|| Waiting::Thread(std::thread::current()));
            if let Some(outcome) = outcome {
                return outcome;
            }
            self.shared.tell_writer();
            loop {
                std::thread::park();
                if let Some(outcome) = slot.take_or(|| Waiting::Thread(std::thread::current())) {
                    return outcome;
                }
            }
        }
    }

    /// Lets it go: it is committed with the next group, a few milliseconds later at most. `then` hears of
    /// the outcome, on a thread of the log's, and should be short.
    pub fn detach(mut self, then: impl FnOnce(Result<Appended, AppendError>) + Send + 'static) {
        match self.settle() {
            Err(error) => then(Err(error)),
            Ok(slot) => {
                self.state = State::Over;
                let mut then = Some(then);
                let outcome = slot.take_or(|| {
                    let then = then.take().expect("invariant: called at most once");
                    Waiting::Callback(Box::new(then))
                });
                self.shared.tell_writer_later();
                if let (Some(outcome), Some(then)) = (outcome, then) {
                    then(outcome);
                }
            }
        }
    }

    /// Into the queue, where it may have to make room itself.
    fn settle(&mut self) -> Result<Arc<Slot>, AppendError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Refused(error) => Err(error),
            State::Quiet(slot) | State::Told(slot) => Ok(slot),
            State::Over => Err(AppendError::Closed),
            State::Held(queued) => {
                let mut queued = queued;
                loop {
                    match self.shared.enqueue(*queued) {
                        Ok(slot) => return Ok(slot),
                        Err(NoRoom::Closed) => return Err(AppendError::Closed),
                        Err(NoRoom::Full(back)) => {
                            queued = back;
                            self.shared.commit();
                        }
                    }
                }
            }
        }
    }
}

impl Future for Append {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Refused(error) => return Poll::Ready(Err(error)),
                // Polled again after its end.
                State::Over => return Poll::Ready(Err(AppendError::Closed)),
                State::Held(queued) => match self.shared.enqueue_or_wait(*queued, context.waker()) {
                    Ok(slot) => self.state = State::Quiet(slot),
                    Err(NoRoom::Closed) => return Poll::Ready(Err(AppendError::Closed)),
                    Err(NoRoom::Full(queued)) => {
                        self.state = State::Held(queued);
                        self.shared.tell_writer();
                        return Poll::Pending;
                    }
                },
                State::Quiet(slot) => {
                    if self.led {
                        self.shared.tell_writer_later();
                    } else {
                        self.shared.tell_writer();
                    }
                    self.state = State::Told(slot);
                }
                State::Told(slot) => {
                    let waker = || Waiting::Task(context.waker().clone());
                    if let Some(outcome) = slot.take_or(waker) {
                        return Poll::Ready(outcome);
                    }
                    self.state = State::Told(slot);
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Refused(_) | State::Over | State::Told(_) => {}
            State::Quiet(_) => self.shared.tell_writer(),
            held @ State::Held(_) => {
                self.state = held;
                // Refused only by a log that is closed, and then there is nobody to tell.
                if self.settle().is_ok() {
                    self.shared.tell_writer();
                }
            }
        }
    }
}

/// Why a record did not get into the queue.
enum NoRoom {
    Full(Box<Queued>),
    Closed,
}

impl Shared {
    /// Everything that can be done for a record before its place and time are known.
    fn prepare(&self, entry: Entry) -> Result<Queued, AppendError> {
        let keys_error = |error| AppendError::Keys(Arc::new(error));
        let commitment = match &entry.payload {
            None => None,
            Some(payload) if payload.content.len() > MAX_CONTENT || payload.persons.len() > MAX_PERSONS => {
                let (bytes, persons) = (payload.content.len(), payload.persons.len());
                return Err(AppendError::PayloadTooLarge { bytes, persons });
            }
            Some(payload) => Some(Commitment::to(&payload.content).map_err(keys_error)?),
        };
        let digest = commitment.as_ref().map(|commitment| &commitment.digest);
        let tail = leaf::tail(&self.node, entry.kind, digest, &entry.body)
            .map_err(|error| AppendError::Body(Arc::new(error)))?;
        let bytes = STAMP + tail.len();
        if bytes > MAX_LEAF {
            return Err(AppendError::TooLarge { bytes });
        }
        let payload = match (entry.payload, commitment) {
            (Some(payload), Some(commitment)) => match self.keys_of(&payload) {
                Some(keys) => Sealing::Done(seal(&keys, commitment, &payload.content)),
                None => Sealing::Open(payload, commitment),
            },
            _ => Sealing::Nothing,
        };
        Ok(Queued { tail, payload, slot: Arc::default() })
    }

    /// The keys a payload is encrypted under, where all of them are there.
    pub(super) fn keys_of(&self, payload: &Payload) -> Option<Vec<Arc<Key>>> {
        owners(payload).iter().map(|owner| self.keyring.find(owner)).collect()
    }

    fn enqueue(&self, queued: Queued) -> Result<Arc<Slot>, NoRoom> {
        let mut queue = lock(&self.queue);
        queue.push(queued)
    }

    fn enqueue_or_wait(&self, queued: Queued, waker: &Waker) -> Result<Arc<Slot>, NoRoom> {
        let mut queue = lock(&self.queue);
        let pushed = queue.push(queued);
        if let Err(NoRoom::Full(_)) = &pushed {
            queue.room.push(waker.clone());
        }
        pushed
    }

    /// Takes what makes the next group, and tells those who waited for room.
    pub(super) fn take_group(&self) -> Vec<Queued> {
        let mut queue = lock(&self.queue);
        let mut taken = 0;
        let mut bytes = 0usize;
        for queued in queue.entries.iter().take(MAX_GROUP) {
            bytes = bytes.saturating_add(queued.bytes());
            if taken > 0 && bytes > MAX_GROUP_BYTES {
                break;
            }
            taken += 1;
        }
        let group: Vec<Queued> = queue.entries.drain(..taken).collect();
        let freed = group.iter().map(Queued::bytes).sum();
        queue.bytes = queue.bytes.saturating_sub(freed);
        let room = std::mem::take(&mut queue.room);
        drop(queue);
        room.into_iter().for_each(Waker::wake);
        group
    }

    /// Tells the writer of a record that nobody waits for: it goes with the next group, or with
    /// one of its own a few milliseconds later. So it does not hold up whoever comes next.
    fn tell_writer_later(&self) {
        let mut queue = lock(&self.queue);
        if queue.due.is_none() {
            queue.due = Some(Instant::now() + LINGER);
            if queue.asleep {
                queue.asleep = false;
                drop(queue);
                self.bell.notify_one();
            }
        }
    }

    /// Tells the writer that somebody waits.
    pub(super) fn tell_writer(&self) {
        let mut queue = lock(&self.queue);
        queue.told = true;
        if queue.asleep {
            queue.asleep = false;
            drop(queue);
            self.bell.notify_one();
        }
    }
}

impl Queue {
    fn push(&mut self, queued: Queued) -> Result<Arc<Slot>, NoRoom> {
        if self.closed {
            return Err(NoRoom::Closed);
        }
        if !self.has_room() {
            return Err(NoRoom::Full(Box::new(queued)));
        }
        let slot = Arc::clone(&queued.slot);
        self.bytes = self.bytes.saturating_add(queued.bytes());
        self.entries.push_back(queued);
        Ok(slot)
    }
}

/// Whose keys a payload is encrypted under: its session's first.
pub(super) fn owners(payload: &Payload) -> Vec<Owner> {
    let mut persons = payload.persons.clone();
    persons.sort();
    persons.dedup();
    let session = super::owner_of_session(&payload.session);
    std::iter::once(session).chain(persons.into_iter().map(Owner::Person)).collect()
}
