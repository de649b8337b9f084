//! The stretch of time that a limit counts over.

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::units::duration_text;

/// Over which stretch of time a limit counts.
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// The last so-much, at any moment: never more than the limit within any stretch of this
    /// length.
    Sliding(Duration),
    /// A day, week or month of the calendar in a zone.
    Calendar {
        /// Which.
        unit: CalendarUnit,
        /// Where its midnight is.
        timezone: TimeZone,
    },
    /// As long as the session lives.
    Session,
}

/// A stretch of the calendar. Weeks begin on Monday (ISO 8601).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalendarUnit {
    /// Midnight to midnight.
    Day,
    /// Monday to Monday.
    Week,
    /// The first to the first.
    Month,
}

impl CalendarUnit {
    /// As policies spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            CalendarUnit::Day => "day",
            CalendarUnit::Week => "week",
            CalendarUnit::Month => "month",
        }
    }
}

impl Window {
    /// The period of a [`Window::Calendar`] that `now` falls in, half-open; nothing for the other
    /// kinds, which have no fixed beginning, and at the far ends of time.
    pub fn period(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let Window::Calendar { unit, timezone } = self else { return None };
        let today = now.to_zoned(timezone.clone()).start_of_day().ok()?;
        let (start, next) = match unit {
            CalendarUnit::Day => (today.clone(), today.date().tomorrow().ok()?),
            CalendarUnit::Week => {
                let back = i64::from(today.weekday().to_monday_zero_offset());
                let monday = today.date().checked_sub(back.days()).ok()?;
                (midnight(monday, timezone)?, monday.checked_add(7.days()).ok()?)
            }
            CalendarUnit::Month => {
                let first = today.date().first_of_month();
                (midnight(first, timezone)?, first.checked_add(1.month()).ok()?)
            }
        };
        Some((start.timestamp(), midnight(next, timezone)?.timestamp()))
    }
}

/// The first moment of a date: not always 00:00, where clocks are put forward at midnight.
fn midnight(date: jiff::civil::Date, zone: &TimeZone) -> Option<Zoned> {
    date.to_zoned(zone.clone()).ok()?.start_of_day().ok()
}

impl fmt::Display for Window {
    /// `in 10m`, `in a day (Europe/Berlin)`, `in a session`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Window::Sliding(length) => write!(f, "in {}", duration_text(*length)),
            Window::Calendar { unit, timezone } => {
                write!(f, "in a {} ({})", unit.as_str(), timezone.iana_name().unwrap_or("UTC"))
            }
            Window::Session => f.write_str("in a session"),
        }
    }
}
