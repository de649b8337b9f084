//! SHA-256 with the domains of RFC 6962, section 2.1: a leaf can never be taken for a node.

use aws_lc_rs::digest::{self, SHA256};
use ringfence_model::Digest;

/// The hash of a leaf: SHA-256 over a zero byte and the leaf.
pub(crate) fn leaf_hash(leaf: &[u8]) -> Digest {
    let mut context = digest::Context::new(&SHA256);
    context.update(&[0]);
    context.update(leaf);
    digest_of(context.finish())
}

/// The hash of an inner node: SHA-256 over a one byte and both children.
pub(crate) fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut input = [1; 65];
    let (_, children) = input.split_at_mut(1);
    let (first, second) = children.split_at_mut(32);
    first.copy_from_slice(&left.0);
    second.copy_from_slice(&right.0);
    sha256(&input)
}

/// Plain SHA-256; of nothing, it is the root of the empty tree.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    digest_of(digest::digest(&SHA256, bytes))
}

fn digest_of(digest: digest::Digest) -> Digest {
    Digest(digest.as_ref().try_into().expect("invariant: SHA-256 has 32 bytes"))
}
