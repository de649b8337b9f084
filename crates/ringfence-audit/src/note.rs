//! Heads as C2SP signed notes with Ed25519, and the keys that sign and check them.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringfence_model::{Digest, hex, unhex};

use crate::hash::sha256;

const ED25519_TYPE: u8 = 1;

/// The head of a tree: what a checkpoint says (C2SP tlog-checkpoint).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log, such as `ringfence/node-1`.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
}

/// A text that is no checkpoint, or not one that this key signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// Not a signed note at all.
    #[error("it is not a signed note: {0}")]
    Malformed(&'static str),
    /// No line of it is signed by the key.
    #[error("it carries no signature of `{0}`")]
    Unsigned(String),
    /// A line claims to be the key's and is not.
    #[error("its signature does not verify with the key of `{0}`")]
    Forged(String),
    /// It is about another log.
    #[error("it is about the log `{found}`, not `{expected}`")]
    Origin {
        /// The log the key is for.
        expected: String,
        /// The log it names.
        found: String,
    },
}

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not an Ed25519 key in C2SP form (`name+id+base64`): {0}")]
pub struct BadKey(&'static str);

/// A public key with the name of the log it signs for.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    id: [u8; 4],
    key: [u8; 32],
}

impl Checkpoint {
    /// What a signed note says, whoever signed it.
    ///
    /// # Errors
    /// A text that is no signed note about a tree.
    pub(crate) fn unverified(note: &str) -> Result<Self, BadNote> {
        parse_checkpoint(split_note(note)?.0)
    }
}

impl VerifyingKey {
    fn new(name: &str, key: [u8; 32]) -> Self {
        let mut input = name.as_bytes().to_vec();
        input.extend_from_slice(&[b'\n', ED25519_TYPE]);
        input.extend_from_slice(&key);
        let id = sha256(&input).0.first_chunk().copied().expect("invariant: SHA-256 has 32 bytes");
        VerifyingKey { name: name.to_owned(), id, key }
    }

    /// The name in it: the origin of its log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks a checkpoint: its form, its origin, and this key's signature. Signatures of others
    /// are passed over.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, note: &str) -> Result<Checkpoint, BadNote> {
        let (text, signatures) = split_note(note)?;
        let mut signed = false;
        for line in signatures.lines() {
            let (name, signature) = parse_signature(line)?;
            if name != self.name {
                continue;
            }
            let Some((id, signature)) = signature.split_first_chunk::<4>() else {
                return Err(BadNote::Malformed("a signature is cut"));
            };
            if *id != self.id {
                continue;
            }
            UnparsedPublicKey::new(&ED25519, self.key)
                .verify(text.as_bytes(), signature)
                .map_err(|_| BadNote::Forged(self.name.clone()))?;
            signed = true;
        }
        if !signed {
            return Err(BadNote::Unsigned(self.to_string()));
        }
        let checkpoint = parse_checkpoint(text)?;
        if checkpoint.origin != self.name {
            return Err(BadNote::Origin { expected: self.name.clone(), found: checkpoint.origin });
        }
        Ok(checkpoint)
    }
}

impl fmt::Display for VerifyingKey {
    /// The C2SP form: `<name>+<id>+<key>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex(&self.id), encode_key(&self.key))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for VerifyingKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadKey("it has not three parts"));
        };
        check_name(name)?;
        let parsed = VerifyingKey::new(name, decode_key(key)?);
        if unhex(id).as_deref() != Some(&parsed.id) {
            return Err(BadKey("its id does not belong to its key"));
        }
        Ok(parsed)
    }
}

/// The private half, which signs heads.
pub(crate) struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

