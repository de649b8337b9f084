//! A log's directory, read: tiles below the head that `checkpoint` names, and above it the
//! journal's groups. Nothing is written, nobody is asked; a writer may be at work meanwhile.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringfence_model::Digest;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::disk::read_if_there;
use crate::edge::Edge;
use crate::frame::{BLOCK, Contents, Damaged, Frame, is_zero, scan};
use crate::hash::leaf_hash;
use crate::log::ProveError;
use crate::merkle::{Nodes, prove_consistency, prove_inclusion, range_root};
use crate::note::Checkpoint;
use crate::reader::{Leaf, Reader, Source, from_bundle, from_frame};
use crate::tile::{Kind, Tile, WIDTH, parse_hashes, subtree_root, width_of};

/// A file of the log that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CannotRead {
    /// The file system said no.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no log.
    #[error("`{}` holds no log: it has no `checkpoint`", path.display())]
    NoLog {
        /// The directory.
        path: PathBuf,
    },
    /// A file that the log's size says must be there is not.
    #[error("`{}` is missing", path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// A file has other content than a log's.
    #[error("`{}` is damaged: {what}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl CannotRead {
    pub(crate) fn damaged(path: &Path, what: impl fmt::Display) -> Self {
        CannotRead::Damaged { path: path.to_owned(), what: format!("{what}") }
    }
}

/// The directory with the tiles: `dir` itself, or `log` in it where `dir` is a data directory.
pub(crate) fn log_dir(dir: &Path) -> PathBuf {
    let below = dir.join("log");
    if !dir.join("checkpoint").exists() && below.is_dir() { below } else { dir.to_owned() }
}

/// The bytes of a tile or bundle; where a partial one is gone, those of the full one, cut.
pub(crate) fn read_tile(log: &Path, tile: Tile) -> Result<Vec<u8>, CannotRead> {
    let path = log.join(tile.path());
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| CannotRead::Io { path, source }
    };
    if let Some(bytes) = read_if_there(&path).map_err(io(&path))? {
        return Ok(bytes);
    }
    let wider = wider_tile(log, tile).map_err(io(&path))?;
    let wider = wider.ok_or_else(|| CannotRead::Missing { path: path.clone() })?;
    let full = log.join(wider.path());
    let bytes = read_if_there(&full).map_err(io(&full))?.ok_or(CannotRead::Missing { path })?;
    let places = usize::try_from(tile.width).unwrap_or(usize::MAX);
    let end = match tile.kind {
        Kind::Hashes(_) => places.saturating_mul(32),
        Kind::Entries => crate::tile::leaves(&bytes)
            .take(places)
            .map(|leaf| leaf.map(|leaf| leaf.len() + 2))
            .sum::<Result<usize, _>>()
            .map_err(|cut| CannotRead::damaged(&full, format_args!("its entry at byte {} is cut", cut.at)))?,
    };
    bytes.get(..end).map(<[u8]>::to_vec).ok_or_else(|| CannotRead::damaged(&full, "it is too short"))
}

/// A tile that took the place of a partial one.
fn wider_tile(log: &Path, tile: Tile) -> io::Result<Option<Tile>> {
    let full = Tile { width: WIDTH, ..tile };
    if tile.width >= WIDTH {
        return Ok(None);
    }
    if log.join(full.path()).exists() {
        return Ok(Some(full));
    }
    let path = log.join(tile.path());
    let listing = match path.parent().map(fs::read_dir) {
        Some(Ok(listing)) => listing,
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => return Ok(None),
    };
    let mut wider = None;
    for file in listing {
        let width = file?.file_name().to_str().and_then(|name| name.parse().ok());
        let width: Option<u64> = width.filter(|width| (tile.width..WIDTH).contains(width));
        wider = wider.max(width);
    }
    Ok(wider.map(|width| Tile { width, ..tile }))
}

