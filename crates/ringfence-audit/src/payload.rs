//! What a record commits to and does not show: encrypted under the key of its session and of
//! every person it is about, so that without any one of them nothing of it can be read, and the
//! commitment in the leaf, salted, gives nothing to guess from.
//!
//! Stored form: version, number of keys, their ids, a salt for the derivation, and the salt of
//! the commitment with the content, encrypted (AES-256-GCM under a key that HKDF-SHA-256 derives
//! for this one payload).

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use ringfence_model::Digest;

use crate::hash::sha256;
use crate::keyring::{Key, KeyId, Keyring, KeyringError, random};

/// The largest content, in bytes.
pub(crate) const MAX_CONTENT: usize = 8 << 20;
/// The most persons one payload can be about.
pub(crate) const MAX_PERSONS: usize = 250;

const VERSION: u8 = 1;
const PURPOSE: &[u8] = b"ringfence payload v1";
const SALT: usize = 32;
const KEY: usize = 32;
const NONCE: usize = 12;

/// A salt and the commitment it makes to some content, and the salt that its key will have.
pub(crate) struct Commitment {
    salt: [u8; SALT],
    derivation: [u8; SALT],
    pub(crate) digest: Digest,
}

impl Commitment {
    /// SHA-256 over a fresh random salt and the content.
    pub(crate) fn to(content: &[u8]) -> Result<Self, KeyringError> {
        let salts: [u8; 2 * SALT] = random()?;
        let (salt, derivation) = salts.split_at(SALT);
        let half = |half: &[u8]| half.try_into().expect("invariant: each half is as long as a salt");
        let (salt, derivation) = (half(salt), half(derivation));
        Ok(Commitment { salt, derivation, digest: commit(&salt, content) })
    }
}

fn commit(salt: &[u8], content: &[u8]) -> Digest {
    let mut input = Vec::with_capacity(salt.len() + content.len());
    input.extend_from_slice(salt);
    input.extend_from_slice(content);
    sha256(&input)
}

/// Encrypts what a commitment was made to, under all of the keys, the session's first. Takes the
/// commitment: its salts serve once.
#[expect(clippy::needless_pass_by_value, reason = "a commitment's salts serve once")]
pub(crate) fn seal(keys: &[Arc<Key>], commitment: Commitment, content: &[u8]) -> Vec<u8> {
    let Commitment { salt, derivation, digest } = commitment;
    let ids = keys.len() * size_of::<KeyId>();
    let mut stored = Vec::with_capacity(2 + ids + 2 * SALT + content.len() + AES_256_GCM.tag_len());
    stored.extend([VERSION, u8::try_from(keys.len()).expect("invariant: at most 251 keys")]);
    keys.iter().for_each(|key| stored.extend_from_slice(&key.id));
    stored.extend_from_slice(&derivation);
    let open = stored.len();
    stored.extend_from_slice(&salt);
    stored.extend_from_slice(content);
    let (key, nonce) = derive(keys, &derivation);
    let (_, secret) = stored.split_at_mut(open);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(digest.0), secret)
        .expect("invariant: the content is far below the cipher's limit");
    stored.extend_from_slice(tag.as_ref());
    stored
}

/// A stored payload that does not give back what its record commits to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPayload {
    /// A key it needs is not there: it was erased, or the keyring is another's.
    #[error("a key it was encrypted under has been erased")]
    Erased,
    /// Changed, cut, or put beside another record.
    #[error("the stored payload is not what the record commits to")]
    Changed,
}

/// Decrypts, and checks what comes out against the commitment.
pub(crate) fn open(keyring: &Keyring, stored: &[u8], commitment: &Digest) -> Result<Vec<u8>, BadPayload> {
    let changed = BadPayload::Changed;
    let (head, rest) = stored.split_first_chunk::<2>().ok_or(changed)?;
    let [version, count] = *head;
    let (ids, rest) = rest.split_at_checked(usize::from(count) * size_of::<KeyId>()).ok_or(changed)?;
    let (derivation, secret) = rest.split_first_chunk::<SALT>().ok_or(changed)?;
    if version != VERSION {
        return Err(changed);
    }
    let (ids, _) = ids.as_chunks();
    let keys: Option<Vec<_>> = ids.iter().map(|id| keyring.by_id(id)).collect();
    let keys = keys.ok_or(BadPayload::Erased)?;
    let (key, nonce) = derive(&keys, derivation);
    let mut secret = secret.to_vec();
    let plain = key.open_in_place(nonce, Aad::from(commitment.0), &mut secret).map_err(|_| changed)?;
    let (salt, content) = plain.split_at_checked(SALT).ok_or(changed)?;
    if commit(salt, content) != *commitment {
        return Err(changed);
    }
    Ok(content.to_vec())
}

/// Key and nonce for one payload: its salt is fresh and 256 bits, so neither ever comes twice.
fn derive(keys: &[Arc<Key>], salt: &[u8; SALT]) -> (LessSafeKey, Nonce) {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            KEY + NONCE
        }
    }
    let secrets: Vec<u8> = keys.iter().flat_map(|key| key.secret).collect();
    let mut derived = [0; KEY + NONCE];
    Salt::new(HKDF_SHA256, salt)
        .extract(&secrets)
        .expand(&[PURPOSE], Length)
        .and_then(|okm| okm.fill(&mut derived))
        .expect("invariant: 44 bytes are within what HKDF gives");
    let (key, nonce) = derived.split_at(KEY);
    let key = UnboundKey::new(&AES_256_GCM, key).expect("invariant: the key has 32 bytes");
    let nonce = Nonce::try_assume_unique_for_key(nonce).expect("invariant: the nonce has 12 bytes");
    (LessSafeKey::new(key), nonce)
}
