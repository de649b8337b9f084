//! A tool's input schema as a type of the expression language.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringfence_cel::{Member, Record, Type};
use serde_json::Value;

/// How deep a schema is followed; beyond that anything is possible.
const MAX_DEPTH: usize = 16;

/// The type of the arguments of `tool`. What the schema leaves open, or says in words that are
/// not followed here, is dynamic.
pub(crate) fn type_of(tool: &str, schema: &Value) -> Type {
    typed(&format!("the arguments of `{tool}`"), schema, MAX_DEPTH)
}

fn typed(name: &str, schema: &Value, depth: usize) -> Type {
    let open = ["$ref", "anyOf", "oneOf", "allOf", "not", "if", "patternProperties", "nullable"];
    if depth == 0 || open.iter().any(|word| schema.get(word).is_some()) {
        return Type::Dyn;
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => Type::String,
        Some("boolean") => Type::Bool,
        // A whole number may be beyond what fits an int, and `5.0` is an integer to JSON Schema.
        Some("integer" | "number") => Type::Dyn,
        Some("array") => match schema.get("items") {
            Some(items) if schema.get("prefixItems").is_none() => {
                Type::List(Arc::new(typed(&format!("an element of {name}"), items, depth - 1)))
            }
            Some(_) | None => Type::List(Arc::new(Type::Dyn)),
        },
        Some("object") => record(name, schema, depth),
        Some(_) | None => Type::Dyn,
    }
}

fn record(name: &str, schema: &Value, depth: usize) -> Type {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Type::Dyn;
    };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let members: BTreeMap<String, Member> = properties
        .iter()
        .map(|(key, schema)| {
            let ty = typed(&format!("`{key}` of {name}"), schema, depth - 1);
            (key.clone(), Member { ty, optional: !required.contains(&key.as_str()) })
        })
        .collect();
    let open = schema.get("additionalProperties") != Some(&Value::Bool(false));
    Type::Record(Arc::new(Record { name: name.to_owned(), members, open }))
}
