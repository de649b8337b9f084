//! Leaves in order, from wherever they lie at the time.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use crate::archive::{CannotRead, bundle_of, read_tile};
use crate::frame::Frame;
use crate::tile::{WIDTH, leaves};

/// One record as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its index.
    pub index: u64,
    /// Its bytes: one JSON object on one line.
    pub bytes: Vec<u8>,
}

/// Where leaves come from.
pub(crate) trait Source: Send + Sync {
    /// How many there are.
    fn size(&self) -> u64;
    /// Some leaves from `index` on, which is below the size; at least one.
    fn leaves(&self, index: u64) -> Result<VecDeque<Leaf>, CannotRead>;
}

/// The records of a log from some index to the head it had when reading began, in order.
pub struct Reader {
    source: Arc<dyn Source>,
    next: u64,
    end: u64,
    ready: VecDeque<Leaf>,
}

impl Reader {
    pub(crate) fn live(source: Arc<dyn Source>, from: u64) -> Self {
        let end = source.size();
        Reader { source, next: from, end, ready: VecDeque::new() }
    }
}

impl Iterator for Reader {
    type Item = Result<Leaf, CannotRead>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        if self.ready.is_empty() {
            match self.source.leaves(self.next) {
                Ok(leaves) => self.ready = leaves,
                Err(error) => {
                    self.next = self.end;
                    return Some(Err(error));
                }
            }
        }
        let leaf = self.ready.pop_front()?;
        self.next = leaf.index.saturating_add(1);
        Some(Ok(leaf))
    }
}

/// The leaves from `index` to the end of its bundle, in a tree of `size` leaves.
pub(crate) fn from_bundle(log: &Path, index: u64, size: u64) -> Result<VecDeque<Leaf>, CannotRead> {
    let tile = bundle_of(index, size);
    let bytes = read_tile(log, tile)?;
    let first = tile.number.saturating_mul(WIDTH);
    let mut found = VecDeque::new();
    for (place, leaf) in (first..).zip(leaves(&bytes)) {
        let leaf = leaf.map_err(|cut| {
            let what = format_args!("its entry at byte {} is cut", cut.at);
            CannotRead::damaged(&log.join(tile.path()), what)
        })?;
        if place >= index {
            found.push_back(Leaf { index: place, bytes: leaf.to_vec() });
        }
    }
    if found.is_empty() {
        let what = format_args!("record {index} is not in it");
        return Err(CannotRead::damaged(&log.join(tile.path()), what));
    }
    Ok(found)
}

/// The leaves of a frame from `index` on.
pub(crate) fn from_frame(frame: &Frame<'_>, index: u64) -> VecDeque<Leaf> {
    (frame.start..)
        .zip(frame.records())
        .filter(|(place, _)| *place >= index)
        .map(|(index, record)| Leaf { index, bytes: record.leaf.to_vec() })
        .collect()
}
