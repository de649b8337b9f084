//! Reaching the monitor of a data directory, and starting it where none runs.
//!
//! Operators reach whatever monitor runs: a kill does not depend on which configuration somebody
//! stands beside. What is to be governed reaches the monitor with its own configuration or none:
//! where an idle one has another, it makes way.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ringfence_monitor::DataDir;
use ringfence_monitor::client::{Client, ClientError, Start};
use ringfence_monitor::protocol::{Answer, Request};
use serde_json::Value;

use crate::cli::Global;
use crate::config::{Config, NO_SETUP, Origin, find};
use crate::fault::Fault;
use crate::place;

/// How long a monitor may take to start, and to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The data directory that is meant, before anything is read but a configuration of the user's.
pub(crate) fn data_place(global: &Global) -> Result<PathBuf, Fault> {
    if let Some(named) = &global.data {
        return Ok(std::path::absolute(named)?);
    }
    // A project's own file cannot say where the data lies, so it is not even read.
    if let find::Found::Users(path) = find::find(global)?
        && let Some(data) = Config::read(&path, Origin::User)?.data
    {
        return Ok(data);
    }
    place::data()
}

/// The monitor that runs, whatever its configuration.
pub(crate) fn running(global: &Global) -> Result<Option<Client>, Fault> {
    let place = data_place(global)?;
    if !place.try_exists()? {
        return Ok(None);
    }
    match Client::connect(&DataDir::existing(&place)?, None) {
        Ok(client) => Ok(Some(client)),
        // One that is just ending takes no more clients.
        Err(ClientError::NotRunning(_) | ClientError::Gone) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The monitor, for operators: the one that runs, or one that is started.
pub(crate) fn operated(global: &Global) -> Result<Client, Fault> {
    // Whoever names a configuration means that one.
    if global.config.is_some() {
        return governed(global, &find::read(global)?);
    }
    match running(global)? {
        Some(client) => Ok(client),
        None => {
            let config = find::read(global)?;
            let data = DataDir::prepare(&data_place(global)?)?;
            Client::connect_or_start(&data, None, start(&data, config.as_ref())?).map_err(not_reached)
        }
    }
}

/// The monitor, to say what is to be trusted: where none runs, one without a project's
/// configuration, which is not trusted yet.
pub(crate) fn trusting(global: &Global) -> Result<Client, Fault> {
    if let Some(client) = running(global)? {
        return Ok(client);
    }
    let config = find::read(global)?.filter(|config| config.origin == Origin::User);
    let data = DataDir::prepare(&data_place(global)?)?;
    Client::connect_or_start(&data, None, start(&data, config.as_ref())?).map_err(not_reached)
}

/// The monitor that works with exactly this configuration.
pub(crate) fn governed(global: &Global, config: &Option<Config>) -> Result<Client, Fault> {
    let data = DataDir::prepare(&data_place(global)?)?;
    let setup = config.as_ref().map_or_else(|| NO_SETUP.to_owned(), Config::setup);
    let first = Client::connect_or_start(&data, Some(&setup), start(&data, config.as_ref())?);
    match first {
        Err(ClientError::Refused(reason)) => {
            if !makes_way(&data)? {
                return Err(Fault::cannot(reason));
            }
            Client::connect_or_start(&data, Some(&setup), start(&data, config.as_ref())?).map_err(not_reached)
        }
        connected => connected.map_err(not_reached),
    }
}

/// Asks the monitor that runs to end if nobody else needs it, and waits until it has. Whoever has
/// just left it may still count for a moment.
pub(crate) fn makes_way(data: &DataDir) -> Result<bool, Fault> {
    for _ in 0..20 {
        if yields(data)? {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(false)
}

fn yields(data: &DataDir) -> Result<bool, Fault> {
    let mut client = match Client::connect(data, None) {
        Ok(client) => client,
        Err(ClientError::NotRunning(_) | ClientError::Gone) => return Ok(true),
        Err(_) => return Ok(false),
    };
    match client.ask(&Request::Yield)? {
        Answer::Done(_) => {
            wait_until_free(data, PATIENCE)?;
            Ok(true)
        }
        Answer::No(_) | Answer::Failed(_) | Answer::Exited { .. } | Answer::Notice(_) => Ok(false),
    }
}

/// Waits until no monitor has the data directory any more.
pub(crate) fn wait_until_free(data: &DataDir, patience: Duration) -> Result<(), Fault> {
    let deadline = Instant::now() + patience;
    while is_taken(&data.lock())? {
        if Instant::now() > deadline {
            return Err(Fault::cannot(format!(
                "the monitor on {} did not end within {} s",
                data.path().display(),
                patience.as_secs()
            )));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Whether a process holds the lock of a data directory.
pub(crate) fn is_taken(lock: &Path) -> Result<bool, Fault> {
    let file = match File::open(lock) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// This executable as a monitor. It gets of the environment what the configuration takes from
/// there and nothing else: it outlives the terminal that it was started from.
fn start(data: &DataDir, config: Option<&Config>) -> Result<Start, Fault> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("monitor").arg("--data").arg(data.path()).current_dir(data.path()).env_clear();
    let kept = config.into_iter().flat_map(Config::variables).chain(["HOME"]);
    for name in kept {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    match config {
        Some(Config { path, origin: Origin::User, .. }) => {
            command.arg("--config").arg(path);
        }
        Some(Config { path, origin: Origin::Project, .. }) => {
            command.arg("--config").arg(path).arg("--project");
        }
        None => {
            command.arg("--no-config");
        }
    }
    Ok(Start { command, patience: PATIENCE })
}

/// A monitor that did not start said why as every command does; it is said once more here.
fn not_reached(error: ClientError) -> Fault {
    let ClientError::NotStarted(said) = &error else { return error.into() };
    let lines: Vec<&str> = said.lines().collect();
    let Some(at) = lines.iter().rposition(|line| line.starts_with("error: ")) else { return error.into() };
    let (before, rest) = lines.split_at(at);
    let why = rest.first().and_then(|line| line.strip_prefix("error: ")).unwrap_or_default();
    let fault = Fault::cannot(why).while_trying("starting the monitor").after(before.join("\n"));
    match rest.iter().find_map(|line| line.strip_prefix("help: ")) {
        Some(help) => fault.help(help),
        None => fault,
    }
}

/// Asks one thing; what is not done is a fault.
pub(crate) fn ask(client: &mut Client, request: &Request) -> Result<Value, Fault> {
    done(client.ask(request)?)
}

/// What came of it, where it was done.
pub(crate) fn done(answer: Answer) -> Result<Value, Fault> {
    match answer {
        Answer::Done(value) => Ok(value),
        Answer::No(reason) => Err(Fault::no(reason)),
        Answer::Failed(reason) => Err(Fault::cannot(reason)),
        Answer::Exited { .. } | Answer::Notice(_) => {
            Err(Fault::cannot("the monitor answered something that was not asked for"))
        }
    }
}
