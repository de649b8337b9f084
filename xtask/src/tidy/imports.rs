//! The import table of ARCHITECTURE.md against what the manifests say.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::Finding;

/// Where the table stands, under the heading `## Crates`.
pub const DOCUMENT: &str = "ARCHITECTURE.md";

/// Members that are no part of the product.
const OUTSIDE: [&str; 1] = ["xtask"];

/// One row: a crate, its line, and whom it may import.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    /// None for what stands above all lines.
    line: Option<u32>,
    may_import: MayImport,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum MayImport {
    All,
    Only(Vec<String>),
}

/// Holds the members' dependencies on each other (normal and build ones) against the table, and
/// the table against its own rule that imports go to lower lines.
pub fn check(document: &str, metadata: &Value, root: &Path) -> Vec<Finding> {
    let report = |message: String| Finding { path: DOCUMENT.to_owned(), line: 0, rule: "imports", message };
    let table = match parse_table(document) {
        Ok(table) => table,
        Err(why) => return vec![report(why)],
    };
    let mut findings = check_lines(&table);
    let members: BTreeMap<String, &Value> = array(metadata, "packages")
        .filter_map(|package| Some((text(package, "name")?.to_owned(), package)))
        .collect();
    for (name, package) in members.iter().filter(|(name, _)| !OUTSIDE.contains(&name.as_str())) {
        let folder = text(package, "manifest_path")
            .and_then(|path| Path::new(path).parent()?.strip_prefix(root).ok())
            .map(|folder| folder.to_string_lossy().into_owned())
            .unwrap_or_default();
        let Some(row) = table.get(name).or_else(|| table.get(&folder)) else {
            findings.push(report(format!("crate `{name}` has no row in the table under `## Crates`")));
            continue;
        };
        for dependency in array(package, "dependencies") {
            let imported = text(dependency, "name").unwrap_or_default();
            let for_tests = text(dependency, "kind") == Some("dev");
            if for_tests || !members.contains_key(imported) {
                continue;
            }
            let allowed = match &row.may_import {
                MayImport::All => !OUTSIDE.contains(&imported),
                MayImport::Only(names) => names.iter().any(|name| name == imported),
            };
            if !allowed {
                findings.push(report(format!(
                    "crate `{name}` imports `{imported}`, which its row does not name; drop the import, or \
                     change the row with a decision record"
                )));
            }
        }
    }
    findings
}

/// Reads the rows under `## Crates`, keyed by the crate's name or, for bindings, its folder.
fn parse_table(document: &str) -> Result<BTreeMap<String, Row>, String> {
    let mut rows = BTreeMap::new();
    let mut inside = false;
    for text in document.lines() {
        if text.starts_with("## ") {
            inside = text == "## Crates";
            continue;
        }
        let cells: Vec<&str> = text.trim().trim_matches('|').split('|').map(str::trim).collect();
        if !inside || !text.starts_with('|') {
            continue;
        }
        let [line, crates, _purpose, imports] = cells.as_slice() else {
            return Err(format!("this row of the crate table has not four cells: `{text}`"));
        };
        if *line == "line" || line.starts_with("--") {
            continue;
        }
        let line = match *line {
            "–" => None,
            number => {
                Some(number.parse().map_err(|_| format!("`{number}` is no line number in the crate table"))?)
            }
        };
        let may_import = match *imports {
            "all" => MayImport::All,
            "–" => MayImport::Only(Vec::new()),
            names => MayImport::Only(names.split(", ").map(|name| format!("ringfence-{name}")).collect()),
        };
        for name in crates.split('`').skip(1).step_by(2) {
            rows.insert(name.to_owned(), Row { line, may_import: may_import.clone() });
        }
    }
    if rows.is_empty() { Err("has no crate table under `## Crates`".to_owned()) } else { Ok(rows) }
}

fn check_lines(table: &BTreeMap<String, Row>) -> Vec<Finding> {
    let report = |message: String| Finding { path: DOCUMENT.to_owned(), line: 0, rule: "imports", message };
    let mut findings = Vec::new();
    for (name, row) in table {
        let MayImport::Only(imports) = &row.may_import else { continue };
        for import in imports {
            match (table.get(import).map(|row| row.line), row.line) {
                (None, _) => {
                    findings.push(report(format!("`{name}` may import `{import}`, which has no row")));
                }
                (Some(Some(theirs)), Some(ours)) if theirs >= ours => findings
                    .push(report(format!("`{name}` may import `{import}`, which is not on a lower line"))),
                (Some(_), _) => {}
            }
        }
    }
    findings
}

fn array<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member).and_then(Value::as_str)
}
