//! Sets as a whole: what loads, what is told apart, what is known of it.

use ringfence_model::{Effect, Resource};
use ringfence_policy::{FactId, Layer, PolicySet, Source, decide, fact_name};
use serde_json::json;

use crate::attempt::Attempt;

fn policy(name: &str, layer: &str, rules: &str) -> String {
    format!(
        "apiVersion: ringfence/v1\nkind: Policy\nmetadata: {{name: {name}}}\nlayer: {layer}\n\
         subjects: ['**']\nrules:\n{rules}"
    )
}

fn load(texts: &[String]) -> PolicySet {
    let sources: Vec<Source<'_>> = texts.iter().map(|text| Source { name: "t", text }).collect();
    PolicySet::load(&sources).unwrap_or_else(|found| panic!("{}", found[0])).set
}

const ALLOW: &str = "  - {id: r, effect: allow, actions: [tool.call], resources: ['mcp://erp/*']}\n";

#[test]
fn the_contract_s_example_loads() {
    let set = load(&[include_str!("example.yaml").to_owned()]);
    assert_eq!(set.limits().len(), 5);
    assert_eq!(set.rule_count(), 3);
    assert!(set.run_tests().iter().all(|result| result.passed()));
}

#[test]
fn a_test_that_names_a_time_is_held_to_the_hours() {
    let example = include_str!("example.yaml");
    for (now, passes) in [("2026-11-20T09:00:00Z", true), ("2026-11-21T09:00:00Z", false)] {
        let text = example.replace("args: {total: 90.0},", &format!("args: {{total: 90.0}}, now: '{now}',"));
        assert_ne!(text, example);
        assert_eq!(PolicySet::load(&[Source { name: "t", text: &text }]).is_ok(), passes, "{now}");
    }
}

#[test]
fn no_sources_and_empty_sources_are_an_empty_set() {
    for texts in [vec![], vec![String::new()], vec!["# nothing\n---\n".to_owned()]] {
        let set = load(&texts);
        assert!(set.is_empty());
        let attempt = Attempt::new("spiffe://a.example/b", "tool.call", "mcp://erp/x");
        let decision = decide(&set, &attempt);
        assert_eq!((decision.effect, decision.rule().as_str()), (Effect::Deny, "ringfence/no-policy"));
    }
}

#[test]
fn one_file_may_hold_several_policies() {
    let text = [policy("b", "team", ALLOW), policy("a", "org", ALLOW)].join("---\n");
    let set = load(&[text]);
    let names: Vec<(&str, Layer)> =
        set.policies().iter().map(|policy| (policy.name.as_str(), policy.layer)).collect();
    assert_eq!(names, [("a", Layer::Org), ("b", Layer::Team)]);
}

#[test]
fn the_digest_is_of_the_texts_whatever_their_order() {
    let (a, b) = (policy("a", "team", ALLOW), policy("b", "team", ALLOW));
    let digest = load(&[a.clone(), b.clone()]).digest();
    assert_eq!(digest, load(&[b.clone(), a.clone()]).digest());
    assert_ne!(digest, load(std::slice::from_ref(&a)).digest());
    assert_ne!(digest, load(&[a.clone() + "# a comment\n", b]).digest());
    // Two texts are not one text.
    assert_ne!(load(&[a.clone(), String::new()]).digest(), load(&[a]).digest());
}

#[test]
fn a_rule_that_another_policy_leaves_nothing_is_a_warning() {
    let deny = "  - {id: all, effect: deny, actions: ['*'], resources: ['mcp://**']}\n";
    let texts = [policy("a", "org", deny), policy("b", "team", ALLOW)];
    let sources: Vec<Source<'_>> = texts.iter().map(|text| Source { name: "t", text }).collect();
    let loaded = PolicySet::load(&sources).unwrap();
    let [warning] = loaded.warnings.as_slice() else { panic!("{:?}", loaded.warnings) };
    assert_eq!(warning.message, "the rule never has a say: `a/all` denies everything it is about");
    assert_eq!(warning.text, "r");
}

#[test]
fn what_differs_in_effect_or_condition_is_not_shadowed() {
    for rules in [
        // An allow beneath an ask for part of it, a deny beneath an allow, a condition above.
        "  - {id: a, effect: ask, actions: [tool.call], resources: ['mcp://erp/x']}\n  - {id: b, effect: allow, actions: [tool.call], resources: ['mcp://erp/*']}\n",
        "  - {id: a, effect: allow, actions: [tool.call], resources: ['mcp://erp/*']}\n  - {id: b, effect: deny, actions: [tool.call], resources: ['mcp://erp/x']}\n",
        "  - {id: a, effect: deny, actions: [tool.call], resources: ['mcp://erp/*'], when: 'args.x == 1'}\n  - {id: b, effect: allow, actions: [tool.call], resources: ['mcp://erp/x']}\n",
        // Asks add up.
        "  - {id: a, effect: ask, actions: [tool.call], resources: ['mcp://erp/*'], approvers: ['group:a']}\n  - {id: b, effect: ask, actions: [tool.call], resources: ['mcp://erp/x'], approvers: ['group:b']}\n",
    ] {
        load(&[policy("p", "team", rules)]);
    }
}

