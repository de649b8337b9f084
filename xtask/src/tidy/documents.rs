//! What documents claim names what holds it: decision records end with `Enforced by:`, and each
//! of ARCHITECTURE.md's invariants with `Held by`.
//!
//! A reference is a path in the tree, or `path::name` of a function in that file.

use super::Finding;
use super::imports::DOCUMENT as ARCHITECTURE;
use crate::rust_text::{RustText, find};
use crate::workspace::SourceFile;

/// Checks decision records and invariants.
pub fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        if file.path.starts_with("docs/adr/") && file.path.ends_with(".md") {
            findings.extend(check_record(file, files));
        }
        if file.path == ARCHITECTURE {
            findings.extend(check_invariants(file, files));
        }
    }
    findings
}

fn check_record(record: &SourceFile, files: &[SourceFile]) -> Vec<Finding> {
    let report = |line, message| Finding { path: record.path.clone(), line, rule: "enforced-by", message };
    let last = record.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).last();
    let Some((index, line)) = last else { return vec![report(0, "is empty".to_owned())] };
    let Some(references) = line.trim().strip_prefix("Enforced by: ") else {
        return vec![report(
            index + 1,
            "the last line must be `Enforced by: <path>` or `<path>::<test>`".to_owned(),
        )];
    };
    references.split(", ").filter_map(|r| broken(r, files)).map(|why| report(index + 1, why)).collect()
}

/// One numbered item of the section `## Invariants` after another.
fn check_invariants(document: &SourceFile, files: &[SourceFile]) -> Vec<Finding> {
    let report = |line, message| Finding { path: document.path.clone(), line, rule: "invariant", message };
    let mut items: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (index, line) in document.text.lines().enumerate() {
        if line.starts_with("## ") {
            inside = line == "## Invariants";
        } else if inside && starts_item(line) {
            items.push((index + 1, line.to_owned()));
        } else if inside && let Some((_, item)) = items.last_mut() {
            item.push(' ');
            item.push_str(line.trim());
        }
    }
    if items.is_empty() {
        return vec![report(0, "has no numbered items under `## Invariants`".to_owned())];
    }
    let mut findings = Vec::new();
    for (line, item) in items {
        let Some((_, held)) = item.rsplit_once("Held by ") else {
            findings.push(report(line, "an invariant ends with ``Held by `path::test`.``".to_owned()));
            continue;
        };
        // What cannot exist yet names the file whose arrival ends the excuse.
        let pending = held.strip_prefix("nothing before ");
        let references: Vec<&str> = pending.unwrap_or(held).split('`').skip(1).step_by(2).collect();
        if references.is_empty() {
            findings.push(report(line, "`Held by` names no path in backticks".to_owned()));
        }
        for reference in references {
            match (pending, broken(reference, files)) {
                (None, Some(why)) => findings.push(report(line, why)),
                (Some(_), None) => findings.push(report(
                    line,
                    format!("`{reference}` exists now; name the test that holds this invariant"),
                )),
                (None, None) | (Some(_), Some(_)) => {}
            }
        }
    }
    findings
}

fn starts_item(line: &str) -> bool {
    line.split_once(". ")
        .is_some_and(|(number, _)| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

/// Why a reference does not hold, if it does not.
fn broken(reference: &str, files: &[SourceFile]) -> Option<String> {
    let reference = reference.trim().trim_end_matches('.').trim_matches('`');
    let (path, name) = match reference.split_once("::") {
        Some((path, name)) => (path, Some(name.rsplit("::").next().unwrap_or(name))),
        None => (reference, None),
    };
    let folder = format!("{}/", path.trim_end_matches('/'));
    let file = files.iter().find(|file| file.path == path);
    match (file, name) {
        (Some(file), Some(name)) => {
            let code = RustText::parse(&file.text).code;
            find(&code, &format!("fn {name}")).is_empty().then(|| format!("`{path}` has no test `{name}`"))
        }
        (Some(_), None) => None,
        (None, None) if files.iter().any(|file| file.path.starts_with(&folder)) => None,
        (None, _) => Some(format!("`{path}` does not exist")),
    }
}
