//! The rules of a document.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ringfence_model::{ActionKind, Approver, Effect, Ground, RuleName};

use super::{Head, Ids};
use crate::condition::{Condition, Constant};
use crate::diagnostic::{Complaint, Report};
use crate::fields::{Fields, text, texts, word};
use crate::pattern::{ResourcePattern, example_of};
use crate::rule::{Origin, Rule};
use crate::scope::{ActionSet, Scope};
use crate::units::duration;
use crate::yaml::{Node, Value};

/// Every key that a rule may have.
const RULE_KEYS: [&str; 8] =
    ["id", "effect", "actions", "resources", "when", "approvers", "expires", "reason"];

/// How long an approval may be waited for and used where a rule does not say.
const STANDARD_EXPIRY: Duration = Duration::from_secs(600);

pub(super) const EFFECTS: [(&str, Effect); 3] =
    [("allow", Effect::Allow), ("ask", Effect::Ask), ("deny", Effect::Deny)];

pub(super) fn check(report: &mut Report<'_>, node: &Node, head: &Head<'_>, ids: &mut Ids) -> Option<Rule> {
    let fields = Fields::open(report, node, "a rule", &RULE_KEYS)?;
    let id = ids.take(report, &fields, "a rule's id");
    let effect = fields.required(report, "effect").and_then(|node| word(report, node, "effect", &EFFECTS));
    let actions = fields.required(report, "actions").and_then(|node| actions(report, node));
    let resources = fields.required(report, "resources").and_then(|node| resources(report, node));
    if let (Some(actions), Some(resources)) = (&actions, &resources) {
        can_match(report, actions, resources);
    }
    if let Some(resources) = &resources {
        bounded(report, &fields, head, resources)?;
    }
    let condition = fields.optional("when").map(|node| when(report, node));
    let reason = fields.optional("reason").and_then(|node| text(report, node, "`reason`"));
    let (approvers, expires) = approval(report, &fields, effect, "`effect: ask`")?;
    let (condition, constant) = match condition {
        Some(found) => found.map(|(condition, constant)| (Some(condition), constant))?,
        None => (None, Constant::True),
    };
    let name = RuleName::new(head.name, id?);
    let effect = effect?;
    let reason = reason.map_or_else(|| Rule::standard_reason(&name, effect), Arc::from);
    let ground = Ground::new(name, reason);
    Some(Rule {
        layer: head.layer,
        effect,
        scope: Scope {
            subjects: Arc::clone(&head.subjects),
            actions: actions?.set,
            resources: resources?.into_iter().map(|(pattern, _)| pattern).collect(),
        },
        condition,
        constant,
        approvers,
        expires,
        rank: 0,
        origin: Origin {
            source: head.source,
            span: fields.optional("id").map_or_else(|| fields.span(), |node| node.span.clone()),
            when: fields.optional("when").map(|node| node.span.clone()),
        },
        ground,
    })
}

/// The actions of a rule or limit, and where each was written.
pub(super) struct Actions {
    pub(super) set: ActionSet,
    /// Empty where all were meant.
    named: Vec<(ActionKind, Range<usize>)>,
}

pub(super) fn actions(report: &mut Report<'_>, node: &Node) -> Option<Actions> {
    let mut actions = Actions { set: ActionSet::NONE, named: Vec::new() };
    let mut whole = true;
    for (text, span) in texts(report, node, "`actions`")? {
        if text == "*" {
            actions.set = ActionSet::ALL;
            continue;
        }
        match text.parse::<ActionKind>() {
            Ok(kind) => {
                actions.set.insert(kind);
                actions.named.push((kind, span));
            }
            Err(error) => {
                let names = ActionKind::ALL.map(ActionKind::as_str);
                let complaint = Complaint::new(error.to_string())
                    .help(format!("the actions are {}, or `*` for all", names.join(", ")));
                report.error(span, complaint.suggest(text, names));
                whole = false;
            }
        }
    }
    whole.then_some(actions)
}

pub(super) type Resources = Vec<(ResourcePattern, Range<usize>)>;

pub(super) fn resources(report: &mut Report<'_>, node: &Node) -> Option<Resources> {
    let texts = texts(report, node, "`resources`")?;
    let count = texts.len();
    let patterns: Resources = texts
        .into_iter()
        .filter_map(|(text, span)| match ResourcePattern::parse(text) {
            Ok(pattern) => Some((pattern, span)),
            Err(complaint) => {
                report.error(span, complaint);
                None
            }
        })
        .collect();
    (patterns.len() == count).then_some(patterns)
}

/// How many pairs of a subject and a resource one rule or limit may have: each is a line of the
/// index.
const MAX_PAIRS: usize = 10_000;

pub(super) fn bounded(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    head: &Head<'_>,
    resources: &Resources,
) -> Option<()> {
    if head.subjects.len().saturating_mul(resources.len()) <= MAX_PAIRS {
        return Some(());
    }
    report.error(
        fields.key_span("resources"),
        Complaint::new(format!("this has more than {MAX_PAIRS} pairs of a subject and a resource"))
            .help("use globs, or several policies"),
    );
    None
}

