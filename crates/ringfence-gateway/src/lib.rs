//! The data plane: what agents, servers and models say to each other on the wire, parsed just
//! far enough to know what is attempted.
//!
//! What nobody edits passes byte for byte. This crate refuses to know what may happen: it
//! turns bytes into actions for the guard, and decisions into bytes.

pub mod mcp;
