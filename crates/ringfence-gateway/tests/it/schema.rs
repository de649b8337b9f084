use ringfence_gateway::mcp::schema::{InputSchema, Misfit, Unusable};
use serde_json::{Map, Value, json};

use crate::cases::{list, text};

fn compile(schema: &Value) -> Result<InputSchema, Unusable> {
    InputSchema::compile(&schema.to_string())
}

#[test]
fn cases() {
    for case in list("schema") {
        let name = text(&case, "name").unwrap();
        let schema = match (compile(&case["schema"]), text(&case, "unusable")) {
            (Ok(schema), None) => schema,
            (Err(unusable), Some(why)) => {
                assert!(unusable.to_string().contains(why), "{name}: {unusable}");
                continue;
            }
            (Ok(_), Some(why)) => panic!("{name}: usable, expected: {why}"),
            (Err(unusable), None) => panic!("{name}: {unusable}"),
        };
        let fits = schema.check(&case["arguments"]);
        assert_eq!(Value::Bool(fits.is_ok()), case["fits"], "{name}: {fits:?}");
        if let Err(Misfit::Violations(violations)) = fits {
            let first = &violations[0];
            if let Some(pointer) = text(&case, "pointer") {
                assert_eq!(first.pointer, pointer, "{name}");
            }
            if let Some(says) = text(&case, "says") {
                assert!(first.problem.contains(says), "{name}: {}", first.problem);
            }
        }
    }
}

#[test]
fn a_misfit_is_a_sentence_that_quotes_no_value() {
    let schema = compile(&json!({
        "type": "object",
        "properties": {"total": {"type": "number"}, "key": {"type": "string", "pattern": "^[a-z]+$"}},
        "required": ["to"],
    }));
    let arguments = json!({"total": "hunter2-secret", "key": "HUNTER2-SECRET"});
    let misfit = schema.unwrap().check(&arguments).unwrap_err().to_string();
    assert!(!misfit.to_lowercase().contains("hunter2"), "{misfit}");
    assert!(misfit.starts_with("The arguments do not fit the tool's schema. At "), "{misfit}");
    for part in ["/total", "/key", "the arguments: \"to\" is a required property"] {
        assert!(misfit.contains(part), "{part}: {misfit}");
    }
}

#[test]
fn few_violations_are_told_and_none_at_length() {
    let schema = compile(&json!({"properties": {"a": {"items": {"enum": ["x".repeat(10_000)]}}}})).unwrap();
    let Err(Misfit::Violations(violations)) = schema.check(&json!({"a": vec![1; 1000]})) else {
        panic!("fits")
    };
    assert_eq!(violations.len(), 5);
    assert!(violations.iter().all(|violation| violation.problem.chars().count() <= 301));
}

#[test]
fn what_is_large_is_bounded() {
    let long = json!({"description": "x".repeat(300_000)});
    assert_eq!(compile(&long).unwrap_err(), Unusable::TooLong);
    let deep = format!("{}{}", r#"{"not":"#.repeat(70) + "{}", "}".repeat(70));
    assert!(InputSchema::compile(&deep).unwrap_err().to_string().contains("nested deeper"));
    assert!(
        InputSchema::compile(r#"{"type":"object","type":"string"}"#)
            .unwrap_err()
            .to_string()
            .contains("twice")
    );
    let many: Map<String, Value> =
        (0..100).map(|n| (format!("a{n}"), json!({"pattern": "^[0-9]{1000}$"}))).collect();
    assert_eq!(compile(&json!({"properties": many})).unwrap_err(), Unusable::Patterns);
    let doubling: Map<String, Value> = (0..40)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            (format!("d{n}"), json!({"allOf": [next.clone(), next]}))
        })
        .chain([("d40".to_owned(), json!({}))])
        .collect();
    assert_eq!(
        compile(&json!({"$ref": "#/$defs/d0", "$defs": doubling})).unwrap_err(),
        Unusable::TooMuchWork
    );
}

