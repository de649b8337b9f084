//! A server that is reached over Streamable HTTP (2025-03-26 to 2026-07-28), as the far end of a
//! wire: each line that the wire says becomes a POST, each message that comes back a line.
//!
//! It decides nothing: whatever it sends has been through its wire. It follows no redirect, sends
//! no credential but the server's own, and holds bounded memory whatever a server answers.

mod credential;
mod exchange;
mod fetch;
mod headers;
mod talk;

pub mod events;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Uri;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::oneshot;

pub use self::credential::{Authorization, Credential, NothingToShow, Shown};
pub use self::fetch::{Fetched, NotFetched};

/// How much waits between a wire and its server, each way.
const PIPE: usize = 64 * 1024;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one that is not used is kept.
const KEEP: Duration = Duration::from_secs(60);

/// What reaches servers; cheap to clone, and its connections are shared.
#[derive(Clone)]
pub struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

/// Servers cannot be reached over TLS.
#[derive(Debug, thiserror::Error)]
pub enum NoTls {
    /// The cryptography does not offer what TLS needs.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

impl Http {
    /// Trusts the system's certificate authorities, or those that `SSL_CERT_FILE` names. Where there
    /// are none, only `http` servers can be reached; that is logged.
    ///
    /// # Errors
    /// See [`NoTls`].
    pub fn new() -> Result<Http, NoTls> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let tls = match HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(aws_lc_rs::default_provider())
        {
            Ok(tls) => tls,
            Err(error) => {
                tracing::warn!(%error, "no certificate authority is known: no `https` server can be reached");
                let config =
                    rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                        .with_safe_default_protocol_versions()?
                        .with_root_certificates(rustls::RootCertStore::empty())
                        .with_no_client_auth();
                HttpsConnectorBuilder::new().with_tls_config(config)
            }
        };
        let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(KEEP)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Http { client })
    }
}

/// Where a server is, and what it is shown.
#[derive(Clone)]
pub struct Endpoint {
    /// Its name in policy.
    pub name: String,
    /// `http` or `https`, with a host.
    pub uri: Uri,
    /// What it is shown.
    pub authorization: Authorization,
}

impl fmt::Debug for Endpoint {
    /// Without the credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("name", &self.name).field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// A server as its wire has it.
#[derive(Debug)]
pub struct Reached {
    /// What the server says, in lines.
    pub from_server: DuplexStream,
    /// What it is told, in lines. When it is dropped, what was under way is given up and the session
    /// with the server is ended.
    pub to_server: DuplexStream,
    /// Dropped, it ends the server's side at once, whatever the wire still wants.
    pub hold: oneshot::Sender<()>,
    /// Resolves, or is dropped, when nothing of it is under way any more.
    pub ended: oneshot::Receiver<()>,
}

/// The far end of a wire. Nothing is sent before the wire says something.
pub fn reach(http: Http, endpoint: Endpoint) -> Reached {
    // A pipe each way: one end of each can be closed by itself.
    let (from_server, to_wire) = duplex(PIPE);
    let (to_server, from_wire) = duplex(PIPE);
    let (ending, ended) = oneshot::channel();
    let (hold, held) = oneshot::channel();
    tokio::spawn(async move {
        talk::carry(http, endpoint, (from_wire, to_wire), held).await;
        drop(ending);
    });
    Reached { from_server, to_server, hold, ended }
}
