//! What is said of each rule.

use ringfence_policy::{FactId, PolicySet, Source, explain};
use serde_json::json;

use crate::attempt::{Attempt, Given};

const POLICY: &str = "\
apiVersion: ringfence/v1
kind: Policy
metadata: {name: p}
layer: team
subjects: ['spiffe://acme.example/**']
rules:
  - {id: small, effect: allow, actions: [tool.call], resources: ['mcp://erp/buy'], when: 'args.total <= 500.0'}
  - {id: large, effect: deny, actions: [tool.call], resources: ['mcp://erp/buy'], when: 'args.total > 500.0'}
  - {id: busy, effect: ask, actions: [tool.call], resources: ['mcp://erp/buy'], when: 'session.calls > 3'}
  - {id: read, effect: allow, actions: [tool.call], resources: ['mcp://erp/read']}
  - {id: list, effect: allow, actions: [tool.list], resources: ['mcp://erp']}
  - {id: named, effect: allow, actions: [tool.call], resources: ['mcp://erp/b*'], when: 'subject.sponsor == \"x\" && resource.tool == \"buy\"'}
limits:
  - {id: rate, actions: [tool.call], calls: 5, per: minute}
";

#[test]
fn each_rule_is_explained() {
    let set = PolicySet::load(&[Source { name: "p", text: POLICY }]).unwrap().set;
    let attempt = Attempt::new("spiffe://acme.example/agent/a", "tool.call", "mcp://erp/buy")
        .args(json!({"total": 90.5, "note": "x"}));
    insta::assert_json_snapshot!(explain(&set, &attempt));
}

#[test]
fn unknown_and_other_facts_are_shown() {
    let set = PolicySet::load(&[Source { name: "p", text: POLICY }]).unwrap().set;
    let attempt = Attempt::new("spiffe://acme.example/agent/a", "tool.call", "mcp://erp/buy")
        .with(FactId::Args, Given::Unknown)
        .with(FactId::SessionCalls, Given::Int(4));
    let explanation = explain(&set, &attempt);
    let large = explanation.rules.iter().find(|rule| rule.rule == "p/large").unwrap();
    assert!(large.fired);
    assert_eq!((large.read[0].fact, large.read[0].value.as_str()), ("args", "unknown"));
    let busy = explanation.rules.iter().find(|rule| rule.rule == "p/busy").unwrap();
    assert_eq!((busy.read[0].fact, busy.read[0].value.as_str()), ("session.calls", "4"));
}

#[test]
fn an_agent_that_is_no_subject_narrowly_misses() {
    let set = PolicySet::load(&[Source { name: "p", text: POLICY }]).unwrap().set;
    let explanation = explain(&set, &Attempt::new("spiffe://other.example/a", "tool.call", "mcp://erp/read"));
    assert_eq!(explanation.rule, "ringfence/default-deny");
    let [read] = explanation.rules.as_slice() else { panic!("{:?}", explanation.rules) };
    assert_eq!(read.rule, "p/read");
    assert_eq!(
        read.why,
        "The agent spiffe://other.example/a is none of its subjects: spiffe://acme.example/**."
    );
}
