//! Whose word it is: the operator's token, from a file that its owner alone can read.
//!
//! Where nobody is an operator yet, whoever sits at a terminal becomes the first. A program that
//! runs as the same user and opens a terminal of its own could do that too; `doctor` says so.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ringfence_identity::Token;
use ringfence_monitor::client::Client;
use ringfence_monitor::protocol::{Request, Secret};
use serde_json::Value;

use crate::cli::OperatorArgs;
use crate::fault::Fault;
use crate::output::{aside, paint};
use crate::{place, reach, text_file};

/// The file in the user's configuration directory.
const FILE_NAME: &str = "operator.token";
/// The largest file with a token, in bytes.
const MAX_FILE: u64 = 4096;

/// The operator's token. Makes the first operator where there is none and a person is there.
pub(crate) fn token(client: &mut Client, named: &OperatorArgs) -> Result<Secret, Fault> {
    let path = file(named)?;
    if let Some(token) = read(&path)? {
        return Ok(Secret(token.reveal().to_owned()));
    }
    if has_operators(client)? {
        return Err(Fault::cannot(format!("there is no operator's token in `{}`", path.display()))
            .help("name the file that holds yours with --operator-token-file"));
    }
    if !io::stdin().is_terminal() {
        return Err(Fault::cannot("nobody is an operator yet, and nobody sits at this terminal to become the first").help(
            "run this from a terminal, or name operators in the configuration: `operators: [{id: NAME, token: {file: PATH}}]`",
        ));
    }
    first(client, &path)
}

/// The token where there is one, for what may be seen by anybody but more of it by operators.
pub(crate) fn token_if_any(named: &OperatorArgs) -> Result<Option<Secret>, Fault> {
    Ok(read(&file(named)?)?.map(|token| Secret(token.reveal().to_owned())))
}

/// Whether anybody is an operator here.
pub(crate) fn has_operators(client: &mut Client) -> Result<bool, Fault> {
    let status = reach::ask(client, &Request::Status)?;
    Ok(status.get("operators").and_then(Value::as_bool) == Some(true))
}

fn file(named: &OperatorArgs) -> Result<PathBuf, Fault> {
    match &named.operator_token_file {
        Some(path) => Ok(path.clone()),
        None => Ok(place::configuration()?.join(FILE_NAME)),
    }
}

/// `None` where there is no such file.
fn read(path: &Path) -> Result<Option<Token>, Fault> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(
                Fault::from(error).while_trying(format!("reading the operator's token `{}`", path.display()))
            );
        }
    };
    if found.mode() & 0o077 != 0 {
        return Err(Fault::cannot(format!("the operator's token `{0}` is open to others", path.display()))
            .help(format!("take that away with `chmod 600 {}`", path.display())));
    }
    let text = text_file::read(path, MAX_FILE)?;
    let token = text.parse::<Token>().map_err(|error| {
        Fault::from(error).while_trying(format!("reading the operator's token `{}`", path.display()))
    })?;
    Ok(Some(token))
}

/// The file is made first, so that a token is never issued that nobody has.
fn first(client: &mut Client, path: &Path) -> Result<Secret, Fault> {
    let failed = |error: io::Error| {
        Fault::from(error).while_trying(format!("making the operator's token `{}`", path.display()))
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut kept =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let name = ringfence_monitor::user_name(rustix::process::geteuid().as_raw());
    let issued = match reach::ask(client, &Request::OperatorFirst { name: name.clone() }) {
        Ok(issued) => issued,
        Err(fault) => {
            take_back(path);
            return Err(fault);
        }
    };
    let Some(token) = issued.get("token").and_then(Value::as_str) else {
        take_back(path);
        return Err(Fault::cannot("the monitor issued no token"));
    };
    writeln!(kept, "{token}").and_then(|()| kept.sync_all()).map_err(failed)?;
    File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    aside(format_args!(
        "{} {name} is the first operator here; the token is in {}",
        paint::good("note:"),
        path.display()
    ));
    Ok(Secret(token.to_owned()))
}

fn take_back(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "an empty file is left");
    }
}