/// Every tile and bundle that is there, as its name says. What is named otherwise is no part of
/// a log, and nobody reads it.
pub(crate) fn list_tiles(log: &Path) -> Result<Vec<Tile>, CannotRead> {
    let mut tiles = Vec::new();
    let mut todo = vec![PathBuf::from("tile")];
    while let Some(dir) = todo.pop() {
        let path = log.join(&dir);
        let io = |source| CannotRead::Io { path: path.clone(), source };
        let listing = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(io)?,
        };
        for file in listing {
            let file = file.map_err(io)?;
            let name = dir.join(file.file_name());
            if file.file_type().map_err(io)?.is_dir() {
                todo.push(name);
            } else if let Some(tile) = name.to_str().and_then(Tile::from_path) {
                tiles.push(tile);
            }
        }
    }
    Ok(tiles)
}

/// The hashes of a tile, as many as it is wide.
pub(crate) fn read_hashes(log: &Path, tile: Tile) -> Result<Vec<Digest>, CannotRead> {
    let bytes = read_tile(log, tile)?;
    parse_hashes(&bytes).filter(|hashes| u64::try_from(hashes.len()) == Ok(tile.width)).ok_or_else(|| {
        CannotRead::damaged(&log.join(tile.path()), "it has not as many hashes as its name says")
    })
}

/// The bundle that holds `index` in a tree of `size` leaves.
pub(crate) fn bundle_of(index: u64, size: u64) -> Tile {
    let number = index / WIDTH;
    Tile { kind: Kind::Entries, number, width: width_of(number, size) }
}

/// A journal as it was read: both halves, without what was never written at their ends.
pub(crate) struct Journal {
    halves: [Vec<u8>; 2],
    length: u64,
}

impl Journal {
    /// `None` where there is none.
    pub(crate) fn read(log: &Path) -> Result<Option<Journal>, CannotRead> {
        let path = log.join("journal");
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other,
        };
        let read = file.and_then(|file| {
            let length = file.metadata()?.len();
            let half = length / 2;
            let halves = [read_written(&file, 0, half)?, read_written(&file, half, length)?];
            Ok(Journal { halves, length })
        });
        read.map(Some).map_err(|source| CannotRead::Io { path, source })
    }

    /// The frames that count beside tiles that hold `laid` records.
    pub(crate) fn scan(&self, laid: u64) -> Result<Contents<'_>, Damaged> {
        let [first, second] = &self.halves;
        scan([first, second], self.length, laid)
    }

    /// The frame at a byte.
    fn frame(&self, at: u64) -> Option<Frame<'_>> {
        let half = self.length / 2;
        let [first, second] = &self.halves;
        let (half, at) = if at < half { (first, at) } else { (second, at.checked_sub(half)?) };
        Frame::parse(half.get(usize::try_from(at).ok()?..)?)
    }
}

/// What was written of a file from `start` to `end`: read up to where nothing ever was. Whole
/// blocks, as frames are.
fn read_written(file: &File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let block = u64::try_from(BLOCK).unwrap_or(u64::MAX);
    let mut written = start;
    while written < end {
        let data = match rustix::fs::seek(file, SeekFrom::Data(written)) {
            Ok(data) => data,
            // Nothing but a hole from here on.
            Err(Errno::NXIO) => break,
            // No holes on this file system.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                written = end;
                break;
            }
            Err(error) => return Err(error.into()),
        };
        if data >= end {
            break;
        }
        written = rustix::fs::seek(file, SeekFrom::Hole(data))?;
    }
    let length = written.min(end).saturating_sub(start).next_multiple_of(block).min(end - start);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, start)?;
    // Allocated and zeroed ahead of the writer.
    let zero = bytes.rchunks(BLOCK).take_while(|block| is_zero(block)).map(<[u8]>::len).sum::<usize>();
    bytes.truncate(bytes.len() - zero);
    bytes.shrink_to_fit();
    Ok(bytes)
}

/// A log's directory, opened to read and to prove. What it gives is as stored and not verified:
/// that is [`verify`](crate::verify())'s work.
pub struct Archive {
    inner: Arc<Inner>,
}

struct Inner {
    log: PathBuf,
    /// Records below this are read from tiles.
    laid: u64,
    size: u64,
    /// The head of the tiles.
    laid_note: String,
    /// The newest head.
    note: String,
    journal: Option<Journal>,
    /// Where in the journal a group was begun and not finished.
    torn: Option<u64>,
    /// Where the journal's frames are: index of the first record, of the one after the last, and
    /// place.
    frames: Vec<(u64, u64, u64)>,
}

