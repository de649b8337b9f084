//! How much work a check will be, counted before it is done.
//!
//! A schema of a few lines can make a validator run for years: `allOf` of twice the next
//! definition doubles at each, and a recursive one doubles at each level of the arguments.
//! This walks the schema over the arguments as a validator would, but skips no branch and
//! compares nothing, and stops at a bound that is linear in the size of the arguments. What it
//! calls affordable is: a validator that stops early does less.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Unusable, pattern};

/// Steps that any check may take, and more for each value in the arguments.
const STEPS: usize = 100_000;
const STEPS_PER_VALUE: usize = 32;
/// Bytes of text times states of a pattern that count as one step.
const PATTERN_STEP: usize = 64;
/// How deep schemas may lead into each other, arguments and references together.
const MAX_DEPTH: usize = 400;

/// It is more work than a check may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work;

pub(super) struct Worker<'a> {
    root: &'a Value,
    arguments: &'a Value,
    left: usize,
}

impl<'a> Worker<'a> {
    pub(super) fn new(root: &'a Value, arguments: &'a Value) -> Self {
        let left = size(arguments).saturating_mul(STEPS_PER_VALUE).saturating_add(STEPS);
        Worker { root, arguments, left }
    }

    pub(super) fn run(mut self) -> Result<(), Work> {
        self.visit(self.root, self.arguments, 0)
    }

    fn spend(&mut self, steps: usize) -> Result<(), Work> {
        self.left = self.left.checked_sub(steps).ok_or(Work)?;
        Ok(())
    }

