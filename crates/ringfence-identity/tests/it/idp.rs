//! An issuer, and whoever would like to be one.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringfence_identity::{AgentClaim, Issuer, Issuers, KeySet, Refused, Verified};
use ringfence_model::Timestamp;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://id.acme.example";
pub(crate) const HERE: &str = "https://gateway.acme.example/mcp";
/// When the tests take place, in seconds since 1970.
pub(crate) const NOW: i64 = 1_800_000_000;

/// Made once: it takes a while.
pub(crate) static RSA: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
pub(crate) static P256: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
pub(crate) static ED25519: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::generate().unwrap());

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn rsa_jwk() -> Value {
    // RSAPublicKey (RFC 8017, appendix A.1.1) ends with the modulus and the exponent 65537.
    let public = RSA.public_key().as_ref();
    let (rest, exponent) = public.split_at(public.len() - 5);
    assert_eq!(exponent, [2, 3, 1, 0, 1]);
    json!({"kty": "RSA", "kid": "rsa", "use": "sig", "n": b64(&rest[rest.len() - 256..]), "e": b64([1, 0, 1])})
}

pub(crate) fn p256_jwk() -> Value {
    let point = P256.public_key().as_ref();
    json!({"kty": "EC", "kid": "p256", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..])})
}

pub(crate) fn ed25519_jwk() -> Value {
    json!({"kty": "OKP", "kid": "ed", "crv": "Ed25519", "alg": "EdDSA", "x": b64(ED25519.public_key().as_ref())})
}

pub(crate) fn set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

pub(crate) fn issuer() -> Issuer {
    Issuer {
        url: ISSUER.to_owned(),
        audience: Some(HERE.to_owned()),
        agents: AgentClaim { claim: "sub".to_owned(), prefix: "spiffe://acme.example/agent/".to_owned() },
        sponsor: "email".to_owned(),
        scopes: vec!["mcp".to_owned()],
    }
}

pub(crate) fn with_keys(keys: &[Value]) -> Issuers {
    Issuers::nobody().with(issuer(), KeySet::parse(&set(keys)).unwrap()).unwrap()
}

pub(crate) fn issuers() -> Issuers {
    with_keys(&[rsa_jwk(), p256_jwk(), ed25519_jwk()])
}

pub(crate) fn header(algorithm: &str, key: &str) -> Value {
    json!({"alg": algorithm, "typ": "at+jwt", "kid": key})
}

pub(crate) fn claims() -> Value {
    json!({"iss": ISSUER, "aud": HERE, "sub": "inventory/7", "email": "dana@acme.example",
        "scope": "mcp openid", "iat": NOW, "nbf": NOW, "exp": NOW + 300})
}

/// The claims with some of them changed; `null` takes one out.
pub(crate) fn but(changes: &Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    claims
}

/// Signs as the algorithm says, whatever the header says.
pub(crate) fn sign(algorithm: &str, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", b64(header), b64(claims));
    let chance = SystemRandom::new();
    let rsa = |encoding: &'static dyn aws_lc_rs::signature::RsaEncoding| {
        let mut signature = vec![0; RSA.public_modulus_len()];
        RSA.sign(encoding, &chance, message.as_bytes(), &mut signature).unwrap();
        signature
    };
    let signature = match algorithm {
        "RS256" => rsa(&RSA_PKCS1_SHA256),
        "PS256" => rsa(&RSA_PSS_SHA256),
        "ES256" => P256.sign(&chance, message.as_bytes()).unwrap().as_ref().to_vec(),
        "EdDSA" => ED25519.sign(message.as_bytes()).as_ref().to_vec(),
        // The public key is known to everybody: taken for a shared secret, anybody could sign.
        "HS256" => {
            let public = RSA.public_key().as_der().unwrap();
            let key = hmac::Key::new(hmac::HMAC_SHA256, public.as_ref());
            hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
        }
        "none" => Vec::new(),
        other => panic!("{other}"),
    };
    format!("{message}.{}", b64(signature))
}

pub(crate) fn token(claims: &Value) -> String {
    sign("ES256", &header("ES256", "p256").to_string(), &claims.to_string())
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn shown(token: &str) -> Result<Verified, Refused> {
    issuers().verify(token, "http://127.0.0.1:7070/mcp/erp", at(NOW))
}
