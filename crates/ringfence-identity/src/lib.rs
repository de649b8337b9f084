//! Credentials: opaque bearer tokens of our own, which begin with `rf_`, and JSON Web Tokens of
//! issuers that the operator names. What is kept of a token of our own is its SHA-256; the token
//! itself is shown once, when it is made. And [`oauth`]: how the gateway gets tokens itself. Time is an argument wherever it matters, and what a
//! caller may do is known to the guard, not here.

mod endpoint;
mod jwk;
mod jwt;
pub mod oauth;
mod strict;
mod token;

pub use endpoint::{BadEndpoint, Endpoint};
pub use jwk::{BadKeySet, KeySet};
pub use jwt::{AgentClaim, BadIssuer, Issuer, Issuers, MAX_TOKEN, Refused, Verified, is_scope};
pub use token::{BadToken, NoRandomness, Token};
