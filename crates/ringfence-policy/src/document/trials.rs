//! The tests of a document.

use std::sync::Arc;

use jiff::Timestamp;
use ringfence_model::{ActionKind, AgentId, Person, Resource, Ring, Subject};
use serde_json::json;

use super::limits::amount;
use super::rules::{EFFECTS, written_duration};
use super::{Head, parsed};
use crate::diagnostic::{Complaint, Report};
use crate::fields::{Fields, list, map, text, texts, whole, word};
use crate::limit::{Limit, LimitKind};
use crate::supposed::{Supposed, SupposedSession};
use crate::trial::{Spent, Trial};
use crate::yaml::{Node, Value};

/// Every key that a test may have.
const TRIAL_KEYS: [&str; 16] = [
    "name",
    "subject",
    "sponsor",
    "groups",
    "ring",
    "delegation",
    "action",
    "resource",
    "args",
    "annotations",
    "session",
    "now",
    "findings",
    "limits",
    "expect",
    "rule",
];
/// The keys of a test's `session`.
const SESSION_KEYS: [&str; 6] = ["id", "calls", "tokens", "usd", "age", "labels"];
/// The keys of a session's `labels`.
const LABEL_KEYS: [&str; 2] = ["integrity", "confidentiality"];
const FINDING_KEYS: [&str; 4] = ["rule", "category", "severity", "path"];

pub(super) fn check(
    report: &mut Report<'_>,
    node: &Node,
    head: &Head<'_>,
    limits: &[Limit],
) -> Option<Trial> {
    let before = report.found.len();
    let fields = Fields::open(report, node, "a test", &TRIAL_KEYS)?;
    let name = fields.required(report, "name").and_then(|node| text(report, node, "a test's name"));
    let subject = subject(report, &fields);
    let action: Option<ActionKind> = fields.required(report, "action").and_then(|node| action(report, node));
    let resource: Option<Resource> =
        fields.required(report, "resource").and_then(|node| parsed(report, node, "a test's resource"));
    let expect = fields.required(report, "expect").and_then(|node| word(report, node, "effect", &EFFECTS));
    let rule = fields.optional("rule").and_then(|node| text(report, node, "`rule`"));
    let rule = rule.map(|rule| match rule.contains('/') {
        true => rule.to_owned(),
        false => format!("{}/{rule}", head.name),
    });
    let now: Option<Timestamp> =
        fields.optional("now").and_then(|node| parsed(report, node, "a test's `now`"));
    let session = match fields.optional("session") {
        Some(node) => session(report, node),
        None => Some(SupposedSession::fresh()),
    };
    let findings = match fields.optional("findings") {
        Some(node) => findings(report, node),
        None => Some(json!([])),
    };
    if let Some(node) = fields.optional("annotations") {
        map(report, node, "`annotations`")?;
    }
    let spent = match fields.optional("limits") {
        Some(node) => spent(report, node, limits),
        None => Some(Vec::new()),
    };
    if report.found.len() > before {
        return None;
    }
    Some(Trial {
        name: name?.to_owned(),
        attempt: Supposed {
            subject: subject?,
            action: action?,
            resource: resource?,
            args: fields.optional("args").map_or_else(|| json!({}), Node::to_json),
            annotations: fields.optional("annotations").map(Node::to_json),
            session: session?,
            now,
            findings: findings?,
        },
        spent: spent?,
        expect: expect?,
        rule,
        policy: Arc::clone(head.name),
        span: fields.optional("name").map_or_else(|| fields.span(), |node| node.span.clone()),
    })
}

fn action(report: &mut Report<'_>, node: &Node) -> Option<ActionKind> {
    let kinds = ActionKind::ALL.map(|kind| (kind.as_str(), kind));
    word(report, node, "action", &kinds)
}

