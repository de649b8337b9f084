//! Stored payloads on disk: files of [`RECORDS`] records each under `payload/`, every payload
//! behind its record's index and length. What they mean is not known here.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::disk::make_dir;
use crate::hash::sha256;
use crate::tile::push_number;

/// The records whose payloads share a file.
const RECORDS: u64 = 4096;
const HEADER: usize = 16;

/// The file for a record's payload.
fn path(dir: &Path, segment: u64) -> PathBuf {
    let mut name = String::new();
    push_number(&mut name, segment);
    dir.join(name.trim_start_matches('/'))
}

/// Index, length and a check over both, so that a place in a file is known to be an entry.
fn header(index: u64, length: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    let (fields, check) = bytes.split_at_mut(12);
    let (first, second) = fields.split_at_mut(8);
    first.copy_from_slice(&index.to_le_bytes());
    second.copy_from_slice(&length.to_le_bytes());
    let sum = sha256(fields);
    check.copy_from_slice(sum.0.first_chunk::<4>().expect("invariant: SHA-256 has 32 bytes"));
    bytes
}

fn parse_header(bytes: &[u8; HEADER]) -> Option<(u64, u32)> {
    let (index, rest) = bytes.split_first_chunk::<8>()?;
    let (length, _) = rest.split_first_chunk::<4>()?;
    let (index, length) = (u64::from_le_bytes(*index), u32::from_le_bytes(*length));
    (header(index, length) == *bytes).then_some((index, length))
}

/// One entry found in a file.
struct Found {
    index: u64,
    /// Where its payload begins, and how long it is.
    at: u64,
    length: u32,
}

/// Walks a file's entries.
fn entries(file: &File) -> io::Result<impl Iterator<Item = io::Result<Found>> + '_> {
    let size = file.metadata()?.len();
    let mut at = 0u64;
    Ok(std::iter::from_fn(move || {
        let begin = at.checked_add(16).filter(|begin| *begin <= size)?;
        let mut bytes = [0; HEADER];
        if let Err(error) = file.read_exact_at(&mut bytes, at) {
            at = u64::MAX;
            return Some(Err(error));
        }
        let (index, length) = parse_header(&bytes)?;
        let end = begin.checked_add(u64::from(length)).filter(|end| *end <= size)?;
        at = end;
        Some(Ok(Found { index, at: begin, length }))
    }))
}

/// The stored payload of a record; `None` where its file has none.
pub(crate) fn read(dir: &Path, index: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path(dir, index / RECORDS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    for entry in entries(&file)? {
        let entry = entry?;
        if entry.index == index {
            let mut stored = vec![0; usize::try_from(entry.length).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut stored, entry.at)?;
            return Ok(Some(stored));
        }
    }
    Ok(None)
}

/// Appends payloads in the order of their records.
pub(crate) struct SegmentWriter {
    dir: PathBuf,
    /// Records below this have their payloads in files already; what lies behind them in a file
    /// is from before a crash.
    laid: u64,
    open: Option<(u64, File)>,
    buffer: Vec<u8>,
}

impl SegmentWriter {
    pub(crate) fn new(dir: &Path, laid: u64) -> Self {
        SegmentWriter { dir: dir.to_owned(), laid, open: None, buffer: Vec::new() }
    }

    /// The directory they lie in.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Adds one; gives back a file that is complete and has to be flushed.
    pub(crate) fn push(&mut self, index: u64, stored: &[u8]) -> io::Result<Option<Written>> {
        let segment = index / RECORDS;
        let mut full = None;
        if self.open.as_ref().is_none_or(|(open, _)| *open != segment) {
            full = self.finish()?;
            self.open = Some((segment, self.open_segment(segment)?));
        }
        let length = u32::try_from(stored.len()).expect("invariant: payloads are below 4 GiB");
        self.buffer.extend_from_slice(&header(index, length));
        self.buffer.extend_from_slice(stored);
        if self.buffer.len() > 1 << 20 {
            self.write()?;
        }
        Ok(full)
    }

    /// Writes what is held back, and gives the file that has to be flushed.
    pub(crate) fn finish(&mut self) -> io::Result<Option<Written>> {
        self.write()?;
        let dir = &self.dir;
        Ok(self.open.take().map(|(segment, file)| Written { file, path: path(dir, segment) }))
    }

    /// Everything below `laid` is durable: a file is gone on with, not begun again.
    pub(crate) fn advance(&mut self, laid: u64) {
        self.laid = laid;
    }

    fn write(&mut self) -> io::Result<()> {
        if let Some((_, file)) = &mut self.open {
            file.write_all(&self.buffer)?;
        }
        self.buffer.clear();
        Ok(())
    }

    fn open_segment(&self, segment: u64) -> io::Result<File> {
        let path = path(&self.dir, segment);
        if let Some(parent) = path.parent() {
            make_dir(parent, 0o700)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
        let mut end = 0;
        for entry in entries(&file)? {
            let entry = entry?;
            if entry.index >= self.laid {
                break;
            }
            end = entry.at.saturating_add(u64::from(entry.length));
        }
        file.set_len(end)?;
        Ok(file)
    }
}

/// A file that was written and not yet flushed.
pub(crate) struct Written {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
}
