//! Opening a log: its lock, its key, and what a crash has left.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};

use ringfence_model::Timestamp;
use rustix::fs::{FlockOperation, flock};

use super::append::Queue;
use super::commit::Committer;
use super::{Head, Options, Paths, Published, Shared};
use crate::archive::{CannotRead, Journal, bundle_of, list_tiles, read_hashes, read_text, read_tile};
use crate::chain::Chain;
use crate::disk::{make_dir, replace, sync_dir};
use crate::edge::Edge;
use crate::frame::Frame;
use crate::hash::leaf_hash;
use crate::journal::JournalWriter;
use crate::keyring::{Keyring, KeyringError, random};
use crate::lay::{LayError, Layer};
use crate::leaf;
use crate::merkle::Frontier;
use crate::note::{BadKey, BadNote, SigningKey};
use crate::tile::{Kind, Tile, WIDTH, leaves, level_size, levels};

/// A half must hold the largest group.
const MIN_JOURNAL: u64 = 32 << 20;

/// A log that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A node's name that cannot be part of an origin.
    #[error("`{node}` cannot be a node's name; use letters, digits, `-`, `_` and `.`")]
    Node {
        /// The name.
        node: String,
    },
    /// The file system said no.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process, or another handle of this one, writes here.
    #[error("another writer has the log `{}` open; end it, or use another data directory", path.display())]
    Locked {
        /// The log's directory.
        path: PathBuf,
    },
    /// There is a log, and its key is gone.
    #[error(
        "the log `{}` is there and its private key `{}` is not; restore the key, or move the log away to \
         begin a new one", log.display(), key.display()
    )]
    KeyMissing {
        /// The log's directory.
        log: PathBuf,
        /// Where the key should be.
        key: PathBuf,
    },
    /// The key file holds no key.
    #[error("cannot use the private key `{}`", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: BadKey,
    },
    /// The key is another log's.
    #[error("this is the log `{found}`, not `{expected}`; open it under its own node's name")]
    OtherLog {
        /// The origin it was opened as.
        expected: String,
        /// The origin its key says.
        found: String,
    },
    /// A head that our key did not sign.
    #[error("the head in `{}` cannot be trusted", path.display())]
    Head {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: BadNote,
    },
    /// Files that contradict one another. No crash can leave them so: somebody changed them, or
    /// the disk did.
    #[error("`{}` contradicts the rest of the log: {what}; nothing was changed, restore a backup", path.display())]
    Contradiction {
        /// Which file.
        path: PathBuf,
        /// What contradicts what.
        what: String,
    },
    /// A file that cannot be read.
    #[error("cannot read the log")]
    Read(#[from] CannotRead),
    /// Recovered records could not be laid into tiles.
    #[error("cannot lay tiles for the records that the journal holds; they are still in it")]
    Lay(#[from] LayError),
    /// The keyring cannot be used.
    #[error("cannot use the keys of the payloads")]
    Keyring(#[from] KeyringError),
    /// The threads cannot be started.
    #[error("cannot start the log's threads")]
    Thread(#[source] io::Error),
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |source| OpenError::Io { doing, path, source }
}

pub(super) fn open(data: &Path, options: Options) -> Result<(Shared, Layer), OpenError> {
    let Options { origin_node: node, durability, clock, disk, journal_bytes, quiet } = options;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if node.is_empty() || node.len() > 200 || !node.chars().all(plain) {
        return Err(OpenError::Node { node: node.chars().take(200).collect() });
    }
    let (log, keys, payload) = (data.join("log"), data.join("keys"), data.join("payload"));
    for dir in [&log, &keys, &payload] {
        make_dir(dir, 0o700).map_err(io_error("make", dir))?;
    }
    let held = File::open(&log).map_err(io_error("open", &log))?;
    if let Err(error) = flock(&held, FlockOperation::NonBlockingLockExclusive) {
        return Err(match error {
            rustix::io::Errno::WOULDBLOCK => OpenError::Locked { path: log },
            other => OpenError::Io { doing: "lock", path: log, source: other.into() },
        });
    }
    let key = signing_key(&log, &keys, &format!("ringfence/{node}"))?;
    let vkey = key.public().to_string();
    let keyring = Keyring::load(&keys.join("keyring"))?;
    let note = begin(&log, &key, &vkey)?;
    let recovered = recover(&log, &payload, &key, &node, note)?;
    let half = journal_bytes.max(MIN_JOURNAL).next_multiple_of(1 << 20) / 2;
    let path = log.join("journal");
    let journal = JournalWriter::create(&log, half).map_err(io_error("create", &path))?;
    let size = recovered.frontier.size();
    let head = Head { size, root: recovered.frontier.root(), time: recovered.time, durable: size };
    let published = Published {
        head,
        note: recovered.note.into(),
        laid: size,
        groups: VecDeque::new(),
        journal: None,
        wanted: false,
        stopping: false,
        failed: None,
    };
    let shared = Shared {
        node,
        key,
        vkey,
        durability,
        clock,
        disk,
        paths: Paths { log, payload },
        keyring,
        half,
        quiet,
        queue: Mutex::new(Queue::default()),
        bell: Condvar::new(),
        committer: Mutex::new(Committer::new(recovered.frontier, recovered.time, journal)),
        published: Mutex::new(published),
        moved: Condvar::new(),
        lock: held,
    };
    Ok((shared, recovered.layer))
}

/// The key that signs heads; made on first use, never where a log is there already.
fn signing_key(log: &Path, keys: &Path, origin: &str) -> Result<SigningKey, OpenError> {
    let path = keys.join("log.key");
    let Some(text) = read_text(&path)? else {
        let begun = ["checkpoint", "vkey", "journal", "tile"].iter().any(|name| log.join(name).exists());
        if begun {
            return Err(OpenError::KeyMissing { log: log.to_owned(), key: path });
        }
        let key = SigningKey::from_seed(origin, random()?)
            .map_err(|source| OpenError::Key { path: path.clone(), source })?;
        replace(&path, key.to_text().as_bytes(), 0o600).map_err(io_error("write", &path))?;
        return Ok(key);
    };
    let key = SigningKey::parse(&text).map_err(|source| OpenError::Key { path, source })?;
    if key.public().name() != origin {
        let found = key.public().name().to_owned();
        return Err(OpenError::OtherLog { expected: origin.to_owned(), found });
    }
    Ok(key)
}

/// The newest head that tiles are laid for; that of the empty tree on first use.
fn begin(log: &Path, key: &SigningKey, vkey: &str) -> Result<String, OpenError> {
    let path = log.join("vkey");
    match read_text(&path)? {
        Some(found) if found.trim() == vkey => {}
        Some(_) => {
            let what = "it is not the public half of the private key".to_owned();
            return Err(OpenError::Contradiction { path, what });
        }
        None => {
            replace(&path, format!("{vkey}\n").as_bytes(), 0o644).map_err(io_error("write", &path))?;
        }
    }
    let path = log.join("checkpoint");
    if let Some(note) = read_text(&path)? {
        return Ok(note);
    }
    for name in ["tile", "journal"] {
        if log.join(name).exists() {
            let what = format!("it is missing, and `{name}` is there");
            return Err(OpenError::Contradiction { path, what });
        }
    }
    let note = key.sign(0, &Frontier::default().root());
    replace(&path, note.as_bytes(), 0o600).map_err(io_error("write", &path))?;
    Ok(note)
}

/// What was found and made whole.
struct Recovered {
    frontier: Frontier,
    time: Option<Timestamp>,
    note: String,
    layer: Layer,
}

/// Checks head, tiles and journal against one another, lays what only the journal has, and
/// removes the journal.
fn recover(
    log: &Path,
    payload: &Path,
    key: &SigningKey,
    node: &str,
    note: String,
) -> Result<Recovered, OpenError> {
    let path = log.join("checkpoint");
    let head = key.public().check(&note).map_err(|source| OpenError::Head { path: path.clone(), source })?;
    let edge = Edge::load(head.size, |tile| read_hashes(log, tile))?;
    if edge.root() != head.root {
        let what = format!("its root over {} records is not that of the tiles", head.size);
        return Err(OpenError::Contradiction { path, what });
    }
    if let Some(missing) = missing_tile(log, head.size) {
        return Err(CannotRead::Missing { path: log.join(missing.path()) }.into());
    }
    let (bundle, time) = last_bundle(log, node, head.size, &edge)?;
    let mut chain = Chain::new(key.public(), node, edge.frontier(), time);
    let mut layer = Layer::new(log, payload, edge, bundle);
    let mut note = note;
    let path = log.join("journal");
    let journal = Journal::read(log)?;
    if journal.is_none() {
        clear_beyond(log, head.size, head.size)?;
    }
    if let Some(journal) = journal {
        let contradiction = |what: String| OpenError::Contradiction { path: path.clone(), what };
        let contents = journal.scan(head.size).map_err(|damaged| contradiction(damaged.to_string()))?;
        let frames: Vec<Frame<'_>> = contents.frames.into_iter().map(|(_, frame)| frame).collect();
        // Everything is checked before anything is changed.
        for frame in &frames {
            chain.check(frame, log, head.size).map_err(|broken| contradiction(broken.to_string()))?;
        }
        let reached = frames.last().map_or(head.size, Frame::end).max(head.size);
        clear_beyond(log, head.size, reached)?;
        let fresh = || frames.iter().filter(|frame| frame.end() > head.size);
        for frame in fresh() {
            for (index, record) in (frame.start..).zip(frame.records()) {
                if index >= head.size {
                    layer.push(record)?;
                }
            }
        }
        if let Some(newest) = fresh().next_back() {
            layer.finish(newest.note)?;
            newest.note.clone_into(&mut note);
        }
        fs::remove_file(&path).map_err(io_error("remove", &path))?;
        sync_dir(log).map_err(io_error("flush", log))?;
    }
    let time = chain.time().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    Ok(Recovered { frontier: chain.into_frontier(), time, note, layer })
}

/// Removes what laying had begun beyond the head when it was stopped: it may be cut anywhere, and
/// is laid again under other names. Only what the journal still holds can have been begun.
fn clear_beyond(log: &Path, laid: u64, reached: u64) -> Result<(), OpenError> {
    let tiles = list_tiles(log)?;
    if let Some(tile) = tiles.iter().find(|tile| !tile.is_within(reached)) {
        let what = format!("it holds records beyond the head, which has {reached}");
        return Err(OpenError::Contradiction { path: log.join(tile.path()), what });
    }
    for tile in tiles.into_iter().filter(|tile| !tile.is_within(laid)) {
        let path = log.join(tile.path());
        fs::remove_file(&path).map_err(io_error("remove", &path))?;
    }
    Ok(())
}

/// The last bundle's bytes, where it is not full, and the time of the last record.
fn last_bundle(log: &Path, node: &str, size: u64, edge: &Edge) -> Result<(Vec<u8>, Option<i64>), OpenError> {
    let Some(last) = size.checked_sub(1) else { return Ok((Vec::new(), None)) };
    let tile = bundle_of(last, size);
    let path = log.join(tile.path());
    let bytes = read_tile(log, tile)?;
    let contradiction = |what: String| OpenError::Contradiction { path: path.clone(), what };
    let found: Vec<&[u8]> = leaves(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|cut| contradiction(format!("its entry at byte {} is cut", cut.at)))?;
    let hashes = match edge.partial().find(|(tile, _)| tile.kind == Kind::Hashes(0)) {
        Some((_, hashes)) => hashes.to_vec(),
        None => read_hashes(log, Tile { kind: Kind::Hashes(0), ..tile })?,
    };
    if !found.iter().map(|leaf| leaf_hash(leaf)).eq(hashes) {
        return Err(contradiction("its leaves are not those that are hashed".to_owned()));
    }
    let newest = found.last().copied().unwrap_or_default();
    let header = leaf::parse(newest, node).map_err(|bad| contradiction(format!("record {last}: {bad}")))?;
    let partial = tile.width < WIDTH;
    Ok((if partial { bytes } else { Vec::new() }, Some(header.micros)))
}

/// A full tile below the head that is not there.
fn missing_tile(log: &Path, size: u64) -> Option<Tile> {
    let entries = std::iter::once((Kind::Entries, size));
    let hashes = levels(size).map(|level| (Kind::Hashes(level), level_size(size, level)));
    entries.chain(hashes).find_map(|(kind, filled)| {
        (0..filled / WIDTH)
            .map(|number| Tile { kind, number, width: WIDTH })
            .find(|tile| !log.join(tile.path()).exists())
    })
}
