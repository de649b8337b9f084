//! What users of the log rely on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's way to fail")]

mod appending;
mod crashing;
mod erasing;
mod failing;
mod fixture;
mod oracle;
mod proving;
mod recovering;
mod tampering;
