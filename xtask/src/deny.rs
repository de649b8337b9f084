//! Licenses, sources and banned crates of everything in the lock files, by `deny.toml`.
//! Advisories are left out: their data base is not to be had offline.

use anyhow::Result;

use crate::shell::Cmd;
use crate::tools;
use crate::workspace::Workspace;

/// Runs cargo-deny over the workspace.
///
/// # Errors
/// When something in the lock file is not allowed; cargo-deny has said what and who wants it.
pub fn run(workspace: &Workspace) -> Result<()> {
    let cargo_deny = tools::ensure(workspace, &tools::CARGO_DENY)?;
    Cmd::new(cargo_deny)
        .args(["--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"])
        .dir(workspace.root())
        .run()
}
