//! Tokens that are forged, stale, meant for somebody else or merely odd.

use ringfence_identity::{MAX_TOKEN, Refused};
use serde_json::{Value, json};

use crate::idp::{HERE, ISSUER, NOW, at, b64, but, claims, header, issuers, shown, sign, token};

#[test]
fn each_kind_of_key_verifies_its_own_algorithms() {
    for (algorithm, key) in [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "p256"), ("EdDSA", "ed")] {
        let token = sign(algorithm, &header(algorithm, key).to_string(), &claims().to_string());
        let said = shown(&token).unwrap_or_else(|error| panic!("{algorithm}: {error}"));
        assert_eq!(said.agent().as_str(), "spiffe://acme.example/agent/inventory/7");
        assert_eq!((said.sponsor().as_str(), said.issuer()), ("dana@acme.example", ISSUER));
        assert!(!format!("{said:?}").contains("dana"));
    }
}

#[test]
fn what_an_attacker_signs_is_refused_and_the_reason_repeats_nothing_of_it() {
    let plain = claims().to_string();
    let signed = |algorithm: &str, header: Value| sign(algorithm, &header.to_string(), &plain);
    let good = token(&claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = message.split_once('.').unwrap();
    let twice = |member: &str| plain.replacen('{', &format!("{{{member},"), 1);
    let odd = |claims: &str| sign("ES256", &header("ES256", "p256").to_string(), claims);
    let embedded = json!({"alg": "ES256", "typ": "JWT", "kid": "mine", "jwk": crate::idp::p256_jwk()});
    let cases = [
        ("alg none", signed("none", header("none", "p256")), Refused::Algorithm),
        ("alg NONE", signed("none", header("NoNe", "p256")), Refused::Algorithm),
        ("no alg", signed("ES256", json!({"typ": "JWT", "kid": "p256"})), Refused::Algorithm),
        ("the public key as a shared secret", signed("HS256", header("HS256", "rsa")), Refused::Algorithm),
        ("HMAC under another name", signed("HS256", header("RS256", "rsa")), Refused::Signature),
        ("no signature", format!("{message}."), Refused::Signature),
        ("no third part", message.to_owned(), Refused::NotAToken),
        (
            "another signature",
            sign("ES256", &header("ES256", "p256").to_string(), "{}").replace(&b64("{}"), &b64(&plain)),
            Refused::Signature,
        ),
        (
            "other claims",
            format!("{head}.{}.{signature}", b64(but(&json!({"sub": "root"})).to_string())),
            Refused::Signature,
        ),
        ("padding", format!("{good}="), Refused::NotAToken),
        ("four parts", format!("{good}.{signature}"), Refused::NotAToken),
        ("white space", format!("{head} .{signature}"), Refused::NotAToken),
        ("a key that is not known", signed("ES256", header("ES256", "p257")), Refused::UnknownKey),
        ("no key named", signed("ES256", json!({"alg": "ES256", "typ": "JWT"})), Refused::UnnamedKey),
        (
            "a key that is no word",
            signed("ES256", json!({"alg": "ES256", "typ": "JWT", "kid": ["p256"]})),
            Refused::UnknownKey,
        ),
        ("a key of its own", signed("ES256", embedded), Refused::UnknownKey),
        ("a key of another kind", signed("ES256", header("ES256", "rsa")), Refused::KeyAlgorithm),
        ("RSA named, EC key", signed("RS256", header("RS256", "p256")), Refused::KeyAlgorithm),
        ("a key for another algorithm", signed("ES256", header("ES256", "ed")), Refused::KeyAlgorithm),
        (
            "an ID of another kind",
            signed("ES256", json!({"alg": "ES256", "typ": "dpop+jwt", "kid": "p256"})),
            Refused::Kind,
        ),
        ("no kind", signed("ES256", json!({"alg": "ES256", "kid": "p256"})), Refused::Kind),
        (
            "extensions",
            signed("ES256", json!({"alg": "ES256", "typ": "JWT", "kid": "p256", "crit": ["exp"]})),
            Refused::Critical,
        ),
        (
            "algorithm twice",
            sign("ES256", r#"{"alg":"none","alg":"ES256","typ":"JWT","kid":"p256"}"#, &plain),
            Refused::Ambiguous,
        ),
        ("subject twice", odd(&twice(r#""sub":"root""#)), Refused::Ambiguous),
        ("audience twice", odd(&twice(r#""aud":"https://elsewhere.example""#)), Refused::Ambiguous),
        ("escaped and twice", odd(&twice(r#""s\u0075b":"root""#)), Refused::Ambiguous),
        ("deep down twice", odd(&twice(r#""x":[{"a":1,"a":2}]"#)), Refused::Ambiguous),
        ("two objects", odd(&format!("{plain}{{}}")), Refused::Ambiguous),
        ("no object", odd("[]"), Refused::Ambiguous),
        ("a depth bomb", odd(&format!("{{\"x\":{}", "[".repeat(4000))), Refused::Ambiguous),
        ("too long", token(&but(&json!({"x": "x".repeat(MAX_TOKEN)}))), Refused::TooLong),
        ("nothing", String::new(), Refused::NotAToken),
        ("dots", "..".to_owned(), Refused::Ambiguous),
    ];
    for (name, token, expected) in cases {
        refused(name, &token, expected);
    }
}

#[test]
fn what_an_issuer_says_has_to_be_for_here_and_now() {
    let cases = [
        ("another issuer", json!({"iss": "https://evil.example"}), Refused::Issuer),
        ("an issuer with a slash more", json!({"iss": format!("{ISSUER}/")}), Refused::Issuer),
        ("no issuer", json!({"iss": null}), Refused::Issuer),
        ("a list of issuers", json!({"iss": [ISSUER]}), Refused::Issuer),
        ("another audience", json!({"aud": "https://elsewhere.example"}), Refused::Audience),
        (
            "an audience that begins like ours",
            json!({"aud": format!("{HERE}.evil.example")}),
            Refused::Audience,
        ),
        ("only the host", json!({"aud": "https://gateway.acme.example"}), Refused::Audience),
        ("no audience", json!({"aud": null}), Refused::Audience),
        ("no audience in a list", json!({"aud": []}), Refused::Audience),
        ("audiences that are no words", json!({"aud": [HERE, 7]}), Refused::Audience),
        ("no end", json!({"exp": null}), Refused::Times),
        ("an end that is a word", json!({"exp": "never"}), Refused::Times),
        ("an end that never comes", json!({"exp": 1e300}), Refused::Times),
        ("before 1970", json!({"exp": -1}), Refused::Times),
        ("expired", json!({"exp": NOW - 60}), Refused::Expired),
        ("not yet", json!({"nbf": NOW + 61}), Refused::NotYet),
        ("from the future", json!({"iat": NOW + 61}), Refused::NotYet),
        ("a beginning that is no time", json!({"nbf": "soon"}), Refused::Times),
        ("no agent", json!({"sub": null}), Refused::Agent),
        ("an agent without a name", json!({"sub": ""}), Refused::Agent),
        ("out of the prefix", json!({"sub": "../root"}), Refused::Agent),
        ("an agent that is no SPIFFE ID", json!({"sub": "auth0|123"}), Refused::Agent),
        ("another domain's agent", json!({"sub": "spiffe://evil.example/agent/a"}), Refused::Agent),
        ("a number", json!({"sub": 7}), Refused::Agent),
        ("no person", json!({"email": null}), Refused::Sponsor),
        ("a person without a name", json!({"email": "  "}), Refused::Sponsor),
        ("a person with a line end", json!({"email": "dana\nerin"}), Refused::Sponsor),
        ("an address that was never checked", json!({"email_verified": false}), Refused::Sponsor),
        ("no scope", json!({"scope": null}), Refused::Scope),
        ("another scope", json!({"scope": "mcp:read openid"}), Refused::Scope),
    ];
    for (name, changes, expected) in cases {
        refused(name, &token(&but(&changes)), expected);
    }
}

#[test]
fn clocks_may_be_a_minute_apart_and_names_may_be_written_otherwise() {
    let cases = [
        ("just expired", json!({"exp": NOW - 59})),
        ("about to begin", json!({"nbf": NOW + 60, "iat": NOW + 60})),
        ("a part of a second", json!({"exp": 1_800_000_000.5})),
        ("without a beginning", json!({"nbf": null, "iat": null})),
        ("several audiences", json!({"aud": ["https://elsewhere.example", HERE]})),
        ("scopes as a list", json!({"scope": null, "scp": ["openid", "mcp"]})),
        ("a checked address", json!({"email_verified": true})),
        ("a whole SPIFFE ID", json!({"sub": "spiffe://acme.example/agent/inventory/7"})),
    ];
    for (name, changes) in cases {
        let said = shown(&token(&but(&changes))).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(said.agent().as_str(), "spiffe://acme.example/agent/inventory/7", "{name}");
    }
}

#[test]
fn what_was_verified_ends_with_the_token() {
    let said = shown(&token(&claims())).unwrap();
    assert!(said.counts(at(NOW + 359)));
    assert!(!said.counts(at(NOW + 360)));
    assert!(issuers().verify(&token(&claims()), HERE, at(NOW + 360)).is_err());
}

#[track_caller]
fn refused(name: &str, token: &str, expected: Refused) {
    match shown(token) {
        Ok(said) => panic!("{name}: {said:?}"),
        Err(refused) => {
            assert_eq!(refused, expected, "{name}");
            let reason = refused.to_string();
            for secret in ["dana", "evil", "root", "p257", "elsewhere"] {
                assert!(!reason.contains(secret), "{name}: {reason}");
            }
        }
    }
}
