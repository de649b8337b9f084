//! Why an attempt is decided as it is, rule by rule. Slower than deciding and more talkative: it
//! goes through every rule, evaluates each for itself, and notes what it read.

use ringfence_cel::{Fact, Value};
use ringfence_model::{Effect, FactSet};
use serde::Serialize;

use crate::condition::{Givens, Inquiry};
use crate::decide::{Cause, Fires, decide, fires};
use crate::facts::{Facts, fact_name};
use crate::permits::Layers;
use crate::rule::{Layer, Rule};
use crate::scope::Scope;
use crate::set::PolicySet;
use crate::target::{Target, agent};

/// How many rules that narrowly miss are listed.
const MAX_NEAR_MISSES: usize = 50;
/// How much of a value is shown.
const MAX_VALUE_CHARS: usize = 200;

/// One decision and what led to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// `allow`, `ask` or `deny`.
    pub decision: &'static str,
    /// The rule that is named.
    pub rule: String,
    /// One plain sentence.
    pub reason: String,
    /// The layers that have rules that allow or ask for this agent, and so must themselves allow
    /// or ask.
    pub layers_needed: Vec<&'static str>,
    /// The layers that did.
    pub layers_permitting: Vec<&'static str>,
    /// The rules that are about the attempt, and those that miss it in one respect only; by
    /// layer, policy and position.
    pub rules: Vec<Considered>,
    /// How many near misses are not listed.
    pub left_out: usize,
    /// The limits that count the attempt.
    pub limits: Vec<ConsideredLimit>,
}

/// One rule and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Considered {
    /// Its full name.
    pub rule: String,
    /// Its layer.
    pub layer: &'static str,
    /// What it says where it applies.
    pub effect: &'static str,
    /// Which of its dimensions the attempt is in.
    pub matched: Matched,
    /// Its condition as written, if it has one.
    pub condition: Option<String>,
    /// What its condition read, in the order of the facts' numbers; empty where it was not
    /// evaluated.
    pub read: Vec<Read>,
    /// Whether it applied.
    pub fired: bool,
    /// Why it did or did not, one plain sentence.
    pub why: String,
}

/// Which dimensions of a rule an attempt is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Matched {
    /// The agent is one of its subjects.
    pub subject: bool,
    /// The action is one of its actions.
    pub action: bool,
    /// The resource is one of its resources.
    pub resource: bool,
}

/// A fact and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Read {
    /// As conditions name it.
    pub fact: &'static str,
    /// As text, shortened; `missing` or `unknown` where there is none.
    pub value: String,
}

/// One limit that counts the attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsideredLimit {
    /// Its full name.
    pub limit: String,
    /// What it limits.
    pub limits: String,
}

/// Decides one attempt, and says for each rule what came of it. Facts are asked for as often as
/// rules read them; limits as often as [`decide`] asks.
pub fn explain(set: &PolicySet, facts: &dyn Facts) -> Explanation {
    let decision = decide(set, facts);
    let target = Target::new(facts.resource());
    let agent = agent(&facts.subject().id);
    let mut permitting = Layers::NONE;
    let mut rules: Vec<(u32, Considered)> = Vec::new();
    let mut misses = 0;
    for rule in &set.rules {
        let matched = matched(&rule.scope, agent, facts, &target);
        match matched.misses() {
            0 => {
                let considered = evaluated(rule, matched, facts);
                if considered.fired && rule.effect != Effect::Deny {
                    permitting.insert(rule.layer);
                }
                rules.push((rule.rank, considered));
            }
            1 => {
                misses += 1;
                if misses <= MAX_NEAR_MISSES {
                    rules.push((rule.rank, near_miss(rule, matched, facts)));
                }
            }
            _ => {}
        }
    }
    rules.sort_by_key(|(rank, _)| *rank);
    let limits = set
        .limits_about(agent, facts.action(), &target)
        .into_iter()
        .filter_map(|hit| set.limits.get(hit as usize))
        .map(|limit| ConsideredLimit { limit: limit.name.to_string(), limits: limit.kind.to_string() })
        .collect();
    Explanation {
        decision: decision.effect.as_str(),
        rule: decision.rule().to_string(),
        reason: decision.reason().to_owned(),
        layers_needed: names(set.permits.layers(agent, &target)),
        layers_permitting: names(permitting),
        rules: rules.into_iter().map(|(_, considered)| considered).collect(),
        left_out: misses.saturating_sub(MAX_NEAR_MISSES),
        limits,
    }
}

