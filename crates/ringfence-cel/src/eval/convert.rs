//! Conversions between types, and the texts of durations and points in time.

use jiff::{SignedDuration, Timestamp};

use crate::Kind;
use crate::eval::{Answer, Machine, Val, bad_conversion, fault, text_steps, wrong_type};
use crate::fault::FaultKind;
use crate::functions::Call;
use crate::syntax::Span;

/// The longest text that is read as a number, a duration or a point in time.
const MAX_READ: usize = 128;
/// The first second of the year 1, where timestamps begin. They end with what the library holds: two
/// hours and a day before the year 10000 does in UTC, so that every offset can be shown.
const FIRST_SECOND: i64 = -62_135_596_800;
/// How many seconds a duration has at most, either way: about ten thousand years.
const DURATION_SECONDS: u64 = 315_576_000_000;

impl<'v, 'a: 'v> Machine<'v, 'a> {
    /// `name(value)`, where the name is that of a type.
    pub(super) fn convert(&self, call: Call, name: &'static str, value: Val<'v>, span: Span) -> Answer<'v> {
        let (converted, overflows) = match (call, value) {
            (Call::Bool, Val::Bool(_))
            | (Call::Bytes, Val::Bytes(_))
            | (Call::Double, Val::Double(_))
            | (Call::Duration, Val::Duration(_))
            | (Call::Int, Val::Int(_))
            | (Call::String, Val::Str(_))
            | (Call::Timestamp, Val::Timestamp(_))
            | (Call::Uint, Val::Uint(_)) => return Ok(value),
            (Call::String, _) => return self.string(name, value, span),
            (Call::Bytes, Val::Str(text)) => return Ok(Val::Bytes(text.as_bytes())),
            (Call::Int, Val::Uint(value)) => (i64::try_from(value).ok().map(Val::Int), true),
            (Call::Int, Val::Double(value)) => {
                (truncated(value).and_then(|value| i64::try_from(value).ok()).map(Val::Int), true)
            }
            (Call::Int, Val::Timestamp(value)) => (Some(Val::Int(value.as_second())), true),
            (Call::Uint, Val::Int(value)) => (u64::try_from(value).ok().map(Val::Uint), true),
            (Call::Uint, Val::Double(value)) => {
                (truncated(value).and_then(|value| u64::try_from(value).ok()).map(Val::Uint), true)
            }
            #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
            (Call::Double, Val::Int(value)) => (Some(Val::Double(value as f64)), true),
            #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
            (Call::Double, Val::Uint(value)) => (Some(Val::Double(value as f64)), true),
            (Call::Timestamp, Val::Int(value)) => (
                Timestamp::from_second(value)
                    .ok()
                    .filter(|value| timestamp_in_range(*value))
                    .map(Val::Timestamp),
                true,
            ),
            (_, Val::Str(text)) if text.len() <= MAX_READ => (read(call, text), false),
            (_, Val::Str(_)) => (None, false),
            _ => return wrong_type(span, name, value),
        };
        match converted {
            Some(value) => Ok(value),
            None if overflows => fault(span, FaultKind::Overflow { operation: name }),
            None => bad_conversion(span, value.kind(), name),
        }
    }

    fn string(&self, name: &'static str, value: Val<'v>, span: Span) -> Answer<'v> {
        let text = match value {
            Val::Bool(true) => return Ok(Val::Str("true")),
            Val::Bool(false) => return Ok(Val::Str("false")),
            Val::Int(value) => value.to_string(),
            Val::Uint(value) => value.to_string(),
            Val::Double(value) => value.to_string(),
            Val::Duration(value) => duration_text(value),
            Val::Timestamp(value) => value.to_string(),
            Val::Bytes(bytes) => {
                self.charge(text_steps(bytes.len()), span)?;
                return match std::str::from_utf8(bytes) {
                    Ok(text) => Ok(Val::Str(text)),
                    Err(_) => bad_conversion(span, Kind::Bytes, name),
                };
            }
            _ => return wrong_type(span, name, value),
        };
        self.charge(1 + text_steps(text.len()), span)?;
        Ok(self.keep_text(&text))
    }
}

