//! The checks of this repository, one module a step: `cargo xtask ci` runs them all,
//! `cargo xtask <step>` one of them. Knows the tree and the tools, nothing of what the product
//! does; it has few dependencies so that it compiles in seconds.

pub mod ci;
pub mod deny;
pub mod docs;
pub mod fuzz;
pub mod rust_text;
pub mod shell;
pub mod tidy;
pub mod tools;
pub mod workspace;
