//! The Model Context Protocol on the wire, in every revision from 2024-11-05 to 2026-07-28.
//!
//! Bytes come in as [`lines`] or bodies, become messages in [`envelope`], are told apart by
//! [`method`], have their arguments held against the tool's [`schema`], and leave as they came
//! unless [`edit`] makes something else of them. [`stdio`] is a wire between a client and a server;
//! [`http`] stands in front of wires, [`upstream`] behind them.

pub mod all;
pub mod bridge;
pub mod edit;
pub mod envelope;
pub mod http;
mod json;
pub mod lines;
pub mod method;
pub mod mirror;
pub mod schema;
pub mod stdio;
pub mod upstream;
