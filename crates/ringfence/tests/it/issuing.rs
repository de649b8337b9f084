//! `up` in front of callers that show a token of somebody else's issuer.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::governing::governed;
use crate::serving::Up;
use crate::world::{DANA, World, text};

const ISSUER: &str = "https://id.acme.example";
const ISSUERS: &str = "issuers:
  - url: https://id.acme.example
    keys: {file: jwks.json}
    agents: {claim: sub, prefix: \"spiffe://acme.example/agent/\"}
    sponsor: {claim: email}
    scopes: [mcp]
";

/// An issuer, whose public key lies beside the configuration.
struct Idp(EcdsaKeyPair);

impl Idp {
    fn new(world: &World) -> Idp {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = key.public_key().as_ref();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "1", "x": part(&point[1..33]), "y": part(&point[33..])});
        world.write("conf/jwks.json", &json!({ "keys": [jwk] }).to_string());
        Idp(key)
    }

    /// A token for an address, with some claims changed.
    fn token(&self, audience: &str, changes: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({"iss": ISSUER, "aud": audience, "sub": "inventory/7", "email": "dana@acme.example",
            "scope": "mcp", "iat": now, "exp": now + 300, "jti": "a-secret-of-the-token"});
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message =
            format!("{}.{}", part(&json!({"alg": "ES256", "typ": "at+jwt", "kid": "1"})), part(&claims));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

#[test]
fn a_caller_with_a_token_of_the_issuer_is_its_agent_and_the_token_goes_no_further() {
    let world = governed();
    world.write("conf/server.sh", &format!("env > env.txt\n{}", crate::governing::SERVER));
    let idp = Idp::new(&world);
    let up = Up::start(&world, ISSUERS);
    let here = format!("http://{}/mcp/files", up.address());
    assert_eq!(up.said["issuers"], json!([ISSUER]));

    let first = idp.token(&here, &json!({}));
    let session = up.session(&[&bearer(&first)]);
    assert_eq!(up.call(&[&bearer(&first), &session], "read").json()["result"]["content"][0]["text"], "done");
    // A renewed token goes on with the same session; somebody else's finds none of that name.
    let renewed = idp.token(&here, &json!({"jti": "another", "exp": 4_000_000_000_u64}));
    assert_ne!(first, renewed);
    assert_eq!(
        up.call(&[&bearer(&renewed), &session], "read").json()["result"]["content"][0]["text"],
        "done"
    );
    let denied = up.call(&[&bearer(&renewed), &session], "write").json();
    assert_eq!(denied["result"]["isError"], true, "{denied}");
    let other = idp.token(&here, &json!({"email": "erin@acme.example"}));
    assert_eq!(up.call(&[&bearer(&other), &session], "read").status, 404);

    let sessions = world.run(&["--json", "sessions", "list"]).exits(0).json();
    assert_eq!(sessions.as_array().unwrap().len(), 2, "{sessions}");
    assert_eq!(sessions[0]["agent"], "spiffe://acme.example/agent/inventory/7", "{sessions}");
    up.end("-TERM");
    world.run(&["audit", "verify"]).exits(0);
    let records = world.run(&["--json", "audit", "show", "-n", "1000"]).exits(0).out;
    assert!(records.contains(ISSUER), "{records}");
    let seen = [
        records,
        text(&world.here().join("conf/journal")),
        text(&world.here().join("conf/env.txt")),
        everything_in(&world.data()),
    ];
    for token in [&first, &renewed, &other] {
        for part in token.split('.').skip(1) {
            assert!(!seen.iter().any(|seen| seen.contains(part)), "a token went further");
        }
    }
}

#[test]
fn a_token_for_one_server_is_none_for_all_of_them_and_the_other_way_round() {
    let world = governed();
    let idp = Idp::new(&world);
    let up = Up::start(&world, ISSUERS);
    let all = format!("http://{}/mcp", up.address());
    let one = bearer(&idp.token(&format!("{all}/files"), &json!({})));
    let whole = bearer(&idp.token(&all, &json!({})));
    let hello = crate::logging_in::idp::INITIALIZE;
    assert_eq!(up.ask_at("/mcp", "POST", &[&whole], hello).status, 200);
    assert_eq!(up.ask_at("/mcp", "POST", &[&one], hello).status, 401);
    assert_eq!(up.ask_at("/mcp/files", "POST", &[&one], hello).status, 200);
    assert_eq!(up.ask_at("/mcp/files", "POST", &[&whole], hello).status, 401);
    up.end("-TERM");
}

#[test]
fn who_has_no_token_is_told_where_to_get_one() {
    let world = governed();
    Idp::new(&world);
    let up = Up::start(&world, ISSUERS);
    let at = up.address();
    let nobody = up.ask("POST", &[], "{}");
    assert_eq!(nobody.status, 401);
    let place = format!("http://{at}/.well-known/oauth-protected-resource/mcp/files");
    let challenge = format!("www-authenticate: bearer resource_metadata=\"{place}\", scope=\"mcp\"\r\n");
    assert!(nobody.head.contains(&challenge), "{}", nobody.head);
    for (path, resource) in [("", ""), ("/mcp", "/mcp"), ("/mcp/files", "/mcp/files")] {
        let told = up.ask_at(&format!("/.well-known/oauth-protected-resource{path}"), "GET", &[], "");
        assert_eq!(told.status, 200, "{}", told.body);
        let expected = json!({"resource": format!("http://{at}{resource}"), "authorization_servers": [ISSUER],
            "scopes_supported": ["mcp"], "bearer_methods_supported": ["header"]});
        assert_eq!(told.json(), expected);
    }
    let odd = up.ask_at("/.well-known/oauth-protected-resource/mcp/x%22y", "GET", &[], "");
    assert_eq!(odd.status, 401, "{}", odd.body);
    assert_eq!(up.ask_at("/.well-known/oauth-protected-resource", "POST", &[], "").status, 405);
    // A page that was made to point here gets neither.
    let foreign =
        up.ask_at("/.well-known/oauth-protected-resource", "GET", &["Origin: https://evil.example"], "");
    assert_eq!(foreign.status, 403);
    up.end("-TERM");
}

#[test]
fn a_resource_with_an_address_of_its_own_is_described_there() {
    let cases = [
        (
            "https://gateway.acme.example/mcp",
            Some("https://gateway.acme.example/.well-known/oauth-protected-resource/mcp"),
        ),
        (
            "https://gateway.acme.example",
            Some("https://gateway.acme.example/.well-known/oauth-protected-resource"),
        ),
        ("api://gateway\", error=\"x", None),
    ];
    for (audience, place) in cases {
        let world = governed();
        let idp = Idp::new(&world);
        let audience_is = format!("audience: '{audience}'\n    keys:");
        let up = Up::start(&world, &ISSUERS.replace("keys:", &audience_is));
        let here = format!("http://{}", up.address());
        let place =
            place.map_or(format!("{here}/.well-known/oauth-protected-resource/mcp/files"), str::to_owned);
        let nobody = up.ask("POST", &[], "{}");
        let challenge = format!("www-authenticate: bearer resource_metadata=\"{place}\", scope=\"mcp\"\r\n");
        assert!(nobody.head.contains(&challenge), "{}", nobody.head);
        let told = up.ask_at("/.well-known/oauth-protected-resource/mcp/files", "GET", &[], "").json();
        let resource =
            if audience.starts_with("api") { format!("{here}/mcp/files") } else { audience.to_owned() };
        assert_eq!(told["resource"], resource);
        // Whatever clients call it, the token has to say what the configuration does.
        up.session(&[&bearer(&idp.token(audience, &json!({})))]);
        let refused = up.ask("POST", &[&bearer(&idp.token(&format!("{here}/mcp/files"), &json!({})))], "{}");
        assert_eq!(refused.status, 401);
        up.end("-TERM");
    }
}

#[test]
fn a_token_that_does_not_do_is_refused_and_the_reason_is_recorded() {
    let world = governed();
    let idp = Idp::new(&world);
    let up = Up::start(&world, ISSUERS);
    let here = format!("http://{}/mcp/files", up.address());
    let cases = [
        (idp.token("https://elsewhere.example/mcp", &json!({})), "another resource"),
        (idp.token(&format!("http://{}/mcp/other", up.address()), &json!({})), "another resource"),
        (idp.token(&here, &json!({"exp": 1})), "expired"),
        (idp.token(&here, &json!({"iss": "https://evil.example"})), "issuer"),
        (Idp::new(&governed()).token(&here, &json!({})), "signature"),
        ("rf_nonsense".to_owned(), "Ringfence token"),
        ("nonsense".to_owned(), "JWT"),
    ];
    for (token, why) in &cases {
        let refused = up.ask("POST", &[&bearer(token)], "{}");
        assert_eq!(refused.status, 401, "{why}");
        assert!(refused.head.contains("error=\"invalid_token\""), "{}", refused.head);
        assert!(refused.body.contains(why), "{why}: {}", refused.body);
        assert!(!refused.body.contains(token.as_str()) && !refused.body.contains("evil"), "{}", refused.body);
    }
    let narrow = up.ask("POST", &[&bearer(&idp.token(&here, &json!({"scope": "openid"})))], "{}");
    assert_eq!(narrow.status, 403);
    assert!(narrow.head.contains("scope=\"mcp\", error=\"insufficient_scope\""), "{}", narrow.head);
    let twice = bearer(&idp.token(&here, &json!({})));
    assert_eq!(up.ask("POST", &[&twice, &twice], "{}").status, 401);
    up.end("-TERM");
    let records = world.run(&["--json", "audit", "show", "-n", "1000"]).exits(0).out;
    assert!(records.contains("the token is for another resource"), "{records}");
    assert!(records.contains("the token lacks a scope"), "{records}");
}

#[test]
fn keys_are_fetched_when_a_token_needs_them_and_not_more_often_than_once_a_minute() {
    let world = governed();
    let idp = Idp::new(&world);
    let published = crate::logging_in::idp::Idp::start();
    published.publishes("{}");
    let at = format!("url: \"{}/jwks\"", published.origin());
    let up = Up::start(&world, &ISSUERS.replace("file: jwks.json", &at));
    assert_eq!(published.asked("/jwks"), 0, "nothing is fetched before a token comes");
    let here = format!("http://{}/mcp/files", up.address());
    let token = bearer(&idp.token(&here, &json!({})));
    for _ in 0..3 {
        let refused = up.ask("POST", &[&token], "{}");
        assert!(refused.body.contains("not known to have"), "{}", refused.body);
    }
    assert_eq!(published.asked("/jwks"), 1);
    up.end("-TERM");

    published.publishes(&text(&world.here().join("conf/jwks.json")));
    let up = Up::start(&world, &ISSUERS.replace("file: jwks.json", &at));
    let here = format!("http://{}/mcp/files", up.address());
    up.session(&[&bearer(&idp.token(&here, &json!({})))]);
    up.session(&[&bearer(&idp.token(&here, &json!({"sub": "b"})))]);
    assert_eq!(published.asked("/jwks"), 2, "once for this monitor");
    up.end("-TERM");
}

#[test]
fn a_suspended_agent_stays_out_with_a_fresh_token() {
    let world = governed();
    let idp = Idp::new(&world);
    let operator = world.write_secret("conf/dana.token", DANA);
    let up =
        Up::start(&world, &format!("{ISSUERS}operators:\n  - {{id: dana, token: {{file: dana.token}}}}\n"));
    let here = format!("http://{}/mcp/files", up.address());
    let token = bearer(&idp.token(&here, &json!({})));
    let session = up.session(&[&token]);
    let agent = "spiffe://acme.example/agent/inventory/7";
    world.run(&["agent", "suspend", agent, "--operator-token-file", operator.to_str().unwrap()]).exits(0);
    let stopped = up.call(&[&token, &session], "read");
    assert_eq!(stopped.status, 401, "{}", stopped.body);
    assert!(stopped.body.contains("suspended"), "{}", stopped.body);
    let fresh = bearer(&idp.token(&here, &json!({"jti": "fresh"})));
    assert_eq!(up.ask("POST", &[&fresh], "{}").status, 401);
    up.end("-TERM");
}

#[test]
fn issuers_that_cannot_be_used_are_said() {
    let world = governed();
    Idp::new(&world);
    let keys = "keys: {file: jwks.json}";
    let agents = "agents: {prefix: \"spiffe://acme.example/a/\"}";
    let sponsor = "sponsor: {claim: email}";
    let whole = format!("url: \"https://a.example\", {keys}, {agents}, {sponsor}");
    let other = whole.replace("https://a", "https://b");
    let cases = [
        (format!("{{{keys}, {agents}, {sponsor}}}"), "`url` is missing"),
        (format!("{{url: \"https://a.example\", {agents}, {sponsor}}}"), "`keys` is missing"),
        (format!("{{url: \"https://a.example\", {keys}, {agents}}}"), "`sponsor` is missing"),
        (format!("{{{}}}", whole.replace("file: jwks.json", "")), "one file or one address"),
        (
            format!("{{{}}}", whole.replace("file:", "url: \"https://a.example\", file:")),
            "one file or one address",
        ),
        (
            format!("{{{}}}", whole.replace("file: jwks.json", "url: \"http://a.example\"")),
            "not an https URL",
        ),
        (format!("{{{whole}, audiences: x}}"), "did you mean `audience`"),
        (format!("{{{}}}", whole.replace("https:", "http:")), "https URL"),
        (format!("{{{}}}", whole.replace("acme.example/a/", "local/a/")), "not of the trust domain"),
        (format!("{{{}}}", whole.replace("jwks.json", "none.json")), "reading the keys of the issuer"),
        (format!("{{{}}}", whole.replace("jwks.json", "server.sh")), "not a JSON Web Key Set"),
        (format!("{{{whole}, scopes: [\"a b\"]}}"), "a scope is a word"),
        (format!("{{{whole}}}\n  - {{{whole}}}"), "named twice"),
        (format!("{{{whole}}}\n  - {{{other}}}"), "covers this one"),
    ];
    for (issuer, said) in cases {
        let config = format!("{}issuers:\n  - {issuer}\n", crate::governing::CONFIG);
        world.write("conf/odd.yaml", &config);
        let refused = world.run(&["--config", "conf/odd.yaml", "up"]).exits(2);
        assert!(refused.err.contains(said), "{said}: {}", refused.err);
    }
}

/// Every file beneath a folder, one after the other.
pub(crate) fn everything_in(folder: &std::path::Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.push_str(&everything_in(&path));
        } else if path.is_file() {
            all.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        }
    }
    all
}