/// Every action needs a resource that it can have, and every resource an action that can have it.
pub(super) fn can_match(report: &mut Report<'_>, actions: &Actions, resources: &Resources) {
    for (action, span) in &actions.named {
        if !resources.iter().any(|(pattern, _)| pattern.can_serve(*action)) {
            report.error(
                span.clone(),
                Complaint::new(format!("`{action}` never has a resource that matches `resources`"))
                    .help(format!("its resources are written `{}`", example_of(*action))),
            );
        }
    }
    for (pattern, span) in resources {
        if !actions.set.iter().any(|action| pattern.can_serve(action)) {
            report.error(
                span.clone(),
                Complaint::new(format!("none of `actions` ever has the resource `{}`", pattern.text)).help(
                    match actions.named.as_slice() {
                        [(only, _)] => {
                            format!("the resources of `{only}` are written `{}`", example_of(*only))
                        }
                        _ => "leave it out, or add the action that is meant".to_owned(),
                    },
                ),
            );
        }
    }
}

fn when(report: &mut Report<'_>, node: &Node) -> Option<(Condition, Constant)> {
    if matches!(node.value, Value::Bool(_)) {
        let complaint = Complaint::new("a condition is a string, and this is a boolean");
        report.error(node.span.clone(), complaint.help("a rule without a condition has no `when`"));
        return None;
    }
    let source = text(report, node, "a condition")?;
    let condition = match Condition::compile(source) {
        Ok(condition) => condition,
        Err(issues) => {
            for issue in issues {
                let span = locate(report.text, &node.span, source, &issue.span);
                report.error(span, Complaint { message: issue.message, help: issue.help });
            }
            return None;
        }
    };
    let constant = condition.constant();
    let complaint = match constant {
        Constant::False => Complaint::new("the condition is never true, so the rule never matches"),
        Constant::Error => Complaint::new("the condition can never be decided"),
        Constant::True | Constant::No => return Some((condition, constant)),
    };
    report.error(node.span.clone(), complaint);
    None
}

/// Where a part of a condition stands in its source. A condition that was folded over lines is
/// followed character by character, without its white space; one with escapes is shown whole.
pub(crate) fn locate(text: &str, node: &Range<usize>, condition: &str, part: &Range<usize>) -> Range<usize> {
    let Some(written) = text.get(node.clone()) else { return node.clone() };
    if let Some(at) = written.find(condition) {
        return node.start + at + part.start..node.start + at + part.end;
    }
    let mut places = Vec::new();
    let mut raw = written.char_indices().filter(|(_, c)| !c.is_whitespace()).peekable();
    raw.next_if(|(_, c)| matches!(c, '"' | '\''));
    for (at, c) in condition.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        match raw.next() {
            Some((place, same)) if same == c => places.push((at, node.start + place, c.len_utf8())),
            Some(_) | None => return node.clone(),
        }
    }
    let inside = |at: &&(usize, usize, usize)| part.contains(&at.0);
    match (places.iter().find(inside), places.iter().rfind(inside)) {
        (Some((_, first, _)), Some((_, last, len))) => *first..last + len,
        _ => node.clone(),
    }
}

/// `approvers` and `expires`, which only what asks has. `asking` is how asking is written.
pub(super) fn approval(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    effect: Option<Effect>,
    asking: &str,
) -> Option<(Arc<[Approver]>, Duration)> {
    if effect.is_some_and(|effect| effect != Effect::Ask) {
        for key in ["approvers", "expires"] {
            if fields.has(key) {
                report.error(
                    fields.key_span(key),
                    Complaint::new(format!("`{key}` means nothing without {asking}"))
                        .help(format!("leave it out, or write {asking}")),
                );
            }
        }
    }
    let approvers: Option<Vec<Approver>> = match fields.optional("approvers") {
        Some(node) => texts(report, node, "`approvers`")
            .and_then(|texts| texts.into_iter().map(|(text, span)| approver(report, text, span)).collect()),
        None => Some(Vec::new()),
    };
    let expires = match fields.optional("expires") {
        Some(node) => written_duration(report, node, "`expires`"),
        None => Some(STANDARD_EXPIRY),
    };
    Some((approvers?.into(), expires?))
}

/// A duration with its unit.
pub(super) fn written_duration(report: &mut Report<'_>, node: &Node, what: &str) -> Option<Duration> {
    if let Value::Number(number) = &node.value {
        let complaint = Complaint::new(format!("{what} is a duration, and this is a number without a unit"));
        report.error(node.span.clone(), complaint.help(format!("such as `{number}s` or `{number}m`")));
        return None;
    }
    match duration(text(report, node, what)?) {
        Ok(duration) => Some(duration),
        Err(complaint) => {
            report.error(node.span.clone(), complaint);
            None
        }
    }
}

fn approver(report: &mut Report<'_>, text: &str, span: Range<usize>) -> Option<Approver> {
    let approver = match text.split_once(':') {
        Some(("group", name)) if !name.trim().is_empty() => Some(Approver::Group(name.into())),
        Some(_) => None,
        None if text == "client" => Some(Approver::Client),
        None if text.trim().is_empty() => None,
        None => Some(Approver::Operator(text.into())),
    };
    if approver.is_none() {
        report.error(
            span,
            Complaint::new(format!("`{text}` is no approver"))
                .help("`group:<name>`, an operator such as `dana@acme.example`, or `client`"),
        );
    }
    approver
}
