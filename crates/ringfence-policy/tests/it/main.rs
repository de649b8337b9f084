//! What users of policies rely on, through the public interface.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod attempt;
mod cases;
mod diagnostics;
mod explanations;
mod hours;
mod loading;
mod model;
mod oracle;
mod properties;
mod schema;
mod stock;
mod windows;
