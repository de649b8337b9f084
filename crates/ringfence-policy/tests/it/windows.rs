//! What limits count over.

use std::time::Duration;

use ringfence_policy::{By, LimitKind, PolicySet, Source, Window};

fn limits(lines: &str) -> PolicySet {
    let text = format!(
        "apiVersion: ringfence/v1\nkind: Policy\nmetadata: {{name: p}}\nlayer: team\nsubjects: ['**']\n\
         limits:\n{lines}"
    );
    PolicySet::load(&[Source { name: "p", text: &text }]).unwrap_or_else(|found| panic!("{}", found[0])).set
}

fn window(per: &str) -> Window {
    let set = limits(&format!("  - {{id: l, actions: ['*'], calls: 1, per: {per}}}\n"));
    match set.limits()[0].kind() {
        LimitKind::Calls { window, .. } => window.clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn words_and_durations_slide() {
    for (per, seconds) in [
        ("minute", 60),
        ("hour", 3600),
        ("10m", 600),
        ("90s", 90),
        ("24h", 86_400),
        ("30d", 2_592_000),
        ("1h30m", 5400),
    ] {
        assert_eq!(window(per), Window::Sliding(Duration::from_secs(seconds)), "{per}");
    }
    assert_eq!(window("session"), Window::Session);
    assert_eq!(window("session").period("2026-11-20T12:00:00Z".parse().unwrap()), None);
}

/// A calendar window, a moment, and the period it falls in.
const PERIODS: [(&str, &str, &str, &str); 9] = [
    ("day, timezone: UTC", "2026-11-20T12:00:00Z", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
    ("day, timezone: UTC", "2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
    ("day, timezone: Europe/Berlin", "2026-11-20T23:30:00Z", "2026-11-20T23:00:00Z", "2026-11-21T23:00:00Z"),
    // A day of 23 hours and one of 25.
    ("day, timezone: Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
    ("day, timezone: Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
    // Midnight does not exist on this day: clocks go from 23:59:59 to 01:00.
    ("day, timezone: Africa/Cairo", "2026-04-24T12:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"),
    ("week, timezone: UTC", "2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
    (
        "month, timezone: America/New_York",
        "2026-02-28T12:00:00Z",
        "2026-02-01T05:00:00Z",
        "2026-03-01T05:00:00Z",
    ),
    (
        "month, timezone: America/New_York",
        "2026-03-31T12:00:00Z",
        "2026-03-01T05:00:00Z",
        "2026-04-01T04:00:00Z",
    ),
];

#[test]
fn days_weeks_and_months_follow_the_calendar() {
    for (per, now, start, end) in PERIODS {
        let expected = Some((start.parse().unwrap(), end.parse().unwrap()));
        assert_eq!(window(per).period(now.parse().unwrap()), expected, "{per} at {now}");
    }
}

#[test]
fn money_is_exact() {
    for (usd, micro) in [
        ("5.00", 5_000_000),
        ("5", 5_000_000),
        ("0.1", 100_000),
        ("0.000001", 1),
        ("4.35", 4_350_000),
        ("1234567.891", 1_234_567_891_000),
    ] {
        let set = limits(&format!("  - {{id: l, actions: [model.call], usd: {usd}, per: hour}}\n"));
        match set.limits()[0].kind() {
            LimitKind::Usd { micro: found, .. } => assert_eq!(*found, micro, "{usd}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn limits_are_listed_in_order_with_what_they_say() {
    let set = limits(
        "  - {id: a, actions: [tool.call], calls: 60, per: minute}\n\
         \x20 - {id: b, actions: [model.call], usd: 5.00, per: day, timezone: Europe/Berlin, by: sponsor, warn_at: 0.8}\n\
         \x20 - {id: c, actions: [tool.call], identical: 5, per: 10m, then: ask}\n\
         \x20 - {id: d, actions: [tool.call], concurrent: 3}\n",
    );
    let said: Vec<String> = set
        .limits()
        .iter()
        .map(|limit| {
            let by = if limit.by() == By::Sponsor { " for each sponsor" } else { "" };
            format!("{} {} {}{by}, then {}", limit.ordinal(), limit.name(), limit.kind(), limit.then())
        })
        .collect();
    assert_eq!(
        said,
        [
            "0 p/a 60 calls in 1m, then deny",
            "1 p/b 5.00 USD in a day (Europe/Berlin) for each sponsor, then deny",
            "2 p/c 5 identical calls in 10m, then ask",
            "3 p/d 3 at once, then deny",
        ]
    );
    assert_eq!(set.limits()[1].warn_at(), Some(0.8));
    assert_eq!((set.limits()[1].policy(), set.limits()[1].id()), ("p", "b"));
}
