//! `doctor`: what is governed, what is not, what is missing, what is merely cooperative. It starts
//! nothing and changes nothing, and says nothing that it did not look at.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ringfence_audit::{Archive, CannotRead};
use ringfence_model::{Confinement, Need};
use ringfence_monitor::protocol::Request;
use ringfence_sandbox::{Command, Feature, Features, prepare};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::command::policy::counted;
use crate::config::{Config, Origin, Transport, find, load};
use crate::fault::{Ending, Fault};
use crate::output::{self, paint, plain};
use crate::{place, reach};

/// One thing that was found.
struct Finding {
    area: Area,
    state: State,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Area {
    Governed,
    NotGoverned,
    Missing,
    Cooperative,
    System,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// As it should be, or simply so.
    Fine,
    /// Worth a look.
    Look,
    /// Nothing works until it is mended.
    Broken,
}

impl Area {
    const ALL: [Area; 5] =
        [Area::Governed, Area::NotGoverned, Area::Missing, Area::Cooperative, Area::System];

    fn heading(self) -> &'static str {
        match self {
            Area::Governed => "Governed",
            Area::NotGoverned => "Not governed",
            Area::Missing => "Missing",
            Area::Cooperative => "Merely cooperative",
            Area::System => "System",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Area::Governed => "governed",
            Area::NotGoverned => "not_governed",
            Area::Missing => "missing",
            Area::Cooperative => "cooperative",
            Area::System => "system",
        }
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Fine => "fine",
            State::Look => "look",
            State::Broken => "broken",
        }
    }
}

/// Findings, as they come.
#[derive(Default)]
struct Found(Vec<Finding>);

impl Found {
    fn add(&mut self, area: Area, state: State, text: impl Into<String>) {
        self.0.push(Finding { area, state, text: text.into() });
    }
}

/// Less room than this is worth a word.
const LITTLE: u64 = 1 << 30;

pub(crate) fn run(global: &Global) -> Result<Ending, Fault> {
    let mut found = Found::default();
    configuration(global, &mut found)?;
    data(global, &mut found)?;
    monitor(global, &mut found)?;
    kernel(&mut found)?;
    found.add(
        Area::NotGoverned,
        State::Fine,
        "whatever an agent does without a server that `ringfence mcp` or `ringfence up` started: its own files, programs, network and models",
    );
    found.add(
        Area::Missing,
        State::Look,
        "no witness keeps heads of the log elsewhere: log and state put back together to an older day would not show; keep `ringfence audit checkpoint` somewhere else",
    );
    let broken = found.0.iter().any(|finding| finding.state == State::Broken);
    if global.json {
        let findings: Vec<Value> = found
            .0
            .iter()
            .map(|finding| {
                json!({ "area": finding.area.word(), "state": finding.state.word(), "text": finding.text })
            })
            .collect();
        output::document(&json!({ "findings": findings, "broken": broken }))?;
    } else {
        show(&found)?;
    }
    Ok(if broken { Ending::No } else { Ending::Done })
}

fn show(found: &Found) -> Result<(), Fault> {
    for area in Area::ALL {
        let mut findings = found.0.iter().filter(|finding| finding.area == area).peekable();
        if findings.peek().is_none() {
            continue;
        }
        output::line(paint::strong(area.heading()))?;
        for finding in findings {
            let mark = match finding.state {
                State::Fine => paint::good("  -"),
                State::Look => paint::waiting("  ?"),
                State::Broken => paint::bad("  !"),
            };
            output::line(format_args!("{mark} {}", plain(&finding.text)))?;
        }
    }
    Ok(())
}

fn configuration(global: &Global, found: &mut Found) -> Result<(), Fault> {
    let config = match find::read(global) {
        Ok(Some(config)) => config,
        Ok(None) => {
            found.add(
                Area::Missing,
                State::Look,
                "there is no configuration: `ringfence mcp` needs --profile; `ringfence init` writes one",
            );
            return Ok(());
        }
        Err(fault) => {
            found.add(
                Area::System,
                State::Broken,
                format!("the configuration is refused: {}", fault.message()),
            );
            return Ok(());
        }
    };
    found.add(Area::System, State::Fine, format!("configuration: {}", config.path.display()));
    if config.origin == Origin::Project {
        found.add(
            Area::System,
            State::Look,
            "it is a project's own: it counts exactly as far as `ringfence trust` pinned it",
        );
    }
    match load::load(&config)
        .and_then(|named| named.policies.load(Ending::CannotRun).map(|loaded| loaded.set))
    {
        Ok(set) if set.is_empty() => {
            found.add(Area::Missing, State::Look, "the configuration names no policy: everything is denied");
        }
        Ok(set) => found.add(
            Area::Governed,
            State::Fine,
            format!(
                "{} with {} and {}",
                counted(set.policies().len(), "policy"),
                counted(set.rule_count(), "rule"),
                counted(set.limits().len(), "limit")
            ),
        ),
        Err(fault) => found.add(Area::System, State::Broken, fault.message()),
    }
    servers(&config, found);
    if config.agents.is_empty() {
        let text = "no agent is registered in the configuration: local callers act as spiffe://local/<user>/<program>, by description only";
        found.add(Area::Cooperative, State::Look, text);
    }
    if let Some(until) = config.observe_until {
        found.add(
            Area::NotGoverned,
            State::Look,
            format!("decisions are recorded and not enforced until {until}"),
        );
    }
    match config.durability {
        ringfence_audit::Durability::Sync => {}
        ringfence_audit::Durability::DangerAsync => {
            let text = "records may be lost with the power: audit.durability is danger_async";
            found.add(Area::System, State::Look, text);
        }
    }
    Ok(())
}

