//! The definition of a decision, followed as naively as possible: no index, no compiled globs, no
//! compiled conditions. What [`crate::properties`] holds `decide` against.

use ringfence_model::Effect;

use crate::model::{Answer, Argument, Condition, Document, Request, Rule};

pub(crate) const LAYERS: [&str; 3] = ["org", "team", "agent"];

pub(crate) fn decide(documents: &[Document], request: &Request) -> Answer {
    let mut sorted: Vec<&Document> = documents.iter().collect();
    sorted.sort_by_key(|document| (document.layer, document.name.clone()));
    if sorted.is_empty() {
        return denied("ringfence/no-policy".to_owned());
    }
    sorted.retain(|document| document.subjects.iter().any(|glob| subject_matches(glob, &request.subject)));
    let mut applying: Vec<(&Document, &Rule)> = Vec::new();
    for document in &sorted {
        for rule in &document.rules {
            let about = matches_action(&rule.actions, request) && matches_resource(&rule.resources, request);
            if about && fires(rule, request) {
                applying.push((document, rule));
            }
        }
    }
    if let Some((document, rule)) = applying.iter().find(|(_, rule)| rule.effect == Effect::Deny) {
        return denied(format!("{}/{}", document.name, rule.id));
    }
    if applying.is_empty() {
        return denied("ringfence/default-deny".to_owned());
    }
    for (layer, name) in LAYERS.iter().enumerate() {
        let of_layer = sorted.iter().filter(|document| document.layer == layer);
        let needed = of_layer.flat_map(|document| &document.rules).any(|rule| rule.effect != Effect::Deny);
        if needed && !applying.iter().any(|(document, _)| document.layer == layer) {
            return denied(format!("ringfence/layer-{name}"));
        }
    }
    // By layer, policy and position; limits stand after the rules of their document.
    let mut asks: Vec<(String, Vec<String>, u64)> = Vec::new();
    for document in &sorted {
        for (of, rule) in &applying {
            if of.name == document.name && rule.effect == Effect::Ask {
                let name = format!("{}/{}", document.name, rule.id);
                asks.push((name, rule.approvers.clone(), rule.expires));
            }
        }
        for limit in &document.limits {
            let name = format!("{}/{}", document.name, limit.id);
            let counts =
                matches_action(&limit.actions, request) && matches_resource(&limit.resources, request);
            if counts && request.spent.contains(&name) {
                if limit.then == Effect::Deny {
                    return denied(name);
                }
                asks.push((name, Vec::new(), 600));
            }
        }
    }
    match asks.first() {
        Some((name, ..)) => Answer {
            effect: Effect::Ask,
            rule: name.clone(),
            approvers: asks.iter().map(|(_, approvers, _)| approvers.clone()).collect(),
            expires: asks.iter().map(|(.., expires)| *expires).min(),
        },
        None => {
            let (document, rule) = applying[0];
            let rule = format!("{}/{}", document.name, rule.id);
            Answer { effect: Effect::Allow, rule, approvers: Vec::new(), expires: None }
        }
    }
}

fn denied(rule: String) -> Answer {
    Answer { effect: Effect::Deny, rule, approvers: Vec::new(), expires: None }
}

fn fires(rule: &Rule, request: &Request) -> bool {
    match rule.when.as_ref().map(|condition| holds(condition, request)) {
        None => true,
        Some(Some(held)) => held,
        Some(None) => rule.effect != Effect::Allow,
    }
}

/// Nothing is an error.
fn holds(condition: &Condition, request: &Request) -> Option<bool> {
    match condition {
        Condition::Above(key, bound) => number(key, request).map(|value| value > *bound),
        Condition::Is(key, bound) => number(key, request).map(|value| value == *bound),
        Condition::And(left, right) => match (holds(left, request), holds(right, request)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            (None, _) | (_, None) => None,
        },
        Condition::Or(left, right) => match (holds(left, request), holds(right, request)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            (None, _) | (_, None) => None,
        },
        Condition::Not(inner) => holds(inner, request).map(|held| !held),
    }
}

fn number(key: &str, request: &Request) -> Option<i64> {
    match request.args.get(key) {
        Some(Argument::Int(value)) => Some(*value),
        Some(Argument::Text(_)) | None => None,
    }
}

fn matches_action(actions: &[String], request: &Request) -> bool {
    actions.iter().any(|action| action == "*" || *action == request.action)
}

fn matches_resource(globs: &[String], request: &Request) -> bool {
    globs.iter().any(|glob| resource_matches(glob, &request.resource))
}

/// Both as URIs in their one written form, so that what is encoded stays encoded. A `**` in the
/// authority (written `§` here) stays in it unless it ends the pattern.
pub(crate) fn resource_matches(glob: &str, resource: &str) -> bool {
    let resource: Vec<char> = resource.chars().collect();
    let glob = within_authority(glob);
    // The dots of hosts stop `*`; nothing else in these tests is a host.
    let host = glob.starts_with(&['h', 't', 't', 'p']);
    match_from(&glob, &resource, if host { &['/', '.'] } else { &['/'] })
}

pub(crate) fn subject_matches(glob: &str, subject: &str) -> bool {
    match_from(&within_authority(glob), &subject.chars().collect::<Vec<_>>(), &['/'])
}

fn within_authority(glob: &str) -> Vec<char> {
    let Some((scheme, rest)) = glob.split_once("://") else { return glob.chars().collect() };
    let rest = match rest.split_once('/') {
        Some((authority, path)) => format!("{}/{path}", authority.replace("**", "§")),
        None => match rest.strip_suffix("**") {
            Some(inner) => format!("{}**", inner.replace("**", "§")),
            None => rest.replace("**", "§"),
        },
    };
    format!("{scheme}://{rest}").chars().collect()
}

fn match_from(glob: &[char], text: &[char], stops: &[char]) -> bool {
    match glob {
        [] => text.is_empty(),
        ['*', '*', rest @ ..] => (0..=text.len()).any(|taken| match_from(rest, &text[taken..], stops)),
        [star @ ('*' | '§'), rest @ ..] => {
            let stops_here: &[char] = if *star == '*' { stops } else { &['/'] };
            let longest = text.iter().take_while(|c| !stops_here.contains(c)).count();
            (0..=longest).any(|taken| match_from(rest, &text[taken..], stops))
        }
        [literal, rest @ ..] => text.first() == Some(literal) && match_from(rest, &text[1..], stops),
    }
}
