//! The real binary, as people and scripts use it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's way to fail")]

mod audit;
mod configuration;
mod deciding;
mod demo;
mod demo_erp;
mod first_steps;
mod governing;
mod helping;
mod issuing;
mod logging_in;
mod operating;
mod policies;
mod serving;
mod trusting;
mod world;
