//! The tests of the expression language.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bounds;
mod cases;
mod examples;
mod facts;
mod guards;
mod hostile;
mod oracle;
mod program;
mod quick;
