//! What a configuration names, read: policies, tokens and issuers' keys. From one snapshot the
//! policies are compiled, the credentials kept as digests, and the digest made that
//! `ringfence trust` pins.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_identity::{Issuers, KeySet, Token};
use ringfence_model::Digest;
use sha2::Digest as _;
use zeroize::Zeroizing;

use super::{Config, KeyPlace, PolicyPlace, SecretPlace};
use crate::fault::Fault;
use crate::policy_files::PolicyFiles;
use crate::text_file;

/// The largest file with a token, in bytes.
const MAX_TOKEN_FILE: u64 = 4096;
/// The largest file with an issuer's keys, in bytes.
const MAX_KEY_FILE: u64 = 256 * 1024;

/// Everything a configuration names.
#[derive(Debug)]
pub(crate) struct Named {
    /// The texts of the policies.
    pub(crate) policies: PolicyFiles,
    /// By agent: the SHA-256 of its token, where it has one.
    pub(crate) agents: BTreeMap<String, Option<Digest>>,
    /// By operator: the SHA-256 of the token.
    pub(crate) operators: BTreeMap<String, Digest>,
    /// By issuer whose keys are in a file: the SHA-256 of its text, and the keys.
    pub(crate) keys: BTreeMap<String, (Digest, KeySet)>,
    /// By server: what it is shown as a bearer token, or its client's secret.
    pub(crate) servers: BTreeMap<String, Zeroizing<String>>,
}

/// Reads what `config` names.
pub(crate) fn load(config: &Config) -> Result<Named, Fault> {
    let mut policies = PolicyFiles::default();
    for place in &config.policies {
        match place {
            PolicyPlace::Path(path) => policies.read(path)?,
            PolicyPlace::Profile(name) => policies.take_profile(name)?,
        }
    }
    let mut seen = BTreeSet::new();
    let mut agents = BTreeMap::new();
    for agent in &config.agents {
        let digest = match &agent.token {
            Some(place) => Some(credential(agent.id.as_str(), place, &mut seen)?),
            None => None,
        };
        agents.insert(agent.id.to_string(), digest);
    }
    let mut operators = BTreeMap::new();
    for operator in &config.operators {
        operators.insert(operator.id.clone(), credential(&operator.id, &operator.token, &mut seen)?);
    }
    let mut keys = BTreeMap::new();
    for issuer in &config.issuers {
        let KeyPlace::File(path) = &issuer.keys else { continue };
        let url = &issuer.rules.url;
        let trying = || format!("reading the keys of the issuer `{url}`");
        let text =
            text_file::read(path, MAX_KEY_FILE).map_err(|error| Fault::from(error).while_trying(trying()))?;
        let set = KeySet::parse(text.as_bytes()).map_err(|error| {
            Fault::from(error).while_trying(format!("{} from `{}`", trying(), path.display()))
        })?;
        keys.insert(url.clone(), (Digest(sha2::Sha256::digest(text.as_bytes()).into()), set));
    }
    let mut servers = BTreeMap::new();
    for (name, server) in &config.servers {
        if let Some(place) = server.token() {
            let token = Zeroizing::new(written(name, place)?.0.trim().to_owned());
            servers.insert(name.clone(), token);
        }
    }
    Ok(Named { policies, agents, operators, keys, servers })
}

/// The issuers whose tokens are taken, with their keys.
pub(crate) fn issuers(config: &Config, named: &Named) -> Result<Issuers, Fault> {
    config.issuers.iter().try_fold(Issuers::nobody(), |issuers, issuer| {
        let url = &issuer.rules.url;
        let keys = match &issuer.keys {
            KeyPlace::File(_) => named.keys.get(url).map(|(_, keys)| keys.clone()),
            // Fetched when the first token comes.
            KeyPlace::Url(_) => Some(KeySet::none()),
        };
        let keys = keys.ok_or_else(|| Fault::cannot(format!("`{url}` has no keys")))?;
        Ok(issuers.with(issuer.rules.clone(), keys)?)
    })
}

/// What `ringfence trust` pins: the file, every policy it names, and every credential, so that
/// whoever may write to a project's folder can change none of them.
pub(crate) fn trust_digest(config: &Config, named: &Named) -> Digest {
    let mut hash = sha2::Sha256::new();
    hash.update(b"ringfence project 1\n");
    let mut part = |bytes: &[u8]| {
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(bytes);
    };
    part(config.text.as_bytes());
    for (name, text) in named.policies.texts() {
        part(name.as_bytes());
        part(text.as_bytes());
    }
    for (id, digest) in &named.agents {
        part(id.as_bytes());
        part(&digest.map_or([0; 32], |digest| digest.0));
    }
    for (id, digest) in &named.operators {
        part(id.as_bytes());
        part(&digest.0);
    }
    for (url, (digest, _)) in &named.keys {
        part(url.as_bytes());
        part(&digest.0);
    }
    for (name, token) in &named.servers {
        part(name.as_bytes());
        part(&sha2::Sha256::digest(token.as_bytes()));
    }
    Digest(hash.finalize().into())
}

/// A token of one's own: a token that two share would authenticate either as the other.
fn credential(whose: &str, place: &SecretPlace, seen: &mut BTreeSet<[u8; 32]>) -> Result<Digest, Fault> {
    let digest = token(whose, place)?.digest();
    if !seen.insert(digest.0) {
        return Err(Fault::cannot(format!("the token of `{whose}` is also somebody else's"))
            .help("give each agent and each operator a token of its own"));
    }
    Ok(digest)
}

fn token(whose: &str, place: &SecretPlace) -> Result<Token, Fault> {
    let (text, from) = written(whose, place)?;
    text.parse().map_err(|error: ringfence_identity::BadToken| {
        Fault::from(error).while_trying(format!("reading the token of `{whose}` from {from}"))
    })
}

/// A secret, and where it is from.
fn written(whose: &str, place: &SecretPlace) -> Result<(String, String), Fault> {
    Ok(match place {
        SecretPlace::File(path) => {
            let text = text_file::read(path, MAX_TOKEN_FILE).map_err(|error| {
                Fault::from(error).while_trying(format!("reading the token of `{whose}`"))
            })?;
            (text, format!("`{}`", path.display()))
        }
        SecretPlace::Variable(name) => {
            let text = std::env::var(name).map_err(|error| {
                Fault::from(error).while_trying(format!(
                    "reading the token of `{whose}` from the environment variable `{name}`"
                ))
            })?;
            (text, format!("the environment variable `{name}`"))
        }
    })
}