impl SigningKey {
    pub(crate) fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, BadKey> {
        check_name(name)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| BadKey("its seed is refused"))?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| BadKey("its seed is refused"))?;
        Ok(SigningKey { seed, pair, public: VerifyingKey::new(name, public) })
    }

    /// Parses what [`SigningKey::to_text`] wrote.
    pub(crate) fn parse(text: &str) -> Result<Self, BadKey> {
        let rest = text.trim().strip_prefix("PRIVATE+KEY+").ok_or(BadKey("it is not a private key"))?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(seed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadKey("it has not five parts"));
        };
        let key = SigningKey::from_seed(name, decode_key(seed)?)?;
        if unhex(id).as_deref() != Some(&key.public.id) {
            return Err(BadKey("its id does not belong to its key"));
        }
        Ok(key)
    }

    /// `PRIVATE+KEY+<name>+<id>+<seed>`.
    pub(crate) fn to_text(&self) -> String {
        let (name, id) = (&self.public.name, hex(&self.public.id));
        format!("PRIVATE+KEY+{name}+{id}+{}\n", encode_key(&self.seed))
    }

    pub(crate) fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// The signed note for this head.
    pub(crate) fn sign(&self, size: u64, root: &Digest) -> String {
        let name = &self.public.name;
        let text = format!("{name}\n{size}\n{}\n", STANDARD.encode(root.0));
        let mut signature = self.public.id.to_vec();
        signature.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        format!("{text}\n\u{2014} {name} {}\n", STANDARD.encode(signature))
    }
}

fn encode_key(key: &[u8; 32]) -> String {
    let mut bytes = vec![ED25519_TYPE];
    bytes.extend_from_slice(key);
    STANDARD.encode(bytes)
}

fn decode_key(text: &str) -> Result<[u8; 32], BadKey> {
    let bytes = STANDARD.decode(text).map_err(|_| BadKey("its last part is not base64"))?;
    match bytes.split_first() {
        Some((&ED25519_TYPE, key)) => key.try_into().map_err(|_| BadKey("it has not 32 bytes")),
        _ => Err(BadKey("it is not of type Ed25519")),
    }
}

fn check_name(name: &str) -> Result<(), BadKey> {
    if name.is_empty() || name.contains('+') || name.chars().any(char::is_whitespace) {
        return Err(BadKey("its name is empty or has a space or `+`"));
    }
    Ok(())
}

/// The signed text, with its last newline, and the lines of signatures.
fn split_note(note: &str) -> Result<(&str, &str), BadNote> {
    if note.chars().any(|c| c != '\n' && c.is_control()) {
        return Err(BadNote::Malformed("it has control characters"));
    }
    let at = note.rfind("\n\n").ok_or(BadNote::Malformed("it has no empty line before its signatures"))?;
    let (text, rest) = note.split_at_checked(at + 1).ok_or(BadNote::Malformed("it is cut"))?;
    let signatures = rest.strip_prefix('\n').ok_or(BadNote::Malformed("it is cut"))?;
    if signatures.is_empty() {
        return Err(BadNote::Malformed("it has no signatures"));
    }
    if !signatures.ends_with('\n') {
        return Err(BadNote::Malformed("its last line has no end"));
    }
    Ok((text, signatures))
}

fn parse_signature(line: &str) -> Result<(&str, Vec<u8>), BadNote> {
    let rest =
        line.strip_prefix("\u{2014} ").ok_or(BadNote::Malformed("a signature line begins otherwise"))?;
    let (name, signature) =
        rest.split_once(' ').ok_or(BadNote::Malformed("a signature line has not two parts"))?;
    let bytes = STANDARD.decode(signature).map_err(|_| BadNote::Malformed("a signature is not base64"))?;
    Ok((name, bytes))
}

fn parse_checkpoint(text: &str) -> Result<Checkpoint, BadNote> {
    let mut lines = text.lines();
    let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
        return Err(BadNote::Malformed("it has fewer than three lines"));
    };
    let decimal = size == "0" || (!size.starts_with('0') && size.bytes().all(|b| b.is_ascii_digit()));
    let size =
        size.parse().ok().filter(|_| decimal).ok_or(BadNote::Malformed("its size is no decimal number"))?;
    let root = STANDARD
        .decode(root)
        .ok()
        .and_then(|root| root.try_into().ok())
        .ok_or(BadNote::Malformed("its root is not 32 bytes of base64"))?;
    Ok(Checkpoint { origin: origin.to_owned(), size, root: Digest(root) })
}
