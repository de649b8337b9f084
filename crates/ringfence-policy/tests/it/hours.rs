//! Office hours, by the clock on the wall of their zone.

use jiff::Timestamp;
use ringfence_model::Effect;
use ringfence_policy::{FactId, LimitKind, PolicySet, Source, decide};

use crate::attempt::{Attempt, Given};

fn set(hours: &str) -> PolicySet {
    let text = format!(
        "apiVersion: ringfence/v1\nkind: Policy\nmetadata: {{name: p}}\nlayer: team\nsubjects: ['**']\n\
         rules: [{{id: r, effect: allow, actions: ['*'], resources: ['**']}}]\n\
         limits: [{{id: h, actions: ['*'], hours: '{hours}'}}]\n"
    );
    PolicySet::load(&[Source { name: "p", text: &text }]).unwrap().set
}

fn is_open(set: &PolicySet, now: &str) -> bool {
    let now: Timestamp = now.parse().unwrap();
    let attempt =
        Attempt::new("spiffe://a.example/b", "tool.call", "mcp://s/t").with(FactId::Now, Given::Time(now));
    decide(set, &attempt).effect == Effect::Allow
}

/// Hours, a moment, and whether it is within.
const MOMENTS: [(&str, &str, bool); 27] = [
    ("Mon-Fri 07:00-19:00 UTC", "2026-11-20T07:00:00Z", true),
    ("Mon-Fri 07:00-19:00 UTC", "2026-11-20T06:59:59.999Z", false),
    ("Mon-Fri 07:00-19:00 UTC", "2026-11-20T18:59:59.999Z", true),
    ("Mon-Fri 07:00-19:00 UTC", "2026-11-20T19:00:00Z", false),
    // Over midnight: the night belongs to the day it begins on.
    ("Fri 22:00-06:00 Europe/Berlin", "2026-11-20T22:00:00Z", true),
    ("Fri 22:00-06:00 Europe/Berlin", "2026-11-21T04:59:59Z", true),
    ("Fri 22:00-06:00 Europe/Berlin", "2026-11-21T05:00:00Z", false),
    ("Fri 22:00-06:00 Europe/Berlin", "2026-11-20T04:00:00Z", false),
    ("Sun 22:00-06:00 UTC", "2026-11-23T05:00:00Z", true),
    // A list, days that go round the end of the week, and every day.
    ("Mon-Fri 07:00-19:00, Sat 09:00-13:00 UTC", "2026-11-21T12:59:59Z", true),
    ("Mon-Fri 07:00-19:00, Sat 09:00-13:00 UTC", "2026-11-21T13:00:00Z", false),
    ("Sat-Mon 10:00-11:00 UTC", "2026-11-22T10:30:00Z", true),
    ("Sat-Mon 10:00-11:00 UTC", "2026-11-24T10:30:00Z", false),
    ("10:00-11:00 UTC", "2026-11-24T10:30:00Z", true),
    ("Mon 00:00-24:00 UTC", "2026-11-23T23:59:59Z", true),
    ("Mon 00:00-24:00 UTC", "2026-11-24T00:00:00Z", false),
    // Far from Greenwich, the local day is what counts.
    ("Mon 00:00-24:00 Pacific/Kiritimati", "2026-11-22T10:00:00Z", true),
    ("Mon 00:00-24:00 Pacific/Kiritimati", "2026-11-22T09:59:59Z", false),
    ("Mon 07:00-08:00 Asia/Kolkata", "2026-11-23T01:30:00Z", true),
    // Summer time: the same hours an hour earlier in UTC.
    ("07:00-19:00 Europe/Berlin", "2026-03-28T06:30:00Z", true),
    ("07:00-19:00 Europe/Berlin", "2026-03-29T05:30:00Z", true),
    ("07:00-19:00 Europe/Berlin", "2026-03-28T05:30:00Z", false),
    // 29 March 2026: 02:00 to 03:00 does not exist in Berlin. What begins in it begins at its end.
    ("02:30-04:00 Europe/Berlin", "2026-03-29T01:29:00Z", false),
    ("02:30-04:00 Europe/Berlin", "2026-03-29T01:30:00Z", true),
    // 25 October 2026: 02:00 to 03:00 is there twice. What ends in it ends the first time.
    ("00:00-02:30 Europe/Berlin", "2026-10-25T00:29:59Z", true),
    ("00:00-02:30 Europe/Berlin", "2026-10-25T01:15:00Z", false),
    ("01:00-03:00 Europe/Berlin", "2026-10-25T01:59:59Z", true),
];

#[test]
fn hours_are_half_open_and_local() {
    for (hours, now, expected) in MOMENTS {
        assert_eq!(is_open(&set(hours), now), expected, "{hours} at {now}");
    }
}

#[test]
fn hours_are_shown_as_they_were_written() {
    let set = set("Mon-Fri 07:00-19:00, Sat 09:00-13:00 Europe/Berlin");
    let LimitKind::Hours(hours) = set.limits()[0].kind() else { panic!("hours") };
    assert_eq!(hours.to_string(), "Mon-Fri 07:00-19:00, Sat 09:00-13:00 Europe/Berlin");
    assert!(hours.contains("2026-11-21T09:00:00Z".parse().unwrap()));
}
