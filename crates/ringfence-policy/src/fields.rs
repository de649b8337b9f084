//! Reading the members of a mapping: which there must be, which there may be, and what is close
//! to a key that there is not. Everything that is wrong is reported; nothing stops at the first.

use std::ops::Range;

use crate::diagnostic::{Complaint, Report, nearest};
use crate::yaml::{Key, Node, Value};

/// The members of one mapping.
pub(crate) struct Fields<'n> {
    what: &'static str,
    span: Range<usize>,
    entries: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    /// Opens a mapping, reporting keys that are not `known`. `what` is for messages: "a rule".
    pub(crate) fn open(
        report: &mut Report<'_>,
        node: &'n Node,
        what: &'static str,
        known: &[&str],
    ) -> Option<Fields<'n>> {
        let entries = map(report, node, what)?;
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.name.as_str())) {
            let complaint = Complaint::new(format!("{what} has no key `{}`", key.name));
            let complaint = match nearest(&key.name, known.iter().copied()) {
                Some(near) => complaint.help(format!("did you mean `{near}`?")),
                None => complaint.help(format!("the keys are {}", known.join(", "))),
            };
            report.error(key.span.clone(), complaint);
        }
        let span = entries.first().map_or(node.span.clone(), |(key, _)| key.span.clone());
        Some(Fields { what, span, entries })
    }

    pub(crate) fn optional(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// The member, reported where it is not there.
    pub(crate) fn required(&self, report: &mut Report<'_>, name: &str) -> Option<&'n Node> {
        let found = self.optional(name);
        if found.is_none() {
            report.error(self.span.clone(), Complaint::new(format!("{} needs `{name}`", self.what)));
        }
        found
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.optional(name).is_some()
    }

    /// Where the key itself is written.
    pub(crate) fn key_span(&self, name: &str) -> Range<usize> {
        self.entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map_or_else(|| self.span.clone(), |(key, _)| key.span.clone())
    }

    /// Where the mapping begins.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

pub(crate) fn map<'n>(report: &mut Report<'_>, node: &'n Node, what: &str) -> Option<&'n [(Key, Node)]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
            report.error(
                node.span.clone(),
                Complaint::new(format!("{what} is a mapping, and this is {}", node.noun())),
            );
            None
        }
    }
}

pub(crate) fn list<'n>(report: &mut Report<'_>, node: &'n Node, what: &str) -> Option<&'n [Node]> {
    match &node.value {
        Value::List(items) => Some(items),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Map(_) => {
            let complaint = Complaint::new(format!("{what} is a list, and this is {}", node.noun()));
            report.error(
                node.span.clone(),
                match &node.value {
                    Value::Text(text) => complaint.help(format!("write `[{text:?}]`")),
                    _ => complaint,
                },
            );
            None
        }
    }
}

pub(crate) fn text<'n>(report: &mut Report<'_>, node: &'n Node, what: &str) -> Option<&'n str> {
    match &node.value {
        Value::Text(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
            let complaint = Complaint::new(format!("{what} is a string, and this is {}", node.noun()));
            report.error(
                node.span.clone(),
                match &node.value {
                    Value::Number(_) | Value::Bool(_) => complaint.help("write it in quotes"),
                    _ => complaint,
                },
            );
            None
        }
    }
}

/// A list of strings that is not empty.
pub(crate) fn texts<'n>(
    report: &mut Report<'_>,
    node: &'n Node,
    what: &str,
) -> Option<Vec<(&'n str, Range<usize>)>> {
    let items = list(report, node, what)?;
    if items.is_empty() {
        report.error(node.span.clone(), Complaint::new(format!("{what} is empty, so nothing is meant")));
        return None;
    }
    let element = format!("an element of {what}");
    let read: Vec<_> = items
        .iter()
        .filter_map(|item| text(report, item, &element).map(|text| (text, item.span.clone())))
        .collect();
    (read.len() == items.len()).then_some(read)
}

/// A whole number above zero.
pub(crate) fn count(report: &mut Report<'_>, node: &Node, what: &str) -> Option<u64> {
    match whole(report, node, what)? {
        0 => {
            report.error(
                node.span.clone(),
                Complaint::new(format!("{what} of zero is no limit but a denial"))
                    .help("write a rule with `effect: deny` instead"),
            );
            None
        }
        n => Some(n),
    }
}

/// A whole number, zero included.
pub(crate) fn whole(report: &mut Report<'_>, node: &Node, what: &str) -> Option<u64> {
    let number = match &node.value {
        Value::Number(number) => number.as_u64().filter(|n| i64::try_from(*n).is_ok()),
        Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
    };
    if number.is_none() {
        let complaint = Complaint::new(format!("{what} is a whole number, and this is {}", described(node)));
        report.error(
            node.span.clone(),
            match &node.value {
                Value::Text(text) if text.parse::<u64>().is_ok() => {
                    complaint.help(format!("write {text} without quotes"))
                }
                _ => complaint,
            },
        );
    }
    number
}

fn described(node: &Node) -> &'static str {
    match &node.value {
        Value::Number(number) if number.as_i64().is_some_and(|n| n < 0) => "negative",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "too large",
        _ => node.noun(),
    }
}

/// One of several words.
pub(crate) fn word<T: Copy>(
    report: &mut Report<'_>,
    node: &Node,
    what: &str,
    words: &[(&str, T)],
) -> Option<T> {
    let written = text(report, node, what)?;
    let found = words.iter().find(|(word, _)| *word == written).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        report.error(
            node.span.clone(),
            Complaint::new(format!("`{written}` is no {what}"))
                .help(format!("one of {}", names.join(", ")))
                .suggest(written, names.iter().copied()),
        );
    }
    found
}
