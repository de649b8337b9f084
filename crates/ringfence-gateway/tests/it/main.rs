//! What an agent, a server and a policy rely on from the data plane. Cases that
//! other languages can run stand in `tests/cases/mcp/`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests fail as tests do; clippy exempts only the test functions themselves"
)]

mod all;
mod bridge;
mod cases;
mod edit;
mod envelope;
mod guarded;
mod http;
mod lines;
mod method;
mod schema;
mod stdio;
mod upstream;
