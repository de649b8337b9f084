//! How the gateway itself logs in elsewhere: an OAuth 2.1 client for MCP servers over HTTP, as
//! revision 2026-07-28 has it (RFC 9728 and RFC 8414 to find out where, RFC 8707 for which
//! resource, RFC 7636 and RFC 9207 against whoever is in between, RFC 7591 as the last resort).
//!
//! It speaks through [`Web`] and is told the time; it opens no socket, keeps no file and shows
//! nobody a page. What servers say of themselves and of each other is believed only as far as it
//! agrees with what was asked.

mod challenge;
mod client;
mod discovery;
mod form;
mod grant;
mod login;
mod web;

use std::fmt;

use zeroize::Zeroizing;

pub use self::challenge::Challenge;
pub use self::client::{Client, Registered};
pub use self::discovery::{AuthorizationServer, Place, discover};
pub use self::grant::{Grant, by_itself};
pub use self::login::{Code, Login, Redirected};
pub use self::web::{Answer, Body, Request, Unreached, Web};

use crate::endpoint::Endpoint;

/// A token, code or password. Wiped from memory when dropped; never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// From what was read or received.
    pub fn new(secret: String) -> Secret {
        Secret(Zeroizing::new(secret))
    }

    /// The secret itself, for whom it is meant.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why there is no token. What others wrote is in it only where it is an address that was checked or
/// a word of a protocol.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoGrant {
    /// Somebody could not be reached.
    #[error("`{place}` cannot be asked")]
    Unreached {
        /// Whom.
        place: Endpoint,
        /// Why not.
        #[source]
        source: Unreached,
    },
    /// An answer that is none.
    #[error("`{place}` answered with status {status} where {wanted} was expected")]
    Status {
        /// Who.
        place: Endpoint,
        /// With what.
        status: u16,
        /// What was asked for.
        wanted: &'static str,
    },
    /// A redirect, which is never followed.
    #[error("`{place}` sends whoever asks for {wanted} somewhere else, and that is not followed")]
    Redirect {
        /// Who.
        place: Endpoint,
        /// What was asked for.
        wanted: &'static str,
    },
    /// A document that is not what it should be.
    #[error("what `{place}` answers is not usable as {wanted}: {why}")]
    Malformed {
        /// Who.
        place: Endpoint,
        /// What was asked for.
        wanted: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// The server says nowhere who issues tokens for it.
    #[error("`{0}` wants a token and does not say who issues it (RFC 9728); give it one with `token:`")]
    NoMetadata(Endpoint),
    /// The server names metadata of somebody else's.
    #[error("`{server}` points to metadata on another host, `{named}`; it is not looked at")]
    ForeignMetadata {
        /// The server.
        server: Endpoint,
        /// What it names.
        named: Endpoint,
    },
    /// The server says that it is another one.
    #[error("`{0}` says that tokens for it are for another resource; one could be used there in your name")]
    OtherResource(Endpoint),
    /// The authorization server that the operator named is not one of the server's.
    #[error("`{server}` does not take tokens of `{issuer}`, which the configuration names")]
    OtherIssuer {
        /// The server.
        server: Endpoint,
        /// Whose were expected.
        issuer: String,
    },
    /// Nothing was found where RFC 8414 and OpenID Connect Discovery look for it.
    #[error("`{0}` says nothing of itself where an authorization server does (RFC 8414)")]
    NoServerMetadata(Endpoint),
    /// Metadata of another authorization server.
    #[error("the metadata of `{0}` is another issuer's (RFC 8414, section 3.3)")]
    ForeignIssuer(Endpoint),
    /// No way to prove that whoever redeems a code is who asked for it.
    #[error("`{0}` does not offer PKCE with S256, so a stolen code could be redeemed; it is not used")]
    NoPkce(Endpoint),
    /// It does not do what is needed.
    #[error("`{issuer}` does not offer {what}")]
    NotOffered {
        /// Who.
        issuer: Endpoint,
        /// What.
        what: &'static str,
    },
    /// It does not know this gateway.
    #[error("`{0}` takes only clients that it knows; register one there and name it under `client:`")]
    NoClient(Endpoint),
    /// A client's credentials are for the authorization server that issued them.
    #[error(
        "the client that is configured is registered with `{configured}`, and `{found}` issues the tokens"
    )]
    OtherServersClient {
        /// Where it is registered.
        configured: String,
        /// Where it would have been used.
        found: Endpoint,
    },
    /// It said no.
    #[error("`{issuer}` refuses: `{code}`")]
    Refused {
        /// Who.
        issuer: Endpoint,
        /// The error's code (RFC 6749, section 5.2).
        code: String,
    },
    /// The system gives no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// A fresh secret of 256 bits in base64url.
fn fresh() -> Result<Zeroizing<String>, NoGrant> {
    use base64::Engine as _;
    let mut bytes = Zeroizing::new([0u8; 32]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| NoGrant::NoRandomness)?;
    Ok(Zeroizing::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}
