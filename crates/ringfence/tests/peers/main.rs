//! Ringfence between official clients and official servers, as processes: the Python and the
//! TypeScript SDK, `fastmcp`, `rmcp` and the inspector in front of reference servers, and the
//! official conformance suite on either side. Needs what `cargo xtask tools` installs, so the
//! feature `peers` turns it on; once on, a peer that is missing is a failure that names it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do; clippy exempts only the test functions themselves"
)]

mod answers;
mod clients;
mod conformance;
mod far;
mod hygiene;
mod issuing;
mod peer;
mod place;
mod same;
mod servers;
mod sharing;
mod soak;
mod suite;
