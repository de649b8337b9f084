//! The expression language of conditions: the Common Expression Language, parsed, checked against
//! what may be named ([`Env`]), compiled ([`Program`]) and evaluated over facts that are asked for
//! lazily ([`Activation`]). It knows nothing of agents, tools or policies, reads no clock, file or
//! environment, and cannot fail to answer: every evaluation is bounded and ends in a [`Verdict`].
//!
//! Where it is stricter than the standard, it is so that a rule cannot pass by in silence: values of
//! different types are not unequal but a fault (except beside a literal `null`), patterns are
//! literals that are compiled when loaded, and optional members are read under `has()`.

mod check;
mod env;
mod eval;
mod fault;
mod functions;
mod issue;
mod program;
mod syntax;
mod tree;
mod types;
mod value;

pub use env::{Env, EnvBuilder, Name, Slot};
pub use fault::{Fault, FaultKind, Kind, Verdict};
pub use functions::{Function, Parameter, Signature, functions};
pub use issue::Issue;
pub use program::{FUEL, Program};
pub use types::{Member, Record, Type};
pub use value::{Activation, Fact, Sequence, Value};
