//! The cases that stand as data, for implementations in any language: `tests/cases/policy` at the
//! root of the repository. Each file holds groups of policies with attempts and what is decided.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::SignedDuration;
use ringfence_model::{AgentId, Decision, Person, Ring};
use ringfence_policy::{FactId, Loaded, PolicySet, Room, Source, certainly_denied, decide};
use serde::Deserialize;

use crate::attempt::{Attempt, Given};

const FEWEST: usize = 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    policies: Vec<serde_json::Value>,
    /// Part of a message for which the policies are refused.
    refused: Option<String>,
    #[serde(default)]
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default = "some_agent")]
    subject: String,
    sponsor: Option<String>,
    groups: Option<Vec<String>>,
    ring: Option<u8>,
    delegation: Option<Vec<String>>,
    action: String,
    resource: String,
    args: Option<serde_json::Value>,
    annotations: Option<serde_json::Value>,
    findings: Option<serde_json::Value>,
    now: Option<String>,
    calls: Option<i64>,
    age_seconds: Option<i64>,
    labels: Option<serde_json::Value>,
    /// Facts that are not known yet.
    #[serde(default)]
    unknown: Vec<String>,
    /// What is left of limits, by full name: `left`, `spent`, `unmeasured`, `unknown`, or
    /// `[used, of]` for a warning.
    #[serde(default)]
    limits: BTreeMap<String, serde_json::Value>,
    expect: Option<String>,
    rule: Option<String>,
    /// Part of the reason.
    reason: Option<String>,
    approvers: Option<Vec<Vec<String>>>,
    expires_seconds: Option<u64>,
    warnings: Option<usize>,
    /// Whether a tool may be left out of a list: its call is certain to be denied.
    hidden: Option<bool>,
    /// The limits that are asked, in order.
    asked: Option<Vec<String>>,
}

fn some_agent() -> String {
    "spiffe://acme.example/agent/a".to_owned()
}

