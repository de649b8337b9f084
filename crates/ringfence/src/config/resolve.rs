//! From the file's shape to what it means. Pure but for the home directory; collects everything
//! that is wrong instead of stopping at the first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use hyper::Uri;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ringfence_audit::Durability;
use ringfence_model::BadAgentId;
use ringfence_policy::stock;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Location, Spanned};

use super::issuers;
use super::login;
use super::raw::{OneOrMany, RawAgent, RawConfig, RawOperator, RawSecret, RawServer};
use super::report::Report;
use super::{Agent, Config, Operator, Origin, PolicyPlace, Schema, SecretPlace, Server, Transport};
use crate::fault::Fault;
use crate::place;

const API_VERSION: &str = "ringfence/v1";
const KIND: &str = "Gateway";
/// Where it is listened when nothing is said.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7070);

/// Reads the text of a configuration that lies at `path`.
pub(super) fn resolved(path: PathBuf, origin: Origin, text: String) -> Result<Config, Fault> {
    let mut report = Report::new(&path, &text);
    let Some(raw) = parsed(&text, &mut report) else {
        report.end()?;
        return Err(Fault::cannot("the configuration cannot be read"));
    };
    let base = path.parent().unwrap_or(Path::new("/")).to_owned();
    expect_word(&mut report, &raw.api_version, API_VERSION, "apiVersion");
    expect_word(&mut report, &raw.kind, KIND, "kind");
    let unbuilt = [("egress", &raw.egress), ("console", &raw.console), ("models", &raw.models)];
    for (key, value) in unbuilt {
        refuse_unbuilt(&mut report, key, value.as_ref());
    }
    if let (Some(data), Origin::Project) = (&raw.data, origin) {
        report.add(
            data.referenced,
            "a project's own configuration cannot say where the data lies",
            Some("take `data` out, or name the file with --config".to_owned()),
        );
    }
    let data = raw.data.as_ref().map(|data| place::resolved(&data.value, &base)).transpose()?;
    let listen = raw.listen.and_then(|listen| listen_address(&mut report, &listen)).unwrap_or(LISTEN);
    let anonymous = raw.anonymous.and_then(|agent| {
        let parsed = agent.value.parse();
        parsed.map_err(|error: BadAgentId| report.add(agent.referenced, error.to_string(), None)).ok()
    });
    let mut policies = Vec::new();
    for named in raw.policies.map(|OneOrMany(named)| named).unwrap_or_default() {
        policies.extend(policy_place(&mut report, &named, &base)?);
    }
    let observe_until = raw.observe.and_then(|observe| until(&mut report, &observe.until));
    let durability = match raw.audit {
        Some(audit) => {
            refuse_unbuilt(&mut report, "audit.witness", audit.witness.as_ref());
            audit.durability.map_or(Durability::Sync, |written| durability(&mut report, &written))
        }
        None => Durability::Sync,
    };
    let mut servers = BTreeMap::new();
    for (name, server) in raw.servers.0 {
        if let Some(server) = server_of(&mut report, &name, server, &base, listen)? {
            servers.insert(name.value, server);
        }
    }
    let agents = agents(&mut report, raw.agents, &base)?;
    let operators = operators(&mut report, raw.operators, &base)?;
    let issuers = issuers::issuers(&mut report, raw.issuers, &base)?;
    report.end()?;
    Ok(Config {
        path,
        origin,
        text,
        data,
        listen,
        policies,
        observe_until,
        durability,
        servers,
        agents,
        anonymous,
        operators,
        issuers,
    })
}

fn parsed(text: &str, report: &mut Report<'_>) -> Option<RawConfig> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
        reject_unsupported_tags: true,
    };
    match serde_saphyr::from_str_with_options::<RawConfig>(text, options) {
        Ok(raw) => Some(raw),
        Err(error) => {
            let error = error.without_snippet();
            let at = error.location().unwrap_or(Location::UNKNOWN);
            let (message, help) = complaint(error);
            report.add(at, message, help);
            None
        }
    }
}

/// The parser's error in our words where it is a common one.
fn complaint(error: &serde_saphyr::Error) -> (String, Option<String>) {
    use serde_saphyr::Error;
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let near = nearest(field, expected.iter().copied());
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys here are {}", listed(expected)),
            };
            (format!("the key `{field}` is not known"), Some(help))
        }
        Error::SerdeMissingField { field, .. } => (format!("the key `{field}` is missing"), None),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            (format!("the key `{key}` is given twice"), Some("keep one of them".to_owned()))
        }
        Error::SerdeInvalidType { unexpected, expected, .. } => {
            (format!("expected {expected}, found {unexpected}"), None)
        }
        other => {
            let message = other.to_string();
            let first = message.lines().next().unwrap_or("it is malformed");
            let first = first.split_once(" at line ").map_or(first, |(message, _)| message);
            (format!("this is not readable: {first}"), None)
        }
    }
}

fn expect_word(report: &mut Report<'_>, written: &Spanned<String>, expected: &str, key: &str) {
    if written.value != expected {
        let message = format!("`{}` is no {key} of a configuration", written.value);
        report.add(written.referenced, message, Some(format!("write `{key}: {expected}`")));
    }
}

