//! A person's login: out to the authorization server's page, and back with a code (RFC 6749,
//! section 4.1; RFC 7636; RFC 9207). What comes back came through a browser, so anybody can have
//! written it: it counts only with the state of this login, and only from its issuer.

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringfence_model::Timestamp;
use zeroize::Zeroizing;

use super::client::{self, Client};
use super::discovery::Place;
use super::grant::{self, Grant};
use super::web::{Web, ask};
use super::{NoGrant, Registered, Secret, form, fresh};

/// A login that a person has begun.
#[derive(Debug)]
pub struct Login {
    /// The page to open.
    pub page: String,
    place: Place,
    client: Client,
    redirect: String,
    scopes: Vec<String>,
    state: Secret,
    verifier: Secret,
}

/// A code, not redeemed yet.
#[derive(Debug)]
pub struct Code(Secret);

/// What came back is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Redirected {
    /// Not of this login: somebody else's, old, or made up. The login goes on.
    #[error("what came back does not belong to this login")]
    Stranger,
    /// Of this login, from another issuer (RFC 9207, section 2.4).
    #[error("the answer is another authorization server's, so its code is not redeemed anywhere")]
    Issuer,
    /// The person or the authorization server said no.
    #[error("the authorization server says `{0}`")]
    Refused(String),
    /// Neither a code nor an error.
    #[error("the authorization server sent no code back")]
    NoCode,
}

impl Login {
    /// Begins one. `scopes` are asked for in place of what the server says; `redirect` is where the
    /// browser comes back to, on this machine.
    ///
    /// # Errors
    /// The authorization server has no safe way to do it, or does not take this client.
    pub async fn begin<W: Web>(
        web: &W,
        place: Place,
        registered: &Registered,
        redirect: &str,
        scopes: Option<Vec<String>>,
    ) -> Result<Login, NoGrant> {
        let server = &place.server;
        let Some(page) = server.authorization.clone() else {
            let what = "logins of people";
            return Err(NoGrant::NotOffered { issuer: server.issuer.clone(), what });
        };
        if !server.has_pkce {
            return Err(NoGrant::NoPkce(server.issuer.clone()));
        }
        let client = client::client(web, server, registered, redirect).await?;
        let scopes = scopes.or_else(|| place.scopes.clone()).unwrap_or_default();
        let (state, verifier) = (fresh()?, fresh()?);
        let challenge = digest::digest(&digest::SHA256, verifier.as_bytes());
        let challenge = URL_SAFE_NO_PAD.encode(challenge.as_ref());
        let asked_for = asked_for(&scopes, server.offers_refresh);
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", client.id.as_str()),
            ("redirect_uri", redirect),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
            ("resource", place.resource.as_str()),
            ("state", state.as_str()),
        ];
        if !asked_for.is_empty() {
            fields.push(("scope", asked_for.as_str()));
        }
        let separator = if page.has_query() { '&' } else { '?' };
        let page = format!("{page}{separator}{}", form::written(&fields).as_str());
        Ok(Login {
            page,
            client,
            redirect: redirect.to_owned(),
            scopes,
            state: Secret(state),
            verifier: Secret(verifier),
            place,
        })
    }

    /// Looks at the query that a browser came back with. Nothing of it is sent anywhere, or shown,
    /// unless it is this login's and its issuer's.
    ///
    /// # Errors
    /// See [`Redirected`].
    pub fn came_back(&self, query: &str) -> Result<Code, Redirected> {
        let fields = form::read(query).ok_or(Redirected::Stranger)?;
        let mut values = fields.iter().filter(|(name, _)| name == "state").map(|(_, value)| value);
        let (Some(state), None) = (values.next(), values.next()) else { return Err(Redirected::Stranger) };
        let own = self.state.reveal().as_bytes();
        if constant_time::verify_slices_are_equal(state.as_bytes(), own).is_err() {
            return Err(Redirected::Stranger);
        }
        let single = |name: &str| {
            let mut values = fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
            match (values.next(), values.next()) {
                (value, None) => Ok(value),
                (_, Some(_)) => Err(Redirected::NoCode),
            }
        };
        let server = &self.place.server;
        match single("iss").map_err(|_| Redirected::Issuer)? {
            Some(issuer) if issuer.as_str() == server.issuer.as_str() => {}
            None if !server.says_issuer => {}
            Some(_) | None => return Err(Redirected::Issuer),
        }
        if let Some(error) = single("error")? {
            return Err(Redirected::Refused(grant::code_of(error)));
        }
        match single("code")? {
            Some(code) if !code.is_empty() => Ok(Code(Secret(Zeroizing::clone(code)))),
            Some(_) | None => Err(Redirected::NoCode),
        }
    }

    /// Redeems the code, once.
    ///
    /// # Errors
    /// The authorization server does not give a token for it.
    pub async fn redeem<W: Web>(self, web: &W, code: Code, now: Timestamp) -> Result<Grant, NoGrant> {
        let server = &self.place.server;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.0.reveal()),
            ("redirect_uri", self.redirect.as_str()),
            ("code_verifier", self.verifier.reveal()),
            ("resource", self.place.resource.as_str()),
        ];
        let request = self.client.asks(&server.token, server.takes_secret_in_body_only, &fields);
        let answer = ask(web, request).await?;
        Grant::of(&self.place, self.client, self.scopes, &answer, now)
    }
}

/// The scopes, and the one that asks for a token to renew with where it is offered.
fn asked_for(scopes: &[String], offers_refresh: bool) -> String {
    const RENEW: &str = "offline_access";
    let mut all: Vec<&str> = scopes.iter().map(String::as_str).collect();
    if offers_refresh && !all.is_empty() && !all.contains(&RENEW) {
        all.push(RENEW);
    }
    all.join(" ")
}
