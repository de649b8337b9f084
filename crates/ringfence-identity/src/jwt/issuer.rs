//! Issuers whose tokens are taken, and what is made of what they say.

use std::sync::{Arc, PoisonError, RwLock};

use ringfence_model::AgentId;

use crate::endpoint::Endpoint;
use crate::jwk::KeySet;

/// The trust domain of agents that nobody configured; no issuer may name them.
const LOCAL: &str = "spiffe://local/";

/// Somebody who issues tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// What its tokens have as `iss`, compared byte by byte.
    pub url: String,
    /// What its tokens have to have as `aud`; without it, the address that is asked.
    pub audience: Option<String>,
    /// Which agent it is.
    pub agents: AgentClaim,
    /// The claim that names the person behind the agent.
    pub sponsor: String,
    /// Every one of them is needed.
    pub scopes: Vec<String>,
}

/// How a token's subject becomes an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentClaim {
    /// The claim, such as `sub`.
    pub claim: String,
    /// What stands before it in the agent's id, such as `spiffe://acme.example/agent/`.
    pub prefix: String,
}

/// An issuer that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadIssuer {
    /// Its identifier (RFC 8414, section 2).
    #[error("an issuer is an https URL (or http on this machine) without query and fragment")]
    Url,
    /// Agents' ids are made of it.
    #[error(
        "the prefix of agents has to be a SPIFFE ID's beginning with a `/` at its end, such as `spiffe://acme.example/agent/`, and not of the trust domain `local`"
    )]
    Prefix,
    /// RFC 6749, section 3.3.
    #[error("a scope is a word of printable ASCII without spaces, `\"` and `\\`")]
    Scope,
    /// Nothing is read from it.
    #[error("a claim and an audience have a name")]
    Name,
    /// Two of them.
    #[error("the issuer is named twice")]
    Twice,
    /// Two issuers could name the same agent.
    #[error("another issuer's prefix of agents covers this one's, so that both could name the same agent")]
    Overlap,
}

impl Issuer {
    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), BadIssuer> {
        let is_url = self.url.parse().is_ok_and(|url: Endpoint| !url.has_query());
        if !is_url {
            return Err(BadIssuer::Url);
        }
        let prefix = &self.agents.prefix;
        if !prefix.ends_with('/')
            || prefix.starts_with(LOCAL)
            || format!("{prefix}a").parse::<AgentId>().is_err()
        {
            return Err(BadIssuer::Prefix);
        }
        if !self.scopes.iter().all(|scope| is_scope(scope)) {
            return Err(BadIssuer::Scope);
        }
        let is_unnamed = |name: &String| name.is_empty();
        if is_unnamed(&self.agents.claim)
            || is_unnamed(&self.sponsor)
            || self.audience.as_ref().is_some_and(is_unnamed)
        {
            return Err(BadIssuer::Name);
        }
        Ok(())
    }

    /// Whether it can be used together with another.
    ///
    /// # Errors
    /// It is the same, or both could name the same agent.
    pub fn beside(&self, other: &Issuer) -> Result<(), BadIssuer> {
        if other.url == self.url {
            return Err(BadIssuer::Twice);
        }
        let (one, two) = (&other.agents.prefix, &self.agents.prefix);
        if one.starts_with(two) || two.starts_with(one) { Err(BadIssuer::Overlap) } else { Ok(()) }
    }
}

/// Whether it is a scope's name (RFC 6749, section 3.3).
pub fn is_scope(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// The issuers whose tokens are taken, with their keys.
#[derive(Debug, Default)]
pub struct Issuers(Vec<Known>);

#[derive(Debug)]
struct Known {
    issuer: Issuer,
    keys: RwLock<Arc<KeySet>>,
}

impl Issuers {
    /// Nobody's tokens are taken.
    pub fn nobody() -> Issuers {
        Issuers(Vec::new())
    }

    /// One more.
    ///
    /// # Errors
    /// It cannot be used, or not beside those that are there.
    pub fn with(mut self, issuer: Issuer, keys: KeySet) -> Result<Issuers, BadIssuer> {
        issuer.check()?;
        self.iter().try_for_each(|other| issuer.beside(other))?;
        self.0.push(Known { issuer, keys: RwLock::new(Arc::new(keys)) });
        Ok(self)
    }

    /// Each of them, as configured.
    pub fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.0.iter().map(|known| &known.issuer)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The issuer's keys from now on.
    pub fn replace_keys(&self, url: &str, keys: KeySet) {
        if let Some(known) = self.0.iter().find(|known| known.issuer.url == url) {
            *known.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        }
    }

    pub(super) fn named(&self, url: &str) -> Option<(&Issuer, Arc<KeySet>)> {
        let known = self.0.iter().find(|known| known.issuer.url == url)?;
        Some((&known.issuer, Arc::clone(&known.keys.read().unwrap_or_else(PoisonError::into_inner))))
    }
}
