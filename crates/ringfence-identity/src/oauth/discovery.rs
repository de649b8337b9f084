//! Who issues tokens for a server: what the server says (RFC 9728), and what whoever it names says
//! of itself (RFC 8414, OpenID Connect Discovery 1.0). Each has to speak of itself and not of
//! somebody else.

use serde_json::{Map, Value};

use super::web::{Request, Web, ask};
use super::{Challenge, NoGrant};
use crate::endpoint::Endpoint;

const OF_RESOURCE: &str = "/.well-known/oauth-protected-resource";
const OF_SERVER: &str = "/.well-known/oauth-authorization-server";
const OF_OPENID: &str = "/.well-known/openid-configuration";
const RESOURCE: &str = "a resource's metadata";
const SERVER: &str = "an authorization server's metadata";

/// What is known of a server and of who issues tokens for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The identifier that tokens for it are asked for with.
    pub resource: String,
    /// The scopes that a first login asks for; none where the server says nothing.
    pub scopes: Option<Vec<String>>,
    /// Who issues them.
    pub server: AuthorizationServer,
}

/// An authorization server, as it says of itself (RFC 8414, section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// Its identifier; where its metadata was found.
    pub issuer: Endpoint,
    pub(super) authorization: Option<Endpoint>,
    pub(super) token: Endpoint,
    pub(super) registration: Option<Endpoint>,
    pub(super) has_pkce: bool,
    pub(super) says_issuer: bool,
    pub(super) takes_documents: bool,
    pub(super) takes_secret_in_body_only: bool,
    pub(super) offers_refresh: bool,
}

/// Finds out who issues tokens for `server`. `wanted` is the issuer that the operator names, where
/// one is named.
///
/// # Errors
/// Nobody does, or what they say contradicts itself.
pub async fn discover<W: Web>(
    web: &W,
    server: &Endpoint,
    challenge: &Challenge,
    wanted: Option<&str>,
) -> Result<Place, NoGrant> {
    let (found_at, metadata) = resource_metadata(web, server, challenge).await?;
    let malformed = |why| NoGrant::Malformed { place: found_at.clone(), wanted: RESOURCE, why };
    let resource = text(&metadata, "resource").ok_or_else(|| malformed("it names no `resource`"))?;
    if !covers(resource, server) {
        return Err(NoGrant::OtherResource(server.clone()));
    }
    let issuers = words(&metadata, "authorization_servers").unwrap_or_default();
    let issuer = match wanted {
        Some(wanted) => issuers
            .iter()
            .find(|issuer| *issuer == wanted)
            .ok_or_else(|| NoGrant::OtherIssuer { server: server.clone(), issuer: wanted.to_owned() })?,
        None => issuers.first().ok_or_else(|| malformed("it names no authorization server"))?,
    };
    let issuer: Endpoint =
        issuer.parse().map_err(|_| malformed("its authorization server is no address that is taken"))?;
    let server_of_it = authorization_server(web, issuer, server).await?;
    let scopes = challenge.scopes().or_else(|| words(&metadata, "scopes_supported"));
    let scopes = scopes.map(|scopes| scopes.into_iter().filter(|scope| crate::is_scope(scope)).collect());
    Ok(Place { resource: resource.to_owned(), scopes, server: server_of_it })
}

