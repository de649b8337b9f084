//! The log: the one writer of a directory.
//!
//! Whoever appends puts a record into a queue; whoever waits for one takes everything queued,
//! gives it its order and time, and commits it with one write and one flush of the journal. Tiles
//! are laid afterwards, by a thread of their own. What records mean is not known here.

mod append;
mod commit;
mod open;
mod payloads;
mod tiles;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ringfence_model::{Digest, Person, Timestamp};

pub use append::{Append, AppendError, Appended, Failure};
pub use open::OpenError;
pub use payloads::{EraseError, PayloadError, Whose};
pub use tiles::{CloseError, TilesError};

use crate::archive::{Archive, CannotRead};
use crate::clock::{Clock, SystemClock};
use crate::disk::{Disk, RealDisk};
use crate::keyring::{Keyring, KeyringError, Owner};
use crate::note::SigningKey;
use crate::reader::Reader;
use append::Queue;
use commit::Committer;

/// How a log is opened.
#[derive(Clone)]
pub struct Options {
    /// The node's name: the log's origin is `ringfence/<node>`.
    pub origin_node: String,
    /// When an append is acknowledged.
    pub durability: Durability,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// How the journal reaches the disk.
    pub disk: Arc<dyn Disk>,
    /// The bytes of the journal; half of them are written while the other half becomes tiles.
    /// At least 32 MiB are taken.
    pub journal_bytes: u64,
    /// Tiles are laid when no record has come for this long, and at the latest after ten times
    /// as long.
    pub quiet: Duration,
}

impl Options {
    /// The ordinary log of this node: durable, on the system's clock and disk.
    pub fn new(origin_node: &str) -> Self {
        Options {
            origin_node: origin_node.to_owned(),
            durability: Durability::Sync,
            clock: Arc::new(SystemClock),
            disk: Arc::new(RealDisk),
            journal_bytes: 64 << 20,
            quiet: Duration::from_secs(1),
        }
    }
}

/// When an append is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When the disk says that the record would survive the loss of power.
    Sync,
    /// When the operating system has it: it survives this process, not the machine.
    DangerAsync,
}

/// A record to append.
#[derive(Debug)]
pub struct Entry {
    /// The kind of record, such as `decision`.
    pub kind: &'static str,
    /// The record's members: one JSON object, without `v`, `time`, `node`, `kind` and `payload`,
    /// which the log writes.
    pub body: Vec<u8>,
    /// What the record only commits to.
    pub payload: Option<Payload>,
}

/// What is kept encrypted beside the log.
pub struct Payload {
    /// The session it belongs to.
    pub session: String,
    /// The persons it is about: erasing any of them erases it.
    pub persons: Vec<Person>,
    /// The content, at most 8 MiB.
    pub content: Vec<u8>,
}

impl std::fmt::Debug for Payload {
    /// Only the size: contents may be personal or secret, and debug output ends in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({} bytes)", self.content.len())
    }
}

/// The head of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// How many records.
    pub size: u64,
    /// The root over them (RFC 6962, section 2.1).
    pub root: Digest,
    /// The time of the last one.
    pub time: Option<Timestamp>,
    /// How many are known to survive the loss of power.
    pub durable: u64,
}

/// The one writer of a directory. Clones are handles to the same log; when the last one is
/// dropped, what is queued is committed and tiles are laid, as [`Log::close`] does, with nobody
/// to hear of a failure.
#[derive(Clone)]
pub struct Log {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the handles and the threads share.
struct Shared {
    node: String,
    key: SigningKey,
    vkey: String,
    durability: Durability,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    paths: Paths,
    keyring: Keyring,
    half: u64,
    quiet: Duration,
    queue: Mutex<Queue>,
    /// Rung when there is something to commit, or the end has come.
    bell: Condvar,
    committer: Mutex<Committer>,
    published: Mutex<Published>,
    /// Rung when `published` moved.
    moved: Condvar,
    /// Held as long as the log is open, so that nobody else opens it.
    lock: std::fs::File,
}

/// Where things lie.
struct Paths {
    log: PathBuf,
    payload: PathBuf,
}

/// What everybody may know.
struct Published {
    head: Head,
    note: Arc<str>,
    /// Records below this lie in tiles, durably.
    laid: u64,
    /// The groups above, oldest first.
    groups: std::collections::VecDeque<GroupPlace>,
    journal: Option<Arc<std::fs::File>>,
    /// Tiles are wanted now: a half is full, or somebody asked.
    wanted: bool,
    stopping: bool,
    failed: Option<Failure>,
}

/// Where a group lies in the journal.
#[derive(Debug, Clone, Copy)]
struct GroupPlace {
    start: u64,
    end: u64,
    at: u64,
    bytes: u64,
}

impl Log {
    /// Opens the log of a data directory, which holds `log`, `keys` and `payload`; makes them on
    /// first use. After a crash it recovers: every acknowledged record is there, and a group that
    /// was being written is dropped as a whole.
    ///
    /// # Errors
    /// Another writer, files that contradict one another, a key that is gone, a disk that says no.
    pub fn open(data: &Path, options: Options) -> Result<Log, OpenError> {
        let (shared, layer) = open::open(data, options)?;
        let shared = Arc::new(shared);
        let threads = tiles::start(&shared, layer).map_err(OpenError::Thread)?;
        Ok(Log { handle: Arc::new(Handle { shared, threads: Mutex::new(threads) }) })
    }

