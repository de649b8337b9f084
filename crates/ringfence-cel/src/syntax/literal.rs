//! Escapes in text and bytes (language definition, "String and Bytes Values").

use crate::Issue;

/// The text that `written` stands for; it begins at byte `at` of the source.
pub(super) fn text(written: &str, at: usize) -> Result<String, Issue> {
    let mut text = String::with_capacity(written.len());
    unescape(written, at, |unit| match unit {
        Unit::Char(char) | Unit::Point(char) => {
            text.push(char);
            true
        }
        Unit::Octet(octet) => {
            text.push(char::from(octet));
            true
        }
    })?;
    Ok(text)
}

/// The octets that `written` stands for; it begins at byte `at` of the source.
pub(super) fn bytes(written: &str, at: usize) -> Result<Vec<u8>, Issue> {
    let mut bytes = Vec::with_capacity(written.len());
    unescape(written, at, |unit| match unit {
        Unit::Char(char) => {
            bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            true
        }
        Unit::Octet(octet) => {
            bytes.push(octet);
            true
        }
        Unit::Point(_) => false,
    })?;
    Ok(bytes)
}

enum Unit {
    /// A character as it was written, or a simple escape.
    Char(char),
    /// `\x41`, `\101`: an octet in bytes, a code point in text.
    Octet(u8),
    /// `\u0041`: a code point, in text only.
    Point(char),
}

fn unescape(written: &str, at: usize, mut push: impl FnMut(Unit) -> bool) -> Result<(), Issue> {
    let mut rest = written;
    while let Some(char) = rest.chars().next() {
        let offset = written.len() - rest.len();
        let after = rest.get(char.len_utf8()..).unwrap_or("");
        if char != '\\' {
            push(Unit::Char(char));
            rest = after;
            continue;
        }
        let accepted = match escape(after) {
            Some((unit, length)) => {
                rest = after.get(length..).unwrap_or("");
                push(unit)
            }
            None => false,
        };
        if !accepted {
            let length = 1 + after.chars().next().map_or(0, char::len_utf8);
            return Err(Issue {
                span: at + offset..at + offset + length,
                message: format!(
                    "`\\{}` is no escape that can stand here",
                    after.chars().take(1).collect::<String>().escape_debug()
                ),
                help: Some("write `\\\\` for a backslash, or put `r` before the quote".to_owned()),
            });
        }
    }
    Ok(())
}

/// What the escape after a backslash stands for, and how many bytes it takes.
fn escape(after: &str) -> Option<(Unit, usize)> {
    let simple = |char| Some((Unit::Char(char), 1));
    match after.chars().next()? {
        same @ ('\\' | '?' | '"' | '\'' | '`') => simple(same),
        'a' => simple('\u{07}'),
        'b' => simple('\u{08}'),
        'f' => simple('\u{0c}'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\u{0b}'),
        'x' | 'X' => Some((Unit::Octet(u8::try_from(digits(after, 1, 2, 16)?).ok()?), 3)),
        '0'..='3' => Some((Unit::Octet(u8::try_from(digits(after, 0, 3, 8)?).ok()?), 3)),
        'u' => point(after),
        'U' => Some((Unit::Point(char::from_u32(digits(after, 1, 8, 16)?)?), 9)),
        _ => None,
    }
}

/// `u0041`, or a surrogate pair `ud83d\ude00`.
fn point(after: &str) -> Option<(Unit, usize)> {
    let first = digits(after, 1, 4, 16)?;
    if let Some(char) = char::from_u32(first) {
        return Some((Unit::Point(char), 5));
    }
    if after.get(5..7)? != "\\u" {
        return None;
    }
    let second = digits(after, 7, 4, 16)?;
    let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
    let mut decoded = char::decode_utf16(pair);
    match (decoded.next(), decoded.next()) {
        (Some(Ok(char)), None) => Some((Unit::Point(char), 11)),
        _ => None,
    }
}

fn digits(text: &str, from: usize, count: usize, radix: u32) -> Option<u32> {
    let digits = text.get(from..from + count)?;
    // `from_str_radix` takes a sign, an escape does not.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}
