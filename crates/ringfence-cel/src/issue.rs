//! What is wrong with an expression, found before it ever runs.

use std::ops::Range;

/// One thing that is wrong with a source text. Where the text stands in a larger document is for
/// the caller to know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Issue {
    /// The bytes of the source that are wrong. Never outside of it, on character boundaries.
    pub span: Range<usize>,
    /// What is wrong, one clause, no final period.
    pub message: String,
    /// What to do about it, where that can be told.
    pub help: Option<String>,
}

/// The candidate that `written` was most likely meant to be: at most a third of it wrong.
pub(crate) fn nearest<'c>(written: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let allowed = (written.chars().count() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (distance(written, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

fn distance(written: &str, candidate: &str) -> usize {
    if written.len() > 64 {
        return usize::MAX; // The measure is quadratic, and nobody misspells a name of that length.
    }
    strsim::damerau_levenshtein(&written.to_ascii_lowercase(), &candidate.to_ascii_lowercase())
}
