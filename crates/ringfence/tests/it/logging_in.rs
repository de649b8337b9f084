//! `auth`: the gateway logs in to a server over HTTP, which has an authorization server of its own.

pub(crate) mod idp;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use serde_json::json;

use self::idp::{Idp, get};
use crate::governing::governed;
use crate::issuing::everything_in;
use crate::serving::Up;
use crate::world::{DANA, ERIN, World, text};

const A: &str = "spiffe://acme.example/a";
const B: &str = "spiffe://acme.example/b";
const OPERATOR: &str = "rf_QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8";

/// Two agents, an operator, and a server somewhere else.
fn config(world: &World, idp: &Idp, login: &str) -> String {
    world.write_secret("conf/a.token", DANA);
    world.write_secret("conf/b.token", ERIN);
    world.write_secret("conf/o.token", OPERATOR);
    world.write_secret("conf/client.secret", "s3cret");
    format!(
        "apiVersion: ringfence/v1
kind: Gateway
policies: ./files.yaml
servers:
  files: {{url: \"{}/mcp\", login: {login}}}
agents:
  - {{id: \"{A}\", sponsor: dana, token: {{file: a.token}}}}
  - {{id: \"{B}\", sponsor: erin, token: {{file: b.token}}}}
operators:
  - {{id: olga, token: {{file: o.token}}}}
",
        idp.origin()
    )
}

/// `auth login`, waiting for the browser.
struct Waiting {
    child: Child,
    err: BufReader<std::process::ChildStderr>,
    page: String,
}

impl Waiting {
    fn start(world: &World, args: &[&str]) -> Waiting {
        let operator = world.here().join("conf/o.token");
        let mut command = world.ringfence(&["--json", "auth", "login", "files"]);
        command.args(args).arg("--operator-token-file").arg(operator);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        let mut waiting = Waiting { child, err, page: String::new() };
        let mut said = String::new();
        while waiting.page.is_empty() {
            assert!(waiting.err.read_line(&mut said).unwrap() > 0, "{said}");
            let last = said.lines().last().unwrap_or_default().trim();
            if last.starts_with("http") {
                waiting.page = last.to_owned();
            }
        }
        waiting
    }

    /// What it prints, and its exit code.
    fn ends(mut self) -> (i32, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.err.read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code().unwrap(), out, err)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn log_in(world: &World, agent: &str, more: &[&str]) -> serde_json::Value {
    let waiting = Waiting::start(world, &[&["--agent", agent], more].concat());
    let back = get(&waiting.page).location();
    assert_eq!(get(&back).status, 200);
    let (code, out, err) = waiting.ends();
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

#[test]
fn a_person_logs_in_for_one_agent_and_the_token_is_shown_to_that_server_for_that_agent_alone() {
    let (world, idp) = (governed(), Idp::start());
    let up = Up::over(&world, &config(&world, &idp, "{}"));
    let nobody = up.ask("POST", &[&bearer(DANA)], idp::INITIALIZE);
    let help = format!("ringfence auth login files --agent {A}");
    assert!(nobody.body.contains(&help), "{}", nobody.body);

    let done = log_in(&world, A, &[]);
    assert_eq!((&done["agent"], &done["issuer"]), (&json!(A), &json!(idp.origin())));
    assert_eq!(done["resource"], format!("{}/mcp", idp.origin()));
    let session = up.session(&[&bearer(DANA)]);
    let called = up.call(&[&bearer(DANA), &session], "read").json();
    assert_eq!(called["result"]["content"][0]["text"], "done", "{called}");
    // The other agent has no part in it.
    let other = up.ask("POST", &[&bearer(ERIN)], idp::INITIALIZE);
    assert!(other.body.contains(&format!("--agent {B}")), "{}", other.body);
    log_in(&world, B, &[]);
    up.session(&[&bearer(ERIN)]);
    let shown = idp.shown();
    assert_eq!(shown, ["access-1", "access-2"], "each agent's own, and never what a client showed");

    let listed = world.run(&["--json", "auth", "list"]).exits(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert!(!listed.to_string().contains("access-"), "{listed}");
    up.end("-TERM");
    let records = world.run(&["--json", "audit", "show", "-n", "1000"]).exits(0).out;
    let logins = records.matches("login.changed").count();
    assert_eq!(logins, 2, "{records}");
    for secret in ["access-1", "refresh-1", "access-2"] {
        assert!(!records.contains(secret) && !everything_in(&world.data()).contains(secret), "{secret}");
    }
}

#[test]
fn a_token_is_renewed_and_what_renews_it_is_kept_over_a_restart() {
    let (world, idp) = (governed(), Idp::start());
    idp.lives(1);
    let config = config(&world, &idp, "{}");
    let up = Up::over(&world, &config);
    log_in(&world, A, &[]);
    let session = up.session(&[&bearer(DANA)]);
    assert_eq!(up.call(&[&bearer(DANA), &session], "read").json()["result"]["content"][0]["text"], "done");
    up.end("-TERM");
    let up = Up::over(&world, &config);
    up.session(&[&bearer(DANA)]);
    assert!(idp.renewed() >= 2, "each token to renew with counts once, so the newest was kept");
    // Taken back there: the login is over, and said to be.
    idp.take_back();
    let over = up.ask("POST", &[&bearer(DANA)], idp::INITIALIZE);
    assert!(over.body.contains("ringfence auth login files"), "{}", over.body);
    assert_eq!(world.run(&["--json", "auth", "list"]).exits(0).json(), json!([]));
    up.end("-TERM");
}

#[test]
fn the_gateway_logs_in_by_itself_once_for_each_agent() {
    let (world, idp) = (governed(), Idp::start());
    let login = format!(
        "{{grant: client_credentials, client: {{issuer: \"{}\", id: ringfence, secret: {{file: client.secret}}}}}}",
        idp.origin()
    );
    let up = Up::over(&world, &config(&world, &idp, &login));
    let session = up.session(&[&bearer(DANA)]);
    up.session(&[&bearer(ERIN)]);
    assert_eq!(idp.shown(), ["access-1", "access-2"]);
    // One that was taken back there is replaced, and what was asked is asked again.
    idp.take_back();
    assert_eq!(up.call(&[&bearer(DANA), &session], "read").json()["result"]["content"][0]["text"], "done");
    assert_eq!(idp.shown(), ["access-1", "access-2", "access-3"]);
    let person = world
        .run(&["auth", "login", "files", "--agent", A, "--operator-token-file", "conf/o.token"])
        .exits(2);
    assert!(person.err.contains("by itself"), "{}", person.err);
    up.end("-TERM");
}

#[test]
fn a_scope_that_is_missing_is_asked_of_a_person() {
    let (world, idp) = (governed(), Idp::start());
    let up = Up::over(&world, &config(&world, &idp, "{}"));
    log_in(&world, A, &[]);
    let session = up.session(&[&bearer(DANA)]);
    // What a server asks for is typed into an operator's shell: it is said only where it is harmless.
    idp.wants("$(reboot);x");
    let hostile = up.call(&[&bearer(DANA), &session], "read");
    assert!(
        hostile.body.contains("--scope mcp:read") && !hostile.body.contains("reboot"),
        "{}",
        hostile.body
    );
    idp.wants("mcp:write");
    let narrow = up.call(&[&bearer(DANA), &session], "read");
    let help = format!("ringfence auth login files --agent {A} --scope mcp:read --scope mcp:write");
    assert!(narrow.body.contains(&help), "{}", narrow.body);
    // Without scopes named, what was granted and what is missing are asked for together.
    let done = log_in(&world, A, &[]);
    assert_eq!(done["scopes"], json!(["mcp:read", "mcp:write"]));
    assert_eq!(up.call(&[&bearer(DANA), &session], "read").json()["result"]["content"][0]["text"], "done");
    up.end("-TERM");
}

#[test]
fn whoever_else_comes_back_does_not_end_a_login_and_gets_nothing() {
    let (world, idp) = (governed(), Idp::start());
    let up = Up::over(&world, &config(&world, &idp, "{}"));
    let waiting = Waiting::start(&world, &["--agent", A]);
    let back = get(&waiting.page).location();
    let (callback, _) = back.split_once('?').unwrap();
    for strange in ["?code=stolen&state=guessed", "?", "?error=access_denied", ""] {
        assert_ne!(get(&format!("{callback}{strange}")).status, 200, "{strange}");
    }
    assert!(idp.redeemed().is_empty());
    assert_eq!(get(&back).status, 200);
    assert_eq!(waiting.ends().0, 0);

    // Another issuer's answer with the right state is a mix-up: the code goes nowhere.
    let waiting = Waiting::start(&world, &["--agent", B]);
    let mixed = get(&waiting.page).location().replace("iss=", "iss=http://evil.example/&was=");
    let redeemed = idp.redeemed().len();
    assert_eq!(get(&mixed).status, 403);
    let (code, _, err) = waiting.ends();
    assert_eq!((code, idp.redeemed().len()), (1, redeemed));
    assert!(err.contains("another authorization server's") && !err.contains("evil"), "{err}");
    up.end("-TERM");
}

#[test]
fn a_login_put_in_another_s_place_is_not_taken() {
    let (world, idp) = (governed(), Idp::start());
    let config = config(&world, &idp, "{}");
    let up = Up::over(&world, &config);
    let files = || {
        let entries = fs::read_dir(world.data().join("logins")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    log_in(&world, A, &[]);
    let of_a = files();
    log_in(&world, B, &[]);
    let of_b = files().into_iter().find(|path| !of_a.contains(path)).unwrap();
    up.end("-TERM");
    fs::copy(&of_a[0], &of_b).unwrap();
    let up = Up::over(&world, &config);
    let other = up.ask("POST", &[&bearer(ERIN)], idp::INITIALIZE);
    assert!(other.body.contains("cannot be read"), "{}", other.body);
    assert_eq!(idp.shown(), Vec::<String>::new());
    let out = world.run(&["auth", "logout", "files", "--agent", A, "--operator-token-file", "conf/o.token"]);
    assert!(out.exits(0).out.contains("forgotten"));
    up.end("-TERM");
}

#[test]
fn logins_that_cannot_be_are_said() {
    let world = governed();
    world.write_secret("conf/x.token", DANA);
    let with = |server: &str| {
        format!(
            "apiVersion: ringfence/v1\nkind: Gateway\npolicies: ./files.yaml\nservers:\n  x: {{{server}}}\n"
        )
    };
    let url = "url: \"https://mcp.example/mcp\"";
    let cases = [
        ("command: [cat], login: {}".to_owned(), "not logged in to"),
        (format!("{url}, token: {{file: x.token}}, login: {{}}"), "a `token` or a `login`"),
        ("url: \"http://mcp.example/mcp\", login: {}".to_owned(), "unencrypted"),
        (format!("{url}, login: {{grant: implicit}}"), "no way to log in"),
        (format!("{url}, login: {{grant: client_credentials}}"), "a client with a secret"),
        (format!("{url}, login: {{client: {{id: x}}}}"), "registered with somebody"),
        (format!("{url}, login: {{client: {{issuer: \"http://id.example\", id: x}}}}"), "is no issuer"),
        (
            format!("{url}, login: {{client: {{issuer: \"https://id.example\", id: x, secret: abc}}}}"),
            "not written in the configuration",
        ),
        (format!("{url}, login: {{scopes: [\"a b\"]}}"), "is no scope"),
        (format!("{url}, login: {{scope: [a]}}"), "did you mean `scopes`"),
    ];
    for (server, said) in cases {
        world.write("conf/odd.yaml", &with(&server));
        let refused = world.run(&["--config", "conf/odd.yaml", "up"]).exits(2);
        assert!(refused.err.contains(said), "{server}: {}", refused.err);
    }
    let nobody = world.run(&["auth", "list"]).exits(0);
    assert_eq!(nobody.out, "The gateway is logged in nowhere.\n");
    assert_eq!(text(&world.here().join("conf/x.token")), DANA);
}
