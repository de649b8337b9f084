//! What holds a process.

/// What a process is asked to be held by. Grows with the sandbox; a member that is here is
/// enforced, or the process does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confinement {
    /// A PID namespace of its own, so that nothing it leaves behind survives it.
    /// `Required` refuses to start without one; `Preferred` falls back to reaping descendants.
    pub processes: Need,
}

/// How much a feature is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Refuse to start without it.
    Required,
    /// Use it where the kernel allows it, and say where it does not.
    Preferred,
}

/// How far enforcement reaches for one agent or server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assurance {
    /// The process could go around the monitor if it wanted to.
    Cooperative,
    /// The kernel leaves it no way around.
    Confined,
}

impl Assurance {
    /// As records spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Assurance::Cooperative => "cooperative",
            Assurance::Confined => "confined",
        }
    }
}
