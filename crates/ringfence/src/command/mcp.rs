//! `mcp`: one stdio server, wrapped. The monitor starts the server and speaks to it; this process
//! hands over its own standard streams and waits, so that whoever started it notices when it ends.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use ringfence_monitor::client::{Client, ClientError};
use ringfence_monitor::protocol::{Answer, McpRequest, Request, Secret};
use serde_json::Value;

use crate::cli::{Global, McpArgs};
use crate::command::server_name;
use crate::config::{Config, Transport, find};
use crate::fault::{Ending, Fault};
use crate::output::{aside, plain};
use crate::{reach, text_file};

/// The largest file with a token, in bytes.
const MAX_TOKEN_FILE: u64 = 4096;

pub(crate) fn run(global: &Global, asked: &McpArgs) -> Result<Ending, Fault> {
    let config = find::read(global)?;
    let wanted = wanted(asked, config.as_ref())?;
    let mut client = reach::governed(global, &config)?;
    let status = reach::ask(&mut client, &Request::Status)?;
    let announced = announcement(&wanted, config.as_ref(), &status);
    reach::ask(&mut client, &Request::Mcp(wanted))?;
    client.pass(&[std::io::stdin().as_fd(), std::io::stdout().as_fd(), std::io::stderr().as_fd()])?;
    let_go()?;
    for line in announced {
        aside(format_args!("ringfence: {}", plain(&line)));
    }
    wait(&mut client)
}

/// Waits until the server has ended; tells meanwhile what the monitor has to tell.
fn wait(client: &mut Client) -> Result<Ending, Fault> {
    loop {
        match client.answer() {
            Ok(Answer::Notice(text)) => {
                aside(format_args!("ringfence: {}", plain(&text)));
                on_desktop(&text);
            }
            Ok(Answer::Exited { code, message }) => {
                if let Some(message) = message {
                    aside(format_args!("ringfence: {}", plain(&message)));
                }
                return Ok(Ending::Program(u8::try_from(code).unwrap_or(Ending::CANNOT_RUN)));
            }
            Ok(answer) => {
                let value = reach::done(answer)?;
                tracing::debug!(%value, "not asked for");
            }
            Err(error @ ClientError::Gone) => return Err(error.into()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn wanted(asked: &McpArgs, config: Option<&Config>) -> Result<McpRequest, Fault> {
    let server = match &asked.server {
        Some(name) if server_name::is_one(name) => name.clone(),
        Some(name) => {
            return Err(Fault::cannot(format!("`{name}` cannot be a server's name"))
                .help("a name has 1 to 32 of a-z, 0-9 and `-`"));
        }
        None => server_name::from_command(&asked.command).ok_or_else(|| {
            Fault::cannot("no name for the server can be told from its command")
                .help("give it one with --server")
        })?,
    };
    let configured = config.and_then(|config| config.servers.get(&server));
    let command = match configured.map(|server| &server.transport) {
        Some(Transport::Stdio { command, .. }) if asked.command.is_empty() => command.clone(),
        Some(_) | None => asked.command.clone(),
    };
    if command.is_empty() && configured.is_none() {
        return Err(Fault::cannot(format!("the configuration has no server `{server}`"))
            .help("add it under `servers:`, or write its command after `--`"));
    }
    let agent = match (&asked.agent, &asked.token_file) {
        (Some(id), Some(file)) => {
            let token = text_file::read(file, MAX_TOKEN_FILE)
                .map_err(|error| Fault::from(error).while_trying("reading the agent's token"))?;
            Some((id.clone(), Secret(token.trim().to_owned())))
        }
        (Some(_) | None, _) => None,
    };
    Ok(McpRequest {
        server,
        command,
        cwd: std::env::current_dir()?,
        env: environment(config),
        profile: asked.profile.clone(),
        agent,
        observe: asked.observe,
    })
}

/// The client's environment, without what the configuration takes credentials from: no agent and
/// no server is given an operator's.
pub(crate) fn environment(config: Option<&Config>) -> Vec<(String, String)> {
    let secret: Vec<&str> = config.into_iter().flat_map(Config::variables).collect();
    let mut kept = Vec::new();
    for (name, value) in std::env::vars_os() {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) if !secret.contains(&name.as_str()) => kept.push((name, value)),
            (Ok(_), Ok(_)) => {}
            (Ok(name), Err(_)) => {
                tracing::warn!(name, "a variable that is not UTF-8 is not passed to the server");
            }
            (Err(_), _) => tracing::warn!("a variable whose name is not UTF-8 is not passed to the server"),
        }
    }
    kept
}

/// What is governed, what is not, and where it is written down.
fn announcement(wanted: &McpRequest, config: Option<&Config>, status: &Value) -> Vec<String> {
    let policies = status.get("policies").and_then(Value::as_u64).unwrap_or(0);
    let under = match (config, &wanted.profile) {
        (Some(config), _) if policies > 0 => {
            format!(
                "{} of {}",
                super::policy::counted(usize::try_from(policies).unwrap_or(usize::MAX), "policy"),
                config.path.display()
            )
        }
        (_, Some(profile)) => format!("the built-in policy {profile}"),
        (Some(_) | None, None) => "no policy: everything is denied".to_owned(),
    };
    let is_here = !wanted.command.is_empty();
    let configured = config.and_then(|config| config.servers.get(&wanted.server));
    let shown = match configured {
        Some(server) if !is_here => server.shown(),
        Some(_) | None => wanted.command.join(" "),
    };
    let data = status.get("data").and_then(Value::as_str).unwrap_or("?");
    let mut lines = vec![format!(
        "`{}` is governed as server {} under {under}; the log is {data}/log",
        shown, wanted.server
    )];
    let observing = status.get("observing").and_then(Value::as_bool) == Some(true);
    if observing || wanted.observe {
        lines.push("OBSERVING: decisions are recorded and not enforced".to_owned());
    }
    let how = if is_here { "it runs as you, unconfined; " } else { "" };
    lines
        .push(format!("it is cooperative: {how}what an agent does without this server is not governed here"));
    lines
}

/// The monitor has the streams now. As long as this process held them too, their ends would never
/// be seen.
fn let_go() -> Result<(), Fault> {
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(())
}

/// Tells a person who looks elsewhere, where there is a desktop to tell it on. Nobody waits for it.
pub(super) fn on_desktop(text: &str) {
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if !has_display {
        return;
    }
    // Notification servers read markup in the text.
    let text = plain(text).replace('&', "&amp;").replace('<', "&lt;");
    let shown = Command::new("notify-send")
        .args(["--app-name=Ringfence", "--", "Ringfence", &text])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match shown {
        // Reaped on a thread of its own: it may take its time.
        Ok(mut shown) => {
            std::thread::spawn(move || shown.wait());
        }
        Err(error) => tracing::debug!(%error, "the desktop is not told"),
    }
}