fn refuse_unbuilt<T>(report: &mut Report<'_>, key: &str, value: Option<&Spanned<T>>) {
    if let Some(value) = value {
        report.add(
            value.referenced,
            format!("`{key}` is not enforced by this version yet"),
            Some("take it out".to_owned()),
        );
    }
}

/// A bare word is a policy that is built in; whatever begins with `.`, `/` or `~` is a path.
fn policy_place(
    report: &mut Report<'_>,
    named: &Spanned<String>,
    base: &Path,
) -> Result<Option<PolicyPlace>, Fault> {
    let written = &named.value;
    if written.starts_with(['.', '/', '~']) {
        return Ok(Some(PolicyPlace::Path(place::resolved(written, base)?)));
    }
    if stock().iter().any(|profile| profile.name == written) {
        return Ok(Some(PolicyPlace::Profile(written.clone())));
    }
    let known: Vec<&str> = stock().iter().map(|profile| profile.name).collect();
    report.add(
        named.referenced,
        format!("there is no policy `{written}` built in"),
        Some(format!("there are {}; a file or folder is written `./{written}`", listed(&known))),
    );
    Ok(None)
}

/// An address of this machine's own: what is said there, tokens too, is not encrypted.
fn listen_address(report: &mut Report<'_>, written: &Spanned<String>) -> Option<SocketAddr> {
    let help = "write an address of this machine alone, such as `127.0.0.1:7070`".to_owned();
    match written.value.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Some(address),
        Ok(_) => {
            let message =
                format!("`{}` is open to other machines, and nothing is encrypted there", written.value);
            report.add(written.referenced, message, Some(help));
            None
        }
        Err(_) => {
            let message = format!("`{}` is no address and port", written.value);
            report.add(written.referenced, message, Some(help));
            None
        }
    }
}

/// A day begins at midnight UTC.
fn until(report: &mut Report<'_>, written: &Spanned<String>) -> Option<Timestamp> {
    let text = &written.value;
    let moment = text.parse::<Timestamp>().ok().or_else(|| {
        let day: Date = text.parse().ok()?;
        day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    });
    if moment.is_none() {
        report.add(
            written.referenced,
            format!("`{text}` is no date"),
            Some("write a day such as 2026-12-01 (UTC), or a time such as 2026-12-01T08:00:00Z".to_owned()),
        );
    }
    moment
}

fn durability(report: &mut Report<'_>, written: &Spanned<String>) -> Durability {
    match written.value.as_str() {
        "sync" => Durability::Sync,
        "danger_async" => Durability::DangerAsync,
        other => {
            report.add(
                written.referenced,
                format!("`{other}` is no durability"),
                Some(
                    "write `sync`, or `danger_async`, which may lose the newest records with the power"
                        .to_owned(),
                ),
            );
            Durability::Sync
        }
    }
}

fn server_of(
    report: &mut Report<'_>,
    name: &Spanned<String>,
    raw: RawServer,
    base: &Path,
    listen: SocketAddr,
) -> Result<Option<Server>, Fault> {
    if !is_server_name(&name.value) {
        report.add(
            name.referenced,
            format!("`{}` cannot be a server's name", name.value),
            Some("a name has 1 to 32 of a-z, 0-9 and `-`".to_owned()),
        );
    }
    for (key, value) in [("ring", &raw.ring), ("shared", &raw.shared)] {
        refuse_unbuilt(report, key, value.as_ref());
    }
    let schema = match &raw.schema {
        None => Schema::Enforce,
        Some(written) => match written.value.as_str() {
            "enforce" => Schema::Enforce,
            "warn" => Schema::Warn,
            other => {
                let help = "write `enforce` or `warn`".to_owned();
                report.add(written.referenced, format!("`{other}` is no way to treat schemas"), Some(help));
                Schema::Enforce
            }
        },
    };
    let help = Some("write `command: [PROGRAM, ARGUMENT, …]`, or `url: https://…`".to_owned());
    let command = raw.command.filter(|command| !command.is_empty());
    let transport = match (command, &raw.url) {
        (Some(command), None) => {
            if let Some(token) = &raw.token {
                let message = "a server that is started is shown no token";
                let help = Some("give it what it needs in its `env`".to_owned());
                report.add(token.referenced, message, help);
            }
            if let Some(login) = &raw.login {
                let help = Some("take it out".to_owned());
                report.add(login.referenced, "a server that is started is not logged in to", help);
            }
            let cwd = place::resolved(raw.cwd.as_deref().unwrap_or("."), base)?;
            let command = command.into_iter().map(|word| word.value).collect();
            Some(Transport::Stdio { command, cwd, env: raw.env })
        }
        (None, Some(url)) => {
            if raw.cwd.is_some() || !raw.env.is_empty() {
                let message = format!("the server `{}` is not started here", name.value);
                report.add(name.referenced, message, Some("take `cwd` and `env` out".to_owned()));
            }
            let token = match &raw.token {
                Some(token) => secret(report, token, base)?,
                None => None,
            };
            let login = match raw.login {
                Some(raw) if token.is_some() => {
                    let help = Some("take one of them out".to_owned());
                    report.add(raw.referenced, "a server has a `token` or a `login`", help);
                    None
                }
                Some(raw) => login::login(report, raw, url, base)?,
                None => None,
            };
            server_url(report, url, token.is_some(), listen).map(|url| Transport::Http { url, token, login })
        }
        (None, None) => {
            report.add(name.referenced, format!("the server `{}` has no command", name.value), help);
            None
        }
        (Some(_), Some(url)) => {
            let message = format!("the server `{}` has both a command and a URL", name.value);
            report.add(url.referenced, message, help);
            None
        }
    };
    Ok(transport.map(|transport| Server { transport, trusted: raw.trusted.unwrap_or(false), schema }))
}

