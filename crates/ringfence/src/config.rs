//! The configuration, in two steps. [`raw`] is the file's shape: unknown keys refused, no input or
//! output. [`Config`] is what it means: paths absolute, names checked. What it names (policies,
//! tokens) is read by [`load`], once, by whoever is going to enforce it.
//!
//! What is accepted here is enforced: a key whose enforcement is not built yet is refused.

pub(crate) mod find;
mod issuers;
pub(crate) mod load;
pub(crate) mod login;
mod raw;
mod report;
mod resolve;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hyper::Uri;
use jiff::Timestamp;
use ringfence_audit::Durability;
use ringfence_model::{AgentId, Digest};
use sha2::Digest as _;

pub(crate) use issuers::{Issuer, KeyPlace};
pub(crate) use resolve::is_server_name;

use crate::fault::Fault;
use crate::text_file;

/// The largest configuration, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The user's own, or named by the user.
    User,
    /// `./ringfence.yaml`: an agent may be able to write it, so it counts as far as it is trusted.
    Project,
}

/// A configuration, resolved.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The file, absolute.
    pub(crate) path: PathBuf,
    /// Whose it is.
    pub(crate) origin: Origin,
    /// The file as it was read.
    pub(crate) text: String,
    /// The data directory, where it names one.
    pub(crate) data: Option<PathBuf>,
    /// Where `up` listens: an address of this machine's own.
    pub(crate) listen: SocketAddr,
    /// Where the policies come from.
    pub(crate) policies: Vec<PolicyPlace>,
    /// Until when decisions are recorded and not enforced.
    pub(crate) observe_until: Option<Timestamp>,
    /// When a permit's record counts as written.
    pub(crate) durability: Durability,
    /// By name.
    pub(crate) servers: BTreeMap<String, Server>,
    /// As written.
    pub(crate) agents: Vec<Agent>,
    /// Who a caller on this machine is that shows no token; refused where it is left out.
    pub(crate) anonymous: Option<AgentId>,
    /// As written.
    pub(crate) operators: Vec<Operator>,
    /// Whose tokens are taken besides.
    pub(crate) issuers: Vec<Issuer>,
}

/// Where policies come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PolicyPlace {
    /// A file, or a folder of files.
    Path(PathBuf),
    /// Built in.
    Profile(String),
}

/// An MCP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// How it is reached.
    pub(crate) transport: Transport,
    /// Whether it is believed what it says of its own tools.
    pub(crate) trusted: bool,
    /// What happens to arguments that do not fit its schemas.
    pub(crate) schema: Schema,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transport {
    /// It is started.
    Stdio {
        /// Its program and arguments.
        command: Vec<String>,
        /// Where it runs.
        cwd: PathBuf,
        /// Added to the client's environment.
        env: BTreeMap<String, String>,
    },
    /// It is somewhere else.
    Http {
        /// `http` or `https`.
        url: Uri,
        /// What it is shown as a bearer token.
        token: Option<SecretPlace>,
        /// How a token for it is got.
        login: Option<login::Login>,
    },
}

impl Server {
    /// As people are told.
    pub(crate) fn shown(&self) -> String {
        match &self.transport {
            Transport::Stdio { command, .. } => command.join(" "),
            Transport::Http { url, .. } => url.to_string(),
        }
    }

    /// How it is logged in to.
    pub(crate) fn login(&self) -> Option<&login::Login> {
        match &self.transport {
            Transport::Stdio { .. } => None,
            Transport::Http { login, .. } => login.as_ref(),
        }
    }

    /// Where the credential for it is: its token, or the secret to get one with.
    pub(crate) fn token(&self) -> Option<&SecretPlace> {
        match &self.transport {
            Transport::Stdio { .. } => None,
            Transport::Http { token, login, .. } => match login.as_ref().map(|login| &login.client) {
                Some(login::Client::With { secret, .. }) => secret.as_ref(),
                Some(login::Client::Document(_) | login::Client::Nowhere) | None => token.as_ref(),
            },
        }
    }
}

/// What happens to arguments that do not fit a tool's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// They are refused.
    Enforce,
    /// They pass, with a warning.
    Warn,
}

/// A registered agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) sponsor: String,
    pub(crate) groups: Vec<String>,
    pub(crate) token: Option<SecretPlace>,
}

/// A person who may approve, grant and kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) id: String,
    pub(crate) groups: Vec<String>,
    pub(crate) token: SecretPlace,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretPlace {
    /// In a file.
    File(PathBuf),
    /// In an environment variable.
    Variable(String),
}

impl Config {
    /// Reads and resolves one file. What it names is not touched.
    pub(crate) fn read(path: &Path, origin: Origin) -> Result<Config, Fault> {
        let path = std::path::absolute(path)?;
        let text = text_file::read(&path, MAX_FILE)
            .map_err(|error| Fault::from(error).while_trying("reading the configuration"))?;
        resolve::resolved(path, origin, text)
    }

    /// What client and monitor compare to know that they mean the same configuration.
    pub(crate) fn setup(&self) -> String {
        Digest(sha2::Sha256::digest(self.text.as_bytes()).into()).to_string()
    }

    /// The first key that two configurations give another value to and that is in use as long as a
    /// monitor runs.
    pub(crate) fn differs(&self, other: &Config) -> Option<&'static str> {
        fn logins(config: &Config) -> impl Iterator<Item = (&String, &login::Login)> {
            config.servers.iter().filter_map(|(name, server)| Some((name, server.login()?)))
        }
        [
            ("issuers", self.issuers != other.issuers),
            ("login", !logins(self).eq(logins(other))),
            ("data", self.data != other.data),
            ("listen", self.listen != other.listen),
            ("audit.durability", self.durability != other.durability),
            ("agents", self.agents != other.agents),
            ("anonymous", self.anonymous != other.anonymous),
            ("operators", self.operators != other.operators),
        ]
        .into_iter()
        .find_map(|(key, differs)| differs.then_some(key))
    }

    /// The environment variables that hold secrets.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let agents = self.agents.iter().filter_map(|agent| agent.token.as_ref());
        let operators = self.operators.iter().map(|operator| &operator.token);
        let servers = self.servers.values().filter_map(Server::token);
        agents.chain(operators).chain(servers).filter_map(|place| match place {
            SecretPlace::Variable(name) => Some(name.as_str()),
            SecretPlace::File(_) => None,
        })
    }
}

/// [`Config::setup`] where there is no configuration.
pub(crate) const NO_SETUP: &str = "none";
