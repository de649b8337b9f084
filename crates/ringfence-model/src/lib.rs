//! The vocabulary every other crate speaks: who acts ([`Subject`]), what is attempted
//! ([`Action`] on a [`Resource`]), what is decided ([`Decision`]) and what came of it
//! ([`Outcome`]). Data only: nothing here decides, records, reads a clock or a file.

mod action;
mod agent;
mod arguments;
mod confinement;
mod decision;
mod digest;
mod hex;
mod labels;
mod outcome;
mod resource;
mod subject;

pub use action::{Action, ActionKind, UnknownAction};
pub use agent::{AgentId, BadAgentId};
pub use arguments::{Arguments, BadArguments};
pub use confinement::{Assurance, Confinement, Need};
pub use decision::{Approver, Ask, Decision, Effect, FactSet, Ground, Obligation, RuleName};
pub use digest::{BadDigest, Digest};
pub use hex::{hex, unhex};
pub use labels::{Confidentiality, Integrity, Labels};
pub use outcome::{Outcome, OutcomeKind, Usage};
pub use resource::{BadResource, Resource, ResourceKind};
pub use subject::{Person, Ring, Subject};

/// A point in time. RFC 3339 UTC on every wire.
pub use jiff::Timestamp;
