//! `policy …` and `schema policy`.

use insta::assert_snapshot;

use crate::world::World;

const READERS: &str = "\
apiVersion: ringfence/v1
kind: Policy
metadata: {name: readers}
layer: team
subjects: [\"spiffe://acme.example/agent/*\"]
rules:
  - id: read-stock
    effect: allow
    actions: [tool.call]
    resources: [\"mcp://erp/inventory.*\"]
  - id: purchase
    effect: ask
    actions: [tool.call]
    resources: [\"mcp://erp/purchase\"]
    when: args.total <= 500.0
  - id: no-large-purchase
    effect: deny
    actions: [tool.call]
    resources: [\"mcp://erp/purchase\"]
    when: args.total > 500.0
    reason: Large orders are placed by people.
tests:
  - {name: stock is read, subject: \"spiffe://acme.example/agent/a\", action: tool.call, resource: \"mcp://erp/inventory.get\", expect: allow}
";

#[test]
fn a_set_in_order_is_summed_up() {
    let world = World::new();
    world.write("policies/readers.yaml", READERS);
    assert_snapshot!(world.run(&["policy", "check", "policies", "--profile", "default-deny"]).shown());
    let json = world.run(&["--json", "policy", "check", "policies"]).exits(0).json();
    assert_eq!(json["policies"][0]["name"], "readers");
    assert_eq!(json["policies"][0]["rules"], 3);
}

#[test]
fn what_is_wrong_is_shown_where_it_stands() {
    let world = World::new();
    world.write(
        "policies/readers.yaml",
        &READERS.replace("effect: ask", "efect: ask").replace("args.total > 500.0", "args.total > \"500"),
    );
    assert_snapshot!(world.run(&["policy", "check", "policies"]).shown());
    let json = world.run(&["--json", "policy", "check", "policies"]).exits(1);
    let said: serde_json::Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!(said["diagnostics"][0]["line"], 12);
    assert_eq!(said["diagnostics"][0]["file"], "policies/readers.yaml");
}

#[test]
fn a_test_that_fails_refuses_the_set() {
    let world = World::new();
    world.write("p.yaml", &READERS.replace("expect: allow", "expect: deny"));
    assert_snapshot!(world.run(&["policy", "test", "p.yaml"]).shown());
}

#[test]
fn tests_are_run_against_the_whole_set() {
    let world = World::new();
    world.write("policies/readers.yaml", READERS);
    let alone = world.run(&["policy", "test", "policies"]).exits(0);
    assert!(alone.out.contains("1 test passed, 0 failed"), "{}", alone.out);
    world.write(
        "policies/stop.yaml",
        "apiVersion: ringfence/v1\nkind: Policy\nmetadata: {name: stop}\nlayer: org\nsubjects: [\"**\"]\nrules:\n  - {id: all, effect: deny, actions: [tool.call], resources: [\"mcp://erp/inventory.get\"]}\n",
    );
    assert_snapshot!(world.run(&["policy", "test", "policies"]).exits(1).shown());
}

#[test]
fn what_cannot_be_read_is_no_answer() {
    let world = World::new();
    std::fs::create_dir(world.here().join("empty")).unwrap();
    for (args, said) in [
        (["policy", "check", "nowhere.yaml"], "cannot be read"),
        (["policy", "check", "empty"], "holds no policy"),
        (["policy", "check", "/dev/null"], "no regular file"),
        (["policy", "check", "--profile=flow"], "no policy `flow` built in"),
    ] {
        let ran = world.run(&args).exits(2);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}

#[test]
fn explaining_shows_each_rule_and_what_it_read() {
    let world = World::new();
    world.write("p.yaml", READERS);
    let asked = |resource: &str, args: &str| {
        world.run(&[
            "policy",
            "explain",
            "--subject",
            "spiffe://acme.example/agent/a",
            "--action",
            "tool.call",
            "--resource",
            resource,
            "--args",
            args,
            "p.yaml",
        ])
    };
    assert_snapshot!("explain_ask", asked("mcp://erp/purchase", r#"{"total": 90}"#).shown());
    assert_snapshot!("explain_deny", asked("mcp://erp/purchase", r#"{"total": 900}"#).shown());
    assert_snapshot!("explain_missing", asked("mcp://erp/purchase", "{}").shown());
    assert_eq!(asked("mcp://erp/inventory.get", "{}").code, 0);
    assert_eq!(asked("erp/inventory", "{}").code, 2);
    assert_eq!(asked("mcp://erp/purchase", "{total: 90}").code, 2);
}

#[test]
fn what_foreign_text_would_do_to_a_terminal_is_written_out() {
    let world = World::new();
    world.write("p.yaml", READERS);
    let ran = world.run(&[
        "policy",
        "explain",
        "--subject",
        "spiffe://acme.example/agent/a",
        "--action",
        "tool.call",
        "--resource",
        "mcp://erp/purchase",
        "--args",
        "{\"total\": 90, \"note\": \"\u{1b}[2J\u{202e}\"}",
        "p.yaml",
    ]);
    assert!(!ran.out.contains('\u{1b}') && !ran.out.contains('\u{202e}'), "{}", ran.out);
}

#[test]
fn names_functions_and_schema_are_listed() {
    let world = World::new();
    let json = world.run(&["--json", "policy", "functions"]).exits(0).json();
    assert!(json["names"].as_array().unwrap().iter().any(|name| name["name"] == "session.calls"));
    assert!(json["functions"].as_array().unwrap().iter().any(|function| function["name"] == "startsWith"));
    let schema = world.run(&["schema", "policy"]).exits(0).json();
    assert_eq!(schema["title"], "Ringfence policy");
}
