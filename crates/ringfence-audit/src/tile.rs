//! Where the tree lies on disk: C2SP tlog-tiles with tiles of height 8. Names and widths only;
//! files are read and written elsewhere.

use std::fmt::Write as _;
use std::path::PathBuf;

use ringfence_model::Digest;

use crate::merkle::{Nodes, range_root};

/// Hashes in a full tile, entries in a full bundle.
pub(crate) const WIDTH: u64 = 256;
const HEIGHT: u32 = 8;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Leaves, each with its length before it.
    Entries,
    /// Hashes of the level; level 0 is the leaves' own.
    Hashes(u8),
}

/// One tile: its kind, its number in its level, and how many of its 256 places are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tile {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    /// 1 to 256.
    pub(crate) width: u64,
}

impl Tile {
    /// Its path below the log's directory, such as `tile/0/x001/234.p/17`.
    pub(crate) fn path(self) -> PathBuf {
        let mut path = match self.kind {
            Kind::Entries => "tile/entries".to_owned(),
            Kind::Hashes(level) => format!("tile/{level}"),
        };
        push_number(&mut path, self.number);
        if self.width < WIDTH {
            write!(path, ".p/{}", self.width).expect("invariant: writing to a string cannot fail");
        }
        path.into()
    }

    /// Whether a tree of `size` leaves fills it.
    pub(crate) fn is_within(self, size: u64) -> bool {
        let filled = match self.kind {
            Kind::Entries => size,
            Kind::Hashes(level) => level_size(size, level),
        };
        self.number.saturating_mul(WIDTH).saturating_add(self.width) <= filled
    }

    /// The tile that a path below the log's directory names; `None` where it names none.
    pub(crate) fn from_path(path: &str) -> Option<Tile> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes(level.parse().ok().filter(|&level| level < 8)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|w| (1..WIDTH).contains(w))?),
            None => (rest, WIDTH),
        };
        let mut parsed = 0u64;
        for part in number.split('/') {
            let digits: u64 = part.strip_prefix('x').unwrap_or(part).parse().ok().filter(|&d| d < 1000)?;
            parsed = parsed.checked_mul(1000)?.checked_add(digits)?;
        }
        let tile = Tile { kind, number: parsed, width };
        // One spelling only.
        (tile.path().to_str() == Some(path)).then_some(tile)
    }
}

/// Appends `/x001/x234/067` for 1234067.
pub(crate) fn push_number(path: &mut String, number: u64) {
    let mut groups = vec![number % 1000];
    let mut rest = number / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    for (place, group) in groups.iter().enumerate().rev() {
        let mark = if place == 0 { "" } else { "x" };
        write!(path, "/{mark}{group:03}").expect("invariant: writing to a string cannot fail");
    }
}

/// How many hashes the level holds in a tree of `size` leaves.
pub(crate) fn level_size(size: u64, level: u8) -> u64 {
    size.checked_shr(HEIGHT * u32::from(level)).unwrap_or(0)
}

/// The levels of hash tiles that a tree of `size` leaves has.
pub(crate) fn levels(size: u64) -> impl Iterator<Item = u8> {
    (0..8).take_while(move |&level| level_size(size, level) > 0)
}

/// How wide tile `number` is where its level holds `filled` places; 0 where it does not exist.
pub(crate) fn width_of(number: u64, filled: u64) -> u64 {
    filled.saturating_sub(number.saturating_mul(WIDTH)).min(WIDTH)
}

/// The root of the subtree over some of a tile's hashes: `2^level` of them from `start`.
pub(crate) fn subtree_root(hashes: &[Digest], level: u32, start: u64) -> Option<Digest> {
    struct Slice<'a>(&'a [Digest]);
    impl Nodes for Slice<'_> {
        type Error = ();
        fn node(&mut self, level: u32, index: u64) -> Result<Digest, ()> {
            if level == 0 {
                return usize::try_from(index).ok().and_then(|i| self.0.get(i)).copied().ok_or(());
            }
            let left = self.node(level - 1, index * 2)?;
            let right = self.node(level - 1, index * 2 + 1)?;
            Ok(crate::hash::node_hash(&left, &right))
        }
    }
    range_root(&mut Slice(hashes), start, start + (1 << level)).ok()
}

/// The root over a full tile, bottom up.
pub(crate) fn full_root(hashes: &[Digest]) -> Digest {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => crate::hash::node_hash(left, right),
                other => *other.first().expect("invariant: chunks are not empty"),
            })
            .collect();
    }
    *row.first().expect("invariant: a full tile has 256 hashes")
}

/// The hashes a tile's bytes hold; `None` where these are no whole hashes.
pub(crate) fn parse_hashes(bytes: &[u8]) -> Option<Vec<Digest>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| hashes.iter().map(|hash| Digest(*hash)).collect())
}

/// The leaves of a bundle, in order; an `Err` item ends it where a length reaches past the end.
pub(crate) fn leaves(bundle: &[u8]) -> impl Iterator<Item = Result<&[u8], CutBundle>> {
    let mut rest = bundle;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let at = bundle.len() - rest.len();
        let Some((length, after)) = rest.split_first_chunk::<2>() else {
            rest = &[];
            return Some(Err(CutBundle { at }));
        };
        let Some((leaf, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))) else {
            rest = &[];
            return Some(Err(CutBundle { at }));
        };
        rest = after;
        Some(Ok(leaf))
    })
}

/// A bundle's entry that reaches past the bundle's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CutBundle {
    /// The byte of the bundle at which the entry begins.
    pub(crate) at: usize,
}

/// Appends a leaf to a bundle. A leaf has at most 65,535 bytes.
pub(crate) fn push_leaf(bundle: &mut Vec<u8>, leaf: &[u8]) {
    let length = u16::try_from(leaf.len()).expect("invariant: leaves are at most 65,535 bytes");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(leaf);
}
