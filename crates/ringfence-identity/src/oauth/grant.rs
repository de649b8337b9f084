//! What was granted: a token for one resource, of one issuer, to one client, and how it is renewed
//! (RFC 6749, sections 4.4, 5 and 6).

use std::time::Duration;

use ringfence_model::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::client::{Client, Registered};
use super::discovery::{Place, covers};
use super::web::{Answer, Web, ask};
use super::{NoGrant, Secret};
use crate::endpoint::Endpoint;
use crate::strict;

const TOKEN: &str = "a token";
/// The longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;
/// The longest time that a token is taken to last.
const MAX_LIFE: u64 = 366 * 86_400;
/// So long before its end a token is renewed.
const EARLY: Duration = Duration::from_secs(30);

/// A token, and what renews it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    issuer: Endpoint,
    token_endpoint: Endpoint,
    in_body_only: bool,
    resource: String,
    client: Client,
    /// What was asked for.
    scopes: Vec<String>,
    access: Secret,
    refresh: Option<Secret>,
    expires: Option<Timestamp>,
}

/// A token for the gateway itself, without a person (RFC 6749, section 4.4).
///
/// # Errors
/// The client is not registered with this authorization server, or it gives no token.
pub async fn by_itself<W: Web>(
    web: &W,
    place: &Place,
    registered: &Registered,
    scopes: Option<Vec<String>>,
    now: Timestamp,
) -> Result<Grant, NoGrant> {
    let server = &place.server;
    let client = registered.with(&server.issuer)?.filter(|client| client.secret.is_some());
    let client = client.ok_or_else(|| NoGrant::NoClient(server.issuer.clone()))?;
    let scopes = scopes.or_else(|| place.scopes.clone()).unwrap_or_default();
    let scope = scopes.join(" ");
    let mut fields = vec![("grant_type", "client_credentials"), ("resource", place.resource.as_str())];
    if !scope.is_empty() {
        fields.push(("scope", scope.as_str()));
    }
    let request = client.asks(&server.token, server.takes_secret_in_body_only, &fields);
    let answer = ask(web, request).await?;
    Grant::of(place, client, scopes, &answer, now)
}

impl Grant {
    /// Reads what a token endpoint answered.
    pub(super) fn of(
        place: &Place,
        client: Client,
        scopes: Vec<String>,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<Grant, NoGrant> {
        let server = &place.server;
        let given = Given::read(&server.issuer, &server.token, answer, now)?;
        Ok(Grant {
            issuer: server.issuer.clone(),
            token_endpoint: server.token.clone(),
            in_body_only: server.takes_secret_in_body_only,
            resource: place.resource.clone(),
            client,
            scopes,
            access: given.access,
            refresh: given.refresh,
            expires: given.expires,
        })
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Endpoint {
        &self.issuer
    }

    /// What it is for, and for nothing else.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// What was asked for.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Until when it counts, where that is known.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// The token, where it still counts for a while.
    pub fn token(&self, now: Timestamp) -> Option<&Secret> {
        let counts =
            self.expires.is_none_or(|expires| now.checked_add(EARLY).is_ok_and(|soon| soon < expires));
        counts.then_some(&self.access)
    }

    /// The token, whether it still counts or not.
    pub fn any_token(&self) -> &Secret {
        &self.access
    }

    /// Whether this server is what it is for, or part of that.
    pub fn is_for(&self, server: &Endpoint) -> bool {
        covers(&self.resource, server)
    }

    /// Whether it can be renewed without a person.
    pub fn renews(&self) -> bool {
        self.refresh.is_some()
    }

    /// The same grant with a new token. A new token to renew with replaces the old one, which may
    /// be void from then on: what comes back has to be kept before it is used.
    ///
    /// # Errors
    /// It was taken back, or cannot be renewed.
    pub async fn renew<W: Web>(
        &self,
        web: &W,
        registered: &Registered,
        now: Timestamp,
    ) -> Result<Grant, NoGrant> {
        let Some(refresh) = &self.refresh else {
            let what = "a renewal of this token";
            return Err(NoGrant::NotOffered { issuer: self.issuer.clone(), what });
        };
        // A secret that the operator has changed since counts as it is now.
        let client = match registered.with(&self.issuer)? {
            Some(client) if client.id == self.client.id => client,
            Some(_) | None => self.client.clone(),
        };
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.reveal()),
            ("resource", self.resource.as_str()),
        ];
        let request = client.asks(&self.token_endpoint, self.in_body_only, &fields);
        let answer = ask(web, request).await?;
        let given = Given::read(&self.issuer, &self.token_endpoint, &answer, now)?;
        Ok(Grant {
            access: given.access,
            refresh: given.refresh.or_else(|| self.refresh.clone()),
            expires: given.expires,
            client,
            ..self.clone()
        })
    }

