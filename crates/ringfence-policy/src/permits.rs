//! Which layers have anything to allow or ask for an agent at all. Such a layer must itself
//! allow or ask; a layer that has not is neutral.

use std::collections::BTreeSet;
use std::sync::Arc;

use ringfence_model::{ActionKind, Effect};

use crate::index::{Index, Probe};
use crate::pattern::{AgentPattern, ResourcePattern};
use crate::rule::{Layer, Rule};
use crate::scope::{ActionSet, Scope};
use crate::target::Target;

/// One flag for each layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Layers(u8);

impl Layers {
    pub(crate) const NONE: Layers = Layers(0);

    pub(crate) fn insert(&mut self, layer: Layer) {
        self.0 |= 1 << layer as u8;
    }

    pub(crate) fn contains(self, layer: Layer) -> bool {
        self.0 & (1 << layer as u8) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first layer that is here and not in `other`.
    pub(crate) fn first_beyond(self, other: Layers) -> Option<Layer> {
        Layer::ALL.into_iter().find(|layer| self.contains(*layer) && !other.contains(*layer))
    }
}

#[derive(Debug)]
pub(crate) struct Permits {
    /// Layers that have rules that allow or ask, for anybody.
    any: Layers,
    /// Layers that have them for everybody.
    everyone: Layers,
    /// For the others: each glob once.
    scopes: Box<[(Layer, Scope)]>,
    index: Index,
}

impl Permits {
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let mut any = Layers::NONE;
        let mut everyone = Layers::NONE;
        let permitting = || {
            rules.iter().filter(|rule| match rule.effect {
                Effect::Allow | Effect::Ask => true,
                Effect::Deny => false,
            })
        };
        for rule in permitting() {
            any.insert(rule.layer);
            if rule.scope.subjects.iter().any(|subject| subject.glob.is_universal()) {
                everyone.insert(rule.layer);
            }
        }
        let mut seen = BTreeSet::new();
        let mut scopes = Vec::new();
        let anything: Arc<[ResourcePattern]> = Arc::new([ResourcePattern::any()]);
        for rule in permitting().filter(|rule| !everyone.contains(rule.layer)) {
            for subject in rule.scope.subjects.iter() {
                if seen.insert((rule.layer, &subject.text)) {
                    let subjects: Arc<[AgentPattern]> = Arc::new([subject.clone()]);
                    let resources = Arc::clone(&anything);
                    scopes.push((rule.layer, Scope { subjects, actions: ActionSet::ALL, resources }));
                }
            }
        }
        let index = Index::new(scopes.iter().map(|(_, scope)| scope));
        Permits { any, everyone, scopes: scopes.into(), index }
    }

    /// The layers that must themselves allow or ask, given those that did. What did is not looked
    /// up again.
    pub(crate) fn owing(&self, did: Layers, agent: &[u8], target: &Target) -> Option<Layer> {
        self.any.first_beyond(did)?;
        let mut layers = self.everyone;
        // The action does not matter: the scopes here are open in it.
        let probe = Probe::attempt(agent, ActionKind::ToolCall, target);
        for item in self.index.lookup(&probe, |agents, _| agents.matches(agent)) {
            if let Some((layer, _)) = self.scopes.get(item as usize) {
                layers.insert(*layer);
            }
        }
        layers.first_beyond(did)
    }

    /// The layers that have anything to allow or ask for the agent.
    pub(crate) fn layers(&self, agent: &[u8], target: &Target) -> Layers {
        let mut layers = Layers::NONE;
        while let Some(layer) = self.owing(layers, agent, target) {
            layers.insert(layer);
        }
        layers
    }
}
