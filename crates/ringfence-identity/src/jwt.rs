//! Access tokens of somebody else's issuer: JSON Web Tokens (RFC 7519), as RFC 9068 and RFC 8725
//! would have them. What comes out of here, [`Verified`], is made nowhere else, so whoever holds
//! one holds what an issuer said.
//!
//! It knows no wire and reads no clock or file. Why a token was refused is said without a word of
//! the token.

mod issuer;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringfence_model::{AgentId, Person, Timestamp};
use serde_json::{Map, Value};

use crate::jwk::{Algorithm, NotVerified};
use crate::strict;

pub use self::issuer::{AgentClaim, BadIssuer, Issuer, Issuers, is_scope};

/// The longest token, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;
/// How far two clocks may be apart, in seconds.
const LEEWAY: f64 = 60.0;
/// The last moment that is taken for a time: the end of the year 9999.
const LAST: f64 = 253_402_300_799.0;
/// The longest name of a person, in bytes.
const MAX_PERSON: usize = 256;

/// Whose token it is, as a configured issuer said and signed. Only [`Issuers::verify`] makes one:
///
/// ```compile_fail
/// # use ringfence_identity::Verified;
/// # use ringfence_model::AgentId;
/// fn forge(said: &mut Verified, other: AgentId) {
///     said.agent = other;
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Verified {
    issuer: Arc<str>,
    agent: AgentId,
    sponsor: Person,
    /// Seconds since 1970 after which it counts no more, leeway included.
    until: i64,
}

impl Verified {
    /// The issuer, as its tokens name it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The agent.
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// The person behind the agent.
    pub fn sponsor(&self) -> &Person {
        &self.sponsor
    }

    /// Whether the token still counts.
    pub fn counts(&self, now: Timestamp) -> bool {
        now.as_second() < self.until
    }
}

impl fmt::Debug for Verified {
    /// Without the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("issuer", &self.issuer)
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Longer than [`MAX_TOKEN`].
    #[error("the token is longer than 8 KiB")]
    TooLong,
    /// Not three parts of base64url.
    #[error("the token is neither one of ours nor a signed JWT")]
    NotAToken,
    /// Its header or claims are not one JSON object with each member once.
    #[error("the token's header or claims are not one JSON object with each member once")]
    Ambiguous,
    /// `none`, one that takes a shared secret, or one that is not known.
    #[error("the token is not signed in a way that is taken here (RS, PS, ES or EdDSA)")]
    Algorithm,
    /// It asks for an extension (RFC 7515, section 4.1.11).
    #[error("the token names header parameters that have to be understood, and none is")]
    Critical,
    /// It is some other kind of token.
    #[error("the token's `typ` is neither `at+jwt` nor `JWT`")]
    Kind,
    /// Nobody's whose tokens are taken.
    #[error("the token's issuer is not one that is configured")]
    Issuer,
    /// There is no key of that id.
    #[error("the token is signed with a key that its issuer is not known to have")]
    UnknownKey,
    /// Several keys, and none is named.
    #[error("the token does not name the key it is signed with, and its issuer has several")]
    UnnamedKey,
    /// The key is not for that algorithm.
    #[error("the token's key is not for the algorithm that the token names")]
    KeyAlgorithm,
    /// Not signed by the issuer.
    #[error("the token's signature is not its issuer's")]
    Signature,
    /// Without an end, or with times that are none.
    #[error("the token has no `exp`, or a time in it is no time")]
    Times,
    /// Too old.
    #[error("the token has expired; get a new one from its issuer")]
    Expired,
    /// Too new.
    #[error("the token is not valid yet; are the clocks right?")]
    NotYet,
    /// For somebody else.
    #[error("the token is for another resource; ask its issuer for one for this address")]
    Audience,
    /// It may not be used here.
    #[error("the token lacks a scope that is needed here")]
    Scope,
    /// No agent can be made of it.
    #[error("the token names no agent, or one whose name cannot be used here")]
    Agent,
    /// Nobody answers for it.
    #[error("the token does not say which person is behind the agent")]
    Sponsor,
}

impl From<NotVerified> for Refused {
    fn from(not: NotVerified) -> Refused {
        match not {
            NotVerified::UnknownKey => Refused::UnknownKey,
            NotVerified::Unnamed => Refused::UnnamedKey,
            NotVerified::Algorithm => Refused::KeyAlgorithm,
            NotVerified::Signature => Refused::Signature,
        }
    }
}

/// A token, taken apart and not believed yet.
struct Parts<'a> {
    algorithm: Algorithm,
    key: Option<String>,
    claims: Map<String, Value>,
    message: &'a [u8],
    signature: Vec<u8>,
}

