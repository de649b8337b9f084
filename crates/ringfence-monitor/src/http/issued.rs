//! Whose tokens are taken besides our own, and their keys: from a file, once, or fetched from where
//! the issuer publishes them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{Request, StatusCode};
use ringfence_gateway::mcp::http::Protection;
use ringfence_gateway::mcp::upstream;
use ringfence_guard::sha256;
use ringfence_identity::{Endpoint, Issuers, KeySet, Refused, Verified};
use ringfence_model::{Digest, Timestamp};
use tokio::time::Instant;

/// How often keys are fetched at most, whatever callers show.
const AT_MOST_EVERY: Duration = Duration::from_secs(60);
/// After how long keys are fetched again, so that one that was taken back ends.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// After how long keys that cannot be fetched again count no more.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// How many tokens are remembered.
const MAX_SEEN: usize = 4096;

/// The issuers, and how old their keys are.
pub(super) struct Issued {
    issuers: Issuers,
    protection: Option<Protection>,
    http: upstream::Http,
    keys: BTreeMap<String, Keys>,
    seen: Mutex<Seen>,
}

/// What tokens said: a signature takes its time.
#[derive(Default)]
struct Seen {
    /// How often keys have changed.
    round: u64,
    /// By the SHA-256 of resource and token.
    said: HashMap<Digest, Verified>,
}

/// The keys of one issuer that are fetched.
struct Keys {
    from: Endpoint,
    age: Mutex<Age>,
    /// Held while they are fetched, so that they are fetched once.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Default)]
struct Age {
    tried: Option<Instant>,
    fetched: Option<Instant>,
}

impl Issued {
    pub(super) fn new(issuers: Issuers, keys: BTreeMap<String, Endpoint>, http: upstream::Http) -> Issued {
        let keys = keys.into_iter().map(|(issuer, from)| {
            (issuer, Keys { from, age: Mutex::default(), fetching: tokio::sync::Mutex::default() })
        });
        Issued {
            protection: protection(&issuers),
            keys: keys.collect(),
            issuers,
            http,
            seen: Mutex::default(),
        }
    }

    /// What is said to whoever has no token, where there are issuers.
    pub(super) fn protection(&self) -> Option<&Protection> {
        self.protection.as_ref()
    }

    /// Whose token it is. Where its key is not known, or what is known is old, the issuer's keys are
    /// fetched first.
    pub(super) async fn verify(
        &self,
        token: &str,
        resource: &str,
        now: Timestamp,
    ) -> Result<Verified, Refused> {
        let name = sha256(&[resource.as_bytes(), b"\0", token.as_bytes()].concat());
        if let Some(verified) = self.seen(&name, now) {
            return Ok(verified);
        }
        let again = match self.issuers.verify(token, resource, now) {
            Ok(verified) => {
                self.keys.get_key_value(verified.issuer()).filter(|(_, keys)| keys.is_older_than(FRESH))
            }
            Err(Refused::UnknownKey) => {
                let issuer = self.issuers.unknown_key(token).map(|issuer| issuer.url.as_str());
                issuer.and_then(|issuer| self.keys.get_key_value(issuer))
            }
            Err(refused) => return Err(refused),
        };
        if let Some((issuer, keys)) = again {
            self.fetch(issuer, keys).await;
        }
        let round = self.remembered().round;
        let verified = self.issuers.verify(token, resource, now)?;
        let mut seen = self.remembered();
        if seen.said.len() >= MAX_SEEN {
            seen.said.clear();
        }
        // Verified with keys that were replaced meanwhile, it is not remembered.
        if seen.round == round {
            seen.said.insert(name, verified.clone());
        }
        Ok(verified)
    }

    /// What the same token for the same resource said before, while it and its key still count.
    fn seen(&self, name: &Digest, now: Timestamp) -> Option<Verified> {
        let seen = self.remembered();
        let verified = seen.said.get(name).filter(|verified| verified.counts(now))?;
        let is_old = self.keys.get(verified.issuer()).is_some_and(|keys| keys.is_older_than(FRESH));
        (!is_old).then(|| verified.clone())
    }

    fn remembered(&self) -> MutexGuard<'_, Seen> {
        // Nothing panics while it is held.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was verified with the keys so far counts no more.
    fn replace(&self, issuer: &str, keys: KeySet) {
        self.issuers.replace_keys(issuer, keys);
        let mut seen = self.remembered();
        seen.round = seen.round.wrapping_add(1);
        seen.said.clear();
    }

    async fn fetch(&self, issuer: &str, keys: &Keys) {
        let _one_at_a_time = keys.fetching.lock().await;
        if keys.age().tried.is_some_and(|tried| tried.elapsed() < AT_MOST_EVERY) {
            return;
        }
        keys.set(|age| age.tried = Some(Instant::now()));
        match self.fetched(&keys.from).await {
            Ok(set) => {
                self.replace(issuer, set);
                keys.set(|age| age.fetched = Some(Instant::now()));
                tracing::info!(issuer, "its keys were fetched");
            }
            Err(why) => {
                tracing::warn!(issuer, why, "its keys cannot be fetched");
                if keys.is_older_than(STALE) {
                    self.replace(issuer, KeySet::none());
                }
            }
        }
    }

    async fn fetched(&self, from: &Endpoint) -> Result<KeySet, String> {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = from.as_str().parse().map_err(|_| "it is no address".to_owned())?;
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        let fetched = self.http.fetch(request).await.map_err(|error| error.to_string())?;
        match fetched.status {
            StatusCode::OK => KeySet::parse(&fetched.body).map_err(|error| error.to_string()),
            status => Err(format!("it answers with status {status}")),
        }
    }
}

impl Keys {
    fn age(&self) -> Age {
        // Nothing panics while it is held.
        *self.age.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut Age)) {
        change(&mut self.age.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn is_older_than(&self, age: Duration) -> bool {
        self.age().fetched.is_none_or(|fetched| fetched.elapsed() >= age)
    }
}

/// What is said of the issuers to whoever has no token. A resource has one identifier, so it is
/// the first issuer's, and with it those that have the same.
fn protection(issuers: &Issuers) -> Option<Protection> {
    let audience = issuers.iter().next()?.audience.clone();
    let same: Vec<_> = issuers.iter().filter(|issuer| issuer.audience == audience).collect();
    // Some issuers name resources by words of their own, which no client could compare.
    let resource = audience.filter(|audience| audience.parse::<Endpoint>().is_ok());
    let mut scopes: Vec<String> = same.iter().flat_map(|issuer| issuer.scopes.clone()).collect();
    scopes.sort();
    scopes.dedup();
    Some(Protection { issuers: same.iter().map(|issuer| issuer.url.clone()).collect(), scopes, resource })
}
