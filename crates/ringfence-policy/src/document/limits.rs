//! The limits of a document.

use std::ops::Range;
use std::sync::Arc;

use ringfence_model::{Effect, RuleName};

use super::rules::{actions, approval, bounded, can_match, resources};
use super::{Head, Ids};
use crate::diagnostic::{Complaint, Report};
use crate::fields::{Fields, count, text, word};
use crate::hours::{Hours, time_zone};
use crate::limit::{By, Limit, LimitKind};
use crate::pattern::ResourcePattern;
use crate::scope::Scope;
use crate::units::{duration, micro_usd};
use crate::window::{CalendarUnit, Window};
use crate::yaml::{Node, Value};

/// Every key that a limit may have.
const LIMIT_KEYS: [&str; 16] = [
    "id",
    "actions",
    "resources",
    "calls",
    "tokens",
    "usd",
    "concurrent",
    "identical",
    "hours",
    "per",
    "timezone",
    "by",
    "warn_at",
    "then",
    "approvers",
    "expires",
];

/// The keys that say what is counted; a limit has exactly one of them.
const KIND_KEYS: [&str; 6] = ["calls", "tokens", "usd", "concurrent", "identical", "hours"];

pub(super) fn check(report: &mut Report<'_>, node: &Node, head: &Head<'_>, ids: &mut Ids) -> Option<Limit> {
    let fields = Fields::open(report, node, "a limit", &LIMIT_KEYS)?;
    let id = ids.take(report, &fields, "a limit's id");
    let actions = fields.required(report, "actions").and_then(|node| actions(report, node));
    let resources = match fields.optional("resources") {
        Some(node) => resources(report, node),
        None => Some(vec![(ResourcePattern::any(), fields.span())]),
    };
    if let (Some(actions), Some(resources)) = (&actions, &resources) {
        can_match(report, actions, resources);
    }
    if let Some(resources) = &resources {
        bounded(report, &fields, head, resources)?;
    }
    let kind = kind(report, &fields);
    let by = match fields.optional("by") {
        Some(node) => word(report, node, "way to add up", &[("agent", By::Agent), ("sponsor", By::Sponsor)]),
        None => Some(By::Agent),
    };
    let then = then(report, &fields);
    let warn_at = fields.optional("warn_at").map(|node| warn_at(report, node));
    let (approvers, expires) = approval(report, &fields, then, "`then: ask`")?;
    let (kind, by) = (kind?, by?);
    if let Some(complaint) = misfit(&fields, &kind, by) {
        report.error(complaint.0, complaint.1);
        return None;
    }
    let id = id?;
    Some(Limit {
        name: RuleName::new(head.name, id),
        id: id.into(),
        policy: Arc::clone(head.name),
        ordinal: 0,
        scope: Scope {
            subjects: Arc::clone(&head.subjects),
            actions: actions?.set,
            resources: resources?.into_iter().map(|(pattern, _)| pattern).collect(),
        },
        kind,
        by,
        then: then?,
        warn_at: match warn_at {
            Some(warn_at) => Some(warn_at?),
            None => None,
        },
        approvers,
        expires,
        rank: 0,
    })
}

fn kind(report: &mut Report<'_>, fields: &Fields<'_>) -> Option<LimitKind> {
    let given: Vec<&str> = KIND_KEYS.into_iter().filter(|key| fields.has(key)).collect();
    let [key] = given.as_slice() else {
        let (span, message) = match given.get(1) {
            Some(second) => (fields.key_span(second), "a limit counts one thing"),
            None => (fields.span(), "the limit does not say what it counts"),
        };
        let help = format!("exactly one of {}; write a second limit for another", KIND_KEYS.join(", "));
        report.error(span, Complaint::new(message).help(help));
        return None;
    };
    let node = fields.optional(key)?;
    match *key {
        "calls" => {
            let n = count(report, node, "`calls`");
            let window = window(report, fields);
            Some(LimitKind::Calls { n: n?, window: window? })
        }
        "tokens" => {
            let n = count(report, node, "`tokens`");
            let window = window(report, fields);
            Some(LimitKind::Tokens { n: n?, window: window? })
        }
        "usd" => {
            let micro = usd(report, node);
            let window = window(report, fields);
            Some(LimitKind::Usd { micro: micro?, window: window? })
        }
        "concurrent" => Some(LimitKind::Concurrent { n: count(report, node, "`concurrent`")? }),
        "identical" => {
            let n = count(report, node, "`identical`");
            match window(report, fields)? {
                Window::Sliding(per) => Some(LimitKind::Identical { n: n?, per }),
                Window::Calendar { .. } | Window::Session => {
                    let span = fields.key_span("per");
                    report.error(
                        span,
                        Complaint::new("`identical` counts over a sliding time")
                            .help("give `per` a duration, such as `10m`"),
                    );
                    None
                }
            }
        }
        _ => {
            let text = text(report, node, "`hours`")?;
            match Hours::parse(text) {
                Ok(hours) => Some(LimitKind::Hours(hours)),
                Err(complaint) => {
                    report.error(node.span.clone(), complaint);
                    None
                }
            }
        }
    }
}

