//! An MCP server over HTTP and its authorization server, both on one port of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

/// Both of them. Their thread ends with the test.
pub(crate) struct Idp {
    origin: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    codes: BTreeMap<String, BTreeMap<String, String>>,
    /// By token: the scopes it has.
    access: BTreeMap<String, String>,
    refresh: BTreeSet<String>,
    given: u32,
    renewed: u32,
    lives: Option<u32>,
    wants: Option<String>,
    /// What the MCP server was shown and took, each once, in order.
    shown: Vec<String>,
    redeemed: Vec<String>,
    jwks: String,
    /// How often each path was asked.
    asked: BTreeMap<String, usize>,
}

/// What came back from somewhere.
pub(crate) struct Got {
    pub(crate) status: u16,
    head: String,
}

impl Got {
    pub(crate) fn location(&self) -> String {
        let line = self.head.lines().find_map(|line| line.strip_prefix("Location: "));
        line.unwrap_or_else(|| panic!("{}", self.head)).trim().to_owned()
    }
}

/// What a browser does with an address.
pub(crate) fn get(url: &str) -> Got {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    Got { status, head: answer }
}

impl Idp {
    pub(crate) fn start() -> Idp {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let (here, shared) = (origin.clone(), Arc::clone(&state));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (here, shared) = (here.clone(), Arc::clone(&shared));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    // A peer that goes away is not of interest here.
                    drop(answer(&mut stream, &here, &shared));
                });
            }
        });
        Idp { origin, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// How many seconds tokens last from now on.
    pub(crate) fn lives(&self, seconds: u32) {
        self.state().lives = Some(seconds);
    }

    /// The MCP server wants this scope from now on.
    pub(crate) fn wants(&self, scope: &str) {
        self.state().wants = Some(scope.to_owned());
    }

    /// No token counts any more.
    pub(crate) fn take_back(&self) {
        let mut state = self.state();
        state.access.clear();
        state.refresh.clear();
    }

    /// What it says its keys are.
    pub(crate) fn publishes(&self, jwks: &str) {
        self.state().jwks = jwks.to_owned();
    }

    pub(crate) fn asked(&self, path: &str) -> usize {
        self.state().asked.get(path).copied().unwrap_or(0)
    }

    pub(crate) fn shown(&self) -> Vec<String> {
        self.state().shown.clone()
    }

    pub(crate) fn redeemed(&self) -> Vec<String> {
        self.state().redeemed.clone()
    }

    pub(crate) fn renewed(&self) -> u32 {
        self.state().renewed
    }
}

fn answer(stream: &mut TcpStream, here: &str, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut length, mut authorization) = (String::new(), 0, None);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).unwrap();
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut state = state.lock().unwrap();
    *state.asked.entry(path.to_owned()).or_default() += 1;
    let (status, header, body) = match path {
        "/jwks" => (200, String::new(), state.jwks.clone()),
        "/mcp" => state.mcp(here, method, authorization.as_deref(), &body),
        "/.well-known/oauth-protected-resource/mcp" => {
            let resource = json!({"resource": format!("{here}/mcp"), "authorization_servers": [here],
                "scopes_supported": ["mcp:read"]});
            (200, String::new(), resource.to_string())
        }
        "/.well-known/oauth-authorization-server" => (200, String::new(), metadata(here).to_string()),
        "/register" => (201, String::new(), json!({"client_id": "registered-on-the-spot"}).to_string()),
        "/authorize" => state.authorize(here, &fields(query)),
        "/token" => state.token(here, &fields(&body), authorization.as_deref()),
        _ => (404, String::new(), String::new()),
    };
    drop(state);
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n{header}\r\n{body}",
        body.len()
    )
}

fn metadata(here: &str) -> Value {
    json!({
        "issuer": here,
        "authorization_endpoint": format!("{here}/authorize"),
        "token_endpoint": format!("{here}/token"),
        "registration_endpoint": format!("{here}/register"),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    })
}