/// Where a server is. A token goes to another machine only under encryption.
fn server_url(
    report: &mut Report<'_>,
    written: &Spanned<String>,
    has_token: bool,
    listen: SocketAddr,
) -> Option<Uri> {
    let mut bad = |message: String, help: &str| {
        report.add(written.referenced, message, Some(help.to_owned()));
        None
    };
    let text = &written.value;
    let help = "write it as `https://host/path`";
    let Ok(url) = text.parse::<Uri>() else { return bad(format!("`{text}` is no URL"), help) };
    let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return bad(format!("`{text}` is no whole URL"), help);
    };
    if authority.as_str().contains('@') {
        return bad("a URL holds no credentials here".to_owned(), "write `token: {file: PATH}` beside it");
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if is_here && scheme == "http" && authority.port_u16().unwrap_or(80) == listen.port() {
        return bad(format!("`{text}` is this gateway's own address"), "write the server's own address");
    }
    match scheme {
        "https" => Some(url),
        "http" if is_here || !has_token => Some(url),
        "http" => bad(
            format!("the token for `{text}` would go to another machine unencrypted"),
            "write `https`, or leave the token out",
        ),
        other => bad(format!("`{other}` is no way to reach a server"), help),
    }
}

/// What servers may be called.
pub(crate) fn is_server_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn agents(report: &mut Report<'_>, raw: Vec<RawAgent>, base: &Path) -> Result<Vec<Agent>, Fault> {
    let mut seen = BTreeSet::new();
    let mut agents = Vec::new();
    for agent in raw {
        if !seen.insert(agent.id.value.clone()) {
            report.add(agent.id.referenced, format!("the agent `{}` is named twice", agent.id.value), None);
        }
        if agent.sponsor.value.trim().is_empty() {
            let help = "name the person who answers for it".to_owned();
            report.add(agent.sponsor.referenced, "an agent has to have a sponsor", Some(help));
        }
        let token = match &agent.token {
            Some(token) => secret(report, token, base)?,
            None => None,
        };
        match agent.id.value.parse() {
            Ok(id) => {
                agents.push(Agent { id, sponsor: agent.sponsor.value, groups: agent.groups, token });
            }
            Err(error) => {
                let error: BadAgentId = error;
                report.add(agent.id.referenced, error.to_string(), None);
            }
        }
    }
    Ok(agents)
}

fn operators(report: &mut Report<'_>, raw: Vec<RawOperator>, base: &Path) -> Result<Vec<Operator>, Fault> {
    let mut seen = BTreeSet::new();
    let mut operators = Vec::new();
    for operator in raw {
        if operator.id.value.trim().is_empty() {
            report.add(operator.id.referenced, "an operator has to have a name", None);
        }
        if !seen.insert(operator.id.value.clone()) {
            let message = format!("the operator `{}` is named twice", operator.id.value);
            report.add(operator.id.referenced, message, None);
        }
        if let Some(token) = secret(report, &operator.token, base)? {
            operators.push(Operator { id: operator.id.value, groups: operator.groups, token });
        }
    }
    Ok(operators)
}

pub(super) fn secret(
    report: &mut Report<'_>,
    written: &Spanned<RawSecret>,
    base: &Path,
) -> Result<Option<SecretPlace>, Fault> {
    let help = "write `{file: PATH}` or `{env: NAME}`".to_owned();
    let RawSecret::Places(places) = &written.value else {
        report.add_hidden(written.referenced, "a token is not written in the configuration", help);
        return Ok(None);
    };
    match (&places.file, &places.env) {
        (Some(file), None) => Ok(Some(SecretPlace::File(place::resolved(file, base)?))),
        (None, Some(name)) => Ok(Some(SecretPlace::Variable(name.clone()))),
        (Some(_), Some(_)) | (None, None) => {
            let help = "write `{file: PATH}` or `{env: NAME}`".to_owned();
            report.add(
                written.referenced,
                "a token comes from one file or one environment variable",
                Some(help),
            );
            Ok(None)
        }
    }
}

fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::damerau_levenshtein(written, known), known))
        .filter(|(distance, known)| *distance <= 2.max(known.len() / 4))
        .min()
        .map(|(_, known)| known)
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
