//! The JSON Schema for editors agrees with what the parser accepts.

use std::collections::BTreeSet;

use ringfence_policy::{PolicySet, Source, json_schema, stock};
use serde_json::Value;

#[test]
fn the_contract_s_example_and_every_stock_policy_validate() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    let example = include_str!("example.yaml");
    for text in stock().iter().map(|stock| stock.text).chain([example]) {
        let document: Value = serde_saphyr::from_str(text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
}

#[test]
fn every_policy_of_the_case_files_validates() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases/policy");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let groups: Vec<Value> =
            serde_saphyr::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        for group in groups.iter().filter(|group| group.get("refused").is_none()) {
            for policy in group["policies"].as_array().unwrap() {
                let errors: Vec<String> =
                    validator.iter_errors(policy).map(|error| error.to_string()).collect();
                assert_eq!(errors, Vec::<String>::new(), "{}", group["name"]);
                seen += 1;
            }
        }
    }
    assert!(seen >= 20, "only {seen} policies were found");
}

/// What to load so that the parser lists the keys of one kind of mapping, and where the schema has
/// them.
const MAPPINGS: [(&str, &str); 6] = [
    ("zzzzzzzzzzzz: 1\n", "/properties"),
    ("metadata: {zzzzzzzzzzzz: 1}\n", "/properties/metadata/properties"),
    ("rules: [{zzzzzzzzzzzz: 1}]\n", "/$defs/rule/properties"),
    ("limits: [{zzzzzzzzzzzz: 1}]\n", "/$defs/limit/properties"),
    ("tests: [{zzzzzzzzzzzz: 1}]\n", "/$defs/test/properties"),
    ("tests: [{session: {zzzzzzzzzzzz: 1}}]\n", "/$defs/test/properties/session/properties"),
];

#[test]
fn the_schema_names_the_keys_that_the_parser_knows() {
    let schema = json_schema();
    for (body, pointer) in MAPPINGS {
        let text = format!("apiVersion: ringfence/v1\nkind: Policy\n{body}");
        let found = PolicySet::load(&[Source { name: "t", text: &text }]).unwrap_err();
        let unknown = found.iter().find(|found| found.message.contains("has no key")).unwrap();
        let known: BTreeSet<&str> =
            unknown.help.as_deref().unwrap().strip_prefix("the keys are ").unwrap().split(", ").collect();
        let named: BTreeSet<&str> =
            schema.pointer(pointer).unwrap().as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(named, known, "{pointer}");
    }
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    let document: Value = serde_saphyr::from_str(include_str!("example.yaml")).unwrap();
    for (pointer, wrong) in [
        ("/layer", "teem"),
        ("/rules/0/effect", "alow"),
        ("/rules/0/actions/0", "tool.cal"),
        ("/limits/0/calls", "60"),
        ("/limits/1/by", "everybody"),
        ("/tests/0/expect", "maybe"),
    ] {
        let mut changed = document.clone();
        *changed.pointer_mut(pointer).unwrap() = wrong.into();
        assert!(!validator.is_valid(&changed), "{pointer}");
        let text = changed.to_string();
        assert!(PolicySet::load(&[Source { name: "t", text: &text }]).is_err(), "{pointer}");
    }
}
