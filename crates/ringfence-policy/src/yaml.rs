//! YAML text to a tree of nodes that know where they stand.
//!
//! Documents are read into a tree first and checked afterwards, instead of being deserialised
//! into structures at once: a derived deserialiser stops at the first mistake, and a person who
//! mends a policy wants to see all of them. The tree knows nothing of policies.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Location, Spanned};

use crate::diagnostic::{Complaint, Report};

/// One value and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// In bytes of the source.
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

/// What a node holds. Numbers are JSON's; whoever needs the digits as written reads the span.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The key of an entry and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) span: Range<usize>,
    pub(crate) name: String,
}

impl Node {
    /// What it is, for messages.
    pub(crate) fn noun(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The same value as JSON.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => number.clone().into(),
            Value::Text(text) => text.clone().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|(key, value)| (key.name.clone(), value.to_json())).collect()
            }
        }
    }
}

/// Reads every document of a source. A source that is no YAML yields one error and no nodes.
pub(crate) fn documents(report: &mut Report<'_>) -> Vec<Node> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_documents: 1 << 20,
            max_events: 1 << 26,
            max_nodes: 1 << 25,
            max_total_scalar_bytes: 1 << 29,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
        reject_unsupported_tags: true,
    };
    match serde_saphyr::from_str_multiple_with_options::<Node, Vec<Node>>(report.text, options) {
        Ok(nodes) => nodes,
        Err(error) => {
            let error = error.without_snippet();
            let start = error.location().map_or(0, |location| start(report.text, &location));
            report.error(start..start, complaint(error));
            Vec::new()
        }
    }
}

/// The parser's error in our words where it is a common one.
fn complaint(error: &serde_saphyr::Error) -> Complaint {
    match error {
        serde_saphyr::Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            Complaint::new(format!("the key `{key}` is given twice")).help("keep one of them")
        }
        serde_saphyr::Error::MergeKeyNotAllowed { .. } => {
            Complaint::new("merge keys (`<<`) are not read here").help("write the members out")
        }
        serde_saphyr::Error::UnsupportedTag { tag, .. } => {
            Complaint::new(format!("the tag `{tag}` means nothing here"))
                .help("text that begins with `!` is written in quotes")
        }
        other => {
            let message = other.to_string();
            let first = message.lines().next().unwrap_or("it is malformed");
            let first = first.split_once(" at line ").map_or(first, |(message, _)| message);
            Complaint::new(format!("this is not readable as YAML: {first}"))
        }
    }
}

/// Where an error stands. Errors of the scanner carry a line and a column only.
fn start(text: &str, location: &Location) -> usize {
    let line = usize::try_from(location.line()).unwrap_or(1).max(1);
    let column = usize::try_from(location.column()).unwrap_or(1).max(1);
    let line_start = text.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
    let rest = text.get(line_start..).unwrap_or("");
    line_start + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at)
}

fn span(location: &Location) -> Range<usize> {
    let span = location.span();
    let start = span.byte_offset().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    let len = span.byte_len().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
    start..start.saturating_add(len)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Node { span: span(&spanned.defined), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Key { span: span(&spanned.defined), name: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        serde_json::Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}
