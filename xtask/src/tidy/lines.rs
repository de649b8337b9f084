//! Rules about single lines: notes left behind, `expect` without an invariant, sleeping and
//! ignored tests, `unsafe` outside its places, paths of one machine, and the length of files.

use super::Finding;
use crate::rust_text::{RustText, find};

/// Lines a Rust file may have.
pub const MAX_LINES: usize = 800;

/// Folders in which `unsafe` may stand.
pub const UNSAFE_PLACES: [&str; 2] = ["crates/ringfence-sandbox/", "bindings/c/"];

/// Home folders that documents and tests may speak of: they are nobody's.
pub const EXAMPLE_HOMES: [&str; 6] = ["agent", "alice", "bob", "dana", "me", "user"];

/// Notes that belong into an issue, not into the tree. In pieces, so that this line is none.
const NOTES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Whether the file is a test as a whole.
pub fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "benches" || part == "fuzz")
        || path.ends_with("/tests.rs")
}

/// Holds a Rust file to [`MAX_LINES`]; tests and tables of data may be longer.
pub fn check_length(path: &str, text: &str) -> Option<Finding> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let exempt = is_test_file(path) || name == "data.rs" || name.ends_with("_table.rs");
    let lines = text.lines().count();
    (lines > MAX_LINES && !exempt).then(|| Finding {
        path: path.to_owned(),
        line: 0,
        rule: "length",
        message: format!("has {lines} lines, more than {MAX_LINES}; split it by purpose"),
    })
}

/// The rules about lines of Rust.
pub fn check_rust(path: &str, rust: &RustText) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |at: usize, rule: &'static str, message: String| {
        findings.push(Finding { path: path.to_owned(), line: rust.line_of(at), rule, message });
    };
    for note in NOTES {
        for at in find(&rust.comments, note) {
            report(
                at,
                "note",
                format!("`{note}` left behind; do it, or write it down where work is planned"),
            );
        }
    }
    if !UNSAFE_PLACES.iter().any(|place| path.starts_with(place)) {
        for at in rust.find_code("unsafe") {
            report(at, "unsafe", format!("`unsafe` stands only in {}", UNSAFE_PLACES.join(" and ")));
        }
    }
    for at in rust.find_code("#[ignore") {
        report(
            at,
            "ignored-test",
            "a test that does not run proves nothing; make it run or delete it".to_owned(),
        );
    }
    let test_lines = rust.test_lines();
    let in_test =
        |at: usize| is_test_file(path) || test_lines.get(rust.line_of(at) - 1).copied().unwrap_or(false);
    for at in rust.find_code("sleep").into_iter().filter(|at| in_test(*at)) {
        if next_character(&rust.code, at + "sleep".len()) == Some('(') {
            report(at, "sleeping-test", "a test waits for the event itself, not for time to pass".to_owned());
        }
    }
    for at in rust.find_code(".expect").into_iter().filter(|at| !in_test(*at)) {
        if let Some(said) = quoted_argument(rust, at + ".expect".len())
            && !said.starts_with("invariant: ")
        {
            report(at, "expect", "`expect` says why it cannot fail: `expect(\"invariant: …\")`".to_owned());
        }
    }
    findings
}

/// Notes left behind in what is not Rust.
pub fn check_notes(path: &str, text: &str) -> Vec<Finding> {
    if !["md", "toml", "yaml", "yml", "sh"].iter().any(|end| path.ends_with(&format!(".{end}"))) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let characters: Vec<char> = line.chars().collect();
        for note in NOTES.iter().filter(|note| !find(&characters, note).is_empty()) {
            findings.push(Finding {
                path: path.to_owned(),
                line: index + 1,
                rule: "note",
                message: format!("`{note}` left behind; do it, or write it down where work is planned"),
            });
        }
    }
    findings
}

