//! The Merkle tree of RFC 6962, section 2.1, as arithmetic: roots, proofs, and their checks.
//! Where hashes are stored is none of its business; whoever asks for a proof brings the nodes.

use ringfence_model::Digest;

use crate::hash::{node_hash, sha256};

/// The complete subtrees that a tree of some size consists of: enough to append and to know the
/// root, in O(log size) memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frontier {
    size: u64,
    /// Roots of the complete subtrees, largest first: one for each bit of `size`.
    peaks: Vec<Digest>,
}

impl Frontier {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash.
    pub(crate) fn push(&mut self, leaf: Digest) {
        self.push_subtree(leaf, 0);
    }

    /// Appends a complete subtree of `2^level` leaves. The size must be a multiple of that.
    pub(crate) fn push_subtree(&mut self, root: Digest, level: u32) {
        let mut hash = root;
        let mut merged = self.size >> level;
        while merged & 1 == 1 {
            let left = self.peaks.pop().expect("invariant: one peak for each bit of the size");
            hash = node_hash(&left, &hash);
            merged >>= 1;
        }
        self.peaks.push(hash);
        let leaves = 1u64.checked_shl(level).expect("invariant: a level is below 64");
        self.size = self.size.checked_add(leaves).expect("invariant: no log has 2^64 leaves");
    }

    /// The root; of the empty tree, SHA-256 of nothing.
    pub(crate) fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(&last) = peaks.next() else { return sha256(b"") };
        peaks.fold(last, |right, left| node_hash(left, &right))
    }
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// Where inner nodes come from: the root of the complete subtree over the leaves
/// `[index << level, (index + 1) << level)`.
pub(crate) trait Nodes {
    type Error;
    fn node(&mut self, level: u32, index: u64) -> Result<Digest, Self::Error>;
}

/// The root of the leaves `[start, end)`, which is not empty and begins at a multiple of its own
/// size rounded up to a power of two.
pub(crate) fn range_root<N: Nodes>(nodes: &mut N, start: u64, end: u64) -> Result<Digest, N::Error> {
    let leaves = end - start;
    if leaves.is_power_of_two() {
        let level = leaves.trailing_zeros();
        return nodes.node(level, start >> level);
    }
    let middle = start + split(leaves);
    let left = range_root(nodes, start, middle)?;
    let right = range_root(nodes, middle, end)?;
    Ok(node_hash(&left, &right))
}

/// The inclusion proof of leaf `index` in the tree of `size` leaves (RFC 6962, section 2.1.1),
/// lowest level first. `index` is below `size`.
pub(crate) fn prove_inclusion<N: Nodes>(
    nodes: &mut N,
    index: u64,
    size: u64,
) -> Result<Vec<Digest>, N::Error> {
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The consistency proof between the trees of `old` and `new` leaves (RFC 6962, section 2.1.2),
/// lowest level first; empty where nothing has to be shown. `old` is at most `new`.
pub(crate) fn prove_consistency<N: Nodes>(
    nodes: &mut N,
    old: u64,
    new: u64,
) -> Result<Vec<Digest>, N::Error> {
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, new);
    let mut proof = Vec::new();
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    if start > 0 {
        proof.push(range_root(nodes, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Whether `proof` shows that `leaf` is at `index` of the tree with this size and root.
pub(crate) fn check_inclusion(index: u64, size: u64, leaf: Digest, root: Digest, proof: &[Digest]) -> bool {
    if index >= size {
        return false;
    }
    // From the root down: which side the leaf is on, at each level.
    let mut turns = Vec::new();
    let (mut index, mut size) = (index, size);
    while size > 1 {
        let middle = split(size);
        if index < middle {
            turns.push(Side::Left);
            size = middle;
        } else {
            turns.push(Side::Right);
            index -= middle;
            size -= middle;
        }
    }
    if turns.len() != proof.len() {
        return false;
    }
    let computed = turns.iter().rev().zip(proof).fold(leaf, |hash, (side, sibling)| match side {
        Side::Left => node_hash(&hash, sibling),
        Side::Right => node_hash(sibling, &hash),
    });
    computed == root
}

/// Which half of its parent a node is.
enum Side {
    Left,
    Right,
}

/// Leaves `[start, end)` of a tree, as a subtree that a proof can be about: not empty, and
/// `start` is a multiple of the number of leaves rounded up to a power of two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subtree {
    start: u64,
    end: u64,
}

impl Subtree {
    /// `None` where these leaves are no subtree.
    pub(crate) fn new(start: u64, end: u64) -> Option<Self> {
        let leaves = end.checked_sub(start).filter(|&leaves| leaves > 0)?;
        let aligned = match leaves.checked_next_power_of_two() {
            Some(width) => start.is_multiple_of(width),
            None => start == 0,
        };
        aligned.then_some(Subtree { start, end })
    }
}

/// Whether `proof` shows that `leaf` is at `index` of the whole tree, which the subtree holds.
pub(crate) fn check_subtree_inclusion(
    index: u64,
    subtree: Subtree,
    leaf: Digest,
    root: Digest,
    proof: &[Digest],
) -> bool {
    let Some(offset) = index.checked_sub(subtree.start) else { return false };
    check_inclusion(offset, subtree.end - subtree.start, leaf, root, proof)
}

/// Whether `proof` shows that the subtree with `root1` is part of the tree of `size` leaves with
/// `root2`. With `start` zero it is the consistency proof of RFC 6962, section 2.1.2. Of an empty
/// tree nothing can be shown, so there is no such proof from size zero.
pub(crate) fn check_subtree_consistency(
    subtree: Subtree,
    size: u64,
    root1: Digest,
    root2: Digest,
    proof: &[Digest],
) -> bool {
    if subtree.end > size {
        return false;
    }
    // From the root down, as the proof was made: siblings are taken from its end.
    let mut rest = proof;
    let mut steps = Vec::new();
    let (mut start, mut end, mut size) = (subtree.start, subtree.end, size);
    let mut whole = true; // the subtree is still looked at as the whole that `root1` names
    while !(start == 0 && end == size) {
        let Some((sibling, below)) = rest.split_last() else { return false };
        rest = below;
        let middle = split(size);
        if end <= middle {
            steps.push(Step::RightIsNew(sibling));
            size = middle;
        } else if start >= middle {
            steps.push(Step::LeftIsNew(sibling));
            start -= middle;
            end -= middle;
            size -= middle;
        } else {
            // It reaches over the middle, so by its alignment it begins at zero.
            steps.push(Step::LeftIsShared(sibling));
            whole = false;
            end -= middle;
            size -= middle;
        }
    }
    let lowest = match (whole, rest) {
        (true, []) => root1,
        (false, [only]) => *only,
        _ => return false,
    };
    let (mut computed1, mut computed2) = (lowest, lowest);
    for step in steps.iter().rev() {
        match step {
            Step::RightIsNew(sibling) => computed2 = node_hash(&computed2, sibling),
            Step::LeftIsNew(sibling) => computed2 = node_hash(sibling, &computed2),
            Step::LeftIsShared(sibling) => {
                computed1 = node_hash(sibling, &computed1);
                computed2 = node_hash(sibling, &computed2);
            }
        }
    }
    computed1 == root1 && computed2 == root2
}

/// One level of a consistency proof, by what its sibling belongs to.
enum Step<'a> {
    RightIsNew(&'a Digest),
    LeftIsNew(&'a Digest),
    LeftIsShared(&'a Digest),
}
