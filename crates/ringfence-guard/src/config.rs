//! Who the operator's own configuration names. Given at the start and fixed until the next one;
//! agents and operators that were added later are in the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringfence_model::{AgentId, Digest, Person, Ring};

/// Agents and operators of the configuration.
#[derive(Debug, Clone)]
pub struct Configured {
    /// By id.
    pub agents: BTreeMap<AgentId, ConfiguredAgent>,
    /// In the order written.
    pub operators: Vec<ConfiguredOperator>,
    /// What the ids of agents begin with that issuers may name without their being registered.
    pub issued: Vec<String>,
}

impl Configured {
    /// Without a configuration: only whom the log knows, and local agents.
    pub fn nobody() -> Self {
        Configured { agents: BTreeMap::new(), operators: Vec::new(), issued: Vec::new() }
    }

    /// Whether there may be such an agent although nobody registered it.
    pub(crate) fn is_issued(&self, id: &AgentId) -> bool {
        self.issued.iter().any(|prefix| id.as_str().starts_with(prefix))
    }
}

/// An agent that the configuration registers.
#[derive(Debug, Clone)]
pub struct ConfiguredAgent {
    /// Who answers for it.
    pub sponsor: Person,
    /// Groups it is a member of.
    pub groups: Arc<[String]>,
    /// Its ring.
    pub ring: Ring,
    /// SHA-256 of its token, where it has one.
    pub token: Option<Digest>,
}

/// An operator that the configuration registers.
#[derive(Debug, Clone)]
pub struct ConfiguredOperator {
    /// Who.
    pub person: Person,
    /// Groups the operator is a member of.
    pub groups: Vec<String>,
    /// SHA-256 of the operator's token.
    pub token: Digest,
}

/// An authenticated operator.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Who.
    pub person: Person,
    /// Groups the operator is a member of.
    pub groups: Vec<String>,
    pub(crate) pseudonym: String,
}
