//! Credentials. For now one kind: opaque bearer tokens, which begin with `rf_`. What is kept is
//! their SHA-256; the token itself is shown once, when it is made. Time is an argument wherever
//! it matters, and who a credential belongs to is known to the guard, not here.

mod token;

pub use token::{BadToken, NoRandomness, Token};
