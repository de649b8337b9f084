//! `status` and `stop`: the monitor of the data directory.

use std::time::Duration;

use ringfence_monitor::DataDir;
use ringfence_monitor::client::{Client, ClientError};
use ringfence_monitor::protocol::Request;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::config::{find, load};
use crate::fault::{Ending, Fault};
use crate::output::{self, plain};
use crate::reach;

/// How long a monitor may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn status(global: &Global) -> Result<Ending, Fault> {
    let place = reach::data_place(global)?;
    let Some(mut client) = reach::running(global)? else {
        if global.json {
            output::document(&json!({ "running": false, "data": place }))?;
        } else {
            output::line(format_args!(
                "No monitor runs on {}. The next command that needs one starts it.",
                place.display()
            ))?;
        }
        return Ok(Ending::Done);
    };
    let mut status = reach::ask(&mut client, &Request::Status)?;
    if global.json {
        if let Some(members) = status.as_object_mut() {
            members.insert("running".to_owned(), Value::Bool(true));
        }
        output::document(&status)?;
        return Ok(Ending::Done);
    }
    for (label, key) in [
        ("version", "version"),
        ("process", "pid"),
        ("data", "data"),
        ("log", "origin"),
        ("records", "records"),
        ("policies", "policies"),
        ("digest", "policy_digest"),
        ("sessions", "sessions"),
        ("asks", "asks"),
        ("kills", "latches"),
    ] {
        let value = match status.get(key) {
            Some(Value::String(text)) => plain(text).into_owned(),
            Some(other) => other.to_string(),
            None => continue,
        };
        output::line(format_args!("{label:<10}{value}"))?;
    }
    if status.get("observing").and_then(Value::as_bool) == Some(true) {
        output::line(output::paint::waiting("observing: decisions are recorded and not enforced"))?;
    }
    Ok(Ending::Done)
}

pub(crate) fn stop(global: &Global) -> Result<Ending, Fault> {
    let place = reach::data_place(global)?;
    let mut was_running = false;
    if place.try_exists()? {
        let data = DataDir::existing(&place)?;
        // One that takes no more clients may still be ending.
        was_running = end(&data)? || reach::is_taken(&data.lock())?;
        reach::wait_until_free(&data, PATIENCE)?;
    }
    if global.json {
        output::document(&json!({ "stopped": was_running, "data": place }))?;
    } else if was_running {
        output::line(format_args!("The monitor on {} has ended.", place.display()))?;
    } else {
        output::line(format_args!("No monitor runs on {}.", place.display()))?;
    }
    Ok(Ending::Done)
}

pub(crate) fn reload(global: &Global) -> Result<Ending, Fault> {
    // What is wrong with it is shown here, with its place; the monitor then goes on as it is.
    let config = find::read(global)?
        .ok_or_else(|| Fault::cannot("there is no configuration").help("name one with --config"))?;
    load::load(&config)?.policies.load(Ending::CannotRun)?;
    let data = DataDir::existing(&reach::data_place(global)?)?;
    let status = reach::ask(&mut Client::connect(&data, None)?, &Request::Reload)?;
    if global.json {
        output::document(&status)?;
    } else {
        let policies = status.get("policies").and_then(Value::as_u64).unwrap_or(0);
        let policies = super::policy::counted(usize::try_from(policies).unwrap_or(usize::MAX), "policy");
        output::line(format_args!("The monitor on {} enforces {policies} now.", data.path().display()))?;
    }
    Ok(Ending::Done)
}

/// Whether there was a monitor to end, of whatever version.
fn end(data: &DataDir) -> Result<bool, Fault> {
    let ended = Client::connect_to_end(data).and_then(|mut client| client.ask(&Request::Stop));
    match ended {
        Ok(answer) => reach::done(answer).map(|_| true),
        Err(ClientError::NotRunning(_)) => Ok(false),
        // It was ending already.
        Err(ClientError::Gone) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
