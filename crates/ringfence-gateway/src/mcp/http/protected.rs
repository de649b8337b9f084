//! The front as an OAuth 2.0 protected resource: what it says of itself (RFC 9728), and what it
//! answers to whoever shows no token, or one that does not do (RFC 6750, section 3). Who issues
//! tokens and which are taken is known behind [`super::Upstreams`].

use hyper::body::Bytes;
use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use serde_json::json;

use super::gate;
use super::reply::{self, Reply, Stop};
use super::{ALL, MCP, Stranger};

/// Where a protected resource says what it is (RFC 9728, section 3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Whose tokens are taken, for whoever has none yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// The issuers' identifiers.
    pub issuers: Vec<String>,
    /// The scopes that are needed.
    pub scopes: Vec<String>,
    /// The identifier that tokens have as their audience, where it is not the address that is asked.
    pub resource: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// As the client named this host, which is one of its names.
    host: String,
    /// The path of a server, of all of them, or nothing.
    path: String,
}

impl Asked {
    pub(super) fn by<B>(request: &Request<B>) -> Result<Asked, Stop> {
        Asked::at(request, request.uri().path())
    }

    fn at<B>(request: &Request<B>, path: &str) -> Result<Asked, Stop> {
        let host = gate::single(request.headers(), "host")?.unwrap_or_default().to_ascii_lowercase();
        let path = if is_resource(path) { path.to_owned() } else { String::new() };
        Ok(Asked { host, path })
    }

    /// The identifier of what is asked for (RFC 8707, section 2).
    pub(super) fn resource(&self) -> String {
        format!("http://{}{}", self.host, self.path)
    }
}

/// Whether something may be there. Whether there is such a server is for callers alone.
fn is_resource(path: &str) -> bool {
    let name = path.strip_prefix(MCP);
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        (1..=32).contains(&name.len())
            && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    path == ALL || name.is_some_and(is_name)
}

impl Protection {
    /// The metadata, where that is what a request is for.
    pub(super) fn metadata<B>(&self, request: &Request<B>) -> Option<Result<Response<Reply>, Stop>> {
        let path = request.uri().path().strip_prefix(WELL_KNOWN)?;
        if !path.is_empty() && !is_resource(path) {
            return None;
        }
        Some(match *request.method() {
            hyper::Method::GET => Asked::at(request, path).map(|asked| {
                let text = json!({
                    "resource": self.resource.clone().unwrap_or_else(|| asked.resource()),
                    "authorization_servers": self.issuers,
                    "scopes_supported": self.scopes,
                    "bearer_methods_supported": ["header"],
                });
                reply::json(StatusCode::OK, Bytes::from(text.to_string()))
            }),
            _ => Err(super::not_allowed("GET")),
        })
    }

    /// Where the metadata of what was asked for is. A resource that clients know under an address
    /// of its own has it there.
    fn place(&self, asked: &Asked) -> String {
        let own = self.resource.as_deref().and_then(|resource| {
            let (scheme, rest) = resource.split_once("://")?;
            if !matches!(scheme, "https" | "http") {
                return None;
            }
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let path = if path == "/" { "" } else { path };
            Some(format!("{scheme}://{host}{WELL_KNOWN}{path}"))
        });
        own.unwrap_or_else(|| format!("http://{}{WELL_KNOWN}{}", asked.host, asked.path))
    }

    fn challenge(&self, asked: &Asked, error: Option<&str>) -> Option<HeaderValue> {
        let mut said = vec![format!("resource_metadata=\"{}\"", self.place(asked))];
        if !self.scopes.is_empty() {
            said.push(format!("scope=\"{}\"", self.scopes.join(" ")));
        }
        said.extend(error.map(|error| format!("error=\"{error}\"")));
        HeaderValue::from_str(&format!("Bearer {}", said.join(", "))).ok()
    }
}

/// The answer to a caller that is not let in.
pub(super) fn turned_away(
    protection: Option<&Protection>,
    asked: &Asked,
    stranger: &Stranger,
    was_shown: bool,
) -> Stop {
    let (stop, error) = match stranger {
        Stranger::Unknown { reason } => {
            (Stop::unauthorized(reason, was_shown), was_shown.then_some("invalid_token"))
        }
        Stranger::LacksScope { reason } => {
            (Stop::new(StatusCode::FORBIDDEN, reason), Some("insufficient_scope"))
        }
    };
    match protection.and_then(|protection| protection.challenge(asked, error)) {
        Some(challenge) => stop.instead(WWW_AUTHENTICATE, challenge),
        None => stop,
    }
}
