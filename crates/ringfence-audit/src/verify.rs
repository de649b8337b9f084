//! Verification: nothing but the files and a key. It recomputes every leaf, every tile and the
//! root, checks who signed the head, and says where what fails stands. It trusts no file of the
//! log to be anything.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use ringfence_model::{Digest, Timestamp};

use crate::archive::{Archive, CannotRead, list_tiles, log_dir, read_hashes, read_text, read_tile};
use crate::chain::{Broken, Chain};
use crate::edge::Edge;
use crate::hash::leaf_hash;
use crate::leaf::{self, BadLeaf};
use crate::note::{BadKey, BadNote, Checkpoint, VerifyingKey};
use crate::tile::{Kind, Tile, WIDTH, full_root, leaves, level_size, parse_hashes, width_of};

/// A log that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Which log.
    pub origin: String,
    /// How many records.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// The times of the first and the last record.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Where the key came from.
    pub key: KeyFrom,
    /// The size of the earlier head it was held against, where there was one.
    pub against: Option<u64>,
}

/// Where the key came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFrom {
    /// Whoever verifies brought it.
    Given,
    /// It lay beside the log: whoever replaced the whole log could have replaced it too.
    Beside,
}

/// A log that was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It does not hold.
    #[error("the log does not verify")]
    NotVerified(#[source] Fault),
    /// It cannot be read: nothing is said about it.
    #[error("the log cannot be verified")]
    CannotRead(#[source] CannotRead),
    /// What was given as a key is none.
    #[error("the key cannot be used")]
    Key(#[source] BadKey),
    /// What was given as an earlier head is no signed note.
    #[error("the head that it should be held against cannot be used")]
    NoNote(#[source] BadNote),
}

/// What fails, and where.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no head, or it is not what the key signed.
    #[error("the head `{}`", path.display())]
    Head {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: BadNote,
    },
    /// The key beside the log is not the one it is verified with, or none at all.
    #[error("`{}` is not the public key of this log", path.display())]
    KeyBeside {
        /// Which file.
        path: PathBuf,
    },
    /// A file is missing.
    #[error("`{}` is missing", path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// A file is not what a log's is.
    #[error("`{}` is damaged: {what}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A record is not one.
    #[error("record {index}, in `{}` at byte {byte}", path.display())]
    Record {
        /// Which record.
        index: u64,
        /// In which file.
        path: PathBuf,
        /// Where in it the record begins.
        byte: usize,
        /// What is wrong with it.
        source: BadLeaf,
    },
    /// Time runs backwards.
    #[error("record {index} is older than the one before it")]
    Order {
        /// The record that is too old.
        index: u64,
    },
    /// A stored hash is not that of what is stored under it.
    #[error("`{}` differs from what the records give, at byte {byte}: it is about record {index} and those below", path.display())]
    Hash {
        /// The tile.
        path: PathBuf,
        /// Where in it.
        byte: u64,
        /// The first record under the hash.
        index: u64,
    },
    /// The head is not about these records.
    #[error("the head says that the root over {size} records is {head}, the records give {found}")]
    Root {
        /// How many records.
        size: u64,
        /// By the head.
        head: Digest,
        /// By the records.
        found: Digest,
    },
    /// There is more than the head says.
    #[error("`{}` holds records beyond the head, which has {size}", path.display())]
    Beyond {
        /// Which file.
        path: PathBuf,
        /// How many records the head is over.
        size: u64,
    },
    /// The journal ends in a group that is not whole.
    #[error(
        "the journal holds a group that is not whole, at byte {byte}, after {size} whole records; if the \
         machine stopped while it was written, opening the log once drops it"
    )]
    Torn {
        /// Where in it.
        byte: u64,
        /// The records before it.
        size: u64,
    },
    /// A group in the journal.
    #[error("the journal")]
    Group(#[source] Broken),
    /// The head from elsewhere is none of this log's.
    #[error("the head from elsewhere that it is held against")]
    Against(#[source] BadNote),
    /// The log is shorter than it has been.
    #[error("it has {size} records; the head from elsewhere shows that it had {against}")]
    Shorter {
        /// How many it has.
        size: u64,
        /// How many it had.
        against: u64,
    },
    /// The log's past is another one.
    #[error("its first {against} records are not those the head from elsewhere was signed over")]
    Rewritten {
        /// The size of that head.
        against: u64,
    },
}

impl From<Fault> for VerifyError {
    fn from(fault: Fault) -> Self {
        VerifyError::NotVerified(fault)
    }
}

impl From<CannotRead> for VerifyError {
    fn from(error: CannotRead) -> Self {
        match error {
            CannotRead::Missing { path } => Fault::Missing { path }.into(),
            CannotRead::Damaged { path, what } => Fault::File { path, what }.into(),
            error @ (CannotRead::Io { .. } | CannotRead::NoLog { .. }) => VerifyError::CannotRead(error),
        }
    }
}

/// Whether a writer may be at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Still,
    Live,
}

/// Verifies the log in a directory, or in the data directory that holds it: every record and
/// every hash below the newest head, that head's signature, and that nothing lies beyond it.
///
/// `key` is a public key in C2SP form; left out, the one beside the log is taken, which proves
/// less. `against` is an earlier head, as a signed note kept elsewhere: the log must extend it.
/// With `live`, a writer may be at work: what it has written beyond the newest head is passed
/// over.
///
/// # Errors
/// [`VerifyError::NotVerified`] where the log does not hold, the others where nothing can be said.
pub fn verify(
    dir: &Path,
    key: Option<&str>,
    against: Option<&str>,
    live: bool,
) -> Result<Verified, VerifyError> {
    let mode = if live { Mode::Live } else { Mode::Still };
    let log = log_dir(dir);
    let (key, key_from) = find_key(&log, key)?;
    let against = against.map(|note| key.check(note)).transpose().map_err(|bad| match bad {
        BadNote::Malformed(_) => VerifyError::NoNote(bad),
        BadNote::Unsigned(_) | BadNote::Forged(_) | BadNote::Origin { .. } => Fault::Against(bad).into(),
    })?;
    let archive = open(&log)?;
    let path = log.join("checkpoint");
    let laid = laid_head(&archive, &key, &path)?;
    let node = laid.origin.strip_prefix("ringfence/").unwrap_or(&laid.origin).to_owned();

    let size = archive.size();
    if let Some(against) = against.as_ref().filter(|against| against.size > size) {
        return Err(Fault::Shorter { size, against: against.size }.into());
    }
    let watch = against.as_ref().map(|against| against.size);
    let mut first = None;
    let tiles = check_tiles(&log, &node, &laid, watch, &mut first)?;
    let mut chain = Chain::new(&key, &node, tiles.edge.frontier(), tiles.last);
    if let Some(watch) = watch.filter(|watch| *watch >= laid.size) {
        chain.watch(watch);
    }
    for frame in archive.frames() {
        chain.check(&frame, &log, laid.size).map_err(Fault::Group)?;
        if first.is_none() {
            first = frame.records().next().and_then(|record| leaf::parse(record.leaf, &node).ok());
        }
    }
    if mode == Mode::Still {
        if let Some(byte) = archive.torn() {
            return Err(Fault::Torn { byte, size }.into());
        }
        check_listing(&log, laid.size, size)?;
    }
    if let Some(against) = &against {
        let seen = tiles.seen.or(chain.seen());
        if seen != Some(against.root) {
            return Err(Fault::Rewritten { against: against.size }.into());
        }
    }
    let time = |micros: i64| Timestamp::from_microsecond(micros).ok();
    let times = first.and_then(|first| time(first.micros)).zip(chain.time().and_then(time));
    Ok(Verified {
        origin: laid.origin,
        size,
        root: chain.frontier().root(),
        times,
        key: key_from,
        against: watch,
    })
}

fn find_key(log: &Path, given: Option<&str>) -> Result<(VerifyingKey, KeyFrom), VerifyError> {
    let path = log.join("vkey");
    let beside = read_text(&path)?;
    let (key, from) = match (given, &beside) {
        (Some(given), _) => (given.parse().map_err(VerifyError::Key)?, KeyFrom::Given),
        (None, Some(beside)) => match beside.parse() {
            Ok(key) => (key, KeyFrom::Beside),
            Err(_) => return Err(Fault::KeyBeside { path }.into()),
        },
        (None, None) if log.join("checkpoint").exists() => {
            return Err(VerifyError::CannotRead(CannotRead::Missing { path }));
        }
        (None, None) => return Err(no_head(log)),
    };
    let key: VerifyingKey = key;
    if beside.is_some_and(|beside| beside != format!("{key}\n")) {
        return Err(Fault::KeyBeside { path }.into());
    }
    Ok((key, from))
}

fn open(log: &Path) -> Result<Archive, VerifyError> {
    match Archive::open(log) {
        Err(CannotRead::NoLog { .. }) => Err(no_head(log)),
        other => Ok(other?),
    }
}

/// A log without its head has lost it; a directory without anything is no log.
fn no_head(log: &Path) -> VerifyError {
    let begun = ["tile", "journal", "vkey"].iter().any(|name| log.join(name).exists());
    if begun {
        Fault::Missing { path: log.join("checkpoint") }.into()
    } else {
        VerifyError::CannotRead(CannotRead::NoLog { path: log.to_owned() })
    }
}

/// The head that tiles are laid for, checked.
fn laid_head(archive: &Archive, key: &VerifyingKey, path: &Path) -> Result<Checkpoint, VerifyError> {
    let note = archive.laid_checkpoint();
    Ok(key.check(note).map_err(|source| Fault::Head { path: path.to_owned(), source })?)
}

/// What the tiles were found to be.
struct Tiles {
    edge: Edge,
    /// The time of the last record in them.
    last: Option<i64>,
    /// The root that was watched for.
    seen: Option<Digest>,
}

/// One bundle, checked against its tile of level 0.
struct Bundle {
    hashes: Vec<Digest>,
    /// The root over them, where they are 256.
    root: Option<Digest>,
    first: Option<leaf::Header>,
    last: Option<i64>,
}

/// Bundles are checked by two threads in turns; this one checks what is above them.
fn check_tiles(
    log: &Path,
    node: &str,
    head: &Checkpoint,
    watch: Option<u64>,
    first: &mut Option<leaf::Header>,
) -> Result<Tiles, VerifyError> {
    const AHEAD: usize = 32;
    let bundles = head.size.div_ceil(WIDTH);
    let mut edge = Edge::default();
    let mut last = None;
    let mut seen = None;
    thread::scope(|scope| -> Result<(), VerifyError> {
        let workers: [Receiver<Result<Bundle, VerifyError>>; 2] = [0, 1].map(|turn| {
            let (sender, receiver) = sync_channel(AHEAD);
            scope.spawn(move || check_bundles(log, node, head.size, turn, &sender));
            receiver
        });
        let turns = workers.iter().cycle();
        for (number, worker) in (0..bundles).zip(turns) {
            let bundle = worker.recv().expect("invariant: a worker sends a bundle or why it has none")?;
            let start = number * WIDTH;
            if let (Some(last), Some(next)) = (last, &bundle.first)
                && next.micros < last
            {
                return Err(Fault::Order { index: start }.into());
            }
            last = bundle.last;
            if let Some(watch) = watch.filter(|watch| (start..start + WIDTH).contains(watch)) {
                let mut frontier = edge.frontier();
                let part = usize::try_from(watch - start).unwrap_or(usize::MAX);
                bundle.hashes.iter().take(part).for_each(|hash| frontier.push(*hash));
                seen = (frontier.size() == watch).then(|| frontier.root());
            }
            if number == 0 {
                *first = bundle.first;
            }
            let compare = |tile: Tile, hashes: &[Digest]| compare(log, tile, hashes);
            match bundle.root {
                Some(root) => edge.push_tile(root, compare)?,
                None => bundle.hashes.iter().try_for_each(|hash| edge.push(*hash, compare))?,
            }
        }
        Ok(())
    })?;
    for (tile, hashes) in edge.partial() {
        compare(log, tile, hashes)?;
    }
    if edge.root() != head.root {
        return Err(Fault::Root { size: head.size, head: head.root, found: edge.root() }.into());
    }
    Ok(Tiles { edge, last, seen })
}

fn check_bundles(
    log: &Path,
    node: &str,
    size: u64,
    turn: u64,
    sender: &SyncSender<Result<Bundle, VerifyError>>,
) {
    let mut number = turn;
    while number < size.div_ceil(WIDTH) {
        let bundle =
            check_bundle(log, node, Tile { kind: Kind::Entries, number, width: width_of(number, size) });
        let failed = bundle.is_err();
        // Nobody listens any more once something has failed.
        if sender.send(bundle).is_err() || failed {
            return;
        }
        number += 2;
    }
}

fn check_bundle(log: &Path, node: &str, tile: Tile) -> Result<Bundle, VerifyError> {
    let bytes = read_tile(log, tile)?;
    let path = || log.join(tile.path());
    let start = tile.number * WIDTH;
    let mut hashes = Vec::with_capacity(256);
    let (mut first, mut last) = (None, None);
    let mut byte = 0;
    for (index, leaf) in (start..).zip(leaves(&bytes)) {
        let leaf = leaf.map_err(|cut| {
            let what = format!("its entry at byte {}, record {index}, is cut", cut.at);
            Fault::File { path: path(), what }
        })?;
        let header = leaf::parse(leaf, node).map_err(|source| Fault::Record {
            index,
            path: path(),
            byte: byte + 2,
            source,
        })?;
        if last.is_some_and(|last| header.micros < last) {
            return Err(Fault::Order { index }.into());
        }
        last = Some(header.micros);
        first = first.or(Some(header));
        hashes.push(leaf_hash(leaf));
        byte += leaf.len() + 2;
    }
    if u64::try_from(hashes.len()) != Ok(tile.width) {
        let what = format!("it has {} records instead of {}", hashes.len(), tile.width);
        return Err(Fault::File { path: path(), what }.into());
    }
    compare(log, Tile { kind: Kind::Hashes(0), ..tile }, &hashes)?;
    let root = (tile.width == WIDTH).then(|| full_root(&hashes));
    Ok(Bundle { hashes, root, first, last })
}

/// Holds a tile on disk against what it must be.
fn compare(log: &Path, tile: Tile, hashes: &[Digest]) -> Result<(), VerifyError> {
    let stored = read_hashes(log, tile)?;
    let differs = (0u64..).zip(stored.iter().zip(hashes)).find(|(_, (stored, hash))| stored != hash);
    let Some((place, _)) = differs else { return Ok(()) };
    let level = match tile.kind {
        Kind::Entries => 0,
        Kind::Hashes(level) => u32::from(level),
    };
    let index = (tile.number * WIDTH + place) << (8 * level);
    Err(Fault::Hash { path: log.join(tile.path()), byte: place * 32, index }.into())
}

/// Looks through all tiles that are there: none may reach beyond the head, and superseded ones
/// must be the beginning of what superseded them.
fn check_listing(log: &Path, laid: u64, size: u64) -> Result<(), VerifyError> {
    let tiles = list_tiles(log)?;
    if let Some(tile) = tiles.iter().find(|tile| !tile.is_within(size)) {
        return Err(Fault::Beyond { path: log.join(tile.path()), size }.into());
    }
    // Those between the two heads are laid again when the log is opened.
    for tile in tiles.into_iter().filter(|tile| tile.width < WIDTH && tile.is_within(laid)) {
        let filled = match tile.kind {
            Kind::Entries => laid,
            Kind::Hashes(level) => level_size(laid, level),
        };
        let newest = Tile { width: width_of(tile.number, filled), ..tile };
        if newest != tile {
            check_superseded(log, tile, newest)?;
        }
    }
    Ok(())
}

fn check_superseded(log: &Path, tile: Tile, newest: Tile) -> Result<(), VerifyError> {
    let (old, new) = (read_tile(log, tile)?, read_tile(log, newest)?);
    let count = match tile.kind {
        Kind::Hashes(_) => parse_hashes(&old).map(|hashes| hashes.len()),
        Kind::Entries => leaves(&old).try_fold(0, |count, leaf| leaf.ok().map(|_| count + 1)),
    };
    let whole = count.and_then(|count| u64::try_from(count).ok()) == Some(tile.width);
    if whole && new.starts_with(&old) {
        return Ok(());
    }
    let what = "it is not the beginning of the tile that superseded it".to_owned();
    Err(Fault::File { path: log.join(tile.path()), what }.into())
}