impl Issuers {
    /// Whose token it is. `resource` is the identifier of what is asked for (RFC 8707), for issuers
    /// that have no audience of their own configured.
    ///
    /// # Errors
    /// Whatever is wrong with it, the signature before what is signed, and the scope only where
    /// everything else is right.
    pub fn verify(&self, token: &str, resource: &str, now: Timestamp) -> Result<Verified, Refused> {
        let parts = taken_apart(token)?;
        let issued_by = text(&parts.claims, "iss").ok_or(Refused::Issuer)?;
        let (issuer, keys) = self.named(issued_by).ok_or(Refused::Issuer)?;
        keys.verify(parts.key.as_deref(), parts.algorithm, parts.message, &parts.signature)?;
        let until = in_time(&parts.claims, now)?;
        if !is_for(&parts.claims, issuer.audience.as_deref().unwrap_or(resource)) {
            return Err(Refused::Audience);
        }
        let agent = agent(&parts.claims, &issuer.agents)?;
        let sponsor = sponsor(&parts.claims, &issuer.sponsor)?;
        let granted = scopes(&parts.claims);
        if !issuer.scopes.iter().all(|needed| granted.contains(&needed.as_str())) {
            return Err(Refused::Scope);
        }
        Ok(Verified { issuer: issuer.url.as_str().into(), agent, sponsor, until })
    }

    /// The issuer that a token names, where its keys could be newer than what is known of them.
    /// Nothing of it is verified.
    pub fn unknown_key(&self, token: &str) -> Option<&Issuer> {
        let parts = taken_apart(token).ok()?;
        let (issuer, keys) = self.named(text(&parts.claims, "iss")?)?;
        (!keys.knows(parts.key.as_deref())).then_some(issuer)
    }
}

fn taken_apart(token: &str) -> Result<Parts<'_>, Refused> {
    if token.len() > MAX_TOKEN {
        return Err(Refused::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Refused::NotAToken)?;
    let (header, claims) = signed.split_once('.').ok_or(Refused::NotAToken)?;
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::NotAToken);
    let (header, claims, signature) = (decoded(header)?, decoded(claims)?, decoded(signature)?);
    let header = strict::object(&header).map_err(|_| Refused::Ambiguous)?;
    let claims = strict::object(&claims).map_err(|_| Refused::Ambiguous)?;
    let algorithm = text(&header, "alg").and_then(Algorithm::named).ok_or(Refused::Algorithm)?;
    if header.contains_key("crit") || header.contains_key("b64") || header.contains_key("zip") {
        return Err(Refused::Critical);
    }
    let kind = text(&header, "typ").unwrap_or_default().to_ascii_lowercase();
    if !matches!(kind.as_str(), "at+jwt" | "application/at+jwt" | "jwt") {
        return Err(Refused::Kind);
    }
    let key = match header.get("kid") {
        None => None,
        Some(Value::String(key)) => Some(key.clone()),
        Some(_) => return Err(Refused::UnknownKey),
    };
    Ok(Parts { algorithm, key, claims, message: signed.as_bytes(), signature })
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

/// The last second that the token counts (RFC 7519, sections 4.1.4 to 4.1.6).
fn in_time(claims: &Map<String, Value>, now: Timestamp) -> Result<i64, Refused> {
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            let seconds = value.as_f64().filter(|seconds| (0.0..=LAST).contains(seconds));
            seconds.map(Some).ok_or(Refused::Times)
        }
    };
    let now = now.as_duration().as_secs_f64();
    let expires = time("exp")?.ok_or(Refused::Times)? + LEEWAY;
    if now >= expires {
        return Err(Refused::Expired);
    }
    for name in ["nbf", "iat"] {
        if time(name)?.is_some_and(|from| now + LEEWAY < from) {
            return Err(Refused::NotYet);
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is between 0 and the year 9999")]
    let until = expires as i64;
    Ok(until)
}

/// Whether the token is for us (RFC 7519, section 4.1.3): compared byte by byte.
fn is_for(claims: &Map<String, Value>, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(only)) => only == audience,
        Some(Value::Array(many)) => {
            many.iter().all(Value::is_string) && many.iter().any(|one| one == audience)
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
    }
}

/// What the token may be used for: `scope` (RFC 8693, section 4.2), else `scp`, as some issuers
/// call it.
fn scopes(claims: &Map<String, Value>) -> Vec<&str> {
    match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(all)) => all.split(' ').collect(),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => Vec::new(),
    }
}

/// A subject that is an agent's id already, beneath the same prefix, is that agent.
fn agent(claims: &Map<String, Value>, from: &AgentClaim) -> Result<AgentId, Refused> {
    let subject = text(claims, &from.claim).ok_or(Refused::Agent)?;
    let id = match subject.strip_prefix(&from.prefix) {
        Some(_) => subject.to_owned(),
        None => format!("{}{subject}", from.prefix),
    };
    id.parse().map_err(|_| Refused::Agent)
}

fn sponsor(claims: &Map<String, Value>, claim: &str) -> Result<Person, Refused> {
    let name = text(claims, claim).ok_or(Refused::Sponsor)?;
    let is_unverified = claim == "email" && claims.get("email_verified") == Some(&Value::Bool(false));
    let is_name = !name.trim().is_empty() && name.len() <= MAX_PERSON && !name.chars().any(char::is_control);
    if is_unverified || !is_name { Err(Refused::Sponsor) } else { Ok(Person::new(name)) }
}