async fn resource_metadata<W: Web>(
    web: &W,
    server: &Endpoint,
    challenge: &Challenge,
) -> Result<(Endpoint, Map<String, Value>), NoGrant> {
    if let Some(named) = &challenge.resource_metadata {
        let malformed = |why| NoGrant::Malformed { place: server.clone(), wanted: RESOURCE, why };
        let named: Endpoint = named.parse().map_err(|_| malformed("it is at no address that is taken"))?;
        if !named.is_same_origin(server) {
            return Err(NoGrant::ForeignMetadata { server: server.clone(), named });
        }
        let answer = ask(web, Request::get(&named)).await?;
        let document = answer.document(&named, RESOURCE)?;
        return Ok((named, document));
    }
    let path = server.path().trim_end_matches('/');
    let mut places = vec![format!("{}{OF_RESOURCE}{path}", server.origin())];
    if !path.is_empty() {
        places.push(format!("{}{OF_RESOURCE}", server.origin()));
    }
    for place in places {
        let Ok(place) = place.parse::<Endpoint>() else { continue };
        let answer = ask(web, Request::get(&place)).await?;
        match answer.document(&place, RESOURCE) {
            Ok(document) => return Ok((place, document)),
            Err(NoGrant::Status { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Err(NoGrant::NoMetadata(server.clone()))
}

/// Whether a resource is the server, or what it is part of on the same host (RFC 9728, section 7.3):
/// a token for anything else could be used there in the caller's name.
pub(super) fn covers(resource: &str, server: &Endpoint) -> bool {
    let Ok(resource) = resource.parse::<Endpoint>() else { return false };
    if resource.has_query() || !resource.is_same_origin(server) {
        return false;
    }
    let (whole, part) = (resource.path().trim_end_matches('/'), server.path().trim_end_matches('/'));
    part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        && !part.split('/').any(|segment| segment == "..")
}

/// In the order of revision 2026-07-28. A document of another issuer ends it: what else is found
/// there cannot be told from a forgery.
async fn authorization_server<W: Web>(
    web: &W,
    issuer: Endpoint,
    server: &Endpoint,
) -> Result<AuthorizationServer, NoGrant> {
    if issuer.has_query() || (issuer.is_here() && !server.is_here()) {
        let why = "its authorization server is no address that is taken";
        return Err(NoGrant::Malformed { place: server.clone(), wanted: RESOURCE, why });
    }
    let (origin, path) = (issuer.origin(), issuer.path().trim_end_matches('/'));
    let mut places = vec![format!("{origin}{OF_SERVER}{path}"), format!("{origin}{OF_OPENID}{path}")];
    if !path.is_empty() {
        places.push(format!("{origin}{path}{OF_OPENID}"));
    }
    for place in places {
        let Ok(place) = place.parse::<Endpoint>() else { continue };
        let answer = ask(web, Request::get(&place)).await?;
        let document = match answer.document(&place, SERVER) {
            Ok(document) => document,
            Err(NoGrant::Status { .. }) => continue,
            Err(other) => return Err(other),
        };
        if text(&document, "issuer") != Some(issuer.as_str()) {
            return Err(NoGrant::ForeignIssuer(issuer));
        }
        return read(issuer, &place, &document);
    }
    Err(NoGrant::NoServerMetadata(issuer))
}

fn read(
    issuer: Endpoint,
    place: &Endpoint,
    document: &Map<String, Value>,
) -> Result<AuthorizationServer, NoGrant> {
    let malformed = |why| NoGrant::Malformed { place: place.clone(), wanted: SERVER, why };
    let endpoint = |name: &str| match document.get(name) {
        None => Ok(None),
        Some(value) => {
            let endpoint = value.as_str().and_then(|text| text.parse::<Endpoint>().ok());
            let endpoint = endpoint.filter(|endpoint| issuer.is_here() || !endpoint.is_here());
            endpoint.map(Some).ok_or_else(|| malformed("an endpoint in it is no address that is taken"))
        }
    };
    let says = |name: &str| document.get(name) == Some(&Value::Bool(true));
    let lists = |name: &str, word: &str| words(document, name).map(|words| words.iter().any(|w| w == word));
    let methods = "token_endpoint_auth_methods_supported";
    let in_body = lists(methods, "client_secret_post") == Some(true);
    let in_header = lists(methods, "client_secret_basic") != Some(false);
    Ok(AuthorizationServer {
        authorization: endpoint("authorization_endpoint")?,
        token: endpoint("token_endpoint")?.ok_or_else(|| malformed("it has no token endpoint"))?,
        registration: endpoint("registration_endpoint")?,
        has_pkce: lists("code_challenge_methods_supported", "S256") == Some(true),
        says_issuer: says("authorization_response_iss_parameter_supported"),
        takes_documents: says("client_id_metadata_document_supported"),
        takes_secret_in_body_only: in_body && !in_header,
        offers_refresh: lists("scopes_supported", "offline_access") == Some(true),
        issuer,
    })
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

/// A list of words; none where it is not there, and without what is no word.
fn words(members: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let Some(Value::Array(listed)) = members.get(name) else { return None };
    Some(listed.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}
