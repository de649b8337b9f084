//! How the gateway logs in elsewhere.

mod challenges;
mod finding;
mod granting;
mod logging_in;
mod world;