/// How often reading is begun again while a writer is at work.
const ATTEMPTS: u32 = 20;

impl Archive {
    /// Opens a log's directory, or the data directory that holds it, while a writer may be at work.
    ///
    /// # Errors
    /// No log there, files that cannot be read, a journal that no crash can have left like that.
    pub fn open(dir: &Path) -> Result<Archive, CannotRead> {
        let log = log_dir(dir);
        let path = log.join("checkpoint");
        let mut attempts = 0;
        loop {
            let note = read_text(&path)?.ok_or_else(|| CannotRead::NoLog { path: log.clone() })?;
            let head = Checkpoint::unverified(&note).map_err(|bad| CannotRead::damaged(&path, bad))?;
            let journal = Journal::read(&log)?;
            let scanned = journal.as_ref().map(|journal| journal.scan(head.size)).transpose();
            match scanned {
                Ok(contents) => {
                    let torn = contents.as_ref().and_then(|contents| contents.torn);
                    let frames: Vec<(u64, Frame<'_>)> =
                        contents.into_iter().flat_map(|contents| contents.frames).collect();
                    let newest = frames.last().filter(|(_, frame)| frame.end() > head.size);
                    let laid_note = note;
                    let note = newest.map_or_else(|| laid_note.clone(), |(_, frame)| frame.note.to_owned());
                    let size = newest.map_or(head.size, |(_, frame)| frame.end());
                    let frames = frames.iter().map(|(at, frame)| (frame.start, frame.end(), *at)).collect();
                    let inner = Inner { log, laid: head.size, size, laid_note, note, journal, torn, frames };
                    return Ok(Archive { inner: Arc::new(inner) });
                }
                Err(damaged) => {
                    attempts += 1;
                    // A writer that has laid tiles meanwhile uses the journal again.
                    if attempts >= ATTEMPTS || read_text(&path)?.as_deref() == Some(&note) {
                        return Err(CannotRead::damaged(&log.join("journal"), damaged));
                    }
                }
            }
        }
    }

    /// The tiles alone.
    pub(crate) fn of_tiles(log: &Path, laid: u64) -> Archive {
        let (log, laid_note, note) = (log.to_owned(), String::new(), String::new());
        let inner =
            Inner { log, laid, size: laid, laid_note, note, journal: None, torn: None, frames: Vec::new() };
        Archive { inner: Arc::new(inner) }
    }

    /// How many records there are.
    pub fn size(&self) -> u64 {
        self.inner.size
    }

    /// The newest head, as the signed note that says so.
    pub fn checkpoint(&self) -> &str {
        &self.inner.note
    }

    /// The records from `from` on, in order.
    pub fn read(&self, from: u64) -> Reader {
        Reader::live(Arc::clone(&self.inner) as _, from)
    }

    /// The proof that record `index` is in the tree of `size` records (RFC 6962, section 2.1.1),
    /// lowest level first.
    ///
    /// # Errors
    /// A size beyond the head, an index beyond the size, tiles that cannot be read.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Digest>, ProveError> {
        if index >= size || size > self.inner.size {
            return Err(ProveError::Range { from: index, to: size, size: self.inner.size });
        }
        Ok(prove_inclusion(&mut self.inner.tree(size)?, index, size)?)
    }

    /// The proof that the tree of `new` records extends that of `old` (RFC 6962, section 2.1.2),
    /// lowest level first.
    ///
    /// # Errors
    /// Sizes that are not in order or beyond the head, tiles that cannot be read.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Digest>, ProveError> {
        if old > new || new > self.inner.size {
            return Err(ProveError::Range { from: old, to: new, size: self.inner.size });
        }
        Ok(prove_consistency(&mut self.inner.tree(new)?, old, new)?)
    }

    /// The root of the first `size` records, by the tiles.
    ///
    /// # Errors
    /// A size beyond the head, tiles that cannot be read.
    pub fn root(&self, size: u64) -> Result<Digest, ProveError> {
        if size > self.inner.size {
            return Err(ProveError::Range { from: 0, to: size, size: self.inner.size });
        }
        if size == 0 {
            return Ok(crate::hash::sha256(b""));
        }
        Ok(range_root(&mut self.inner.tree(size)?, 0, size)?)
    }
}