    /// To be kept where nobody reads it.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let reveal = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
        let text = json!({
            "issuer": self.issuer.as_str(),
            "token_endpoint": self.token_endpoint.as_str(),
            "in_body_only": self.in_body_only,
            "resource": self.resource,
            "client_id": self.client.id,
            "client_secret": reveal(&self.client.secret),
            "scopes": self.scopes,
            "access": self.access.reveal(),
            "refresh": reveal(&self.refresh),
            "expires": self.expires.map(|expires| expires.to_string()),
        });
        Zeroizing::new(text.to_string().into_bytes())
    }

    /// What [`Grant::to_bytes`] gave; none where it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Grant> {
        let members = strict::object(bytes).ok()?;
        let word = |name: &str| members.get(name).and_then(Value::as_str);
        let secret = |name: &str| word(name).map(|secret| Secret::new(secret.to_owned()));
        let Value::Array(scopes) = members.get("scopes")? else { return None };
        let expires = match members.get("expires")? {
            Value::Null => None,
            expires => Some(expires.as_str()?.parse().ok()?),
        };
        Some(Grant {
            issuer: word("issuer")?.parse().ok()?,
            token_endpoint: word("token_endpoint")?.parse().ok()?,
            in_body_only: members.get("in_body_only")?.as_bool()?,
            resource: word("resource")?.to_owned(),
            client: Client { id: word("client_id")?.to_owned(), secret: secret("client_secret") },
            scopes: scopes.iter().map(|scope| scope.as_str().map(str::to_owned)).collect::<Option<_>>()?,
            access: secret("access")?,
            refresh: secret("refresh"),
            expires,
        })
    }
}

/// What a token endpoint gives (RFC 6749, section 5.1).
struct Given {
    access: Secret,
    refresh: Option<Secret>,
    expires: Option<Timestamp>,
}

impl Given {
    fn read(issuer: &Endpoint, place: &Endpoint, answer: &Answer, now: Timestamp) -> Result<Given, NoGrant> {
        if matches!(answer.status, 400 | 401 | 403)
            && let Ok(said) = strict::object(&answer.body)
            && let Some(Value::String(code)) = said.get("error")
        {
            return Err(NoGrant::Refused { issuer: issuer.clone(), code: code_of(code) });
        }
        let document = answer.document(place, TOKEN)?;
        let malformed = |why| NoGrant::Malformed { place: place.clone(), wanted: TOKEN, why };
        let token = |name: &str| match document.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(token)) if is_token(token) => Ok(Some(Secret::new(token.clone()))),
            Some(_) => Err(malformed("a token in it is none that can be shown")),
        };
        let kind = document.get("token_type").and_then(Value::as_str).unwrap_or_default();
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(malformed("it is not of the type `Bearer`"));
        }
        let life = match document.get("expires_in") {
            None | Some(Value::Null) => None,
            Some(life) => {
                Some(life.as_u64().ok_or_else(|| malformed("its `expires_in` is no number of seconds"))?)
            }
        };
        let expires = life.and_then(|life| now.checked_add(Duration::from_secs(life.min(MAX_LIFE))).ok());
        Ok(Given {
            access: token("access_token")?.ok_or_else(|| malformed("there is no token in it"))?,
            refresh: token("refresh_token")?,
            expires,
        })
    }
}

/// Whether it can stand in a header.
fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// An error's code as it may be shown: one of a protocol's words, or not at all.
pub(super) fn code_of(code: &str) -> String {
    let is_word =
        (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word { code.to_owned() } else { "an error that is not of the protocol".to_owned() }
}
