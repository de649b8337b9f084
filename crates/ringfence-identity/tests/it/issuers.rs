//! Which issuers may be configured, and what holds between them.

use ringfence_identity::{AgentClaim, BadIssuer, Issuer, Issuers, KeySet, Refused};
use serde_json::json;

use crate::idp::{
    HERE, NOW, at, but, claims, ed25519_jwk, header, issuer, p256_jwk, rsa_jwk, set, sign, token, with_keys,
};

#[test]
fn an_issuer_has_to_be_one() {
    type Change = fn(&mut Issuer);
    let cases: &[(&str, Change, BadIssuer)] = &[
        ("http elsewhere", |issuer| issuer.url = "http://id.acme.example".to_owned(), BadIssuer::Url),
        (
            "http on a name that only looks local",
            |issuer| issuer.url = "http://localhost.evil.example".to_owned(),
            BadIssuer::Url,
        ),
        ("a password", |issuer| issuer.url = "http://localhost:1@evil.example".to_owned(), BadIssuer::Url),
        ("a query", |issuer| issuer.url = "https://id.acme.example/?x".to_owned(), BadIssuer::Url),
        ("a fragment", |issuer| issuer.url = "https://id.acme.example/#x".to_owned(), BadIssuer::Url),
        ("a space", |issuer| issuer.url = "https://id.acme.example /x".to_owned(), BadIssuer::Url),
        ("no host", |issuer| issuer.url = "https:///x".to_owned(), BadIssuer::Url),
        ("no prefix", |issuer| issuer.agents.prefix = String::new(), BadIssuer::Prefix),
        (
            "half a segment",
            |issuer| issuer.agents.prefix = "spiffe://acme.example/agent".to_owned(),
            BadIssuer::Prefix,
        ),
        (
            "agents of this machine",
            |issuer| issuer.agents.prefix = "spiffe://local/dana/".to_owned(),
            BadIssuer::Prefix,
        ),
        ("a scope with a space", |issuer| issuer.scopes = vec!["a b".to_owned()], BadIssuer::Scope),
        ("a scope that ends a header", |issuer| issuer.scopes = vec!["a\"".to_owned()], BadIssuer::Scope),
        ("no claim", |issuer| issuer.sponsor = String::new(), BadIssuer::Name),
        ("an empty audience", |issuer| issuer.audience = Some(String::new()), BadIssuer::Name),
    ];
    for (name, change, expected) in cases {
        let mut odd = issuer();
        change(&mut odd);
        assert_eq!(odd.check(), Err(*expected), "{name}");
    }
    for url in [
        "http://127.0.0.1:8080/realms/a",
        "http://[::1]",
        "http://localhost:1",
        "https://id.acme.example:8443/x",
    ] {
        assert_eq!(Issuer { url: url.to_owned(), ..issuer() }.check(), Ok(()), "{url}");
    }
}

fn second(url: &str, prefix: &str) -> Result<Issuers, BadIssuer> {
    let agents = AgentClaim { claim: "sub".to_owned(), prefix: prefix.to_owned() };
    let issuer = Issuer { url: url.to_owned(), agents, ..issuer() };
    with_keys(&[p256_jwk()]).with(issuer, KeySet::parse(&set(&[ed25519_jwk()])).unwrap())
}

#[test]
fn two_issuers_never_name_the_same_agent() {
    let other = "https://other.example";
    assert_eq!(second(&issuer().url, "spiffe://other.example/a/").unwrap_err(), BadIssuer::Twice);
    assert_eq!(second(other, "spiffe://acme.example/agent/").unwrap_err(), BadIssuer::Overlap);
    assert_eq!(second(other, "spiffe://acme.example/agent/inventory/").unwrap_err(), BadIssuer::Overlap);
    let both = second(other, "spiffe://other.example/agent/").unwrap();
    // One's key does not sign for the other.
    let forged = sign("EdDSA", &header("EdDSA", "ed").to_string(), &claims().to_string());
    assert_eq!(both.verify(&forged, HERE, at(NOW)), Err(Refused::UnknownKey));
    let own = sign("EdDSA", &header("EdDSA", "ed").to_string(), &but(&json!({"iss": other})).to_string());
    assert_eq!(both.verify(&own, HERE, at(NOW)).unwrap().agent().trust_domain(), "other.example");
}

#[test]
fn without_an_audience_of_its_own_a_token_is_for_the_address_that_is_asked() {
    let issuers = Issuers::nobody()
        .with(Issuer { audience: None, ..issuer() }, KeySet::parse(&set(&[p256_jwk()])).unwrap());
    let issuers = issuers.unwrap();
    let erp = "http://127.0.0.1:7070/mcp/erp";
    let for_erp = token(&but(&json!({"aud": erp})));
    assert!(issuers.verify(&for_erp, erp, at(NOW)).is_ok());
    let elsewhere = issuers.verify(&for_erp, "http://127.0.0.1:7070/mcp/files", at(NOW));
    assert_eq!(elsewhere, Err(Refused::Audience), "a token for one server opens no other");
    assert_eq!(issuers.verify(&token(&claims()), erp, at(NOW)), Err(Refused::Audience));
}

#[test]
fn keys_change_and_a_token_with_a_key_that_is_not_known_says_whose_to_look_for() {
    let issuers = with_keys(&[rsa_jwk()]);
    let token = token(&claims());
    assert_eq!(issuers.verify(&token, HERE, at(NOW)), Err(Refused::UnknownKey));
    assert_eq!(issuers.unknown_key(&token), Some(&issuer()));
    issuers.replace_keys(&issuer().url, KeySet::parse(&set(&[p256_jwk()])).unwrap());
    assert!(issuers.verify(&token, HERE, at(NOW)).is_ok());
    assert_eq!(issuers.unknown_key(&token), None);
    assert_eq!(issuers.unknown_key("a.b.c"), None);
    issuers.replace_keys(&issuer().url, KeySet::none());
    let unnamed = sign("ES256", r#"{"alg":"ES256","typ":"JWT"}"#, &claims().to_string());
    assert_eq!(issuers.verify(&unnamed, HERE, at(NOW)), Err(Refused::UnknownKey));
    assert_eq!(issuers.unknown_key(&unnamed), Some(&issuer()));
}