impl State {
    fn mcp(&mut self, here: &str, method: &str, shown: Option<&str>, body: &str) -> (u16, String, String) {
        let place = format!("resource_metadata=\"{here}/.well-known/oauth-protected-resource/mcp\"");
        let token = shown.and_then(|shown| shown.strip_prefix("Bearer "));
        let Some((token, scopes)) = token.and_then(|token| self.access.get_key_value(token)) else {
            return (401, format!("WWW-Authenticate: Bearer {place}\r\n"), String::new());
        };
        if !self.shown.contains(token) {
            self.shown.push(token.clone());
        }
        if let Some(wants) =
            self.wants.as_ref().filter(|wants| !scopes.split(' ').any(|scope| scope == *wants))
        {
            let header = format!(
                "WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"{wants}\", {place}\r\n"
            );
            return (403, header, String::new());
        }
        if method != "POST" {
            return (405, String::new(), String::new());
        }
        let asked: Value = serde_json::from_str(body).unwrap();
        let result = match asked["method"].as_str().unwrap_or_default() {
            "initialize" => json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                "serverInfo": {"name": "files", "version": "1"}}),
            "tools/list" => json!({"tools": [{"name": "read", "inputSchema": {"type": "object"}}]}),
            "tools/call" => json!({"content": [{"type": "text", "text": "done"}]}),
            _ => return (202, String::new(), String::new()),
        };
        (200, String::new(), json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string())
    }

    fn authorize(&mut self, here: &str, asked: &BTreeMap<String, String>) -> (u16, String, String) {
        assert_eq!(asked["resource"], format!("{here}/mcp"));
        assert_eq!(asked["code_challenge_method"], "S256");
        let code = format!("code-{}", self.codes.len());
        let back = format!("{}?code={code}&state={}&iss={here}", asked["redirect_uri"], asked["state"]);
        self.codes.insert(code, asked.clone());
        (302, format!("Location: {back}\r\n"), String::new())
    }

    fn token(
        &mut self,
        here: &str,
        asked: &BTreeMap<String, String>,
        shown: Option<&str>,
    ) -> (u16, String, String) {
        let refused = || (400, String::new(), json!({"error": "invalid_grant"}).to_string());
        assert_eq!(asked["resource"], format!("{here}/mcp"));
        let mut scope = asked.get("scope").cloned().unwrap_or_default();
        match asked["grant_type"].as_str() {
            "authorization_code" => {
                self.redeemed.push(asked["code"].clone());
                let Some(begun) = self.codes.get(&asked["code"]) else { return refused() };
                let verifier = digest::digest(&digest::SHA256, asked["code_verifier"].as_bytes());
                let is_same = begun["code_challenge"] == URL_SAFE_NO_PAD.encode(verifier.as_ref());
                if !is_same || begun["redirect_uri"] != asked["redirect_uri"] {
                    return refused();
                }
                assert_eq!(
                    (begun["client_id"].as_str(), asked["client_id"].as_str()),
                    ("registered-on-the-spot", "registered-on-the-spot")
                );
                scope = begun["scope"].clone();
            }
            "refresh_token" => {
                if !self.refresh.remove(&asked["refresh_token"]) {
                    return refused();
                }
                self.renewed += 1;
            }
            "client_credentials" if shown.is_some_and(|shown| shown.starts_with("Basic ")) => {}
            _ => return refused(),
        }
        self.given += 1;
        let (access, refresh) = (format!("access-{}", self.given), format!("refresh-{}", self.given));
        self.access.insert(access.clone(), scope);
        let mut token =
            json!({"access_token": access, "token_type": "Bearer", "expires_in": self.lives.unwrap_or(3600)});
        if asked["grant_type"] != "client_credentials" {
            self.refresh.insert(refresh.clone());
            token["refresh_token"] = json!(refresh);
        }
        (200, String::new(), token.to_string())
    }
}

fn fields(form: &str) -> BTreeMap<String, String> {
    let decoded = |part: &str| {
        let mut bytes = Vec::new();
        let mut rest = part.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    let fields = form.split('&').filter_map(|field| field.split_once('='));
    fields.map(|(name, value)| (decoded(name), decoded(value))).collect()
}
