//! Scenarios that stand as data, for guards in any language: `tests/cases/guard` at the root of
//! the repository. Each is a policy and what happens under it, step by step.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ringfence_guard::{Sent, Verdict};
use ringfence_model::{Arguments, Usage};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::world::{Call, Setting, World, call, limited, settle_used, words};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    /// Limits of one policy that allows every action on `mcp://erp` and `model://openai`.
    limits: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// The clock from here on.
    at: Option<String>,
    /// The monitor ends and starts again first: `clean`, or `no-database` with the cache deleted.
    restart: Option<String>,
    /// Who: the last part of the id.
    #[serde(default = "a")]
    agent: String,
    #[serde(default = "dana")]
    sponsor: String,
    /// A tool's name.
    call: Option<String>,
    args: Option<String>,
    /// A model call, and what it says it will use at most.
    model: Option<Used>,
    /// What it used in the end.
    used: Option<Used>,
    /// How often.
    #[serde(default = "one")]
    times: usize,
    /// `allow`, `ask`, or `deny` and the rule.
    expect: Option<String>,
    /// It stays open, under this name.
    keep: Option<String>,
    /// What was kept ends.
    settle: Option<String>,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(deny_unknown_fields)]
struct Used {
    input: Option<u64>,
    output: Option<u64>,
    micro_usd: Option<u64>,
}

impl From<Used> for Usage {
    fn from(used: Used) -> Usage {
        Usage {
            input_tokens: used.input,
            output_tokens: used.output,
            micro_usd: used.micro_usd,
            ..Usage::default()
        }
    }
}

fn a() -> String {
    "a".to_owned()
}

fn dana() -> String {
    "dana@acme.example".to_owned()
}

fn one() -> usize {
    1
}

/// One of the files.
pub(crate) fn file<T: DeserializeOwned>(name: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/guard").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[tokio::test]
async fn limits_hold_over_time_and_restarts() {
    let scenarios: Vec<Scenario> = file("limits.yaml");
    assert!(scenarios.len() >= 14);
    for scenario in scenarios {
        run(&scenario).await;
    }
}

async fn run(scenario: &Scenario) {
    let start = scenario.steps[0].at.clone().expect("the first step says when");
    let mut world = World::set(Setting { start, ..Setting::of(&limited(&scenario.limits)) });
    let mut kept: BTreeMap<String, Sent> = BTreeMap::new();
    for (number, step) in scenario.steps.iter().enumerate() {
        let place = format!("{}, step {}", scenario.name, number + 1);
        if let Some(at) = &step.at {
            world.clock.set(at.parse().unwrap_or_else(|error| panic!("{place}: {error}")));
        }
        match step.restart.as_deref() {
            None => {}
            Some("clean") => world.restart(),
            Some("no-database") => {
                world.stop();
                std::fs::remove_file(world.database()).unwrap();
                world.start().unwrap();
            }
            Some(other) => panic!("{place}: `{other}` is no restart"),
        }
        if let Some(name) = &step.settle {
            let sent = kept.remove(name).unwrap_or_else(|| panic!("{place}: `{name}` is not kept"));
            settle_used(sent, step.used.unwrap_or_default().into());
        }
        if step.call.is_none() && step.model.is_none() {
            continue;
        }
        for time in 1..=step.times {
            let session = world.session_for(&step.agent, &step.sponsor).await;
            let verdict = session.check(attempt(step)).await;
            assert_eq!(Some(words(&verdict)), step.expect, "{place}, time {time}");
            let Verdict::Allowed(permit) = verdict else { continue };
            let Ok((_, sent)) = permit.begin() else { panic!("{place}: it does not begin") };
            match &step.keep {
                Some(name) => drop(kept.insert(name.clone(), sent)),
                None => settle_used(sent, step.used.unwrap_or_default().into()),
            }
        }
    }
    drop(kept);
    let (log, cache) = world.states();
    assert_eq!(log, cache, "{}", scenario.name);
}

fn attempt(step: &Step) -> Call {
    let arguments = step.args.as_deref().map_or_else(Arguments::none, |args| Arguments::parse(args).unwrap());
    let mut attempt = match (&step.call, step.model) {
        (Some(tool), _) => Call::tool(tool),
        (None, usage) => Call::model(usage.unwrap_or_default().into()),
    };
    attempt.action.arguments = arguments;
    attempt
}

#[tokio::test]
async fn a_denial_by_a_limit_says_when_the_same_may_succeed() {
    let limits = r#"
  - {id: rate, actions: [tool.call], resources: ["mcp://erp/x"], calls: 1, per: minute}
  - {id: day, actions: [tool.call], resources: ["mcp://erp/y"], calls: 1, per: day, timezone: Europe/Berlin}
  - {id: session, actions: [tool.call], resources: ["mcp://erp/z"], calls: 1, per: session}
"#;
    let world = World::new(&limited(limits));
    let session = world.session("a").await;
    for (tool, until) in
        [("x", Some("2026-11-20T12:01:00Z")), ("y", Some("2026-11-20T23:00:00Z")), ("z", None)]
    {
        assert_eq!(call(&session, Call::tool(tool)).await, "allow");
        let Verdict::Denied(denied) = session.check(Call::tool(tool)).await else { panic!("{tool}") };
        assert_eq!(denied.retry_after.map(|until| until.to_string()).as_deref(), until, "{tool}");
    }
}
