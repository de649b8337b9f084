//! What a session has been touched by. Declared from mild to strict: joining is `max`.

/// Whether something an outsider may have written is in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Integrity {
    /// Only what operators, the person and policy vouch for.
    Trusted,
    /// Something came in that anybody may have written.
    Untrusted,
}

impl Integrity {
    /// As conditions, records and answers spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Integrity::Trusted => "trusted",
            Integrity::Untrusted => "untrusted",
        }
    }
}

/// How secret what the session has seen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidentiality {
    /// Anybody may see it.
    Public,
    /// People of the organisation may.
    Internal,
    /// Named people may.
    Secret,
}

impl Confidentiality {
    /// As conditions, records and answers spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Confidentiality::Public => "public",
            Confidentiality::Internal => "internal",
            Confidentiality::Secret => "secret",
        }
    }
}

/// Both at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Labels {
    /// See [`Integrity`].
    pub integrity: Integrity,
    /// See [`Confidentiality`].
    pub confidentiality: Confidentiality,
}

impl Labels {
    /// What a session starts with.
    pub const FRESH: Labels =
        Labels { integrity: Integrity::Trusted, confidentiality: Confidentiality::Internal };

    /// The stricter of both, member by member.
    #[must_use]
    pub fn join(self, other: Labels) -> Labels {
        Labels {
            integrity: self.integrity.max(other.integrity),
            confidentiality: self.confidentiality.max(other.confidentiality),
        }
    }
}
