//! Rules that can never have a say, because another one always has it first or more strictly.

use ringfence_model::Effect;

use crate::index::{Index, Probe};
use crate::rule::Rule;

/// A rule, and one that leaves it nothing.
pub(crate) struct Shadow<'r> {
    pub(crate) rule: &'r Rule,
    pub(crate) by: &'r Rule,
}

/// Where the other rule is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    WithinDocument,
    AcrossDocuments,
}

/// Every rule that is shadowed, each with the first rule that does it.
pub(crate) fn shadows(rules: &[Rule], reach: Reach) -> Vec<Shadow<'_>> {
    let covering: Vec<&Rule> = rules.iter().filter(|rule| rule.is_unconditional()).collect();
    let index = Index::new(covering.iter().map(|rule| &rule.scope));
    let mut shadows: Vec<Shadow<'_>> =
        rules.iter().filter_map(|rule| shadow(rule, &covering, &index, reach)).collect();
    shadows.sort_by_key(|shadow| shadow.rule.rank);
    shadows
}

fn shadow<'r>(rule: &'r Rule, covering: &[&'r Rule], index: &Index, reach: Reach) -> Option<Shadow<'r>> {
    // Whatever covers all of the rule covers its first product, and is found from there.
    let subject = rule.scope.subjects.first()?;
    let resource = rule.scope.resources.first()?;
    let action = rule.scope.actions.iter().next()?;
    let probe = Probe::product(&subject.glob, action, resource);
    index
        .lookup(&probe, |agents, resources| agents.covers(&subject.glob) && resources.covers(resource))
        .into_iter()
        .filter_map(|item| covering.get(item as usize))
        .find(|by| is_moot(rule, by, reach) && by.scope.covers(&rule.scope))
        .map(|by| Shadow { rule, by })
}

/// Whether the rule makes no difference beside one that applies to all it is about.
fn is_moot(rule: &Rule, by: &Rule, reach: Reach) -> bool {
    let together = policy(rule) == policy(by);
    match reach {
        // Another document's deny is all that leaves nothing: where it only asks, this layer may
        // still have to permit.
        Reach::AcrossDocuments => {
            !together
                && match (by.effect, rule.effect) {
                    (Effect::Deny, Effect::Allow | Effect::Ask) => true,
                    (Effect::Deny, Effect::Deny) | (Effect::Ask | Effect::Allow, _) => false,
                }
        }
        Reach::WithinDocument => {
            let same = by.effect == rule.effect
                && by.rank < rule.rank
                && match rule.effect {
                    Effect::Ask => by.approvers == rule.approvers && by.expires <= rule.expires,
                    Effect::Allow | Effect::Deny => true,
                };
            together && (by.effect > rule.effect || same)
        }
    }
}

fn policy(rule: &Rule) -> &str {
    rule.ground.rule().as_str().split_once('/').map_or("", |(policy, _)| policy)
}
