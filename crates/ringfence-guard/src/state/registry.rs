//! Agents, operators, latches and trusted projects: what changes rarely and is read on every
//! check.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_audit::record::{
    AgentChanged, Credential, LatchLifted, LatchSet, OperatorAdded, ProjectTrusted, Scope,
};
use ringfence_model::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) const AGENTS: &str = "agents";
pub(super) const OPERATORS: &str = "operators";
pub(super) const LATCHES: &str = "latches";
pub(super) const PROJECTS: &str = "projects";

type Changed = BTreeSet<(&'static str, String)>;

/// Who is known, and what is forbidden to whom for now.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Registry {
    /// By SPIFFE ID as records have it.
    pub(crate) agents: BTreeMap<String, AgentRow>,
    /// By pseudonym.
    pub(crate) operators: BTreeMap<String, OperatorRow>,
    /// By id.
    pub(crate) latches: BTreeMap<String, Latch>,
    /// Pinned digest by place.
    pub(crate) projects: BTreeMap<String, String>,
}

/// An agent that the log registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AgentRow {
    pub(crate) standing: Standing,
    /// Pseudonym.
    pub(crate) sponsor: String,
    pub(crate) groups: Vec<String>,
    pub(crate) tokens: Vec<Credential>,
}

impl AgentRow {
    /// Whether a token, by its digest, authenticates the agent.
    pub(crate) fn takes(&self, sha256: &str, now: Timestamp) -> bool {
        self.tokens.iter().any(|token| token.sha256 == sha256 && token.until.is_none_or(|until| now < until))
    }
}

/// Whether an agent may act at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It may.
    Active,
    /// Not for now.
    Suspended,
    /// Never again.
    Revoked,
}

impl Standing {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Standing::Active => "active",
            Standing::Suspended => "suspended",
            Standing::Revoked => "revoked",
        }
    }

    /// A word that is none of the three is read as the strictest.
    fn parse(word: &str) -> Standing {
        match word {
            "active" => Standing::Active,
            "suspended" => Standing::Suspended,
            _ => Standing::Revoked,
        }
    }
}

/// An operator that the log registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OperatorRow {
    pub(crate) groups: Vec<String>,
    /// SHA-256 of the token.
    pub(crate) sha256: String,
}

/// A kill in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latch {
    pub(crate) scope: Scope,
    /// Pseudonym.
    pub(crate) operator: String,
    pub(crate) since: Timestamp,
}

impl Latch {
    /// Whether it covers an attempt.
    pub(crate) fn covers(&self, agent: &str, session: &str, sponsor: &str, resource: &str) -> bool {
        match &self.scope {
            Scope::Agent(id) => id == agent,
            Scope::Session(id) => id == session,
            Scope::Sponsor(pseudonym) => pseudonym == sponsor,
            Scope::Tool(uri) => uri == resource,
            Scope::All(_) => true,
        }
    }
}

impl Registry {
    pub(super) fn agent_changed(&mut self, agent: &AgentChanged, changed: &mut Changed) {
        let row = AgentRow {
            standing: Standing::parse(&agent.standing),
            sponsor: agent.sponsor.clone(),
            groups: agent.groups.clone(),
            tokens: agent.tokens.clone(),
        };
        self.agents.insert(agent.agent.clone(), row);
        changed.insert((AGENTS, agent.agent.clone()));
    }

    pub(super) fn operator_added(&mut self, operator: &OperatorAdded, changed: &mut Changed) {
        let row = OperatorRow { groups: operator.groups.clone(), sha256: operator.sha256.clone() };
        self.operators.insert(operator.operator.clone(), row);
        changed.insert((OPERATORS, operator.operator.clone()));
    }

    pub(super) fn latch_set(&mut self, latch: &LatchSet, at: Timestamp, changed: &mut Changed) {
        let row = Latch { scope: latch.scope.clone(), operator: latch.operator.clone(), since: at };
        self.latches.insert(latch.latch.clone(), row);
        changed.insert((LATCHES, latch.latch.clone()));
    }

    pub(super) fn latch_lifted(&mut self, latch: &LatchLifted, changed: &mut Changed) {
        self.latches.remove(&latch.latch);
        changed.insert((LATCHES, latch.latch.clone()));
    }

    pub(super) fn project_trusted(&mut self, project: &ProjectTrusted, changed: &mut Changed) {
        match &project.digest {
            Some(digest) => self.projects.insert(project.place.clone(), digest.clone()),
            None => self.projects.remove(&project.place),
        };
        changed.insert((PROJECTS, project.place.clone()));
    }
}
