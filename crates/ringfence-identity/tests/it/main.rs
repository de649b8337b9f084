//! What users of credentials rely on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's way to fail")]

mod forged;
mod idp;
mod issuers;
mod keys;
mod oauth;