#[test]
fn many_rules_that_only_differ_late_are_told_apart() {
    let rules: String = (0..400)
        .map(|n| {
            format!(
                "  - {{id: r{n}, effect: allow, actions: [tool.call], resources: ['mcp://erp/a_rather_long_name_{n}_*']}}\n"
            )
        })
        .collect();
    let set = load(&[policy("p", "team", &rules)]);
    for n in 0..400 {
        let resource = format!("mcp://erp/a_rather_long_name_{n}_x");
        let decision = decide(&set, &Attempt::new("spiffe://a.example/b", "tool.call", &resource));
        assert_eq!(decision.rule().as_str(), format!("p/r{n}"));
    }
    let other = Attempt::new("spiffe://a.example/b", "tool.call", "mcp://erp/a_rather_long_name_400_x");
    assert_eq!(decide(&set, &other).effect, Effect::Deny);
}

#[test]
fn what_a_decision_read_is_part_of_it() {
    let rules = "  - {id: r, effect: allow, actions: [tool.call], resources: ['mcp://erp/*'], \
                 when: 'args.n == 1 || session.calls > 3'}\n";
    let set = load(&[policy("p", "team", rules)]);
    let read = |args| {
        let attempt = Attempt::new("spiffe://a.example/b", "tool.call", "mcp://erp/x").args(args);
        decide(&set, &attempt).read.iter().filter_map(fact_name).collect::<Vec<_>>()
    };
    assert_eq!(read(json!({"n": 1})), ["args"]);
    assert_eq!(read(json!({"n": 2})), ["session.calls", "args"]);
}

#[test]
fn every_fact_has_a_name_and_a_number_of_its_own() {
    for fact in FactId::ALL {
        assert_eq!(fact_name(fact.number()), Some(fact.as_str()));
    }
    let named: Vec<&str> = (0..64).filter_map(fact_name).collect();
    let mut once = named.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), named.len());
    let of_conditions: Vec<String> = ringfence_policy::environment().names().map(|name| name.path).collect();
    assert_eq!(once, of_conditions);
}

#[test]
fn conditions_are_checked_against_a_tool_s_schema() {
    let rules = "  - {id: a, effect: deny, actions: [tool.call], resources: ['mcp://erp/*'], when: 'args.totl > 5'}\n\
                 \x20 - {id: b, effect: deny, actions: [tool.call], resources: ['mcp://erp/*'], when: 'args.name > 5'}\n\
                 \x20 - {id: c, effect: deny, actions: [tool.call], resources: ['mcp://erp/*'], when: 'args.note == \"x\"'}\n\
                 \x20 - {id: d, effect: deny, actions: [tool.call], resources: ['mcp://erp/*'], when: 'has(args.note) && args.note == \"x\" && args.total > 5.0'}\n\
                 \x20 - {id: e, effect: deny, actions: [tool.call], resources: ['mcp://crm/*'], when: 'args.totl > 5'}\n";
    let set = load(&[policy("p", "team", rules)]);
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["total", "name"],
        "properties": {
            "total": {"type": "number"},
            "name": {"type": "string"},
            "note": {"type": "string"},
        },
    });
    let found = set.check_tool("erp", "buy", &schema);
    let mut at: Vec<(usize, &str)> = found.iter().map(|found| (found.line, found.text.as_str())).collect();
    at.sort_unstable();
    at.dedup_by_key(|(line, _)| *line);
    let lines: Vec<usize> = at.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [7, 8, 9], "{found:#?}");
}

#[test]
fn globs_that_match_nothing_known_are_named() {
    let set = load(&[policy("p", "team", ALLOW)]);
    assert_eq!(set.check_globs(&[Resource::mcp("erp", "x")]), []);
    let found = set.check_globs(&[Resource::mcp("crm", "x")]);
    assert_eq!(found[0].message, "`mcp://erp/*` matches nothing that is known yet");
}

#[test]
fn a_test_says_how_much_of_a_limit_is_used() {
    for (limit, spent, expect) in [
        ("calls: 60, per: minute", "59", "allow"),
        ("calls: 60, per: minute", "60", "deny"),
        ("concurrent: 2", "1", "allow"),
        ("concurrent: 2", "2", "deny"),
        ("identical: 5, per: 10m, then: ask", "4", "allow"),
        ("identical: 5, per: 10m, then: ask", "5", "ask"),
        ("usd: 5.00, per: day, timezone: UTC", "4.99", "allow"),
        ("usd: 5.00, per: day, timezone: UTC", "5.00", "deny"),
        ("tokens: 10, per: session", "10", "deny"),
        ("tokens: 10, per: session", "unknown", "deny"),
    ] {
        let body = format!(
            "{ALLOW}limits:\n  - {{id: l, actions: ['*'], {limit}}}\ntests:\n  - {{name: t, subject: 'spiffe://a.example/b', \
             action: tool.call, resource: 'mcp://erp/x', limits: {{l: {spent}}}, expect: {expect}}}\n"
        );
        load(&[policy("p", "team", &body)]);
        let other = if expect == "deny" { "allow" } else { "deny" };
        let wrong =
            policy("p", "team", &body.replace(&format!("expect: {expect}"), &format!("expect: {other}")));
        assert!(PolicySet::load(&[Source { name: "t", text: &wrong }]).is_err(), "{limit} at {spent}");
    }
}

#[test]
fn a_rule_with_too_many_pairs_is_refused() {
    let resources: Vec<String> = (0..10_001).map(|n| format!("mcp://erp/t{n}")).collect();
    let rules =
        format!("  - {{id: r, effect: allow, actions: [tool.call], resources: {}}}\n", json!(resources));
    let found = PolicySet::load(&[Source { name: "t", text: &policy("p", "team", &rules) }]).unwrap_err();
    assert!(found[0].message.contains("more than 10000 pairs"), "{}", found[0]);
}
