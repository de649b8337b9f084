//! What users of the guard rely on: one module for each promise.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's way to fail")]

mod agents;
mod approvals;
mod canonical;
mod cases;
mod issued;
mod last_look;
mod leaves;
mod limits;
mod observing;
mod outcomes;
mod recording;
mod restarting;
mod simultaneous;
mod sweeping;
mod world;
