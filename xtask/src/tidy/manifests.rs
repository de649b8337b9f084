//! Manifests of members: lints come from the workspace, versions of dependencies from the root.

use super::Finding;
use super::lines::UNSAFE_PLACES;

/// Checks the manifest of a member of the workspace; of any other file nothing.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let member = ["crates/", "bindings/", "xtask/"].iter().any(|folder| path.starts_with(folder));
    // A program that tests speak to is no member: it has a workspace of its own.
    if !member || path.contains("/tests/") || !path.ends_with("/Cargo.toml") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut section = "";
    let mut shares_lints = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        }
        let setting = line.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        let Some((name, value)) = setting.filter(|(name, _)| !name.starts_with('#')) else { continue };
        shares_lints |= section == "lints" && name == "workspace" && value == "true";
        let from_root = name.ends_with(".workspace") || value.contains("workspace = true");
        if section.ends_with("dependencies") && !from_root {
            findings.push(Finding {
                path: path.to_owned(),
                line: index + 1,
                rule: "dependency",
                message: format!(
                    "`{name}` is declared once, in the root `Cargo.toml`; here `{name}.workspace = true`"
                ),
            });
        }
    }
    // Where `unsafe` may stand, the lints are spelt out, and unexplained blocks refused.
    let spelt_out = UNSAFE_PLACES.iter().any(|place| path.starts_with(place))
        && text.contains("undocumented_unsafe_blocks = \"deny\"");
    if !shares_lints && !spelt_out {
        findings.push(Finding {
            path: path.to_owned(),
            line: 0,
            rule: "lints",
            message: "does not take the workspace's lints; add `[lints]` with `workspace = true`".to_owned(),
        });
    }
    findings
}
