//! The right edge of the tree in tiles: what has to be known to append to them. Shared by whoever
//! lays tiles, makes proofs over records that are not laid yet, or checks a tree.

use ringfence_model::Digest;

use crate::merkle::Frontier;
use crate::tile::{Kind, Tile, WIDTH, full_root, level_size};

/// The hashes of each level's last, unfilled tile.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    size: u64,
    levels: Vec<Vec<Digest>>,
}

impl Edge {
    /// The edge of a tree of `size` leaves, from what `tail` gives for each level: the hashes of
    /// its last tile where that is not full.
    pub(crate) fn load<E>(
        size: u64,
        mut tail: impl FnMut(Tile) -> Result<Vec<Digest>, E>,
    ) -> Result<Self, E> {
        let mut levels = Vec::new();
        for level in crate::tile::levels(size) {
            let filled = level_size(size, level);
            let width = filled % WIDTH;
            levels.push(match width {
                0 => Vec::new(),
                _ => tail(Tile { kind: Kind::Hashes(level), number: filled / WIDTH, width })?,
            });
        }
        Ok(Edge { size, levels })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> Digest {
        self.frontier().root()
    }

    /// The tree, to go on with.
    pub(crate) fn frontier(&self) -> Frontier {
        let mut frontier = Frontier::default();
        let shift = |level: usize| u32::try_from(level * 8).expect("invariant: there are at most 8 levels");
        for (level, hashes) in self.levels.iter().enumerate().rev() {
            for hash in hashes {
                frontier.push_subtree(*hash, shift(level));
            }
        }
        frontier
    }

    /// Appends a leaf's hash; hands every tile that this fills to `full`.
    pub(crate) fn push<E>(
        &mut self,
        leaf: Digest,
        full: impl FnMut(Tile, &[Digest]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.size = self.size.checked_add(1).expect("invariant: no log has 2^64 leaves");
        self.carry(0, leaf, full)
    }

    /// Appends 256 leaves by the root over them. The size must be a multiple of that.
    pub(crate) fn push_tile<E>(
        &mut self,
        root: Digest,
        full: impl FnMut(Tile, &[Digest]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.size = self.size.checked_add(WIDTH).expect("invariant: no log has 2^64 leaves");
        self.carry(1, root, full)
    }

    fn carry<E>(
        &mut self,
        from: u8,
        hash: Digest,
        mut full: impl FnMut(Tile, &[Digest]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut carried = hash;
        for level in from.. {
            while self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::new());
            }
            let hashes = self.levels.get_mut(usize::from(level)).expect("invariant: the level was just made");
            hashes.push(carried);
            if hashes.len() < 256 {
                break;
            }
            let number = level_size(self.size, level) / WIDTH - 1;
            full(Tile { kind: Kind::Hashes(level), number, width: WIDTH }, hashes)?;
            carried = full_root(hashes);
            hashes.clear();
        }
        Ok(())
    }

    /// The tiles that are begun and not full.
    pub(crate) fn partial(&self) -> impl Iterator<Item = (Tile, &[Digest])> {
        self.levels.iter().zip(0u8..).filter(|(hashes, _)| !hashes.is_empty()).map(|(hashes, level)| {
            let filled = level_size(self.size, level);
            let tile = Tile { kind: Kind::Hashes(level), number: filled / WIDTH, width: filled % WIDTH };
            (tile, hashes.as_slice())
        })
    }
}
