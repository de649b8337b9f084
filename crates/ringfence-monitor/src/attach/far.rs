//! The far end of a wire: a server that is started here, or one that is reached over HTTP. Either
//! way there is something that ends, can be ended, and is waited for.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;

use ringfence_gateway::mcp::stdio::{self, End, Server};
use ringfence_guard::Session;
use ringfence_sandbox::{Exit, Running};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::sync::{mpsc, oneshot};

use super::NotWrapped;
use super::streams::{self, Ended, give_time};
use super::thread::OwnThread;

/// What runs or is under way at the far end.
pub(crate) enum Far {
    /// A process tree of this monitor's.
    Child {
        /// It.
        running: Running,
        /// Told when it is gone.
        ended: Ended,
    },
    /// A server somewhere else.
    Reached {
        /// Dropped to end it.
        hold: Option<oneshot::Sender<()>>,
        /// Told when nothing is under way to it any more; none once that was heard.
        ended: Option<oneshot::Receiver<()>>,
    },
}

/// How a wire reads from its server and writes to it.
pub(crate) enum Line {
    /// A child's standard output and input.
    Pipes(OwnedFd, OwnedFd),
    /// A server over HTTP.
    Http { from_server: DuplexStream, to_server: DuplexStream },
}

/// A wire under way. Dropped, it ends.
pub(crate) type Wire = Pin<Box<dyn Future<Output = io::Result<End>> + Send>>;

impl Far {
    /// Resolves when it is over by itself.
    pub(crate) async fn is_over(&mut self) {
        match self {
            Far::Child { ended, .. } => ended.reached().await,
            Far::Reached { ended: told, .. } => {
                if let Some(ended) = told {
                    // An error means that it ended without saying so.
                    ended.await.ok();
                }
                *told = None;
            }
        }
    }

    /// Ends it now.
    pub(crate) fn kill(&mut self) {
        match self {
            Far::Child { running, .. } => running.killer().kill(),
            Far::Reached { hold, .. } => drop(hold.take()),
        }
    }

    /// Lets it end by itself: it was told.
    pub(crate) async fn give_time(&mut self) {
        match self {
            Far::Child { running, ended } => give_time(ended, running).await,
            Far::Reached { .. } => self.is_over().await,
        }
    }

    /// Waits until nothing of it runs any more.
    pub(crate) async fn wait(mut self) -> Result<Exit, NotWrapped> {
        self.is_over().await;
        match self {
            Far::Child { running, .. } => tokio::task::spawn_blocking(move || running.wait())
                .await
                .map_err(|error| NotWrapped::Streams(io::Error::other(error))),
            Far::Reached { .. } => Ok(Exit::Code(0)),
        }
    }
}

/// Carries messages between a client and its server. What belongs to a process has a thread of its
/// own and commits its records itself (a client that waits has nobody to share the flush with).
pub(crate) fn wire<CR, CW>(
    session: Session,
    server: Server,
    client: impl FnOnce() -> io::Result<(CR, CW)> + Send + 'static,
    line: Line,
    notices: mpsc::Sender<String>,
) -> Result<Wire, NotWrapped>
where
    CR: AsyncRead + Unpin + Send + 'static,
    CW: AsyncWrite + Unpin + Send + 'static,
{
    let started = match line {
        Line::Pipes(from_child, to_child) => OwnThread::start(move || {
            let upstream = (streams::reader(from_child)?, streams::writer(to_child)?);
            Ok(stdio::proxy(session.led(), server, client()?, upstream, notices))
        }),
        Line::Http { from_server, to_server } => {
            let client = client().map_err(NotWrapped::Streams)?;
            let proxy = stdio::proxy(session, server, client, (from_server, to_server), notices);
            return Ok(Box::pin(async move { Ok(proxy.await) }));
        }
    };
    Ok(Box::pin(started.map_err(NotWrapped::Streams)?))
}