/// Money is read from the digits as they were written: no binary fraction comes in between.
pub(super) fn usd(report: &mut Report<'_>, node: &Node) -> Option<u64> {
    match amount(report, node)? {
        0 => {
            report.error(
                node.span.clone(),
                Complaint::new("`usd` of zero is no limit but a denial")
                    .help("write a rule with `effect: deny` instead"),
            );
            None
        }
        micro => Some(micro),
    }
}

pub(super) fn amount(report: &mut Report<'_>, node: &Node) -> Option<u64> {
    let Value::Number(_) = &node.value else {
        report.error(
            node.span.clone(),
            Complaint::new(format!("`usd` is a number, and this is {}", node.noun()))
                .help("decimal US dollars without quotes, such as `5.00`"),
        );
        return None;
    };
    match micro_usd(report.text.get(node.span.clone()).unwrap_or("").trim()) {
        Ok(micro) => Some(micro),
        Err(complaint) => {
            report.error(node.span.clone(), complaint);
            None
        }
    }
}

fn window(report: &mut Report<'_>, fields: &Fields<'_>) -> Option<Window> {
    let node = fields.required(report, "per")?;
    let per = text(report, node, "`per`")?;
    let unit = match per {
        "day" => Some(CalendarUnit::Day),
        "week" => Some(CalendarUnit::Week),
        "month" => Some(CalendarUnit::Month),
        _ => None,
    };
    if let Some(unit) = unit {
        let Some(zone) = fields.optional("timezone") else {
            report.error(
                node.span.clone(),
                Complaint::new(format!("`per: {per}` needs a `timezone`"))
                    .help("such as `timezone: Europe/Berlin`; for a sliding time write a duration, as `24h`"),
            );
            return None;
        };
        return match time_zone(text(report, zone, "`timezone`")?) {
            Ok(timezone) => Some(Window::Calendar { unit, timezone }),
            Err(complaint) => {
                report.error(zone.span.clone(), complaint);
                None
            }
        };
    }
    let length = match per {
        "session" => return Some(Window::Session),
        "minute" => duration("1m"),
        "hour" => duration("1h"),
        other => duration(other),
    };
    match length {
        Ok(length) => Some(Window::Sliding(length)),
        Err(complaint) => {
            let words = ["minute", "hour", "day", "week", "month", "session"];
            let fallback = format!("one of {}, or a duration such as `10m`", words.join(", "));
            let complaint = if per.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
                complaint
            } else {
                Complaint::new(format!("`{per}` is no stretch of time")).help(fallback).suggest(per, words)
            };
            report.error(node.span.clone(), complaint);
            None
        }
    }
}

fn then(report: &mut Report<'_>, fields: &Fields<'_>) -> Option<Effect> {
    match fields.optional("then") {
        Some(node) => word(report, node, "thing to do then", &[("ask", Effect::Ask), ("deny", Effect::Deny)]),
        None => Some(Effect::Deny),
    }
}

fn warn_at(report: &mut Report<'_>, node: &Node) -> Option<f64> {
    let number = match &node.value {
        Value::Number(number) => number.as_f64().filter(|part| *part > 0.0 && *part <= 1.0),
        Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
    };
    if number.is_none() {
        report.error(
            node.span.clone(),
            Complaint::new("`warn_at` is a part of the limit: a number above 0 and at most 1")
                .help("such as `0.8`"),
        );
    }
    number
}

/// A key that means nothing for this kind of limit.
fn misfit(fields: &Fields<'_>, kind: &LimitKind, by: By) -> Option<(Range<usize>, Complaint)> {
    let (counted, window) = match kind {
        LimitKind::Calls { window, .. }
        | LimitKind::Tokens { window, .. }
        | LimitKind::Usd { window, .. } => (true, Some(window)),
        LimitKind::Identical { .. } => (false, None),
        LimitKind::Concurrent { .. } | LimitKind::Hours(_) => (false, None),
    };
    let says_per = window.is_some() || matches!(kind, LimitKind::Identical { .. });
    let without = |key: &str, complaint: &str| Some((fields.key_span(key), Complaint::new(complaint)));
    if fields.has("per") && !says_per {
        return without("per", "`per` means nothing here: what is limited is not counted over time");
    }
    if fields.has("timezone") && !matches!(window, Some(Window::Calendar { .. })) {
        let complaint = match kind {
            LimitKind::Hours(_) => "`timezone` means nothing here: hours name their zone themselves",
            _ => "`timezone` means nothing here: only day, week and month follow the calendar",
        };
        return without("timezone", complaint);
    }
    if fields.has("warn_at") && !counted {
        return without("warn_at", "`warn_at` means nothing here: only calls, tokens and usd are used up");
    }
    if fields.has("then") && !matches!(kind, LimitKind::Identical { .. }) {
        return without("then", "`then` means nothing here: only `identical` leaves a choice");
    }
    if fields.has("by") && matches!(kind, LimitKind::Hours(_)) {
        return without("by", "`by` means nothing here: hours are not added up");
    }
    if by == By::Sponsor && window == Some(&Window::Session) {
        return without("by", "a session has one agent, so it cannot be added up by sponsor");
    }
    None
}
