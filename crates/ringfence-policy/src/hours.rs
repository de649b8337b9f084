//! Office hours: `Mon-Fri 07:00-19:00 Europe/Berlin`. Half-open, by the clock on the wall of the
//! named zone, over midnight where the end is not after the beginning. The clock on the wall is
//! read by the IANA rules that are built in; which time it is, is always an argument.

use std::fmt;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

use crate::diagnostic::Complaint;

/// When something may happen.
#[derive(Debug, Clone)]
pub struct Hours {
    text: Box<str>,
    ranges: Box<[Range]>,
    zone: TimeZone,
}

#[derive(Debug, Clone, Copy)]
struct Range {
    /// Bit 0 is Monday.
    days: u8,
    start: Minute,
    end: Minute,
}

/// Minutes since midnight, 0 to 1440.
type Minute = i16;

const DAY: Minute = 24 * 60;
const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

impl Hours {
    /// Reads ranges separated by commas, and the zone they all are in. A range that names no
    /// days means every day.
    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        let Some((ranges, zone)) = text.trim().rsplit_once(' ') else { return Err(malformed()) };
        if zone.contains(':') {
            return Err(Complaint::new("the hours name no time zone")
                .help(format!("end with the zone, as in `{text} Europe/Berlin`")));
        }
        let zone = time_zone(zone)?;
        let ranges = ranges.split(',').map(|range| Range::parse(range.trim())).collect::<Result<_, _>>()?;
        Ok(Hours { text: text.trim().into(), ranges, zone })
    }

    /// Whether `now` is within them.
    pub fn contains(&self, now: Timestamp) -> bool {
        let today = self.zone.to_datetime(now).date();
        let yesterday = today.yesterday().ok();
        self.ranges.iter().any(|range| {
            [Some(today), yesterday].into_iter().flatten().any(|date| range.contains(date, now, &self.zone))
        })
    }
}

impl fmt::Display for Hours {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Hours {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Range {
    fn parse(text: &str) -> Result<Self, Complaint> {
        let (days, times) = match text.split_once(' ') {
            Some((days, times)) => (parse_days(days)?, times.trim()),
            None => (0b111_1111, text),
        };
        let (start, end) = times.split_once('-').ok_or_else(malformed)?;
        let (start, end) = (parse_minute(start)?, parse_minute(end)?);
        if start == end || start == DAY {
            return Err(Complaint::new("the hours begin where they end").help("a whole day is `00:00-24:00`"));
        }
        Ok(Range { days, start, end })
    }

    /// Whether `now` is in the stretch that begins on `date`. Both ends are points in time: where
    /// the clock is put forward or back, a stretch is shorter or longer but stays in one piece.
    fn contains(self, date: Date, now: Timestamp, zone: &TimeZone) -> bool {
        if self.days & day_bit(date.weekday()) == 0 {
            return false;
        }
        let end_date = if self.end > self.start { Some(date) } else { date.tomorrow().ok() };
        let start = instant(date, self.start, zone);
        let end = end_date.and_then(|date| instant(date, self.end, zone));
        matches!((start, end), (Some(start), Some(end)) if start <= now && now < end)
    }
}

fn instant(date: Date, minute: Minute, zone: &TimeZone) -> Option<Timestamp> {
    let date = if minute == DAY { date.checked_add(1.day()).ok()? } else { date };
    let minute = if minute == DAY { 0 } else { minute };
    let hour = i8::try_from(minute / 60).ok()?;
    let minute = i8::try_from(minute % 60).ok()?;
    let time = Time::new(hour, minute, 0, 0).ok()?;
    zone.to_timestamp(DateTime::from_parts(date, time)).ok()
}

fn day_bit(day: Weekday) -> u8 {
    1 << day.to_monday_zero_offset()
}

fn parse_days(text: &str) -> Result<u8, Complaint> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (parse_day(first)?, parse_day(last)?);
    let mut days = 0;
    let mut day = first;
    loop {
        days |= day_bit(day);
        if day == last {
            return Ok(days);
        }
        day = day.next();
    }
}

fn parse_day(text: &str) -> Result<Weekday, Complaint> {
    DAYS.into_iter().find(|(name, _)| *name == text).map(|(_, day)| day).ok_or_else(|| {
        let names = DAYS.map(|(name, _)| name);
        Complaint::new(format!("`{text}` is no day of the week"))
            .help(format!("the days are {}", names.join(", ")))
            .suggest(text, names)
    })
}

fn parse_minute(text: &str) -> Result<Minute, Complaint> {
    let bad = || {
        Complaint::new(format!("`{text}` is no time of day"))
            .help("hours and minutes in two digits each, from `00:00` to `24:00`")
    };
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    let number = |digits: &str| -> Option<Minute> {
        (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse().ok())
            .flatten()
    };
    let (hour, minute) = (number(hour).ok_or_else(bad)?, number(minute).ok_or_else(bad)?);
    if minute > 59 || hour * 60 + minute > DAY {
        return Err(bad());
    }
    Ok(hour * 60 + minute)
}

fn malformed() -> Complaint {
    Complaint::new("these are not hours")
        .help("days, a range of times and a time zone, such as `Mon-Fri 07:00-19:00 Europe/Berlin`")
}

/// A zone of the IANA data base by its name. The data base is the one that is built in, so that
/// a set means the same on every machine.
pub(crate) fn time_zone(name: &str) -> Result<TimeZone, Complaint> {
    let zones = TimeZoneDatabase::bundled();
    match zones.get(name) {
        Ok(zone) if zone.iana_name() == Some(name) => Ok(zone),
        Ok(_) | Err(_) => {
            let known: Vec<String> = zones.available().map(|zone| zone.as_str().to_owned()).collect();
            Err(Complaint::new(format!("`{name}` is no time zone"))
                .help("a name of the IANA data base, such as `Europe/Berlin` or `UTC`")
                .suggest(name, known.iter().map(String::as_str)))
        }
    }
}
