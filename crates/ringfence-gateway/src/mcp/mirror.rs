//! What a message says a second time in its headers (2026-07-28, Streamable HTTP, Request
//! metadata): whoever stands in between reads the one, the server the other.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::envelope::{Params, Request};
use super::json;

/// A parameter that a tool's schema marks with `x-mcp-header`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// What stands after `Mcp-Param-`.
    pub header: String,
    /// The names of the properties that lead to it.
    path: Vec<String>,
}

/// A schema whose marks are against the rules: its tool is not offered over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMark {
    /// No string of the characters that a header's name may have (RFC 9110, section 5.6.2).
    #[error("an `x-mcp-header` is no header's name")]
    Name,
    /// Two parameters would be one header.
    #[error("two parameters have the same `x-mcp-header`")]
    Twice,
    /// It marks something else than a string, an integer or a boolean.
    #[error("an `x-mcp-header` marks what is no string, integer or boolean")]
    Type,
    /// It is not reached from the root by properties alone.
    #[error("an `x-mcp-header` stands where no fixed path leads")]
    Place,
}

/// The parameters that a schema marks.
///
/// # Errors
/// See [`BadMark`].
pub fn marked(schema: &Value) -> Result<Vec<Marked>, BadMark> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found)?;
    let mut seen = HashSet::new();
    if !found.iter().all(|marked| seen.insert(marked.header.to_ascii_lowercase())) {
        return Err(BadMark::Twice);
    }
    if count(schema) != found.len() {
        return Err(BadMark::Place);
    }
    Ok(found)
}

fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Marked>) -> Result<(), BadMark> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    for (name, property) in properties {
        path.push(name.clone());
        if let Some(mark) = property.get(MARK) {
            let header = mark.as_str().filter(|header| is_token(header)).ok_or(BadMark::Name)?;
            let kind = property.get("type").and_then(Value::as_str);
            if !matches!(kind, Some("string" | "integer" | "boolean")) {
                return Err(BadMark::Type);
            }
            found.push(Marked { header: header.to_owned(), path: path.clone() });
        }
        collect(property, path, found)?;
        path.pop();
    }
    Ok(())
}

const MARK: &str = "x-mcp-header";

/// How many marks there are anywhere. A property that has this name is none.
fn count(schema: &Value) -> usize {
    match schema {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                (MARK, _) => 1,
                ("properties", Value::Object(properties)) => properties.values().map(count).sum(),
                ("const" | "enum" | "default" | "examples", _) => 0,
                (_, value) => count(value),
            })
            .sum(),
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// What the parameters of a call have at the marked places: the header's name and its text.
pub fn values<'a>(params: &Params<'_>, marked: &'a [Marked]) -> Vec<(&'a str, String)> {
    if marked.is_empty() {
        return Vec::new();
    }
    let arguments: Value =
        params.member("arguments").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let text = |marked: &Marked| {
        let place = marked.path.iter().try_fold(&arguments, |value, name| value.get(name))?;
        match place {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(place.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    };
    marked.iter().filter_map(|marked| Some((marked.header.as_str(), text(marked)?))).collect()
}

/// What a request names: a tool, a prompt, a resource, or a task (SEP-2663).
pub fn name_of<'a>(request: &Request<'a>) -> Option<Cow<'a, str>> {
    let params = &request.params;
    if request.method.starts_with("tasks/") {
        return params.member("taskId").and_then(json::string);
    }
    params.member("name").or_else(|| params.member("uri")).and_then(json::string)
}

/// A text as the value of a header: itself where that is safe, else in Base64 between two marks.
pub fn encoded(text: &str) -> Cow<'_, str> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        && text.trim() == text
        && !(text.starts_with(BEGIN) && text.ends_with(END));
    if is_plain { Cow::Borrowed(text) } else { Cow::Owned(format!("{BEGIN}{}{END}", STANDARD.encode(text))) }
}

/// The reverse; none where what stands between the marks is no Base64 of a text.
pub fn decoded(value: &str) -> Option<Cow<'_, str>> {
    match value.strip_prefix(BEGIN).and_then(|value| value.strip_suffix(END)) {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok().map(Cow::Owned),
        None => Some(Cow::Borrowed(value)),
    }
}

const BEGIN: &str = "=?base64?";
const END: &str = "?=";
