//! Who the gateway is to an authorization server: registered there by a person, by a document that
//! it can read (Client ID Metadata Documents), or on the spot (RFC 7591), in this order.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::discovery::AuthorizationServer;
use super::web::{Body, Request, Web, ask};
use super::{NoGrant, Secret, form};
use crate::endpoint::Endpoint;

const REGISTRATION: &str = "a client's registration";
/// What people are shown as the client's name.
const NAME: &str = "Ringfence";

/// What the operator has registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// A client of one authorization server.
    With {
        /// Which: its credentials go to no other.
        issuer: String,
        /// Its identifier there.
        id: String,
        /// Its secret, where it has one.
        secret: Option<Secret>,
    },
    /// A document under this address, which is the client's identifier everywhere.
    Document(Endpoint),
    /// Nothing.
    Nowhere,
}

/// Who the gateway is to one authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    pub(super) id: String,
    pub(super) secret: Option<Secret>,
}

impl Registered {
    /// The issuer that the operator names, where one is named.
    pub fn issuer(&self) -> Option<&str> {
        match self {
            Registered::With { issuer, .. } => Some(issuer),
            Registered::Document(_) | Registered::Nowhere => None,
        }
    }

    /// The client that is registered with this authorization server, where one is.
    pub(super) fn with(&self, issuer: &Endpoint) -> Result<Option<Client>, NoGrant> {
        match self {
            Registered::With { issuer: registered, id, secret } if registered == issuer.as_str() => {
                Ok(Some(Client { id: id.clone(), secret: secret.clone() }))
            }
            Registered::With { issuer: registered, .. } => {
                Err(NoGrant::OtherServersClient { configured: registered.clone(), found: issuer.clone() })
            }
            Registered::Document(_) | Registered::Nowhere => Ok(None),
        }
    }
}

/// The client for a login that comes back to `redirect`.
pub(super) async fn client<W: Web>(
    web: &W,
    server: &AuthorizationServer,
    registered: &Registered,
    redirect: &str,
) -> Result<Client, NoGrant> {
    if let Some(client) = registered.with(&server.issuer)? {
        return Ok(client);
    }
    if let (Registered::Document(document), true) = (registered, server.takes_documents) {
        return Ok(Client { id: document.as_str().to_owned(), secret: None });
    }
    match &server.registration {
        Some(endpoint) => register(web, endpoint, redirect).await,
        None => Err(NoGrant::NoClient(server.issuer.clone())),
    }
}

async fn register<W: Web>(web: &W, endpoint: &Endpoint, redirect: &str) -> Result<Client, NoGrant> {
    let asked = json!({
        "client_name": NAME,
        "redirect_uris": [redirect],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    let body = Some(Body::Json(asked.to_string()));
    let answer = ask(web, Request { to: endpoint.clone(), body, authorization: None }).await?;
    let document = answer.document(endpoint, REGISTRATION)?;
    let word = |name: &str| match document.get(name) {
        Some(Value::String(word))
            if !word.is_empty() && word.bytes().all(|byte| (b' '..=b'~').contains(&byte)) =>
        {
            Some(word.clone())
        }
        Some(_) | None => None,
    };
    let why = "it has no `client_id`";
    let malformed = || NoGrant::Malformed { place: endpoint.clone(), wanted: REGISTRATION, why };
    Ok(Client {
        id: word("client_id").ok_or_else(malformed)?,
        secret: word("client_secret").map(Secret::new),
    })
}

impl Client {
    /// A request for a token, as this client (RFC 6749, section 2.3.1).
    pub(super) fn asks(&self, to: &Endpoint, in_body_only: bool, fields: &[(&str, &str)]) -> Request {
        let mut fields = fields.to_vec();
        let authorization = match &self.secret {
            Some(secret) if in_body_only => {
                fields.extend([("client_id", self.id.as_str()), ("client_secret", secret.reveal())]);
                None
            }
            Some(secret) => {
                let pair = zeroize::Zeroizing::new(format!(
                    "{}:{}",
                    form::word(&self.id).as_str(),
                    form::word(secret.reveal()).as_str()
                ));
                Some(Secret::new(format!("Basic {}", STANDARD.encode(pair.as_bytes()))))
            }
            None => {
                fields.push(("client_id", self.id.as_str()));
                None
            }
        };
        let body = Some(Body::Form(Secret(form::written(&fields))));
        Request { to: to.clone(), body, authorization }
    }
}