fn subject(report: &mut Report<'_>, fields: &Fields<'_>) -> Option<Subject> {
    let id: Option<AgentId> =
        fields.required(report, "subject").and_then(|node| parsed(report, node, "a test's subject"));
    let sponsor = match fields.optional("sponsor") {
        Some(node) => Person::new(text(report, node, "`sponsor`")?),
        None => Person::new("sponsor@test.example"),
    };
    let groups = match fields.optional("groups") {
        Some(node) => texts(report, node, "`groups`")?.into_iter().map(|(text, _)| text.to_owned()).collect(),
        None => Arc::new([]) as Arc<[String]>,
    };
    let delegation: Vec<AgentId> = match fields.optional("delegation") {
        Some(node) => list(report, node, "`delegation`")?
            .iter()
            .filter_map(|node| parsed(report, node, "a delegating agent"))
            .collect(),
        None => Vec::new(),
    };
    let ring = match fields.optional("ring") {
        Some(node) => {
            let number = whole(report, node, "`ring`")?;
            let ring = u8::try_from(number).ok().and_then(Ring::from_number);
            if ring.is_none() {
                report.error(node.span.clone(), Complaint::new("a ring is a number from 0 to 3"));
            }
            ring?
        }
        None => Ring::Three,
    };
    Some(Subject { id: id?, sponsor, groups, ring, delegation: delegation.into() })
}

fn session(report: &mut Report<'_>, node: &Node) -> Option<SupposedSession> {
    let fields = Fields::open(report, node, "a test's session", &SESSION_KEYS)?;
    let mut session = SupposedSession::fresh();
    if let Some(node) = fields.optional("id") {
        session.id = text(report, node, "`id`")?.to_owned();
    }
    let mut number = |key: &'static str, into: &mut i64| {
        if let Some(node) = fields.optional(key)
            && let Some(number) = whole(report, node, &format!("`{key}`"))
        {
            *into = i64::try_from(number).unwrap_or(i64::MAX);
        }
    };
    number("calls", &mut session.calls);
    number("tokens", &mut session.tokens);
    if let Some(node) = fields.optional("usd") {
        session.micro_usd = i64::try_from(amount(report, node)?).unwrap_or(i64::MAX);
    }
    if let Some(node) = fields.optional("age") {
        session.age = written_duration(report, node, "`age`")?;
    }
    if let Some(node) = fields.optional("labels") {
        let labels = Fields::open(report, node, "`labels`", &LABEL_KEYS)?;
        let mut set = |key: &str, words: &[&'static str]| {
            if let Some(node) = labels.optional(key) {
                let words: Vec<_> = words.iter().map(|word| (*word, *word)).collect();
                if let Some(found) = word(report, node, "label", &words)
                    && let Some(members) = session.labels.as_object_mut()
                {
                    members.insert(key.to_owned(), found.into());
                }
            }
        };
        set("integrity", &["trusted", "untrusted"]);
        set("confidentiality", &["public", "internal", "secret"]);
    }
    Some(session)
}

fn findings(report: &mut Report<'_>, node: &Node) -> Option<serde_json::Value> {
    for item in list(report, node, "`findings`")? {
        let fields = Fields::open(report, item, "a finding", &FINDING_KEYS)?;
        for key in FINDING_KEYS {
            if let Some(node) = fields.optional(key) {
                text(report, node, &format!("`{key}`"))?;
            }
        }
    }
    Some(node.to_json())
}

fn spent(report: &mut Report<'_>, node: &Node, limits: &[Limit]) -> Option<Vec<(Arc<str>, Spent)>> {
    let mut spent = Vec::new();
    for (key, node) in map(report, node, "`limits`")? {
        let Some(limit) = limits.iter().find(|limit| *limit.id == *key.name) else {
            let ids = limits.iter().map(|limit| &*limit.id);
            report.error(
                key.span.clone(),
                Complaint::new(format!("the policy has no limit `{}`", key.name)).suggest(&key.name, ids),
            );
            continue;
        };
        let amount = match (&node.value, &limit.kind) {
            (Value::Text(text), _) if text == "unknown" => Some(Spent::Unmeasured),
            (_, LimitKind::Usd { .. }) => amount(report, node).map(Spent::Amount),
            (_, LimitKind::Hours(_)) => {
                report.error(
                    key.span.clone(),
                    Complaint::new("hours are not used up").help("give the test a `now` instead"),
                );
                None
            }
            (_, _) => whole(report, node, "what is spent").map(Spent::Amount),
        };
        if let Some(amount) = amount {
            spent.push((Arc::clone(&limit.id), amount));
        }
    }
    Some(spent)
}