#[test]
fn every_case_is_decided_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/policy");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut run_cases = 0;
    let mut failures = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let groups: Vec<Group> = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{file:?}: {e}"));
        for group in groups {
            run_cases += group.cases.len().max(1);
            let label = format!("{}: {}", file.file_name().unwrap().to_string_lossy(), group.name);
            failures.extend(run(&group).into_iter().map(|failure| format!("{label}: {failure}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(run_cases >= FEWEST, "only {run_cases} cases were found");
}

/// What is not as the group says.
fn run(group: &Group) -> Vec<String> {
    let texts: Vec<String> = group.policies.iter().map(ToString::to_string).collect();
    let sources: Vec<Source<'_>> = texts.iter().map(|text| Source { name: "case", text }).collect();
    let set = match (PolicySet::load(&sources), &group.refused) {
        (Ok(Loaded { set, .. }), None) => set,
        (Ok(_), Some(refused)) => return vec![format!("loaded, and should be refused for `{refused}`")],
        (Err(found), None) => return vec![format!("refused: {}", found[0])],
        (Err(found), Some(refused)) => {
            let said = found.iter().any(|found| found.message.contains(refused));
            return if said { vec![] } else { vec![format!("refused for another reason: {}", found[0])] };
        }
    };
    assert!(!group.cases.is_empty(), "{}: no cases", group.name);
    group
        .cases
        .iter()
        .flat_map(|case| case.run(&set).into_iter().map(|failure| format!("{}: {failure}", case.name)))
        .collect()
}

impl Case {
    fn run(&self, set: &PolicySet) -> Vec<String> {
        let attempt = self.attempt();
        let mut failures = Vec::new();
        let mut differ = |what: &str, expected: String, found: String| {
            if expected != found {
                failures.push(format!("{what}: expected {expected}, found {found}"));
            }
        };
        assert!(self.expect.is_some() || self.hidden.is_some(), "{}: expects nothing", self.name);
        if let Some(hidden) = self.hidden {
            differ("hidden", hidden.to_string(), certainly_denied(set, &attempt).to_string());
            attempt.asked.borrow_mut().clear();
        }
        let Decision { effect, ground, obligations, ask, policy_digest, .. } = decide(set, &attempt);
        let (rule, reason) = (ground.rule(), ground.reason());
        assert_eq!(policy_digest, set.digest());
        assert_eq!(ask.is_some(), effect.as_str() == "ask");
        if let Some(expect) = &self.expect {
            differ("decision", expect.clone(), format!("{effect}"));
        }
        if let Some(expected) = &self.rule {
            differ("rule", expected.clone(), rule.to_string());
        }
        if let Some(part) = &self.reason
            && !reason.contains(part)
        {
            differ("reason", part.clone(), reason.to_string());
        }
        if let Some(expected) = &self.approvers {
            let found: Option<Vec<Vec<String>>> = ask.as_ref().map(|ask| {
                ask.approvers.iter().map(|set| set.iter().map(ToString::to_string).collect()).collect()
            });
            differ("approvers", format!("{:?}", Some(expected)), format!("{:?}", found.as_ref()));
        }
        if let Some(expected) = self.expires_seconds {
            let found = ask.as_ref().map(|ask| ask.expires.as_secs());
            differ("expiry", format!("{:?}", Some(expected)), format!("{found:?}"));
        }
        if let Some(expected) = self.warnings {
            differ("warnings", expected.to_string(), obligations.len().to_string());
        }
        if let Some(expected) = &self.asked {
            differ("limits asked", format!("{expected:?}"), format!("{:?}", attempt.asked.borrow()));
        }
        failures
    }

    fn attempt(&self) -> Attempt {
        let mut attempt = Attempt::new(&self.subject, &self.action, &self.resource);
        if let Some(sponsor) = &self.sponsor {
            attempt.subject.sponsor = Person::new(sponsor);
        }
        if let Some(groups) = &self.groups {
            attempt.subject.groups = groups.clone().into();
        }
        if let Some(ring) = self.ring {
            attempt.subject.ring = Ring::from_number(ring).unwrap();
        }
        if let Some(delegation) = &self.delegation {
            attempt.subject.delegation = delegation.iter().map(|id| id.parse::<AgentId>().unwrap()).collect();
        }
        let json = |value: &Option<serde_json::Value>| value.clone().map(Given::Json);
        let given = [
            (FactId::Args, json(&self.args)),
            (FactId::ResourceAnnotations, json(&self.annotations)),
            (FactId::Findings, json(&self.findings)),
            (FactId::SessionLabels, json(&self.labels)),
            (FactId::SessionCalls, self.calls.map(Given::Int)),
            (FactId::SessionAge, self.age_seconds.map(|age| Given::Duration(SignedDuration::from_secs(age)))),
            (FactId::Now, self.now.as_ref().map(|now| Given::Time(now.parse().unwrap()))),
        ];
        for (fact, given) in given {
            if let Some(given) = given {
                attempt.facts.insert(fact, given);
            }
        }
        for name in &self.unknown {
            let fact = FactId::ALL.into_iter().find(|fact| fact.as_str() == name).unwrap();
            attempt.facts.insert(fact, Given::Unknown);
        }
        for (limit, room) in &self.limits {
            attempt.rooms.insert(limit.clone(), self::room(room));
        }
        attempt
    }
}

fn room(written: &serde_json::Value) -> Room {
    match written {
        serde_json::Value::Array(pair) => {
            Room::Warned { used: pair[0].as_u64().unwrap(), of: pair[1].as_u64().unwrap() }
        }
        other => match other.as_str().unwrap() {
            "left" => Room::Left,
            "spent" => Room::Spent { until: None },
            "unmeasured" => Room::Unmeasured,
            "unknown" => Room::Unknown,
            other => panic!("no such room: {other}"),
        },
    }
}
