//! Which configuration counts: the one that is named, else the user's, else the project's.

use std::path::{Path, PathBuf};

use super::{Config, Origin};
use crate::cli::Global;
use crate::fault::Fault;
use crate::place;

/// The name of a configuration file.
pub(crate) const FILE_NAME: &str = "ringfence.yaml";

/// Where a configuration was looked for and found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// By `--config`, or in the user's configuration directory.
    Users(PathBuf),
    /// In the current folder.
    Projects(PathBuf),
    /// Nowhere.
    Nothing,
}

/// Looks for it, without reading it.
pub(crate) fn find(global: &Global) -> Result<Found, Fault> {
    if let Some(named) = &global.config {
        return Ok(Found::Users(std::path::absolute(named)?));
    }
    let own = place::configuration()?.join(FILE_NAME);
    if is_there(&own)? {
        return Ok(Found::Users(own));
    }
    let here = std::env::current_dir()?.join(FILE_NAME);
    Ok(if is_there(&here)? { Found::Projects(here) } else { Found::Nothing })
}

/// Finds and reads it.
pub(crate) fn read(global: &Global) -> Result<Option<Config>, Fault> {
    match find(global)? {
        Found::Users(path) => Config::read(&path, Origin::User).map(Some),
        Found::Projects(path) => Config::read(&path, Origin::Project).map(Some),
        Found::Nothing => Ok(None),
    }
}

/// A file that cannot be looked at is not a file that is not there.
fn is_there(path: &Path) -> Result<bool, Fault> {
    path.try_exists()
        .map_err(|error| Fault::from(error).while_trying(format!("looking for `{}`", path.display())))
}
