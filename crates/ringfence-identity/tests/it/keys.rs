//! Key sets as issuers publish them, and as they should not.

use ringfence_identity::{BadKeySet, KeySet, Refused};
use serde_json::{Value, json};

use crate::idp::{HERE, NOW, at, b64, claims, ed25519_jwk, header, p256_jwk, rsa_jwk, set, sign, with_keys};

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key.as_object_mut().unwrap().insert(name.to_owned(), value);
    key
}

fn without(mut key: Value, name: &str) -> Value {
    key.as_object_mut().unwrap().remove(name);
    key
}

#[test]
fn a_set_holds_public_keys_that_a_token_can_name() {
    let secret = json!({"kty": "oct", "kid": "s", "k": b64("secret")});
    let short = with(rsa_jwk(), "n", json!(b64([0xff; 128])));
    let padded = with(rsa_jwk(), "n", json!(b64([[0; 200], [0; 200]].concat())));
    let cases = [
        ("a shared secret", set(&[p256_jwk(), secret]), BadKeySet::Secret),
        ("a private key", set(&[with(p256_jwk(), "d", json!("AA"))]), BadKeySet::Secret),
        ("1,024 bits", set(&[short]), BadKeySet::BadKey),
        ("2,048 bits that are zero", set(&[padded]), BadKeySet::BadKey),
        ("half a point", set(&[with(p256_jwk(), "y", json!("AA"))]), BadKeySet::BadKey),
        ("another alphabet", set(&[with(p256_jwk(), "x", json!("++//"))]), BadKeySet::BadKey),
        (
            "two of one name",
            set(&[p256_jwk(), with(ed25519_jwk(), "kid", json!("p256"))]),
            BadKeySet::Ambiguous,
        ),
        ("one without a name", set(&[p256_jwk(), without(ed25519_jwk(), "kid")]), BadKeySet::Ambiguous),
        ("only one for encryption", set(&[with(rsa_jwk(), "use", json!("enc"))]), BadKeySet::Empty),
        ("only one that signs", set(&[with(rsa_jwk(), "key_ops", json!(["sign"]))]), BadKeySet::Empty),
        ("none", set(&[]), BadKeySet::Empty),
        ("a curve that is not known", set(&[with(p256_jwk(), "crv", json!("secp256k1"))]), BadKeySet::Empty),
        ("no kind", set(&[without(p256_jwk(), "kty")]), BadKeySet::Shape),
        ("one key", p256_jwk().to_string().into_bytes(), BadKeySet::Shape),
        ("keys twice", b"{\"keys\":[],\"keys\":[]}".to_vec(), BadKeySet::Shape),
        ("too many", set(&vec![p256_jwk(); 65]), BadKeySet::TooMany),
        ("too long", vec![b' '; 300 * 1024], BadKeySet::TooLong),
    ];
    for (name, text, expected) in cases {
        assert_eq!(KeySet::parse(&text).unwrap_err(), expected, "{name}");
    }
}

#[test]
fn a_key_that_says_its_algorithm_is_for_no_other() {
    let only = with_keys(&[with(rsa_jwk(), "alg", json!("RS256"))]);
    let token =
        |algorithm: &str| sign(algorithm, &header(algorithm, "rsa").to_string(), &claims().to_string());
    assert!(only.verify(&token("RS256"), HERE, at(NOW)).is_ok());
    assert_eq!(only.verify(&token("PS256"), HERE, at(NOW)), Err(Refused::KeyAlgorithm));
}

#[test]
fn the_only_key_need_not_be_named() {
    let only = with_keys(&[without(p256_jwk(), "kid")]);
    let unnamed = sign("ES256", r#"{"alg":"ES256","typ":"JWT"}"#, &claims().to_string());
    assert!(only.verify(&unnamed, HERE, at(NOW)).is_ok());
    let named = sign("ES256", &header("ES256", "x").to_string(), &claims().to_string());
    assert_eq!(only.verify(&named, HERE, at(NOW)), Err(Refused::UnknownKey));
}