    /// Takes a record. The record is committed as soon as what this gives is waited for, awaited,
    /// detached or dropped. Never touches the disk itself.
    pub fn append(&self, entry: Entry) -> Append {
        Append::new(&self.handle.shared, entry)
    }

    /// Commits what is queued, on this thread, after whoever is at it: one write and one flush, for
    /// which it blocks. For a thread that awaits [led](Append::led) records.
    pub fn commit(&self) {
        self.handle.shared.commit();
    }

    /// The newest head.
    pub fn head(&self) -> Head {
        self.handle.shared.published().head.clone()
    }

    /// The newest head as a signed note (C2SP tlog-checkpoint).
    pub fn checkpoint(&self) -> String {
        self.handle.shared.published().note.to_string()
    }

    /// The committed records from `from` to the newest, in order. Those that come later are not
    /// among them: read again from where this one ended.
    pub fn read(&self, from: u64) -> Reader {
        Reader::live(Arc::clone(&self.handle.shared) as _, from)
    }

    /// The public key in C2SP form.
    pub fn vkey(&self) -> &str {
        &self.handle.shared.vkey
    }

    /// The name of the log: `ringfence/<node>`.
    pub fn origin(&self) -> &str {
        self.handle.shared.key.public().name()
    }

    /// The name a person goes by in leaves; a new one gets a key, which is durable before this
    /// returns.
    ///
    /// # Errors
    /// The keyring cannot be written.
    pub fn pseudonym(&self, person: &Person) -> Result<String, KeyringError> {
        self.handle.shared.keyring.pseudonym(person)
    }

    /// The person behind a pseudonym; `None` where it is unknown or was erased.
    pub fn person(&self, pseudonym: &str) -> Option<Person> {
        self.handle.shared.keyring.person_of(pseudonym)
    }

    /// The content behind a record's commitment, decrypted and checked; `None` where the record
    /// has none.
    ///
    /// # Errors
    /// An erased key, a stored payload that is not what the record commits to, no such record.
    pub fn payload(&self, index: u64) -> Result<Option<Vec<u8>>, PayloadError> {
        payloads::read(&self.handle.shared, index)
    }

    /// Erases the key of a session or a person, and with it every payload under it, then records
    /// that as `payload.erased`. `None` where there was no such key.
    ///
    /// # Errors
    /// The keyring or the log cannot be written.
    pub fn erase(&self, whose: Whose<'_>) -> Result<Option<Appended>, EraseError> {
        payloads::erase(self, whose)
    }

    /// Lays tiles for every record committed so far.
    ///
    /// # Errors
    /// The log has failed.
    pub fn lay(&self) -> Result<(), TilesError> {
        self.handle.shared.lay()
    }

    /// The proof that record `index` is in the tree of `size` records (RFC 6962, section 2.1.1).
    ///
    /// # Errors
    /// A size beyond the head, an index beyond the size, tiles that cannot be read.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Digest>, ProveError> {
        self.archive()?.inclusion(index, size)
    }

    /// The proof that the tree of `new` records extends that of `old` (RFC 6962, section 2.1.2).
    ///
    /// # Errors
    /// Sizes that are not in order or beyond the head, tiles that cannot be read.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Digest>, ProveError> {
        self.archive()?.consistency(old, new)
    }

    /// The root over the first `size` records.
    ///
    /// # Errors
    /// A size beyond the head, tiles that cannot be read.
    pub fn root_at(&self, size: u64) -> Result<Digest, ProveError> {
        let head = self.head();
        if size == head.size { Ok(head.root) } else { self.archive()?.root(size) }
    }

    fn archive(&self) -> Result<Archive, ProveError> {
        self.lay().map_err(ProveError::Tiles)?;
        let shared = &self.handle.shared;
        let laid = shared.published().laid;
        Ok(Archive::of_tiles(&shared.paths.log, laid))
    }

    /// Ends the log for every handle: commits what is queued, lays all tiles, removes the
    /// journal, lets go of the directory.
    ///
    /// # Errors
    /// What kept it from that; everything acknowledged is still in the journal then.
    pub fn close(self) -> Result<(), CloseError> {
        self.handle.end()
    }
}

/// A proof that cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// About records that are not there.
    #[error("there is no proof from {from} to {to}: the log has {size} records")]
    Range {
        /// The index, or the smaller size.
        from: u64,
        /// The larger size.
        to: u64,
        /// How many records there are.
        size: u64,
    },
    /// Tiles cannot be read.
    #[error("cannot read the tree")]
    Read(#[from] CannotRead),
    /// Tiles cannot be laid.
    #[error("cannot lay tiles for the proof")]
    Tiles(#[source] TilesError),
}

impl Handle {
    fn end(&self) -> Result<(), CloseError> {
        let threads = std::mem::take(&mut *lock(&self.threads));
        if threads.is_empty() {
            return Ok(()); // another handle closed it
        }
        self.shared.end(threads)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Nobody is left to tell; what was acknowledged is durable either way.
        self.end().ok();
    }
}

impl Shared {
    fn published(&self) -> MutexGuard<'_, Published> {
        lock(&self.published)
    }

    /// The log is over: nothing more is acknowledged.
    fn fail(&self, failure: Failure) {
        let mut published = self.published();
        published.failed.get_or_insert(failure);
        self.moved.notify_all();
    }
}

/// A panic while one of these is held happens only where an invariant is broken; what is then
/// found is checked like after a crash, when the log is opened again.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whose key, in the keyring's terms.
fn owner_of_session(session: &str) -> Owner {
    Owner::Session(session.into())
}
