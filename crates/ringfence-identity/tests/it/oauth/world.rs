//! A server, its authorization server, and everybody who would like to be one of them, reached
//! without a network.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringfence_identity::Endpoint;
use ringfence_identity::oauth::{
    Answer, Body, Challenge, Grant, Login, NoGrant, Place, Registered, Request, Secret, Unreached, Web,
    discover,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::idp::{NOW, at, b64};

pub(crate) const SERVER: &str = "https://mcp.example/files/mcp";
pub(crate) const ISSUER: &str = "https://id.example/tenant";
pub(crate) const REDIRECT: &str = "http://127.0.0.1:43117/callback";
pub(crate) const OF_RESOURCE: &str = "https://mcp.example/.well-known/oauth-protected-resource/files/mcp";
pub(crate) const OF_SERVER: &str = "https://id.example/.well-known/oauth-authorization-server/tenant";

/// Everything that can be asked, and what was.
pub(crate) struct World(Mutex<State>);

pub(crate) struct State {
    /// By address: documents that are answered as they are.
    pub(crate) pages: BTreeMap<String, (u16, String)>,
    /// Every address that was asked, and what was said there.
    pub(crate) asked: Vec<(String, BTreeMap<String, String>, Option<String>)>,
    /// What the token endpoint answers in place of a token.
    pub(crate) instead: Option<(u16, String)>,
    codes: BTreeMap<String, BTreeMap<String, String>>,
    /// The one token to renew with that counts.
    refresh: Option<String>,
    given: u32,
}

impl World {
    pub(crate) fn new() -> World {
        let resource =
            json!({"resource": SERVER, "authorization_servers": [ISSUER], "scopes_supported": ["read"]});
        let world = World(Mutex::new(State {
            pages: BTreeMap::new(),
            asked: Vec::new(),
            instead: None,
            codes: BTreeMap::new(),
            refresh: None,
            given: 0,
        }));
        world.says(OF_RESOURCE, &resource);
        world.says(OF_SERVER, &metadata());
        world
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn says(&self, place: &str, document: &Value) {
        self.state().pages.insert(place.to_owned(), (200, document.to_string()));
    }

    /// With some members of the authorization server's metadata changed; `null` takes one out.
    pub(crate) fn but(changes: &Value) -> World {
        let world = World::new();
        world.says(OF_SERVER, &changed(metadata(), changes));
        world
    }

    /// The addresses that were asked, in order.
    pub(crate) fn places(&self) -> Vec<String> {
        self.state().asked.iter().map(|(place, ..)| place.clone()).collect()
    }

    pub(crate) async fn discover(&self) -> Result<Place, NoGrant> {
        self.discover_by(&Challenge::default(), None).await
    }

    pub(crate) async fn discover_by(
        &self,
        challenge: &Challenge,
        wanted: Option<&str>,
    ) -> Result<Place, NoGrant> {
        discover(self, &endpoint(SERVER), challenge, wanted).await
    }

    pub(crate) async fn begin(&self, registered: &Registered) -> Result<Login, NoGrant> {
        Login::begin(self, self.discover().await?, registered, REDIRECT, None).await
    }

    /// A person says yes: the query that the browser comes back with.
    pub(crate) fn consent(&self, page: &str) -> String {
        let asked = query_of(page);
        let code = format!("code-{}", self.state().codes.len());
        let back = form(&[("code", &code), ("state", &asked["state"]), ("iss", ISSUER)]);
        self.state().codes.insert(code, asked);
        back
    }

    pub(crate) async fn logged_in(&self) -> Grant {
        let login = self.begin(&registered()).await.unwrap();
        let code = login.came_back(&self.consent(&login.page)).unwrap();
        login.redeem(self, code, at(NOW)).await.unwrap()
    }
}

impl State {
    fn answer(&mut self, place: &str, said: &BTreeMap<String, String>) -> (u16, String) {
        if let Some(page) = self.pages.get(place) {
            return page.clone();
        }
        match place {
            "https://id.example/tenant/token" => self.token(said),
            "https://id.example/tenant/register" => (201, json!({"client_id": "registered"}).to_string()),
            _ => (404, String::new()),
        }
    }

    fn token(&mut self, said: &BTreeMap<String, String>) -> (u16, String) {
        if let Some(instead) = &self.instead {
            return instead.clone();
        }
        let refused =
            |code: &str| (400, json!({"error": code, "error_description": "<b>words</b>"}).to_string());
        assert_eq!(said["resource"], SERVER, "each token is asked for one resource");
        match said["grant_type"].as_str() {
            "authorization_code" => {
                let Some(asked) = self.codes.remove(&said["code"]) else { return refused("invalid_grant") };
                let verifier = digest::digest(&digest::SHA256, said["code_verifier"].as_bytes());
                assert_eq!(asked["code_challenge_method"], "S256");
                assert_eq!(asked["resource"], SERVER);
                if asked["code_challenge"] != b64(verifier) || asked["redirect_uri"] != said["redirect_uri"] {
                    return refused("invalid_grant");
                }
            }
            "refresh_token" if self.refresh.as_ref() == Some(&said["refresh_token"]) => {}
            "refresh_token" => return refused("invalid_grant"),
            "client_credentials" => {}
            other => panic!("{other}"),
        }
        self.given += 1;
        let refresh = format!("refresh-{}", self.given);
        self.refresh = Some(refresh.clone());
        let token = json!({"access_token": format!("access-{}", self.given), "token_type": "bearer",
            "expires_in": 300, "refresh_token": refresh});
        (200, token.to_string())
    }
}

impl Web for World {
    async fn send(&self, request: Request) -> Result<Answer, Unreached> {
        let said = match &request.body {
            Some(Body::Form(form)) => fields(form.reveal()),
            Some(Body::Json(text)) => BTreeMap::from([("json".to_owned(), text.clone())]),
            None => BTreeMap::new(),
        };
        let authorization = request.authorization.map(|shown| shown.reveal().to_owned());
        let mut state = self.state();
        let place = request.to.as_str().to_owned();
        state.asked.push((place.clone(), said.clone(), authorization));
        let (status, body) = state.answer(&place, &said);
        Ok(Answer { status, body: Zeroizing::new(body.into_bytes()) })
    }
}

pub(crate) fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

pub(crate) fn metadata() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://id.example/tenant/authorize",
        "token_endpoint": "https://id.example/tenant/token",
        "registration_endpoint": "https://id.example/tenant/register",
        "code_challenge_methods_supported": ["plain", "S256"],
        "authorization_response_iss_parameter_supported": true,
    })
}

pub(crate) fn changed(mut document: Value, changes: &Value) -> Value {
    let members = document.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    document
}

pub(crate) fn registered() -> Registered {
    Registered::With {
        issuer: ISSUER.to_owned(),
        id: "ringfence".to_owned(),
        secret: Some(Secret::new("s3cr:t".to_owned())),
    }
}

/// What [`registered`] shows at the token endpoint.
pub(crate) fn basic() -> String {
    format!("Basic {}", STANDARD.encode("ringfence:s3cr%3At"))
}

pub(crate) fn query_of(page: &str) -> BTreeMap<String, String> {
    fields(page.split_once('?').unwrap().1)
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    fields.join("&")
}

fn fields(form: &str) -> BTreeMap<String, String> {
    let decoded = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8().unwrap().into_owned();
    let mut fields = BTreeMap::new();
    for field in form.split('&') {
        let (name, value) = field.split_once('=').unwrap();
        assert!(fields.insert(decoded(name), decoded(value)).is_none(), "{name} is there twice");
    }
    fields
}
