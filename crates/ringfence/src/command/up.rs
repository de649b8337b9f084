//! `up`: the monitor in the foreground, with the configured servers over HTTP.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use ringfence_identity::Endpoint;
use ringfence_monitor::{DataDir, Http, Serving, Setting, serve};
use rustix::process::{Resource, Rlimit};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::monitor::{Opened, again, hear_signals, open};
use super::{mcp, policy};
use crate::cli::Global;
use crate::config::{Config, KeyPlace, find};
use crate::fault::{Ending, Fault};
use crate::output::{self, aside, plain};
use crate::reach;

/// How many notices may wait to be shown.
const NOTICES: usize = 16;
/// How many files may be open at once, where the system allows it.
const FILES: u64 = 65_536;

pub(crate) fn run(global: &Global) -> Result<Ending, Fault> {
    let config = find::read(global)?.ok_or_else(|| {
        Fault::cannot("there is no configuration, so there is nothing to serve")
            .help("`ringfence init` writes one to begin with; or name one with --config")
    })?;
    if config.servers.is_empty() {
        return Err(Fault::cannot("the configuration names no server, so there is nothing to serve")
            .help("add one under `servers:`"));
    }
    if config.policies.is_empty() {
        return Err(Fault::cannot("no policy is loaded, so everything would be denied")
            .help("name policies under `policies:`"));
    }
    raise_files();
    let listener = TcpListener::bind(config.listen).map_err(|error| {
        Fault::from(error)
            .while_trying(format!("listening on {}", config.listen))
            .help("end what listens there, or name another port under `listen:`")
    })?;
    let address = listener.local_addr()?;
    let data = DataDir::prepare(&reach::data_place(global)?)?;
    if !reach::makes_way(&data)? {
        return Err(Fault::cannot(format!("another monitor works on {}", data.path().display()))
            .help("end it with `ringfence stop`, or name another folder with --data"));
    }
    let Opened { monitor, servers, issuers } = open(data.clone(), Some(&config))?;
    announce(global, &config, &data, address, monitor.guard.policies(), monitor.guard.observing().is_some())?;
    let (notices, mut heard) = mpsc::channel::<String>(NOTICES);
    let serving = Serving {
        setting: Setting { setup: config.setup(), servers },
        again: Some(again(config.clone(), monitor.guard.clone())),
        idle: None,
        http: Some(Http {
            listener,
            anonymous: config.anonymous.clone(),
            issuers,
            keys: key_places(&config),
            env: mcp::environment(Some(&config)),
            notices,
        }),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let closed = runtime.block_on(async {
        tokio::spawn(hear_signals(data.clone()));
        tokio::spawn(async move {
            while let Some(notice) = heard.recv().await {
                aside(format_args!("ringfence: {}", plain(&notice)));
                mcp::on_desktop(&notice);
            }
        });
        serve(monitor, data, serving).await
    })?;
    // Tasks that still hold the guard end with the runtime, and what they hold with them.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    closed.close()?;
    Ok(Ending::Done)
}

/// Where the keys of issuers are fetched that are in no file.
fn key_places(config: &Config) -> BTreeMap<String, Endpoint> {
    let issuers = config.issuers.iter().filter_map(|issuer| match &issuer.keys {
        KeyPlace::Url(url) => Some((issuer.rules.url.clone(), url.clone())),
        KeyPlace::File(_) => None,
    });
    issuers.collect()
}

/// A connection is a file: as many as the system lets this process have, where it would be fewer.
fn raise_files() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum.map_or(Some(FILES), |most| Some(most.min(FILES))), ..limit };
    if limit.current.is_some_and(|current| current < wanted.current.unwrap_or(current))
        && let Err(error) = rustix::process::setrlimit(Resource::Nofile, wanted)
    {
        tracing::warn!(%error, "no more files can be open at once than before");
    }
}

/// What is governed, what is not, and where it is reached and written down.
fn announce(
    global: &Global,
    config: &Config,
    data: &DataDir,
    address: SocketAddr,
    policies: usize,
    is_observing: bool,
) -> Result<(), Fault> {
    let all = format!("http://{address}/mcp");
    let url = |server: &str| format!("{all}/{server}");
    if global.json {
        let servers: Vec<Value> =
            config.servers.keys().map(|name| json!({ "name": name, "url": url(name) })).collect();
        return output::json_line(&json!({
            "listen": address.to_string(),
            "url": all,
            "servers": servers,
            "anonymous": config.anonymous.as_ref().map(ringfence_model::AgentId::as_str),
            "issuers": config.issuers.iter().map(|issuer| &issuer.rules.url).collect::<Vec<_>>(),
            "policies": policies,
            "observing": is_observing,
            "confinement": "cooperative",
            "log": data.log(),
        }));
    }
    output::line(format_args!(
        "Governed under {} of {}; the log is {}:",
        policy::counted(policies, "policy"),
        config.path.display(),
        data.log().display()
    ))?;
    for name in config.servers.keys() {
        output::line(format_args!("  {name:<16}{}", url(name)))?;
    }
    output::line(format_args!("  {:<16}{all}", "all of them"))?;
    output::line(match &config.anonymous {
        Some(agent) => {
            format!("Callers show an agent's token; one on this machine that shows none is {agent}.")
        }
        None => "Callers show an agent's token (`ringfence agent add` issues one).".to_owned(),
    })?;
    for issuer in &config.issuers {
        let (url, prefix) = (&issuer.rules.url, &issuer.rules.agents.prefix);
        output::line(format_args!("Or a token of {url}, for agents under {prefix}."))?;
    }
    output::line(
        "Not governed: what an agent does without these servers. They run as you, unconfined: this is cooperative.",
    )?;
    if is_observing {
        output::line(output::paint::waiting("OBSERVING: decisions are recorded and not enforced"))?;
    }
    Ok(())
}
