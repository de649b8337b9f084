//! Who asks, as the transport shows it. Never taken from an argument, a header or a name that a
//! caller sends.

use ringfence_identity::{Token, Verified};
use ringfence_model::{AgentId, Person};

/// What a front end saw of the caller.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// A bearer token. `claimed` is the agent that the caller says it is, where it says so; the
    /// token must be that agent's.
    Token {
        /// The token.
        token: Token,
        /// Which agent it should belong to.
        claimed: Option<AgentId>,
    },
    /// What a configured issuer says in a token that it signed. The agent, the person and the issuer
    /// together are the credential, so that a renewed token goes on with the same session.
    Jwt(Verified),
    /// The peer of a Unix socket, as the kernel names it. Counts only where no agents are
    /// configured; becomes `spiffe://local/<user>/<program>`.
    Peer {
        /// The operating system's user.
        user: Person,
        /// The name of the peer's parent executable; descriptive only.
        program: String,
    },
    /// Nothing but that the caller is on this machine, where the configuration says who that is.
    /// All such callers are one credential.
    Anonymous {
        /// Who it is.
        agent: AgentId,
        /// Who answers for it, unless it is registered with a sponsor of its own.
        sponsor: Person,
    },
    /// Named by the operator on the operator's own transport, such as `decide`'s input.
    Declared {
        /// The agent.
        agent: AgentId,
        /// Who answers for it.
        sponsor: Person,
    },
}

/// What tells one session of a credential from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionKey {
    /// The credential's one session.
    Credential,
    /// A session that the operator names; counts with [`Evidence::Declared`] alone, since an
    /// agent could take a fresh name to wash labels and limits off.
    Named(String),
}
