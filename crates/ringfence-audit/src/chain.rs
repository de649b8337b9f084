//! Records one after the other, as they must be: the tree they make, and their order in time.
//! Recovery and verification hold the journal's groups against it.

use std::path::Path;

use ringfence_model::Digest;

use crate::archive::{CannotRead, read_hashes};
use crate::frame::Frame;
use crate::hash::leaf_hash;
use crate::leaf::{self, BadLeaf};
use crate::merkle::Frontier;
use crate::note::{BadNote, VerifyingKey};
use crate::tile::{Kind, Tile, WIDTH, width_of};

/// Something that breaks the chain of records.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A group's head cannot be trusted.
    #[error("the head of the group that begins with record {start}: {source}")]
    Head {
        /// The group's first record.
        start: u64,
        /// What is wrong with it.
        source: BadNote,
    },
    /// A group's head is not about its records.
    #[error("the head of the group that begins with record {start} is not what its records give")]
    Root {
        /// The group's first record.
        start: u64,
    },
    /// A record that this log never wrote.
    #[error("record {index}: {source}")]
    Leaf {
        /// Which.
        index: u64,
        /// What is wrong with it.
        source: BadLeaf,
    },
    /// Time runs backwards.
    #[error("record {index} is older than the one before it")]
    Order {
        /// The record that is too old.
        index: u64,
    },
    /// Journal and tiles differ.
    #[error("record {index} is another one in the tiles")]
    Differs {
        /// Which.
        index: u64,
    },
    /// The tiles that a group is held against cannot be read.
    #[error("the tiles beside it: {0}")]
    Tiles(CannotRead),
}

/// The records so far.
pub(crate) struct Chain<'a> {
    key: &'a VerifyingKey,
    node: &'a str,
    frontier: Frontier,
    micros: Option<i64>,
    watch: Option<u64>,
    seen: Option<Digest>,
}

impl<'a> Chain<'a> {
    /// Goes on from a tree and the time of its last record.
    pub(crate) fn new(key: &'a VerifyingKey, node: &'a str, frontier: Frontier, last: Option<i64>) -> Self {
        Chain { key, node, frontier, micros: last, watch: None, seen: None }
    }

    /// Remembers the root of the tree when it has this size.
    pub(crate) fn watch(&mut self, size: u64) {
        self.watch = Some(size);
        self.look();
    }

    /// The root that was watched for, once it has been reached.
    pub(crate) fn seen(&self) -> Option<Digest> {
        self.seen
    }

    /// The time of the last record, in microseconds since 1970.
    pub(crate) fn time(&self) -> Option<i64> {
        self.micros
    }

    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    pub(crate) fn into_frontier(self) -> Frontier {
        self.frontier
    }

    fn look(&mut self) {
        if self.watch == Some(self.frontier.size()) {
            self.seen = Some(self.frontier.root());
        }
    }

    /// Checks one group against its head, and goes on over it; the part of it that lies in tiles
    /// already is held against them.
    pub(crate) fn check(&mut self, frame: &Frame<'_>, log: &Path, laid: u64) -> Result<(), Broken> {
        let start = frame.start;
        let head = self.key.check(frame.note).map_err(|source| Broken::Head { start, source })?;
        if head.size != frame.end() {
            return Err(Broken::Root { start });
        }
        let mut tile: Option<(u64, Vec<Digest>)> = None;
        for (index, record) in (start..).zip(frame.records()) {
            let hash = leaf_hash(record.leaf);
            if index >= laid {
                let header =
                    leaf::parse(record.leaf, self.node).map_err(|source| Broken::Leaf { index, source })?;
                if self.micros.is_some_and(|last| header.micros < last) {
                    return Err(Broken::Order { index });
                }
                self.micros = Some(header.micros);
                self.frontier.push(hash);
                self.look();
                continue;
            }
            let number = index / WIDTH;
            if tile.as_ref().is_none_or(|(read, _)| *read != number) {
                let wanted = Tile { kind: Kind::Hashes(0), number, width: width_of(number, laid) };
                tile = Some((number, read_hashes(log, wanted).map_err(Broken::Tiles)?));
            }
            let place = usize::try_from(index % WIDTH).unwrap_or(usize::MAX);
            if tile.as_ref().and_then(|(_, hashes)| hashes.get(place)) != Some(&hash) {
                return Err(Broken::Differs { index });
            }
        }
        if frame.end() > laid && self.frontier.root() != head.root {
            return Err(Broken::Root { start });
        }
        Ok(())
    }
}