/// What a merge that was not finished leaves.
pub fn check_conflicts(path: &str, text: &str) -> Vec<Finding> {
    let marks = |line: &str| ["<<<<<<< ", ">>>>>>> "].iter().any(|mark| line.starts_with(mark));
    let found = text.lines().enumerate().filter(|(_, line)| marks(line));
    found
        .map(|(index, _)| Finding {
            path: path.to_owned(),
            line: index + 1,
            rule: "conflict",
            message: "a merge was not finished here".to_owned(),
        })
        .collect()
}

/// Paths that exist on one machine only.
pub fn check_machine_paths(path: &str, text: &str) -> Vec<Finding> {
    if path.ends_with(".lock") || path.ends_with("package-lock.json") || path.starts_with("fuzz/seeds/") {
        return Vec::new();
    }
    let root = concat!("/ro", "ot/");
    let work = concat!("/wo", "rk/");
    let home = concat!("/ho", "me/");
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let found = [root, work].into_iter().find(|folder| begins_path(line, folder).next().is_some());
        let found = found.map(str::to_owned).or_else(|| {
            let mut names = begins_path(line, home).map(|rest| {
                rest.split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).next().unwrap_or_default()
            });
            names
                .find(|name| !name.is_empty() && !EXAMPLE_HOMES.contains(name))
                .map(|name| format!("{home}{name}"))
        });
        if let Some(folder) = found {
            findings.push(Finding {
                path: path.to_owned(),
                line: index + 1,
                rule: "machine-path",
                message: format!(
                    "`{folder}` is a path of one machine; say it relatively, or use an example user"
                ),
            });
        }
    }
    findings
}

/// Takes out the findings that a comment `tidy: allow(rule): reason` on the same or the previous
/// line excuses, and reports such comments that excuse nothing or give no reason.
pub fn without_allowed(path: &str, comments: &str, findings: Vec<Finding>) -> Vec<Finding> {
    let marker = "tidy: allow(";
    let mut kept = findings;
    for (index, line) in comments.lines().enumerate() {
        let Some((before, rest)) = line.split_once(marker) else { continue };
        let opens_comment = match path.rsplit('.').next() {
            Some("rs") => before.trim() == "//",
            Some("md") => before.trim() == "<!--",
            _ => before.ends_with("# "),
        };
        if !opens_comment {
            continue; // text that speaks of the comment
        }
        let line_number = index + 1;
        let problem = match rest.split_once(')') {
            Some((rule, reason))
                if reason.strip_prefix(": ").is_some_and(|reason| !reason.trim().is_empty()) =>
            {
                let before = kept.len();
                kept.retain(|f| f.rule != rule || (f.line != line_number && f.line != line_number + 1));
                (kept.len() == before).then_some("excuses nothing; delete it")
            }
            _ => Some("has no reason; write `tidy: allow(rule): reason`"),
        };
        if let Some(problem) = problem {
            kept.push(Finding {
                path: path.to_owned(),
                line: line_number,
                rule: "allow",
                message: problem.to_owned(),
            });
        }
    }
    kept
}

/// What follows each place where `folder` begins an absolute path in `line`.
fn begins_path<'a>(line: &'a str, folder: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(folder).filter_map(move |(at, found)| {
        let (before, rest) = line.split_at(at);
        let absolute = !before.ends_with(|c: char| c.is_alphanumeric() || "._-~)}>*".contains(c));
        absolute.then(|| rest.strip_prefix(found)).flatten()
    })
}

fn next_character(text: &[char], from: usize) -> Option<char> {
    text.iter().skip(from).find(|c| !c.is_whitespace()).copied()
}

/// The text of a call's argument, if it is a plain string literal.
fn quoted_argument(rust: &RustText, from: usize) -> Option<String> {
    let mut rest = rust.all.iter().skip(from).skip_while(|c| c.is_whitespace());
    if rest.next() != Some(&'(') {
        return None;
    }
    let mut rest = rest.skip_while(|c| c.is_whitespace());
    if rest.next() != Some(&'"') {
        return None;
    }
    Some(rest.take_while(|c| **c != '"').collect())
}
