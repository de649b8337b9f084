//! The JSON Schema of policy documents, for editors. It helps while typing; what it cannot say
//! (globs, conditions, names) is checked when a set is loaded.

use ringfence_model::ActionKind;
use serde_json::{Value, json};

use crate::document::API_VERSION;
use crate::rule::Layer;

/// The schema of one document (JSON Schema 2020-12).
pub fn json_schema() -> Value {
    let actions: Vec<&str> = ActionKind::ALL.iter().map(|action| action.as_str()).chain(["*"]).collect();
    let layers = Layer::ALL.map(Layer::as_str);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ringfence policy",
        "type": "object",
        "additionalProperties": false,
        "required": ["apiVersion", "kind", "metadata", "layer", "subjects"],
        "anyOf": [{"required": ["rules"]}, {"required": ["limits"]}],
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": "Policy"},
            "metadata": {
                "type": "object",
                "additionalProperties": false,
                "required": ["name"],
                "properties": {
                    "name": {"$ref": "#/$defs/name"},
                    "description": {"type": "string"},
                },
            },
            "layer": {
                "enum": layers,
                "description": "Whose policy it is. Across layers the strictest wins.",
            },
            "subjects": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string"},
                "description": "SPIFFE IDs of agents, or globs over them; `**` is every agent.",
            },
            "rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}},
            "limits": {"type": "array", "items": {"$ref": "#/$defs/limit"}},
            "tests": {"type": "array", "items": {"$ref": "#/$defs/test"}},
        },
        "$defs": {
            "name": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
            "effect": {"enum": ["allow", "ask", "deny"]},
            "action": {"enum": ActionKind::ALL.map(ActionKind::as_str)},
            "actions": {"type": "array", "minItems": 1, "items": {"enum": actions}},
            "resources": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string"},
                "description": "URIs or globs: `*` within one part, `**` across.",
            },
            "duration": {"type": "string", "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"},
            "usd": {"type": "number", "minimum": 0, "description": "US dollars, at most six digits after the point."},
            "count": {"type": "integer", "minimum": 1},
            "approvers": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string"},
                "description": "`group:<name>`, an operator, or `client`.",
            },
            "rule": rule(),
            "limit": limit(),
            "test": test(),
        },
    })
}

fn rule() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "effect", "actions", "resources"],
        "properties": {
            "id": {"$ref": "#/$defs/name"},
            "effect": {"$ref": "#/$defs/effect"},
            "actions": {"$ref": "#/$defs/actions"},
            "resources": {"$ref": "#/$defs/resources"},
            "when": {"type": "string", "description": "A condition in the Common Expression Language."},
            "approvers": {"$ref": "#/$defs/approvers"},
            "expires": {"$ref": "#/$defs/duration"},
            "reason": {"type": "string", "description": "One plain sentence, for a person or a model."},
        },
    })
}

fn limit() -> Value {
    let kinds = ["calls", "tokens", "usd", "concurrent", "identical", "hours"];
    let one_of: Vec<Value> = kinds.iter().map(|kind| json!({"required": [kind]})).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "actions"],
        "oneOf": one_of,
        "properties": {
            "id": {"$ref": "#/$defs/name"},
            "actions": {"$ref": "#/$defs/actions"},
            "resources": {"$ref": "#/$defs/resources"},
            "calls": {"$ref": "#/$defs/count"},
            "tokens": {"$ref": "#/$defs/count"},
            "usd": {"$ref": "#/$defs/usd"},
            "concurrent": {"$ref": "#/$defs/count"},
            "identical": {"$ref": "#/$defs/count"},
            "hours": {"type": "string", "description": "Such as `Mon-Fri 07:00-19:00 Europe/Berlin`."},
            "per": {
                "type": "string",
                "description": "`minute`, `hour`, `day`, `week`, `month`, `session`, or a duration such as `10m`.",
            },
            "timezone": {"type": "string", "description": "A name of the IANA data base."},
            "by": {"enum": ["agent", "sponsor"]},
            "warn_at": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "then": {"enum": ["ask", "deny"]},
            "approvers": {"$ref": "#/$defs/approvers"},
            "expires": {"$ref": "#/$defs/duration"},
        },
    })
}

fn test() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "subject", "action", "resource", "expect"],
        "properties": {
            "name": {"type": "string"},
            "subject": {"type": "string", "pattern": "^spiffe://"},
            "sponsor": {"type": "string"},
            "groups": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "ring": {"type": "integer", "minimum": 0, "maximum": 3},
            "delegation": {"type": "array", "items": {"type": "string"}},
            "action": {"$ref": "#/$defs/action"},
            "resource": {"type": "string"},
            "args": true,
            "annotations": {"type": "object"},
            "session": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "id": {"type": "string"},
                    "calls": {"type": "integer", "minimum": 0},
                    "tokens": {"type": "integer", "minimum": 0},
                    "usd": {"$ref": "#/$defs/usd"},
                    "age": {"$ref": "#/$defs/duration"},
                    "labels": {
                        "type": "object",
                        "additionalProperties": false,
                        "properties": {
                            "integrity": {"enum": ["trusted", "untrusted"]},
                            "confidentiality": {"enum": ["public", "internal", "secret"]},
                        },
                    },
                },
            },
            "now": {"type": "string", "description": "RFC 3339."},
            "findings": {"type": "array", "items": {"type": "object"}},
            "limits": {
                "type": "object",
                "additionalProperties": {"anyOf": [{"type": "number", "minimum": 0}, {"const": "unknown"}]},
                "description": "How much of each limit was used before, by id.",
            },
            "expect": {"$ref": "#/$defs/effect"},
            "rule": {"type": "string"},
        },
    })
}
