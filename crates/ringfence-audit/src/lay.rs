//! Laying tiles: turns records that the journal holds into tlog-tiles and payload files, flushes
//! them, and only then says so in `checkpoint`. Interrupted anywhere it is begun again from the
//! last `checkpoint`; no file that one covers is ever written twice.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ringfence_model::Digest;

use crate::disk::{make_dir, replace, sync_dir};
use crate::edge::Edge;
use crate::frame::FrameRecord;
use crate::hash::leaf_hash;
use crate::segment::{SegmentWriter, Written};
use crate::tile::{Kind, Tile, WIDTH, push_leaf, width_of};

/// Files that are open and not flushed, before some are.
const UNFLUSHED: usize = 64;

/// The one that lays tiles in a directory.
pub(crate) struct Layer {
    log: PathBuf,
    edge: Edge,
    /// The entries of the last bundle, where it is not full.
    bundle: Vec<u8>,
    payloads: SegmentWriter,
    unflushed: Vec<Written>,
    directories: BTreeSet<PathBuf>,
    /// Partial tiles that the last checkpoint, and the one before it, are made of.
    partial: [Vec<Tile>; 2],
}

/// Where laying failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
pub struct LayError {
    path: PathBuf,
    source: io::Error,
}

impl LayError {
    pub(crate) fn into_parts(self) -> (PathBuf, io::Error) {
        (self.path, self.source)
    }
}

impl Layer {
    /// Goes on behind what is laid: `edge` and `bundle` are the tree's right edge.
    pub(crate) fn new(log: &Path, payload: &Path, edge: Edge, bundle: Vec<u8>) -> Self {
        let payloads = SegmentWriter::new(payload, edge.size());
        let last = partial_tiles(&edge);
        Layer {
            log: log.to_owned(),
            edge,
            bundle,
            payloads,
            unflushed: Vec::new(),
            directories: BTreeSet::new(),
            partial: [Vec::new(), last],
        }
    }

    /// Takes the next record.
    pub(crate) fn push(&mut self, record: FrameRecord<'_>) -> Result<(), LayError> {
        let index = self.edge.size();
        push_leaf(&mut self.bundle, record.leaf);
        let mut full: Vec<(Tile, Vec<u8>)> = Vec::new();
        self.edge
            .push(leaf_hash(record.leaf), |tile, hashes| -> Result<(), std::convert::Infallible> {
                full.push((tile, bytes_of(hashes)));
                Ok(())
            })
            .unwrap_or_else(|never| match never {});
        if !full.is_empty() {
            let number = index / WIDTH;
            let bundle = std::mem::take(&mut self.bundle);
            self.write(Tile { kind: Kind::Entries, number, width: WIDTH }, &bundle)?;
        }
        for (tile, bytes) in full {
            self.write(tile, &bytes)?;
        }
        if !record.payload.is_empty() {
            let done = self.payloads.push(index, record.payload);
            let done = done.map_err(|source| LayError { path: self.payloads.dir().to_owned(), source })?;
            if let Some(done) = done {
                self.keep(done)?;
            }
        }
        Ok(())
    }

    /// Makes everything taken durable, and `note` the newest head.
    pub(crate) fn finish(&mut self, note: &str) -> Result<(), LayError> {
        // What the last checkpoint has stays untouched: the same tile has the same bytes, and one
        // that is being written again would be cut if this process were stopped meanwhile.
        let [_, last] = &self.partial;
        let partial: Vec<(Tile, Vec<u8>)> = self
            .edge
            .partial()
            .filter(|(tile, _)| !last.contains(tile))
            .map(|(tile, hashes)| (tile, bytes_of(hashes)))
            .collect();
        let entries = self.edge.size();
        let width = width_of(entries / WIDTH, entries);
        let newest = Tile { kind: Kind::Entries, number: entries / WIDTH, width };
        if width > 0 && !last.contains(&newest) {
            let bundle = std::mem::take(&mut self.bundle);
            let result = self.write(newest, &bundle);
            self.bundle = bundle;
            result?;
        }
        for (tile, bytes) in partial {
            self.write(tile, &bytes)?;
        }
        let done = self.payloads.finish();
        if let Some(done) =
            done.map_err(|source| LayError { path: self.payloads.dir().to_owned(), source })?
        {
            self.keep(done)?;
        }
        self.flush()?;
        for path in std::mem::take(&mut self.directories) {
            sync_dir(&path).map_err(|source| LayError { path, source })?;
        }
        let path = self.log.join("checkpoint");
        replace(&path, note.as_bytes(), 0o600).map_err(|source| LayError { path, source })?;
        self.payloads.advance(entries);
        self.sweep();
        Ok(())
    }

    fn write(&mut self, tile: Tile, bytes: &[u8]) -> Result<(), LayError> {
        let path = self.log.join(tile.path());
        let file = self.create(&path, bytes).map_err(|source| LayError { path: path.clone(), source })?;
        self.keep(Written { file, path })
    }

    fn create(&mut self, path: &Path, bytes: &[u8]) -> io::Result<File> {
        let parent = path.parent().unwrap_or(&self.log);
        if !self.directories.contains(parent) {
            make_dir(parent, 0o700)?;
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        Ok(file)
    }

    /// Remembers a file that has to be flushed, and its directory with it.
    fn keep(&mut self, written: Written) -> Result<(), LayError> {
        if let Some(parent) = written.path.parent()
            && !self.directories.contains(parent)
        {
            self.directories.insert(parent.to_owned());
        }
        self.unflushed.push(written);
        if self.unflushed.len() >= UNFLUSHED { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), LayError> {
        for Written { file, path } in self.unflushed.drain(..) {
            file.sync_all().map_err(|source| LayError { path, source })?;
        }
        Ok(())
    }

    /// Removes partial tiles that no checkpoint but old ones needs. Whoever reads beside the
    /// writer may still hold the last one, so its tiles stay.
    fn sweep(&mut self) {
        let newest = partial_tiles(&self.edge);
        let [old, last] = &self.partial;
        for tile in old.iter().filter(|tile| !last.contains(tile) && !newest.contains(tile)) {
            let path = self.log.join(tile.path());
            // A file that stays behind harms nobody, and neither does a directory with others in it.
            fs::remove_file(&path).ok();
            if let Some(parent) = path.parent() {
                fs::remove_dir(parent).ok();
            }
        }
        self.partial.swap(0, 1);
        let [_, last] = &mut self.partial;
        *last = newest;
    }
}

/// Every partial tile of a tree, bundle included.
fn partial_tiles(edge: &Edge) -> Vec<Tile> {
    let hashes = edge.partial().map(|(tile, _)| tile);
    let (number, width) = (edge.size() / WIDTH, edge.size() % WIDTH);
    let bundle = (width > 0).then_some(Tile { kind: Kind::Entries, number, width });
    hashes.chain(bundle).collect()
}

fn bytes_of(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}