    fn visit(&mut self, schema: &'a Value, value: &'a Value, depth: usize) -> Result<(), Work> {
        self.spend(1)?;
        let Value::Object(schema) = schema else { return Ok(()) };
        let depth = depth.saturating_add(1);
        if depth > MAX_DEPTH {
            return Err(Work);
        }
        self.in_place(schema, value, depth)?;
        if schema.contains_key("unevaluatedProperties") || schema.contains_key("unevaluatedItems") {
            // To know what the others looked at, a validator runs them once more.
            self.in_place(schema, value, depth)?;
        }
        match value {
            Value::Object(members) => self.members(schema, members, depth),
            Value::Array(items) => self.items(schema, items, depth),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    /// What is held against the same value again.
    fn in_place(
        &mut self,
        schema: &'a Map<String, Value>,
        value: &'a Value,
        depth: usize,
    ) -> Result<(), Work> {
        for (keyword, operand) in schema {
            self.spend(1)?;
            match (keyword.as_str(), operand) {
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                    // A dynamic reference may lead to any of its anchors: all are walked.
                    for target in targets(self.root, reference) {
                        self.visit(target, value, depth)?;
                    }
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(branches)) => {
                    for branch in branches {
                        self.visit(branch, value, depth)?;
                    }
                }
                ("not" | "if" | "then" | "else", branch) => self.visit(branch, value, depth)?,
                ("dependentSchemas" | "dependencies", Value::Object(branches)) => {
                    for branch in branches.values() {
                        self.visit(branch, value, depth)?;
                    }
                }
                ("enum", Value::Array(options)) => self.spend(options.len())?,
                ("uniqueItems", Value::Bool(true)) => self.spend(size(value))?,
                ("pattern", Value::String(pattern)) => {
                    if let Value::String(text) = value {
                        self.pattern(pattern, text)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn members(
        &mut self,
        schema: &'a Map<String, Value>,
        members: &'a Map<String, Value>,
        depth: usize,
    ) -> Result<(), Work> {
        let object = |keyword| schema.get(keyword).and_then(Value::as_object);
        let named = object("properties");
        let matched = object("patternProperties");
        for (name, value) in members {
            self.spend(1)?;
            if let Some(names) = schema.get("propertyNames") {
                // A name is a string: nothing below it but patterns, which its length bounds.
                self.names(names, name, depth)?;
            }
            for (pattern, branch) in matched.into_iter().flatten() {
                self.pattern(pattern, name)?;
                self.visit(branch, value, depth)?;
            }
            if let Some(branch) = named.and_then(|named| named.get(name)) {
                self.visit(branch, value, depth)?;
                continue;
            }
            for keyword in ["additionalProperties", "unevaluatedProperties"] {
                if let Some(branch) = schema.get(keyword) {
                    self.visit(branch, value, depth)?;
                }
            }
        }
        Ok(())
    }

    fn items(
        &mut self,
        schema: &'a Map<String, Value>,
        items: &'a [Value],
        depth: usize,
    ) -> Result<(), Work> {
        // Up to 2019-09 `items` could be the list that `prefixItems` is since.
        let old = schema.get("items").and_then(Value::as_array);
        let first = old.or_else(|| schema.get("prefixItems").and_then(Value::as_array));
        for (index, value) in items.iter().enumerate() {
            self.spend(1)?;
            if let Some(branch) = schema.get("contains") {
                self.visit(branch, value, depth)?;
            }
            if let Some(branch) = first.and_then(|first| first.get(index)) {
                self.visit(branch, value, depth)?;
                continue;
            }
            for keyword in ["items", "additionalItems", "unevaluatedItems"] {
                match schema.get(keyword) {
                    Some(Value::Array(_)) | None => {}
                    Some(branch) => self.visit(branch, value, depth)?,
                }
            }
        }
        Ok(())
    }

    /// What a schema does with a member's name.
    fn names(&mut self, schema: &'a Value, name: &str, depth: usize) -> Result<(), Work> {
        self.spend(1)?;
        let Value::Object(schema) = schema else { return Ok(()) };
        let depth = depth.saturating_add(1);
        if depth > MAX_DEPTH {
            return Err(Work);
        }
        for (keyword, operand) in schema {
            self.spend(1)?;
            match (keyword.as_str(), operand) {
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                    for target in targets(self.root, reference) {
                        self.names(target, name, depth)?;
                    }
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(branches)) => {
                    for branch in branches {
                        self.names(branch, name, depth)?;
                    }
                }
                ("not" | "if" | "then" | "else", branch) => self.names(branch, name, depth)?,
                ("enum", Value::Array(options)) => self.spend(options.len())?,
                ("pattern", Value::String(pattern)) => self.pattern(pattern, name)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn pattern(&mut self, pattern: &str, text: &str) -> Result<(), Work> {
        self.spend(pattern::states(pattern).saturating_mul(text.len()) / PATTERN_STEP)
    }
}

/// Makes sure that every reference is one that [`targets`] follows as a validator does: into
/// this document, by pointer or by anchor.
pub(super) fn check_references(root: &Value) -> Result<(), Unusable> {
    each_object(root, &mut |members| {
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(Value::String(reference)) = members.get(keyword)
                && targets(root, reference).is_empty()
            {
                let reference = reference.chars().take(200).collect();
                return Err(Unusable::Reference { reference });
            }
        }
        // A second document inside would give its references another root.
        for keyword in ["$id", "id"] {
            if let Some(Value::String(id)) = members.get(keyword)
                && !std::ptr::eq(members, root.as_object().unwrap_or(members))
                && !id.starts_with('#')
                && (keyword == "$id" || members.contains_key("$schema"))
            {
                let reference = id.chars().take(200).collect();
                return Err(Unusable::Reference { reference });
            }
        }
        Ok(())
    })
}

/// What `reference` leads to: nothing where it leaves the document.
fn targets<'a>(root: &'a Value, reference: &str) -> Vec<&'a Value> {
    let Some(fragment) = reference.strip_prefix('#') else { return Vec::new() };
    let Some(fragment) = percent_decoded(fragment) else { return Vec::new() };
    if fragment.is_empty() || fragment.starts_with('/') {
        return root.pointer(&fragment).into_iter().collect();
    }
    let mut found = Vec::new();
    anchored(root, &fragment, &mut found);
    found
}

fn anchored<'a>(value: &'a Value, anchor: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            let is = |keyword| members.get(keyword).and_then(Value::as_str);
            if [is("$anchor"), is("$dynamicAnchor")].contains(&Some(anchor))
                || [is("$id"), is("id")].into_iter().flatten().any(|id| id.strip_prefix('#') == Some(anchor))
            {
                found.push(value);
            }
            members.values().for_each(|value| anchored(value, anchor, found));
        }
        Value::Array(items) => items.iter().for_each(|value| anchored(value, anchor, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn each_object(
    value: &Value,
    look: &mut impl FnMut(&Map<String, Value>) -> Result<(), Unusable>,
) -> Result<(), Unusable> {
    match value {
        Value::Object(members) => {
            look(members)?;
            members.values().try_for_each(|value| each_object(value, look))
        }
        Value::Array(items) => items.iter().try_for_each(|value| each_object(value, look)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// How many values there are in `value`, itself included.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.values().map(size).fold(1, usize::saturating_add),
        Value::Array(items) => items.iter().map(size).fold(1, usize::saturating_add),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high << 4 | low).ok()?);
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}
