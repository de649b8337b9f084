//! Dates and times of day in a time zone, from the database that is compiled in: the same rules on
//! every machine.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::eval::{Answer, Val, wrong_type};
use crate::functions::Part;
use crate::syntax::Span;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of that name: `Europe/Berlin`, `UTC`, or an offset as `+02:00` (language definition,
/// "Timezones").
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    if name.len() > 64 {
        return None;
    }
    if let Some(offset) = offset(name) {
        return Some(TimeZone::fixed(offset));
    }
    ZONES.get(name).ok()
}

fn offset(text: &str) -> Option<Offset> {
    let (sign, rest) = match text.as_bytes() {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        rest => (1, rest), // Without a sign it is east of Greenwich.
    };
    let [a, b, b':', c, d] = rest else { return None };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i32::from(*byte - b'0'));
    let hours = digit(a)? * 10 + digit(b)?;
    let minutes = digit(c)? * 10 + digit(d)?;
    if hours > 23 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// A part of a point in time in UTC, or of a duration.
pub(super) fn utc_or_duration<'v>(part: Part, name: &'static str, value: Val<'v>, span: Span) -> Answer<'v> {
    match value {
        Val::Duration(duration) => match part {
            Part::Hours => Ok(Val::Int(duration.as_secs() / 3600)),
            Part::Minutes => Ok(Val::Int(duration.as_secs() / 60)),
            Part::Seconds => Ok(Val::Int(duration.as_secs())),
            Part::Milliseconds => Ok(Val::Int(i64::from(duration.subsec_millis()))),
            _ => wrong_type(span, name, value),
        },
        other => in_zone(part, name, other, &TimeZone::UTC, span),
    }
}

/// A part of a point in time in a zone.
pub(super) fn in_zone<'v>(
    part: Part,
    name: &'static str,
    value: Val<'v>,
    zone: &TimeZone,
    span: Span,
) -> Answer<'v> {
    match value {
        Val::Timestamp(at) => Ok(Val::Int(part_of(part, local(at, zone)))),
        other => wrong_type(span, name, other),
    }
}

fn local(at: Timestamp, zone: &TimeZone) -> DateTime {
    zone.to_datetime(at)
}

fn part_of(part: Part, at: DateTime) -> i64 {
    match part {
        Part::FullYear => i64::from(at.year()),
        Part::Month => i64::from(at.month()) - 1,
        Part::Date => i64::from(at.day()),
        Part::DayOfMonth => i64::from(at.day()) - 1,
        Part::DayOfWeek => i64::from(at.weekday().to_sunday_zero_offset()),
        Part::DayOfYear => i64::from(at.day_of_year()) - 1,
        Part::Hours => i64::from(at.hour()),
        Part::Minutes => i64::from(at.minute()),
        Part::Seconds => i64::from(at.second()),
        Part::Milliseconds => i64::from(at.millisecond()),
    }
}
