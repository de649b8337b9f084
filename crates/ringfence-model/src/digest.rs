//! A SHA-256 digest, as data: hashing happens elsewhere.

use std::fmt;
use std::str::FromStr;

/// 32 bytes of SHA-256, written `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// A string that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `sha256:` and 64 hex digits")]
pub struct BadDigest(String);

const PREFIX: &str = "sha256:";

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadDigest(text.chars().take(100).collect());
        let hex = text.strip_prefix(PREFIX).ok_or_else(bad)?;
        let mut nibbles = hex.chars().map(|c| match c {
            '0'..='9' | 'a'..='f' => c.to_digit(16).and_then(|n| u8::try_from(n).ok()),
            _ => None,
        });
        let mut bytes = [0; 32];
        for byte in &mut bytes {
            let (Some(Some(high)), Some(Some(low))) = (nibbles.next(), nibbles.next()) else {
                return Err(bad());
            };
            *byte = high << 4 | low;
        }
        if nibbles.next().is_some() {
            return Err(bad());
        }
        Ok(Digest(bytes))
    }
}
