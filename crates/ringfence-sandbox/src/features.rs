//! Which features hold a process.

/// What holds a process, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// A PID namespace of its own. Where it is missing, descendants are tracked and killed by
    /// the keeper, which a process of the same user can evade by killing the keeper first.
    pub pid_namespace: Feature,
    /// A `/proc` of its own, which shows its own processes alone.
    pub own_proc: Feature,
}

/// Whether one feature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feature {
    /// It holds.
    Holds,
    /// It does not; one sentence says why and what would change it.
    Missing(String),
}

impl Feature {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        match self {
            Feature::Holds => true,
            Feature::Missing(_) => false,
        }
    }
}
