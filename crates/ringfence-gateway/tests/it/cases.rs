//! Reads case files.

use serde_json::Value;

pub(crate) fn read(name: &str) -> Value {
    let path = format!("{}/../../tests/cases/mcp/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn list(name: &str) -> Vec<Value> {
    read(name).as_array().expect("a list of cases").clone()
}

pub(crate) fn text<'a>(case: &'a Value, member: &str) -> Option<&'a str> {
    case.get(member).map(|value| value.as_str().expect("text"))
}