/// Arguments nested `depth` times under `name`.
fn nested(name: &str, depth: usize) -> Value {
    (0..depth).fold(json!({}), |inner, _| json!({name: inner}))
}

#[test]
fn a_schema_that_doubles_at_every_level_of_the_arguments_is_stopped() {
    let again = json!({"properties": {"x": {"$ref": "#"}}});
    let bombs = [
        json!({"allOf": [again, again]}),
        json!({"anyOf": [again, again], "type": "object"}),
        json!({"properties": {"x": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}),
        json!({"additionalProperties": {"oneOf": [{"$ref": "#"}, {"$ref": "#"}]}}),
        json!({"patternProperties": {"x": {"$ref": "#"}, "^x": {"$ref": "#"}}}),
        json!({"if": again, "then": again, "else": again}),
        json!({"dependentSchemas": {"x": again, "y": again}}),
        json!({"$dynamicAnchor": "a", "properties": {"x": {"allOf": [{"$dynamicRef": "#a"}, {"$dynamicRef": "#a"}]}}}),
        json!({"unevaluatedProperties": false, "allOf": [again]}),
    ];
    for bomb in bombs {
        let schema = compile(&bomb).unwrap_or_else(|unusable| panic!("{bomb}: {unusable}"));
        assert_eq!(schema.check(&nested("x", 60)), Err(Misfit::TooMuchWork), "{bomb}");
        assert_ne!(schema.check(&nested("x", 3)), Err(Misfit::TooMuchWork), "{bomb}");
    }
}

#[test]
fn large_arguments_of_an_ordinary_tool_are_checked() {
    let schema = compile(&json!({
        "type": "object",
        "properties": {
            "rows": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}, "required": ["id"], "additionalProperties": false}},
            "tree": {"$ref": "#/$defs/node"},
            "text": {"type": "string", "pattern": "^[\\s\\S]*$"},
        },
        "$defs": {"node": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}}}]}},
    }))
    .unwrap();
    let rows: Vec<Value> = (0..20_000).map(|id| json!({"id": id, "name": "n"})).collect();
    let tree = (0..10).fold(Value::Null, |inner, _| json!({"left": inner, "right": inner}));
    let fits = json!({"rows": rows, "tree": tree, "text": "x".repeat(100_000)});
    assert_eq!(schema.check(&fits), Ok(()));
    let mut misfits = fits;
    misfits["rows"][19_999]["id"] = json!("x");
    let Err(Misfit::Violations(violations)) = schema.check(&misfits) else { panic!("fits") };
    assert_eq!(violations[0].pointer, "/rows/19999/id");
}

#[test]
fn a_pattern_costs_its_states_times_the_text() {
    let check = |pattern: &str, text: String| {
        let schema = compile(&json!({"properties": {"a": {"pattern": pattern}}})).unwrap();
        schema.check(&json!({"a": text}))
    };
    for (pattern, text) in [
        ("[01]*1[01]{900}$", "01".repeat(50_000)),
        ("([01]*1[01]{30}){30}$", "01".repeat(50_000)),
        ("^(\\p{L}{2}){2}$", "é".repeat(1_000_000)),
    ] {
        assert_eq!(check(pattern, text), Err(Misfit::TooMuchWork), "{pattern}");
    }
    for (pattern, text) in [
        (
            "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
            "123e4567-e89b-12d3-a456-426614174000".to_owned(),
        ),
        (
            "^(?:[a-z0-9_'+\\-\\.]*)[A-Z0-9_+-]@([A-Z0-9][A-Z0-9\\-]*\\.)+[A-Z]{2,}$",
            "dan_A@ACME.EXAMPLE".to_owned(),
        ),
        ("^[^<>]*$", "plain text, and much of it. ".repeat(5_000)),
        ("^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$", "2026-11-20T14:00:00Z".to_owned()),
        ("^[\\w\\-. ]{1,255}$", "report.txt".to_owned()),
        ("^\\p{Lu}\\p{Ll}+$", "Élan".to_owned()),
    ] {
        assert_eq!(check(pattern, text), Ok(()), "{pattern}");
    }
}
