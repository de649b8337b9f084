//! No `_ =>` beside a pattern that names a strictness: whoever adds a variant has to look at
//! every place that decides by it. A heuristic on the text; what it cannot see, a reader must.

use super::Finding;
use crate::rust_text::{RustText, find, matching, position_from};

/// The enums that every match names in full.
pub const CLOSED: [&str; 4] = ["Effect::", "Decision::", "Ring::", "Verdict::"];

/// Finds catch-all arms in matches on [`CLOSED`] enums.
pub fn check(path: &str, rust: &RustText) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in rust.find_code("match") {
        let Some(open) = body_of_match(&rust.code, at + "match".len()) else { continue };
        let patterns = patterns(&rust.code, open);
        let closed = CLOSED
            .into_iter()
            .find(|name| patterns.iter().any(|(_, pattern)| !find(pattern, name).is_empty()));
        let Some(closed) = closed else { continue };
        for (start, pattern) in &patterns {
            let text: String = pattern.iter().collect();
            if text.trim() == "_" || text.trim_start().starts_with("_ if ") {
                findings.push(Finding {
                    path: path.to_owned(),
                    line: rust.line_of(*start),
                    rule: "catch-all",
                    message: format!(
                        "`_ =>` in a match on `{}`; name every variant",
                        closed.trim_end_matches(':')
                    ),
                });
            }
        }
    }
    findings
}

/// The brace that opens a match's arms: the first that is in no bracket.
fn body_of_match(code: &[char], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at = position_from(code, at, |c| "([{;)]}".contains(c))?;
        match code.get(at) {
            Some('{') => return Some(at),
            Some('(' | '[') => at = matching(code, at) + 1,
            _ => return None,
        }
    }
}

/// Each arm's pattern (guard included), with the position of its first character.
fn patterns(code: &[char], open: usize) -> Vec<(usize, Vec<char>)> {
    let close = matching(code, open);
    let mut found = Vec::new();
    let mut at = open + 1;
    while let Some(start) = position_from(code, at, |c| !c.is_whitespace() && c != ',') {
        let Some(arrow) = (start < close).then(|| arrow_from(code, start, close)).flatten() else { break };
        found.push((start, code.iter().take(arrow).skip(start).copied().collect()));
        at = body_end(code, arrow + 2, close);
    }
    found
}

fn arrow_from(code: &[char], start: usize, close: usize) -> Option<usize> {
    let mut at = start;
    while at < close {
        match code.get(at)? {
            '(' | '[' | '{' => at = matching(code, at) + 1,
            '=' if code.get(at + 1) == Some(&'>') => return Some(at),
            _ => at += 1,
        }
    }
    None
}

fn body_end(code: &[char], from: usize, close: usize) -> usize {
    let mut at = from;
    let mut first = true;
    while at < close {
        match code.get(at) {
            Some('{') if first => return matching(code, at) + 1,
            Some('(' | '[' | '{') => at = matching(code, at) + 1,
            Some(',') => return at + 1,
            Some(c) if c.is_whitespace() => at += 1,
            _ => at += 1,
        }
        first = first && code.get(at.saturating_sub(1)).is_some_and(|c| c.is_whitespace());
    }
    close
}
