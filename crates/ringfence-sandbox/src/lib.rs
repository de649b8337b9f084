//! Turns a [`Confinement`](ringfence_model::Confinement) into a confined process, or refuses.
//!
//! [`prepare`] builds everything the process will be held by and stops just before `exec`; what
//! held is in [`Held::features`]. [`Held::release`] asks the caller's gate once more and only
//! then runs the command. Between the two stands a keeper: the caller's own executable,
//! re-entered as `<keeper> __hold`, which has to call [`keeper_main`] before it starts a thread.
//!
//! The guarantee: when the command ends, when [`Running`] is killed or dropped, and when the
//! process that holds it dies in whatever way, nothing the command started is left. The
//! kernel keeps it where a PID namespace may be made (the end of its first process ends all of
//! them); elsewhere the keeper hunts its descendants down, and [`Features`] says so.
//!
//! This crate refuses to know why something is confined or who asked: policy, sessions and
//! records are above it. It is the only crate with `unsafe`: system calls in `kernel`, and one
//! fork through it.

mod command;
mod features;
mod held;
mod keeper;
mod kernel;
mod refused;
mod wire;

pub use command::{Command, Exit};
pub use features::{Feature, Features};
pub use held::{Held, Killer, Running, prepare};
pub use keeper::{KEEPER_ARGUMENT, keeper_main};
pub use refused::Refused;