fn servers(config: &Config, found: &mut Found) {
    for (name, server) in &config.servers {
        let trusted = if server.trusted { ", believed what it says of its tools" } else { "" };
        let shown = server.shown();
        found.add(
            Area::Governed,
            State::Fine,
            format!("server {name} when started by `ringfence mcp --server {name}`: {shown}{trusted}"),
        );
        if let Transport::Stdio { .. } = server.transport {
            found.add(Area::Cooperative, State::Fine, format!("server {name} runs as you, unconfined"));
        }
    }
    if config.servers.is_empty() {
        let text = "the configuration names no server; any that `ringfence mcp -- CMD` starts is governed";
        found.add(Area::Governed, State::Fine, text);
    }
}

fn data(global: &Global, found: &mut Found) -> Result<(), Fault> {
    let place = reach::data_place(global)?;
    let shown = place.display();
    let metadata = match std::fs::metadata(&place) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            found.add(Area::System, State::Fine, format!("data directory: {shown}, made on first use"));
            return Ok(());
        }
        Err(error) => {
            found.add(
                Area::System,
                State::Broken,
                format!("the data directory {shown} cannot be read: {error}"),
            );
            return Ok(());
        }
    };
    if metadata.mode() & 0o077 != 0 {
        found.add(
            Area::System,
            State::Broken,
            format!("the data directory {shown} is open to others; `chmod 700` it"),
        );
    }
    room(&place, found);
    match Archive::open(&place) {
        Ok(archive) => found.add(
            Area::System,
            State::Fine,
            format!(
                "data directory: {shown}; the log has {} (`ringfence audit verify` verifies them)",
                counted(usize::try_from(archive.size()).unwrap_or(usize::MAX), "record")
            ),
        ),
        Err(CannotRead::NoLog { .. }) => {
            found.add(Area::System, State::Fine, format!("data directory: {shown}; no log yet"));
        }
        Err(error) => {
            found.add(Area::System, State::Broken, format!("the log in {shown} cannot be read: {error}"));
        }
    }
    Ok(())
}

/// A log that has no room left denies everything: better to hear of it before.
fn room(place: &Path, found: &mut Found) {
    let Ok(disk) = rustix::fs::statvfs(place) else { return };
    let left = disk.f_bavail.saturating_mul(disk.f_frsize);
    if left < LITTLE {
        let text = format!(
            "the disk under {} has {} MiB left; when it is full, everything is denied",
            place.display(),
            left >> 20
        );
        found.add(Area::System, State::Look, text);
    }
}

fn monitor(global: &Global, found: &mut Found) -> Result<(), Fault> {
    let token = place::configuration()?.join("operator.token");
    let mut client = match reach::running(global) {
        Ok(Some(client)) => client,
        Ok(None) => {
            found.add(
                Area::System,
                State::Fine,
                "no monitor runs; the next command that needs one starts it",
            );
            if !token.exists() {
                let text = "there may be no operator: the first `ringfence approvals`, `trust` or `agent` from a terminal makes one";
                found.add(Area::Missing, State::Look, text);
            }
            return Ok(());
        }
        Err(fault) => {
            found.add(Area::System, State::Broken, fault.message());
            return Ok(());
        }
    };
    let status = reach::ask(&mut client, &Request::Status)?;
    let number = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or(0);
    found.add(
        Area::System,
        State::Fine,
        format!(
            "the monitor runs as process {}, with {} and {}",
            number("pid"),
            counted(usize::try_from(number("sessions")).unwrap_or(usize::MAX), "session"),
            counted(usize::try_from(number("policies")).unwrap_or(usize::MAX), "policy"),
        ),
    );
    if number("latches") > 0 {
        let text = format!(
            "{} in force; `ringfence kill --list` shows them",
            counted(usize::try_from(number("latches")).unwrap_or(usize::MAX), "kill")
        );
        found.add(Area::System, State::Look, text);
    }
    if status.get("operators").and_then(Value::as_bool) != Some(true) {
        let text = "nobody is an operator: the first `ringfence approvals`, `trust` or `agent` from a terminal makes one";
        found.add(Area::Missing, State::Look, text);
    }
    Ok(())
}

/// What the kernel gives, by trying it.
fn kernel(found: &mut Found) -> Result<(), Fault> {
    let features = match probe() {
        Ok(features) => features,
        Err(fault) => {
            found.add(Area::System, State::Broken, format!("no server can be started: {}", fault.message()));
            return Ok(());
        }
    };
    match features.pid_namespace {
        Feature::Holds => {
            let text = "PID namespaces work: a wrapped server ends with everything it started";
            found.add(Area::System, State::Fine, text);
        }
        Feature::Missing(why) => found.add(
            Area::Cooperative,
            State::Look,
            format!("no PID namespace ({why}): what a server starts is tracked and ended, but could get away on purpose"),
        ),
    }
    match features.own_proc {
        Feature::Holds => {}
        Feature::Missing(why) => {
            found.add(
                Area::Cooperative,
                State::Look,
                format!("a server sees every process in /proc ({why})"),
            );
        }
    }
    Ok(())
}

fn probe() -> Result<Features, Fault> {
    let nothing = || -> Result<OwnedFd, std::io::Error> {
        Ok(File::options().read(true).write(true).open("/dev/null")?.into())
    };
    let command = Command {
        program: "true".into(),
        args: Vec::new(),
        cwd: "/".into(),
        env: Vec::new(),
        stdin: nothing()?,
        stdout: nothing()?,
        stderr: nothing()?,
    };
    // Prepared and dropped: nothing is ever executed.
    let held = prepare(command, &Confinement { processes: Need::Preferred }, Path::new("/proc/self/exe"))?;
    Ok(held.features().clone())
}
