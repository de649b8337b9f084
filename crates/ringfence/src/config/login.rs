//! `login:` beside a server's `url`: how the gateway gets a token for it.

use std::path::Path;

use ringfence_identity::{Endpoint, is_scope};
use serde_saphyr::Spanned;

use super::SecretPlace;
use super::raw::{RawClient, RawLogin};
use super::report::Report;
use super::resolve::secret;
use crate::fault::Fault;

/// How a server is logged in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// The server, where a token may go.
    pub(crate) server: Endpoint,
    /// Who the gateway is to authorization servers.
    pub(crate) client: Client,
    /// Who logs in.
    pub(crate) grant: Grant,
    /// What is asked for in place of what the server says.
    pub(crate) scopes: Option<Vec<String>>,
}

/// Who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    /// A person, for an agent.
    AuthorizationCode,
    /// The gateway by itself.
    ClientCredentials,
}

/// Who the gateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Client {
    /// Registered with one authorization server.
    With { issuer: String, id: String, secret: Option<SecretPlace> },
    /// Whoever the document at this address says.
    Document(Endpoint),
    /// Registered nowhere.
    Nowhere,
}

pub(super) fn login(
    report: &mut Report<'_>,
    raw: Spanned<RawLogin>,
    url: &Spanned<String>,
    base: &Path,
) -> Result<Option<Login>, Fault> {
    let at = raw.referenced;
    let RawLogin { grant, client, scopes } = raw.value;
    let Ok(server) = url.value.parse::<Endpoint>() else {
        let help = Some("write `https`, or take `login` out".to_owned());
        report.add(url.referenced, "a token would go to another machine unencrypted", help);
        return Ok(None);
    };
    let grant = match grant {
        None => Grant::AuthorizationCode,
        Some(written) => match written.value.as_str() {
            "authorization_code" => Grant::AuthorizationCode,
            "client_credentials" => Grant::ClientCredentials,
            other => {
                let help = "write `authorization_code` (a person logs in) or `client_credentials`".to_owned();
                report.add(written.referenced, format!("`{other}` is no way to log in"), Some(help));
                return Ok(None);
            }
        },
    };
    let client = match client {
        Some(raw) => client_of(report, raw, base)?,
        None => Client::Nowhere,
    };
    let has_secret = matches!(&client, Client::With { secret: Some(_), .. });
    if grant == Grant::ClientCredentials && !has_secret {
        let help = "write `client: {issuer: …, id: …, secret: {file: PATH}}`".to_owned();
        report.add(at, "to log in by itself, the gateway has to be a client with a secret", Some(help));
    }
    for scope in scopes.iter().flatten() {
        if !is_scope(&scope.value) {
            report.add(scope.referenced, format!("`{}` is no scope", scope.value), None);
        }
    }
    let scopes = scopes.map(|scopes| scopes.into_iter().map(|scope| scope.value).collect());
    Ok(Some(Login { server, client, grant, scopes }))
}

fn client_of(report: &mut Report<'_>, raw: RawClient, base: &Path) -> Result<Client, Fault> {
    let secret = match &raw.secret {
        Some(written) => secret(report, written, base)?,
        None => None,
    };
    let Some(issuer) = raw.issuer else {
        let document = raw.id.value.parse::<Endpoint>().ok().filter(|id| !id.path().is_empty());
        if let (Some(document), None) = (document, &raw.secret) {
            return Ok(Client::Document(document));
        }
        let help = "name the authorization server it is registered with under `issuer`, or write the `https` address of its document as `id`";
        report.add(raw.id.referenced, "a client is registered with somebody", Some(help.to_owned()));
        return Ok(Client::Nowhere);
    };
    if issuer.value.parse::<Endpoint>().is_err() {
        let help = Some("write it as its metadata has it, such as `https://id.example`".to_owned());
        report.add(issuer.referenced, format!("`{}` is no issuer", issuer.value), help);
    }
    Ok(Client::With { issuer: issuer.value, id: raw.id.value, secret })
}