/// What a text says, read as the type that `call` converts to.
fn read<'v>(call: Call, text: &str) -> Option<Val<'v>> {
    match call {
        Call::Bool => match text {
            "true" | "True" | "TRUE" | "t" | "1" => Some(Val::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Some(Val::Bool(false)),
            _ => None,
        },
        Call::Int => text.parse().ok().map(Val::Int),
        Call::Uint => text.parse().ok().map(Val::Uint),
        Call::Double => text.parse().ok().map(Val::Double),
        Call::Duration => read_duration(text).map(Val::Duration),
        Call::Timestamp => read_timestamp(text).map(Val::Timestamp),
        _ => None,
    }
}

/// A double cut to its whole part, unless that is far beyond any integer here.
#[expect(clippy::cast_possible_truncation, reason = "the fraction is to be cut off, the range is checked")]
fn truncated(value: f64) -> Option<i128> {
    (value.is_finite() && value.abs() < 1e30).then(|| value.trunc() as i128)
}

/// The integer that a double is, if it is one.
pub(super) fn whole(value: f64) -> Option<i128> {
    truncated(value).filter(|_| value.fract() == 0.0)
}

pub(super) fn timestamp_in_range(timestamp: Timestamp) -> bool {
    timestamp.as_second() >= FIRST_SECOND
}

pub(super) fn duration_in_range(duration: SignedDuration) -> bool {
    duration.as_secs().unsigned_abs() <= DURATION_SECONDS
}

/// RFC 3339, section 5.6: date, `T`, time with seconds, and `Z` or an offset.
fn read_timestamp(text: &str) -> Option<Timestamp> {
    let shape = b"0000-00-00T00:00:00";
    let bytes = text.as_bytes();
    let head = bytes.get(..shape.len())?;
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        other => byte.eq_ignore_ascii_case(other),
    };
    let mut rest = bytes.get(shape.len()..)?;
    // Sixty is a leap second, which no timestamp can hold.
    if !head.iter().zip(shape).all(fits) || head.get(17..) == Some(b"60") {
        return None;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        rest = fraction.get(digits..)?;
    }
    let zoned = match rest {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    if !zoned {
        return None;
    }
    text.parse().ok().filter(|timestamp| timestamp_in_range(*timestamp))
}

/// `1h30m`, `-1.5s`, `0`: numbers with units, after a sign that holds for all of them.
fn read_duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = take_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => take_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (unit, after) = take_unit(after)?;
        rest = after;
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        nanos = nanos.checked_add(whole.checked_mul(unit)?)?;
        if !fraction.is_empty() {
            // Eighteen digits are finer than a nanosecond of an hour; what is beyond is cut off.
            let digits: String = fraction.chars().take(18).collect();
            let scale = 10i128.checked_pow(u32::try_from(digits.len()).ok()?)?;
            nanos = nanos.checked_add(digits.parse::<i128>().ok()?.checked_mul(unit)? / scale)?;
        }
    }
    let nanos = if negative { nanos.checked_neg()? } else { nanos };
    SignedDuration::try_from_nanos_i128(nanos).filter(|duration| duration_in_range(*duration))
}

fn take_digits(text: &str) -> (&str, &str) {
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn take_unit(text: &str) -> Option<(i128, &str)> {
    const UNITS: [(&str, i128); 8] = [
        ("ms", 1_000_000),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ns", 1),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
    ];
    UNITS.iter().find_map(|(unit, nanos)| text.strip_prefix(unit).map(|rest| (*nanos, rest)))
}

/// Seconds with as many decimals as are needed: `90s`, `-1.5s`.
fn duration_text(duration: SignedDuration) -> String {
    let nanos = duration.as_nanos();
    let sign = if nanos < 0 { "-" } else { "" };
    let (seconds, fraction) = (nanos.unsigned_abs() / 1_000_000_000, nanos.unsigned_abs() % 1_000_000_000);
    if fraction == 0 {
        return format!("{sign}{seconds}s");
    }
    let digits = format!("{fraction:09}");
    format!("{sign}{seconds}.{}s", digits.trim_end_matches('0'))
}