impl Matched {
    fn misses(self) -> usize {
        [self.subject, self.action, self.resource].into_iter().filter(|matched| !matched).count()
    }
}

fn matched(scope: &Scope, agent: &[u8], facts: &dyn Facts, target: &Target) -> Matched {
    Matched {
        subject: scope.subjects.iter().any(|subject| subject.glob.matches(agent)),
        action: scope.actions.contains(facts.action()),
        resource: scope.resources.iter().any(|pattern| pattern.matches(target)),
    }
}

fn near_miss(rule: &Rule, matched: Matched, facts: &dyn Facts) -> Considered {
    let why = if !matched.subject {
        let subjects: Vec<&str> = rule.scope.subjects.iter().map(|subject| &*subject.text).collect();
        format!("The agent {} is none of its subjects: {}.", facts.subject().id, subjects.join(", "))
    } else if !matched.action {
        let actions: Vec<&str> = rule.scope.actions.iter().map(|action| action.as_str()).collect();
        format!("The action {} is none of its actions: {}.", facts.action(), actions.join(", "))
    } else {
        let resources: Vec<&str> = rule.scope.resources.iter().map(|pattern| &*pattern.text).collect();
        format!("The resource {} is none of its resources: {}.", facts.resource(), resources.join(", "))
    };
    considered(rule, matched, Vec::new(), Said { fired: false, why })
}

struct Said {
    fired: bool,
    why: String,
}

fn evaluated(rule: &Rule, matched: Matched, facts: &dyn Facts) -> Considered {
    let givens = Givens::new(facts);
    let inquiry = Inquiry::new(facts, &givens);
    let said = match (fires(rule, &inquiry), rule.effect) {
        (Fires::Yes(Cause::Held), _) if rule.condition.is_none() => {
            Said { fired: true, why: "It has no condition.".to_owned() }
        }
        (Fires::Yes(Cause::Held), _) => Said { fired: true, why: "Its condition holds.".to_owned() },
        (Fires::Yes(Cause::Fault(fault)), effect) => Said {
            fired: true,
            why: format!("Its condition could not be decided, so it does {effect}: {fault}."),
        },
        (Fires::Yes(Cause::Unknown) | Fires::Maybe, Effect::Ask | Effect::Deny) => Said {
            fired: true,
            why: "Its condition depends on a fact that is not known, so it applies.".to_owned(),
        },
        (Fires::Yes(Cause::Unknown) | Fires::Maybe, Effect::Allow) => Said {
            fired: false,
            why: "Its condition depends on a fact that is not known, so it does not apply.".to_owned(),
        },
        (Fires::No(None), _) => Said { fired: false, why: "Its condition does not hold.".to_owned() },
        (Fires::No(Some(fault)), _) => Said {
            fired: false,
            why: format!("Its condition could not be decided, so it does not allow: {fault}."),
        },
    };
    let read = values(inquiry.read(), &inquiry);
    considered(rule, matched, read, said)
}

fn considered(rule: &Rule, matched: Matched, read: Vec<Read>, said: Said) -> Considered {
    Considered {
        rule: rule.ground.rule().to_string(),
        layer: rule.layer.as_str(),
        effect: rule.effect.as_str(),
        matched,
        condition: rule.condition.as_ref().map(|condition| condition.source().to_owned()),
        read,
        fired: said.fired,
        why: said.why,
    }
}

fn values(read: FactSet, inquiry: &Inquiry<'_>) -> Vec<Read> {
    read.iter()
        .filter_map(|number| {
            let value = match inquiry.peek(number) {
                Fact::Known(value) => shortened(&shown(&value)),
                Fact::Missing => "missing".to_owned(),
                Fact::Unknown => "unknown".to_owned(),
            };
            Some(Read { fact: fact_name(number)?, value })
        })
        .collect()
}

fn shown(value: &Value<'_>) -> String {
    format!("{value:?}")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE_CHARS) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or("")),
        None => text.to_owned(),
    }
}

fn names(layers: Layers) -> Vec<&'static str> {
    Layer::ALL.into_iter().filter(|layer| layers.contains(*layer)).map(Layer::as_str).collect()
}
