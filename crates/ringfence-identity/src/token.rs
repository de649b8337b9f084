//! Opaque bearer tokens.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringfence_model::Digest;
use zeroize::Zeroizing;

const SECRET_BYTES: usize = 32;

/// A bearer token: `rf_` and 32 random bytes in unpadded base64url (RFC 4648, section 5).
/// Wiped from memory when dropped; never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

/// A string that is no token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Ringfence token: one begins with `rf_` and has 43 characters after that")]
pub struct BadToken;

/// The system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes for a new token")]
pub struct NoRandomness;

impl Token {
    /// What every token of ours begins with, and no other.
    pub const PREFIX: &str = "rf_";

    /// A new token.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub fn generate() -> Result<Token, NoRandomness> {
        let mut secret = Zeroizing::new([0u8; SECRET_BYTES]);
        rand::fill(secret.as_mut_slice()).map_err(|_| NoRandomness)?;
        Ok(Token(Zeroizing::new(format!("{}{}", Token::PREFIX, URL_SAFE_NO_PAD.encode(secret.as_slice())))))
    }

    /// SHA-256 over the whole token, prefix included: what is kept of it.
    pub fn digest(&self) -> Digest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref());
        Digest(bytes)
    }

    /// The token itself, to be shown once or written to its owner's file.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = BadToken;

    /// Surrounding white space is ignored: tokens are read from files.
    fn from_str(text: &str) -> Result<Self, BadToken> {
        let text = text.trim();
        let secret = text.strip_prefix(Token::PREFIX).ok_or(BadToken)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).map_err(|_| BadToken)?);
        if bytes.len() == SECRET_BYTES { Ok(Token(Zeroizing::new(text.to_owned()))) } else { Err(BadToken) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
