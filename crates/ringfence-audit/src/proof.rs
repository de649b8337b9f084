//! Proofs as files: what `audit check-proof` reads and `audit hash` prints, so that anybody can
//! hold this implementation against vectors that are not ours. No log is needed.

use std::io::{self, BufRead};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringfence_model::Digest;
use serde::Deserialize;

use crate::hash::{leaf_hash, sha256};
use crate::merkle::{Frontier, Subtree, check_inclusion, check_subtree_consistency, check_subtree_inclusion};

/// A file that holds no proof.
#[derive(Debug, thiserror::Error)]
pub enum NotAProof {
    /// Not a JSON object with the members of a proof, in their types.
    #[error("expected one JSON object with the members of a proof")]
    Json(#[from] serde_json::Error),
    /// Its members are not those of any of the four forms.
    #[error(
        "the members are of no known proof; expected `leafIdx` and `treeSize`, `size1` and `size2`, \
         `leafIdx`, `start` and `end`, or `start`, `end` and `size`"
    )]
    Form,
    /// A hash that is not padded base64.
    #[error("`{member}` is not padded base64")]
    Base64 {
        /// Where it stands.
        member: &'static str,
    },
}

/// A proof file: every member of every form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawProof {
    leaf_idx: Option<u64>,
    tree_size: Option<u64>,
    size1: Option<u64>,
    size2: Option<u64>,
    start: Option<u64>,
    end: Option<u64>,
    size: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    root: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    root1: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    root2: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    leaf_hash: Option<Option<String>>,
    proof: Option<Vec<String>>,
}

/// Tells a member that is `null` (an empty hash) from one that is not there.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

/// Whether the proof in this file holds. A hash of the wrong length is a proof that does not.
///
/// The four forms, hashes in padded base64, `proof` lowest level first or `null`, other members
/// ignored: inclusion `{leafIdx,treeSize,root,leafHash,proof}`, consistency
/// `{size1,size2,root1,root2,proof}` (RFC 6962, section 2.1), and the same of subtrees,
/// `{leafIdx,start,end,root,leafHash,proof}` and `{start,end,size,root1,root2,proof}`
/// (draft-davidben-tls-merkle-tree-certs, "Subtrees"). The empty subtree is part of every tree;
/// from the empty tree no consistency can be shown.
///
/// # Errors
/// What is not such a file.
pub fn check_proof(json: &[u8]) -> Result<bool, NotAProof> {
    let raw: RawProof = serde_json::from_slice(json)?;
    let siblings = raw.proof.iter().flatten().map(|text| digest("proof", text));
    let siblings: Option<Vec<Digest>> = siblings.collect::<Result<_, _>>()?;
    let leaf = hash("leafHash", raw.leaf_hash.as_ref())?;
    let root = hash("root", raw.root.as_ref())?;
    let root1 = hash("root1", raw.root1.as_ref())?;
    let root2 = hash("root2", raw.root2.as_ref())?;
    match (leaf, root, root1, root2) {
        (Some(leaf), Some(root), _, _) => {
            let Some(index) = raw.leaf_idx else { return Err(NotAProof::Form) };
            let given = leaf.zip(root).zip(siblings);
            if let Some(size) = raw.tree_size {
                return Ok(given
                    .is_some_and(|((leaf, root), proof)| check_inclusion(index, size, leaf, root, &proof)));
            }
            let (Some(start), Some(end)) = (raw.start, raw.end) else { return Err(NotAProof::Form) };
            Ok(given.zip(Subtree::new(start, end)).is_some_and(|(((leaf, root), proof), subtree)| {
                check_subtree_inclusion(index, subtree, leaf, root, &proof)
            }))
        }
        (_, _, Some(root1), Some(root2)) => {
            let given = root1.zip(root2).zip(siblings);
            if let (Some(old), Some(new)) = (raw.size1, raw.size2) {
                return Ok(given.zip(Subtree::new(0, old)).is_some_and(
                    |(((root1, root2), proof), subtree)| {
                        check_subtree_consistency(subtree, new, root1, root2, &proof)
                    },
                ));
            }
            let (Some(start), Some(end), Some(size)) = (raw.start, raw.end, raw.size) else {
                return Err(NotAProof::Form);
            };
            if start == end {
                return Ok(given.is_some_and(|((root1, _), proof)| {
                    end <= size && proof.is_empty() && root1 == sha256(b"")
                }));
            }
            Ok(given.zip(Subtree::new(start, end)).is_some_and(|(((root1, root2), proof), subtree)| {
                check_subtree_consistency(subtree, size, root1, root2, &proof)
            }))
        }
        _ => Err(NotAProof::Form),
    }
}

/// The size and root of the tree whose leaves are the lines of `input`: a newline ends a record,
/// empty ones count, every other byte is content, and a last line needs no newline.
///
/// # Errors
/// Whatever reading gives.
pub fn hash_lines(mut input: impl BufRead) -> io::Result<(u64, Digest)> {
    let mut frontier = Frontier::default();
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        frontier.push(leaf_hash(line.strip_suffix(b"\n").unwrap_or(&line)));
        line.clear();
    }
    Ok((frontier.size(), frontier.root()))
}

/// Absent: outer `None`. Of the wrong length: inner `None`.
fn hash(member: &'static str, text: Option<&Option<String>>) -> Result<Option<Option<Digest>>, NotAProof> {
    text.map(|text| digest(member, text.as_deref().unwrap_or_default())).transpose()
}

fn digest(member: &'static str, text: &str) -> Result<Option<Digest>, NotAProof> {
    let bytes = STANDARD.decode(text).map_err(|_| NotAProof::Base64 { member })?;
    Ok(bytes.try_into().ok().map(Digest))
}
