//! The digest an approval is bound to: SHA-256 over the RFC 8785 form of what was asked.
//!
//! Numbers that I-JSON (RFC 7493, section 2.2) cannot hold are refused rather than rounded:
//! two different amounts must never share a digest.

use aws_lc_rs::digest;
use ringfence_model::{Action, Digest, Subject};
use serde_json::{Value, json};

use crate::Target;

/// Arguments that an approval cannot be bound to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// An integer beyond ±(2^53 − 1), or a decimal that no double is the shortest form of.
    #[error(
        "the number `{0}` cannot be held exactly by every reader, so nobody can approve it; send it as a string"
    )]
    Number(String),
    /// A string that is no Unicode text.
    #[error("the arguments have no canonical form")]
    Form,
}

/// SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    Digest(out)
}

/// The digest of exactly this: subject, action, resource, arguments, the server's identity and
/// the tool object's hash.
///
/// # Errors
/// The arguments hold a number that I-JSON cannot.
pub fn action_digest(subject: &Subject, action: &Action, target: &Target) -> Result<Digest, NotCanonical> {
    every_number_fits(action.arguments.raw())?;
    let asked = json!({
        "subject": subject.id.as_str(),
        "action": action.kind.as_str(),
        "resource": action.resource.to_string(),
        "arguments": action.arguments.value(),
        "server": target.server.map(|d| d.to_string()),
        "tool": target.tool.as_ref().map(|t| t.hash.to_string()),
    });
    canonical(&asked).map(|text| sha256(text.as_bytes()))
}

fn canonical(value: &Value) -> Result<String, NotCanonical> {
    json_canon::to_string(value).map_err(|_| NotCanonical::Form)
}

/// Walks JSON text (already parsed once, so well formed) and looks at each number as written.
fn every_number_fits(raw: &str) -> Result<(), NotCanonical> {
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match byte {
            b'"' => after_string(tail),
            b'-' | b'0'..=b'9' => {
                let len = rest
                    .iter()
                    .take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
                    .count();
                let (number, tail) = rest.split_at(len);
                number_fits(number)?;
                tail
            }
            _ => tail,
        };
    }
    Ok(())
}

fn after_string(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match rest {
            [b'\\', _, tail @ ..] => tail,
            [b'"', tail @ ..] => return tail,
            [_, tail @ ..] => tail,
            [] => return rest,
        };
    }
}

const MAX_SAFE: u64 = (1 << 53) - 1;

fn number_fits(number: &[u8]) -> Result<(), NotCanonical> {
    let text = String::from_utf8_lossy(number);
    let refuse = || NotCanonical::Number(text.chars().take(60).collect());
    let magnitude = text.strip_prefix('-').unwrap_or(&text);
    if magnitude.bytes().all(|b| b.is_ascii_digit()) {
        return magnitude.parse::<u64>().ok().filter(|n| *n <= MAX_SAFE).map(|_| ()).ok_or_else(refuse);
    }
    let value: f64 = magnitude.parse().map_err(|_| refuse())?;
    // Of all decimals that give one double only the one that it is written as is taken: the
    // others would share its digest.
    let written = json_canon::to_string(&value).map_err(|_| refuse())?;
    let exact = decimal(&written).is_some_and(|written| decimal(magnitude) == Some(written));
    if value.is_finite() && exact { Ok(()) } else { Err(refuse()) }
}

/// The value of a decimal without a sign: its digits, without zeros at either end, and the power
/// of ten of the last of them. None where the exponent is beyond everything.
fn decimal(text: &str) -> Option<(String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some((String::new(), 0));
    }
    let dropped = i64::try_from(digits.len().checked_sub(significant.len())?).ok()?;
    let exponent = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(part.len()).ok()?)?;
    Some((significant.trim_start_matches('0').to_owned(), exponent.checked_add(dropped)?))
}
