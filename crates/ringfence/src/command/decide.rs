//! `decide`: the event protocol over standard streams, with a monitor inside this process.

use std::fs::Permissions;
use std::io::{self, BufRead, Write};
use std::os::unix::fs::PermissionsExt as _;

use jiff::Timestamp;
use ringfence_audit::Durability;
use ringfence_guard::Configured;
use ringfence_model::Person;
use ringfence_monitor::event::{MAX_LINE, Stateless, Stream};
use ringfence_monitor::{DataDir, Monitor, Setup};
use ringfence_policy::{Loaded, PolicySet};

use crate::cli::{DecideArgs, Global};
use crate::command::monitor::{configured, node};
use crate::config::{Config, Origin, load};
use crate::fault::{Ending, Fault};
use crate::output;
use crate::policy_files::PolicyFiles;

/// What a line that is too long is answered with.
const TOO_LONG: &str = r#"{"id":null,"error":"the line is longer than 16 MiB","decision":"deny"}"#;

pub(crate) fn run(global: &Global, asked: &DecideArgs) -> Result<Ending, Fault> {
    let mut files = PolicyFiles::default();
    for path in &asked.policies {
        files.read(path)?;
    }
    let Loaded { set, warnings } = files.load(Ending::CannotRun)?;
    for located in files.located(warnings) {
        output::fault::diagnostic(&located);
    }
    let sponsor = Person::new(&ringfence_monitor::user_name(rustix::process::geteuid().as_raw()));
    if asked.stateless {
        let stateless = Stateless::new(set, sponsor, asked.agent.clone());
        answer_each(|line| stateless.take(line, Timestamp::now()).to_line())?;
        return Ok(Ending::Done);
    }
    guarded(global, asked, set, sponsor)
}

fn guarded(global: &Global, asked: &DecideArgs, set: PolicySet, sponsor: Person) -> Result<Ending, Fault> {
    // Only a configuration that is named counts here: this monitor is not the user's.
    let config = global.config.as_ref().map(|path| Config::read(path, Origin::User)).transpose()?;
    let configured = match &config {
        Some(config) => configured(config, &load::load(config)?),
        None => Configured::nobody(),
    };
    let temporary = match &global.data {
        Some(_) => None,
        None => Some(
            tempfile::Builder::new()
                .prefix("ringfence-")
                .permissions(Permissions::from_mode(0o700))
                .tempdir()?,
        ),
    };
    let (place, durability) = match (&global.data, &temporary) {
        (Some(named), _) => {
            (named.as_path(), config.as_ref().map_or(Durability::Sync, |config| config.durability))
        }
        // It is gone with this process, so there is nothing that would have to outlive the machine.
        (None, Some(folder)) => (folder.path(), Durability::DangerAsync),
        (None, None) => return Err(Fault::cannot("there is no data directory")),
    };
    let data = DataDir::prepare(place)?;
    let monitor = Monitor::open(Setup {
        node: node(&data)?,
        data,
        durability,
        policies: set,
        observe_until: config.and_then(|config| config.observe_until),
        configured,
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut stream = Stream::new(monitor.guard.clone(), sponsor, asked.agent.clone());
    let answered = answer_each(|line| runtime.block_on(stream.take(line)).to_line());
    drop(stream);
    drop(runtime);
    monitor.close()?;
    answered?;
    Ok(Ending::Done)
}

/// Reads line by line; writes and flushes one answer for each.
fn answer_each(mut answer: impl FnMut(&[u8]) -> String) -> Result<(), Fault> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = Vec::new();
    loop {
        let said = match read_line(&mut input, &mut line)? {
            Read::Line if line.iter().all(u8::is_ascii_whitespace) => continue,
            Read::Line => answer(&line),
            Read::TooLong => TOO_LONG.to_owned(),
            Read::End => return Ok(()),
        };
        output.write_all(said.as_bytes())?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
}

enum Read {
    Line,
    TooLong,
    End,
}

/// One line without its end, into `line`. Of a line that is too long nothing is kept.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Read> {
    line.clear();
    let mut is_too_long = false;
    loop {
        let ready = input.fill_buf()?;
        if ready.is_empty() {
            return Ok(match (is_too_long, line.is_empty()) {
                (true, _) => Read::TooLong,
                (false, true) => Read::End,
                (false, false) => Read::Line,
            });
        }
        let end = ready.iter().position(|byte| *byte == b'\n');
        let part = ready.get(..end.unwrap_or(ready.len())).unwrap_or_default();
        if is_too_long || line.len().saturating_add(part.len()) > MAX_LINE {
            is_too_long = true;
            line.clear();
        } else {
            line.extend_from_slice(part);
        }
        let consumed = part.len() + usize::from(end.is_some());
        input.consume(consumed);
        if end.is_some() {
            return Ok(if is_too_long { Read::TooLong } else { Read::Line });
        }
    }
}
