//! Public keys of an issuer (RFC 7517, RFC 7518, RFC 8037), and what each may verify. Only keys
//! with a private half kept by somebody else are taken: a shared secret would let whoever can
//! check a token make one.

use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::strict;

/// The largest key set, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// How many keys a set may have.
const MAX_KEYS: usize = 64;
/// The shortest RSA modulus, in bytes: 2,048 bits (RFC 7518, section 3.3).
const MIN_MODULUS: usize = 256;

/// The keys of an issuer, by their ids.
#[derive(Debug, Clone)]
pub struct KeySet(Vec<Key>);

/// A text that is no usable key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKeySet {
    /// Longer than 256 KiB.
    #[error("the key set is longer than 256 KiB; keep only the issuer's current signing keys in it")]
    TooLong,
    /// Not JSON of that shape, or a member is there twice.
    #[error("not a JSON Web Key Set: one is an object with a list `keys`, and no member is there twice")]
    Shape,
    /// More than 64.
    #[error("the key set has more than 64 keys; keep only the issuer's current signing keys in it")]
    TooMany,
    /// The secret half of a key, or a secret that both sides share.
    #[error("the key set holds a secret; only public keys belong there, so make the issuer new keys")]
    Secret,
    /// RSA under 2,048 bits, a point that is none.
    #[error("a key of the key set is malformed or too weak; RSA keys have at least 2,048 bits")]
    BadKey,
    /// Two keys that one token could name.
    #[error("two keys of the key set have the same `kid`, or none where there is more than one")]
    Ambiguous,
    /// None that verifies.
    #[error("the key set has no key that verifies signatures (RSA, P-256, P-384 or Ed25519)")]
    Empty,
}

/// Why no key verified a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotVerified {
    /// None has the id that was named.
    UnknownKey,
    /// None was named where there are several.
    Unnamed,
    /// The key is for something else.
    Algorithm,
    /// It is not the key's signature.
    Signature,
}

/// A signature's algorithm (RFC 7518, section 3.1; RFC 8037, section 3.1; RFC 9864). What is not
/// here does not exist: `none`, and whatever takes a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    pub(crate) fn named(name: &str) -> Option<Algorithm> {
        Some(match name {
            "RS256" => Algorithm::Rs256,
            "RS384" => Algorithm::Rs384,
            "RS512" => Algorithm::Rs512,
            "PS256" => Algorithm::Ps256,
            "PS384" => Algorithm::Ps384,
            "PS512" => Algorithm::Ps512,
            "ES256" => Algorithm::Es256,
            "ES384" => Algorithm::Es384,
            "EdDSA" | "Ed25519" => Algorithm::EdDsa,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    /// The one algorithm it is for, where it says so.
    only: Option<Algorithm>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl KeySet {
    /// Reads a JSON Web Key Set. Keys for encryption and of kinds that are not known are left out.
    ///
    /// # Errors
    /// It is none, holds a secret, or nothing in it verifies.
    pub fn parse(text: &[u8]) -> Result<KeySet, BadKeySet> {
        if text.len() > MAX_BYTES {
            return Err(BadKeySet::TooLong);
        }
        let mut set = strict::object(text).map_err(|_| BadKeySet::Shape)?;
        let Some(Value::Array(listed)) = set.remove("keys") else { return Err(BadKeySet::Shape) };
        if listed.len() > MAX_KEYS {
            return Err(BadKeySet::TooMany);
        }
        let mut keys: Vec<Key> = Vec::new();
        for listed in &listed {
            let Value::Object(members) = listed else { return Err(BadKeySet::Shape) };
            let Some(key) = key(members)? else { continue };
            if keys.iter().any(|other| other.id == key.id) {
                return Err(BadKeySet::Ambiguous);
            }
            keys.push(key);
        }
        match keys.as_slice() {
            [] => Err(BadKeySet::Empty),
            [_] => Ok(KeySet(keys)),
            many if many.iter().any(|key| key.id.is_none()) => Err(BadKeySet::Ambiguous),
            _ => Ok(KeySet(keys)),
        }
    }

    /// No key, of an issuer whose keys are not known yet.
    pub fn none() -> KeySet {
        KeySet(Vec::new())
    }

    /// Whether there is the key that a token names, or any where it names none.
    pub(crate) fn knows(&self, id: Option<&str>) -> bool {
        match id {
            Some(id) => self.0.iter().any(|key| key.id.as_deref() == Some(id)),
            None => !self.0.is_empty(),
        }
    }

    /// Whether the key that is named, or the only one, signed the message.
    pub(crate) fn verify(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), NotVerified> {
        let key = match (id, self.0.as_slice()) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
            (None, []) => None,
            (None, [only]) => Some(only),
            (None, _) => return Err(NotVerified::Unnamed),
        };
        key.ok_or(NotVerified::UnknownKey)?.verify(algorithm, message, signature)
    }
}

impl Key {
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), NotVerified> {
        if self.only.is_some_and(|only| only != algorithm) {
            return Err(NotVerified::Algorithm);
        }
        let verified = match (&self.material, algorithm) {
            (Material::Rsa { modulus, exponent }, algorithm) => {
                let parameters = rsa(algorithm).ok_or(NotVerified::Algorithm)?;
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, signature)
            }
            (Material::P256(point), Algorithm::Es256) => {
                signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Material::P384(point), Algorithm::Es384) => {
                signature::UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            (Material::Ed25519(key), Algorithm::EdDsa) => {
                signature::UnparsedPublicKey::new(&ED25519, key).verify(message, signature)
            }
            (Material::P256(_) | Material::P384(_) | Material::Ed25519(_), _) => {
                return Err(NotVerified::Algorithm);
            }
        };
        verified.map_err(|_| NotVerified::Signature)
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return None,
    })
}