/// What checking a log needs of it.
impl Archive {
    /// The head that `checkpoint` names: tiles are laid for it.
    pub(crate) fn laid_checkpoint(&self) -> &str {
        &self.inner.laid_note
    }

    /// Where in the journal a group was begun and not finished.
    pub(crate) fn torn(&self) -> Option<u64> {
        self.inner.torn
    }

    /// The journal's groups, oldest first.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        self.inner.frames.iter().filter_map(|(_, _, at)| self.inner.frame(*at))
    }
}

impl Inner {
    fn frame(&self, at: u64) -> Option<Frame<'_>> {
        self.journal.as_ref()?.frame(at)
    }

    /// The nodes of the tree, for a proof about at most `size` leaves.
    fn tree(&self, size: u64) -> Result<Tree<'_>, CannotRead> {
        let mut tree = Tree { log: &self.log, laid: self.laid, above: HashMap::new(), read: HashMap::new() };
        if size <= self.laid {
            return Ok(tree);
        }
        let mut edge = Edge::load(self.laid, |tile| read_hashes(&self.log, tile))?;
        let above = &mut tree.above;
        for (_, end, at) in &self.frames {
            let Some(frame) = self.frame(*at).filter(|_| *end > self.laid) else { continue };
            for leaf in from_frame(&frame, edge.size()) {
                edge.push(leaf_hash(&leaf.bytes), |tile, hashes| -> Result<(), CannotRead> {
                    above.insert((tile.kind, tile.number), hashes.to_vec());
                    Ok(())
                })?;
            }
        }
        above.extend(edge.partial().map(|(tile, hashes)| ((tile.kind, tile.number), hashes.to_vec())));
        Ok(tree)
    }
}

impl Source for Inner {
    fn size(&self) -> u64 {
        self.size
    }

    fn leaves(&self, index: u64) -> Result<VecDeque<Leaf>, CannotRead> {
        if index < self.laid {
            return from_bundle(&self.log, index, self.laid);
        }
        let holds = |(start, end, _): &&(u64, u64, u64)| (*start..*end).contains(&index);
        let frame = self.frames.iter().find(holds).and_then(|(_, _, at)| self.frame(*at));
        let frame = frame.ok_or_else(|| {
            CannotRead::damaged(&self.log.join("journal"), format_args!("record {index} is not in it"))
        })?;
        Ok(from_frame(&frame, index))
    }
}

/// Inner nodes, from tiles on disk and those that would be laid next.
struct Tree<'a> {
    log: &'a Path,
    laid: u64,
    above: HashMap<(Kind, u64), Vec<Digest>>,
    read: HashMap<(Kind, u64), Vec<Digest>>,
}

impl Nodes for Tree<'_> {
    type Error = CannotRead;

    fn node(&mut self, level: u32, index: u64) -> Result<Digest, CannotRead> {
        let (row, within) = (level / 8, level % 8);
        let kind = Kind::Hashes(u8::try_from(row).expect("invariant: a level is below 64"));
        let number = index >> (8 - within);
        let start = (index << within) % WIDTH;
        let key = (kind, number);
        let hashes = match self.above.get(&key).or_else(|| self.read.get(&key)) {
            Some(hashes) => hashes,
            None => {
                let filled = self.laid.checked_shr(row * 8).unwrap_or(0);
                let tile = Tile { kind, number, width: width_of(number, filled) };
                let hashes = read_hashes(self.log, tile)?;
                self.read.entry(key).or_insert(hashes)
            }
        };
        subtree_root(hashes, within, start).ok_or_else(|| {
            CannotRead::damaged(self.log, format_args!("node {index} of level {level} is missing"))
        })
    }
}

/// The text of a file; `None` where there is none.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, CannotRead> {
    let io = |source| CannotRead::Io { path: path.to_owned(), source };
    let bytes = read_if_there(path).map_err(io)?;
    bytes
        .map(|bytes| String::from_utf8(bytes).map_err(|_| CannotRead::damaged(path, "it is not UTF-8")))
        .transpose()
}
