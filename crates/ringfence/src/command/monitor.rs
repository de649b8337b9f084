//! `monitor`: the process that owns a data directory. Started by the other commands, never typed.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use ringfence_audit::Durability;
use ringfence_gateway::mcp::stdio;
use ringfence_gateway::mcp::upstream::{Authorization, Endpoint};
use ringfence_guard::{Configured, ConfiguredAgent, ConfiguredOperator, Guard};
use ringfence_identity::Issuers;
use ringfence_identity::oauth::{Registered, Secret};
use ringfence_model::{Person, Ring};
use ringfence_monitor::client::Client;
use ringfence_monitor::protocol::{Answer, Request};
use ringfence_monitor::{
    Again, ConfiguredServer, DataDir, LoginBy, LoginRules, Monitor, ServerSettings, Serving, Setting, Setup,
    Transport, serve,
};
use ringfence_policy::{Loaded, PolicySet};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Global, MonitorArgs};
use crate::config::load::{self, Named};
use crate::config::{self, Config, NO_SETUP, Origin, Schema, login};
use crate::fault::{Ending, Fault};
use crate::reach;

/// How long the monitor before this one may take to end.
const TURN: Duration = Duration::from_secs(10);

pub(crate) fn run(global: &Global, asked: &MonitorArgs) -> Result<Ending, Fault> {
    // Whatever ends the terminal that this was started from is not to end this.
    if let Err(error) = rustix::process::setsid() {
        tracing::debug!(%error, "it leads a session already");
    }
    let data = DataDir::prepare(&reach::data_place(global)?)?;
    let config = read(global, asked)?;
    let Opened { monitor, servers, issuers: _ } = loop {
        if !is_my_turn(&data)? {
            tracing::info!("another monitor came first");
            return Ok(Ending::Done);
        }
        match open(data.clone(), config.as_ref()) {
            Ok(opened) => break opened,
            // Two were started at once, and the other one was quicker.
            Err(_) if reach::is_taken(&data.lock())? => {}
            Err(fault) => return Err(fault),
        }
    };
    let setup = config.as_ref().map_or_else(|| NO_SETUP.to_owned(), Config::setup);
    let serving = Serving {
        setting: Setting { setup, servers },
        again: config.map(|config| again(config, monitor.guard.clone())),
        idle: Some(Duration::from_secs(asked.idle)),
        http: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let closed = runtime.block_on(async {
        tokio::spawn(hear_signals(data.clone()));
        serve(monitor, data, serving).await
    })?;
    // Tasks that still hold the guard end with the runtime, and what they hold with them.
    runtime.shutdown_timeout(Duration::from_secs(5));
    closed.close()?;
    Ok(Ending::Done)
}

/// Waits for a monitor that is ending. One that serves came first: whoever wanted a monitor has one,
/// and this one must not take over when that is stopped.
fn is_my_turn(data: &DataDir) -> Result<bool, Fault> {
    let deadline = Instant::now() + TURN;
    while reach::is_taken(&data.lock())? {
        if Client::connect(data, None).is_ok() {
            return Ok(false);
        }
        if Instant::now() > deadline {
            reach::wait_until_free(data, Duration::ZERO)?;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(true)
}

fn read(global: &Global, asked: &MonitorArgs) -> Result<Option<Config>, Fault> {
    let origin = if asked.project { Origin::Project } else { Origin::User };
    match &global.config {
        Some(path) if !asked.no_config => Config::read(path, origin).map(Some),
        Some(_) | None => Ok(None),
    }
}

/// Servers by name.
pub(crate) type Servers = BTreeMap<String, ConfiguredServer>;

/// A monitor, the servers that the configuration names, and whose tokens are taken at its door.
pub(crate) struct Opened {
    pub(crate) monitor: Monitor,
    pub(crate) servers: Servers,
    pub(crate) issuers: Issuers,
}

/// Opens the monitor; a project's configuration has to be the one that was trusted.
pub(crate) fn open(data: DataDir, config: Option<&Config>) -> Result<Opened, Fault> {
    let Some(config) = config else {
        let monitor = Monitor::open(Setup {
            node: node(&data)?,
            data,
            durability: Durability::Sync,
            policies: empty()?,
            observe_until: None,
            configured: Configured::nobody(),
        })?;
        return Ok(Opened { monitor, servers: Servers::new(), issuers: Issuers::nobody() });
    };
    let named = load::load(config)?;
    let Loaded { set, warnings } = named.policies.load(Ending::CannotRun)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let digest = load::trust_digest(config, &named).to_string();
    let issuers = load::issuers(config, &named)?;
    let servers = servers(config, &named)?;
    let monitor = Monitor::open(Setup {
        node: node(&data)?,
        data,
        durability: config.durability,
        policies: set,
        observe_until: config.observe_until,
        configured: configured(config, &named),
    })?;
    if config.origin == Origin::Project {
        let pinned = monitor.guard.trusted(&config.path.to_string_lossy());
        if pinned.as_deref() != Some(digest.as_str()) {
            monitor.close()?;
            return Err(not_trusted(&config.path, pinned.is_some()));
        }
    }
    Ok(Opened { monitor, servers, issuers })
}

/// Reads a configuration again. What it says of policies and servers may have changed; of nothing
/// else, since that is in use.
pub(crate) fn again(first: Config, guard: Guard) -> Again {
    Box::new(move || {
        let read = || {
            let config = Config::read(&first.path, first.origin)?;
            if let Some(key) = first.differs(&config) {
                return Err(Fault::cannot(format!("`{key}` has changed, which takes a new start"))
                    .help("end the monitor with `ringfence stop` and start it again"));
            }
            let named = load::load(&config)?;
            let Loaded { set, warnings } = named.policies.load(Ending::CannotRun)?;
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            if config.origin == Origin::Project {
                let digest = load::trust_digest(&config, &named).to_string();
                let pinned = guard.trusted(&config.path.to_string_lossy());
                if pinned.as_deref() != Some(digest.as_str()) {
                    return Err(not_trusted(&config.path, pinned.is_some()));
                }
            }
            let servers = servers(&config, &named)?;
            Ok((Setting { setup: config.setup(), servers }, set, config.observe_until))
        };
        read().map_err(|fault: Fault| match fault.advice() {
            Some(advice) => format!("{}; {advice}", fault.message()),
            None => fault.message(),
        })
    })
}

fn not_trusted(path: &Path, changed: bool) -> Fault {
    let why = if changed {
        "is not what was trusted: it, a policy or a token has changed"
    } else {
        "is not trusted"
    };
    Fault::cannot(format!("`{}` {why}", path.display())).help(
        "look at it, then run `ringfence trust` in its folder; or name a configuration of your own with --config",
    )
}

/// Agents and operators, as the guard takes them.
pub(crate) fn configured(config: &Config, named: &Named) -> Configured {
    let agents = config.agents.iter().map(|agent| {
        let registered = ConfiguredAgent {
            sponsor: Person::new(&agent.sponsor),
            groups: agent.groups.clone().into(),
            ring: Ring::Three,
            token: named.agents.get(agent.id.as_str()).copied().flatten(),
        };
        (agent.id.clone(), registered)
    });
    let operators = config.operators.iter().filter_map(|operator| {
        Some(ConfiguredOperator {
            person: Person::new(&operator.id),
            groups: operator.groups.clone(),
            token: *named.operators.get(&operator.id)?,
        })
    });
    let issued = config.issuers.iter().map(|issuer| issuer.rules.agents.prefix.clone());
    Configured { agents: agents.collect(), operators: operators.collect(), issued: issued.collect() }
}

/// The servers that a configuration names.
pub(crate) fn servers(config: &Config, named: &Named) -> Result<Servers, Fault> {
    let configured = config.servers.iter().map(|(name, server)| {
        let schema = match server.schema {
            Schema::Enforce => stdio::Schema::Enforce,
            Schema::Warn => stdio::Schema::Warn,
        };
        let settings = ServerSettings { trusted: server.trusted, schema };
        let transport = match server.transport.clone() {
            config::Transport::Stdio { command, cwd, env } => Transport::Stdio { command, cwd, env },
            config::Transport::Http { url, login, .. } => {
                let token = named.servers.get(name).filter(|_| login.is_none());
                let authorization = match token {
                    Some(token) => Authorization::Fixed(bearer(name, token)?),
                    None => Authorization::Nothing,
                };
                Transport::Http(Endpoint { name: name.clone(), uri: url, authorization })
            }
        };
        let login = server.login().map(|login| rules(login, named.servers.get(name)));
        Ok((name.clone(), ConfiguredServer { transport, settings, login }))
    });
    configured.collect()
}

/// How a server is logged in to, as the monitor takes it.
fn rules(written: &login::Login, secret: Option<&zeroize::Zeroizing<String>>) -> LoginRules {
    let registered = match &written.client {
        login::Client::With { issuer, id, .. } => Registered::With {
            issuer: issuer.clone(),
            id: id.clone(),
            secret: secret.map(|secret| Secret::new(secret.to_string())),
        },
        login::Client::Document(document) => Registered::Document(document.clone()),
        login::Client::Nowhere => Registered::Nowhere,
    };
    let by = match written.grant {
        login::Grant::AuthorizationCode => LoginBy::Person,
        login::Grant::ClientCredentials => LoginBy::Client,
    };
    LoginRules { server: written.server.clone(), registered, by, scopes: written.scopes.clone() }
}

fn bearer(server: &str, token: &str) -> Result<HeaderValue, Fault> {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| {
        Fault::cannot(format!("the token for the server `{server}` cannot stand in a header"))
            .help("it has to be one line of printable ASCII")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// A set without policies: everything is denied.
pub(crate) fn empty() -> Result<PolicySet, Fault> {
    match PolicySet::load(&[]) {
        Ok(Loaded { set, .. }) => Ok(set),
        Err(_) => Err(Fault::cannot("an empty set of policies does not load")),
    }
}

/// The node's name in the log's origin: that of the log, where there is one; a new log gets one
/// by chance. Not the machine's name, which often is a person's, and leaves are kept for ever.
pub(crate) fn node(data: &DataDir) -> Result<String, Fault> {
    let beside = data.log().join("vkey");
    match std::fs::read_to_string(&beside) {
        Ok(vkey) => {
            let origin = vkey.split('+').next().unwrap_or("");
            let node = origin.strip_prefix("ringfence/").ok_or_else(|| {
                Fault::cannot(format!("`{}` is not the public key of a log", beside.display()))
            })?;
            Ok(node.to_owned())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut chance = [0u8; 6];
            std::fs::File::open("/dev/urandom")?.read_exact(&mut chance)?;
            Ok(format!("node-{}", ringfence_model::hex(&chance)))
        }
        Err(error) => Err(Fault::from(error).while_trying(format!("reading `{}`", beside.display()))),
    }
}

/// Signals do what `stop` and `reload` do: through its own socket, so that there is one way.
pub(crate) async fn hear_signals(data: DataDir) {
    let signals =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        tracing::warn!("signals cannot be waited for; they end the monitor at once");
        return;
    };
    loop {
        let request = tokio::select! {
            _ = terminate.recv() => Request::Stop,
            _ = interrupt.recv() => Request::Stop,
            _ = hangup.recv() => Request::Reload,
        };
        let data = data.clone();
        let asked = tokio::task::spawn_blocking(move || Client::connect(&data, None)?.ask(&request)).await;
        match asked {
            Ok(Ok(Answer::Done(_))) => {}
            Ok(Ok(Answer::No(reason) | Answer::Failed(reason))) => {
                tracing::error!(reason, "what a signal asked for was not done");
            }
            Ok(Ok(Answer::Notice(_) | Answer::Exited { .. })) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what a signal asked for was not done"),
            Err(error) => tracing::warn!(%error, "what a signal asked for was not done"),
        }
    }
}
