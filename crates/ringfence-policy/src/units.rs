//! Durations and amounts of money as people write them.

use std::time::Duration;

use crate::diagnostic::Complaint;

/// The longest duration that is accepted: ten years.
const MAX_SECONDS: u64 = 3650 * 86_400;

/// `90s`, `10m`, `24h`, `30d`, or several together, largest first: `1h30m`. More than nothing.
pub(crate) fn duration(text: &str) -> Result<Duration, Complaint> {
    let bad = || {
        Complaint::new("this is not a duration")
            .help("a number and a unit: `90s`, `10m`, `24h` or `30d`, or several together, as `1h30m`")
    };
    if text.starts_with('-') {
        return Err(Complaint::new("a duration cannot be negative"));
    }
    let mut seconds = 0u64;
    let mut rest = text;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(bad)?;
        let number: u64 = number.parse().map_err(|_| bad())?;
        let mut tail = tail.chars();
        let unit = match tail.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some(_) | None => return Err(bad()),
        };
        if unit >= last_unit {
            return Err(bad());
        }
        last_unit = unit;
        seconds = number.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or_else(bad)?;
        rest = tail.as_str();
    }
    if last_unit == u64::MAX {
        return Err(bad());
    }
    if seconds == 0 {
        return Err(Complaint::new("a duration of zero never holds"));
    }
    if seconds > MAX_SECONDS {
        return Err(Complaint::new("a duration of more than ten years is refused").help("at most `3650d`"));
    }
    Ok(Duration::from_secs(seconds))
}

/// Decimal US dollars as written, such as `5`, `5.00` or `0.000001`, to micro-dollars, exactly.
pub(crate) fn micro_usd(text: &str) -> Result<u64, Complaint> {
    let bad = || {
        Complaint::new("this is not an amount of US dollars")
            .help("decimal digits with at most six after the point, such as `5.00`")
    };
    if text.starts_with('-') {
        return Err(Complaint::new("an amount cannot be negative"));
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || text.ends_with('.') {
        return Err(bad());
    }
    if fraction.len() > 6 {
        return Err(Complaint::new("micro-dollars are the smallest amount there is")
            .help("at most six digits after the point"));
    }
    let dollars: u64 = whole.parse().map_err(|_| bad())?;
    let micros: u64 = format!("{fraction:0<6}").parse().map_err(|_| bad())?;
    dollars
        .checked_mul(1_000_000)
        .and_then(|amount| amount.checked_add(micros))
        .filter(|amount| i64::try_from(*amount).is_ok())
        .ok_or_else(|| Complaint::new("the amount is larger than can be counted"))
}

/// Micro-dollars as decimal US dollars, with at least two digits after the point.
pub(crate) fn usd_text(micro: u64) -> String {
    let fraction = format!("{:06}", micro % 1_000_000);
    let short = fraction.trim_end_matches('0');
    format!("{}.{short:0<2}", micro / 1_000_000)
}

/// A duration in its largest exact unit, as it would be written.
pub(crate) fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    for (unit, name) in [(86_400, "d"), (3600, "h"), (60, "m")] {
        if seconds != 0 && seconds.is_multiple_of(unit) {
            return format!("{}{name}", seconds / unit);
        }
    }
    format!("{seconds}s")
}
