//! Who acts, and who answers for it.

use std::fmt;
use std::sync::Arc;

use crate::AgentId;

/// A human being by the name they are known under here, such as `dana@acme.example`.
/// Personal: never written into a leaf of the log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person(Arc<str>);

impl Person {
    /// From the name as configured.
    pub fn new(name: &str) -> Self {
        Person(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Person {
    /// Not the name: debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(…)")
    }
}

/// How much a process is given: the higher the number, the narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ring {
    /// The monitor itself; never an agent's.
    Zero,
    /// Wide, with irreversible actions asked.
    One,
    /// May write beneath named directories and reach allowed hosts.
    Two,
    /// Read only, no network but the gateway. The ring of whoever has none named.
    Three,
}

impl Ring {
    /// 0 to 3.
    pub fn number(self) -> u8 {
        match self {
            Ring::Zero => 0,
            Ring::One => 1,
            Ring::Two => 2,
            Ring::Three => 3,
        }
    }

    /// The ring of that number, where there is one.
    pub fn from_number(number: u8) -> Option<Ring> {
        [Ring::Zero, Ring::One, Ring::Two, Ring::Three].into_iter().find(|ring| ring.number() == number)
    }
}

/// The authenticated agent behind an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its identifier.
    pub id: AgentId,
    /// The person who answers for it.
    pub sponsor: Person,
    /// Groups it is a member of.
    pub groups: Arc<[String]>,
    /// Its effective ring.
    pub ring: Ring,
    /// Who delegated to it, from the first to the last; empty where nobody did.
    pub delegation: Arc<[AgentId]>,
}
