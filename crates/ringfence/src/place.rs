//! Where things lie when nobody says otherwise.
//!
//! The home directory is where `HOME` says, and where it says nothing what the system's user
//! table says; `~` in a configuration is the same. No other variable moves anything: the fewer
//! places a configuration or a state can come from, the fewer somebody else can choose. Whoever
//! sets `HOME` for this program could as well give it `--data` and `--config`.

use std::path::{Path, PathBuf};

use crate::fault::Fault;

/// The user's home directory.
pub(crate) fn home() -> Result<PathBuf, Fault> {
    let named = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    named.or_else(home_of_user).ok_or_else(|| {
        Fault::cannot("there is no home directory to keep the configuration and the log in")
            .help("set HOME, or name both with --config and --data")
    })
}

/// Where the user's configuration and operator token lie.
pub(crate) fn configuration() -> Result<PathBuf, Fault> {
    Ok(home()?.join(".config").join("ringfence"))
}

/// Where log, keys, state and socket lie.
pub(crate) fn data() -> Result<PathBuf, Fault> {
    Ok(home()?.join(".local").join("state").join("ringfence"))
}

/// A path as it was written: `~` is the home directory, anything relative begins at `base`.
pub(crate) fn resolved(written: &str, base: &Path) -> Result<PathBuf, Fault> {
    if written == "~" {
        return home();
    }
    match written.strip_prefix("~/") {
        Some(rest) => Ok(home()?.join(rest)),
        None => Ok(base.join(written)),
    }
}

/// The fields of `/etc/passwd`: name, password, uid, gid, comment, home, shell.
fn home_of_user() -> Option<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let found: u32 = fields.get(2)?.parse().ok()?;
        let home = PathBuf::from(fields.get(5)?);
        (found == uid && home.is_absolute()).then_some(home)
    })
}