/// A key that verifies; none where it is for something else.
fn key(members: &Map<String, Value>) -> Result<Option<Key>, BadKeySet> {
    let word = |name: &str| members.get(name).and_then(Value::as_str);
    let bytes = |name: &str| {
        let written = word(name).ok_or(BadKeySet::BadKey)?;
        URL_SAFE_NO_PAD.decode(written).map_err(|_| BadKeySet::BadKey)
    };
    let kind = word("kty").ok_or(BadKeySet::Shape)?;
    if kind == "oct" || ["d", "p", "q", "k"].iter().any(|name| members.contains_key(*name)) {
        return Err(BadKeySet::Secret);
    }
    let is_for_signatures = members.get("use").is_none_or(|purpose| purpose == "sig");
    let may_verify = members.get("key_ops").is_none_or(|may| match may {
        Value::Array(may) => may.iter().any(|operation| operation == "verify"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => false,
    });
    if !is_for_signatures || !may_verify {
        return Ok(None);
    }
    let material = match (kind, word("crv")) {
        ("RSA", _) => {
            let (modulus, exponent) = (bytes("n")?, bytes("e")?);
            let modulus = modulus.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<u8>>();
            if modulus.len() < MIN_MODULUS {
                return Err(BadKeySet::BadKey);
            }
            Material::Rsa { modulus, exponent }
        }
        ("EC", Some("P-256")) => Material::P256(point(&bytes("x")?, &bytes("y")?, 32)?),
        ("EC", Some("P-384")) => Material::P384(point(&bytes("x")?, &bytes("y")?, 48)?),
        ("OKP", Some("Ed25519")) => {
            let key = bytes("x")?;
            if key.len() != 32 {
                return Err(BadKeySet::BadKey);
            }
            Material::Ed25519(key)
        }
        _ => return Ok(None),
    };
    let only = match word("alg") {
        None => None,
        Some(name) => match Algorithm::named(name) {
            Some(algorithm) => Some(algorithm),
            None => return Ok(None),
        },
    };
    Ok(Some(Key { id: word("kid").map(str::to_owned), only, material }))
}

/// An uncompressed point (SEC 1, section 2.3.3); each half has the curve's full length.
fn point(x: &[u8], y: &[u8], half: usize) -> Result<Vec<u8>, BadKeySet> {
    if x.len() != half || y.len() != half {
        return Err(BadKeySet::BadKey);
    }
    Ok([&[4], x, y].concat())
}
