//! MCP Streamable HTTP in front of wires that speak lines (2025-03-26, 2025-06-18, 2025-11-25,
//! and single requests of 2026-07-28).
//!
//! A session is one wire: what is POSTed goes in as a line, and lines that come out go to the
//! POST they belong to or to the session's GET stream. What a message means, whether it may
//! happen and where its server runs is behind [`Upstreams`]; here nothing is known of policy,
//! configuration or processes. Every buffer has a bound and every wait an end.

mod alone;
mod gate;
mod listen;
mod marks;
mod mirror;
mod post;
mod protected;
mod reply;
mod session;
mod sessions;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, AUTHORIZATION, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use ringfence_guard::Session;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use self::protected::Asked;
use self::reply::{Reply, Stop};
use self::sessions::Sessions;
use super::envelope::MAX_BYTES;

pub use self::listen::serve;
pub use self::protected::Protection;

/// Where all servers are reached as one.
const ALL: &str = "/mcp";
/// Where the servers are reached, under their name.
const MCP: &str = "/mcp/";
/// The header that names a session.
const SESSION: &str = "mcp-session-id";
/// How long servers may take to end once their sessions have.
const ENDING: Duration = Duration::from_secs(5);

/// What stands behind the front: who may come in, and how a wire to a server is opened. The empty
/// name is that of all servers as one, at `/mcp`.
pub trait Upstreams: Send + Sync + 'static {
    /// Whether there is a server of that name, or, by the empty name, all of them as one.
    fn serves(&self, server: &str) -> bool;

    /// Whose tokens are taken besides our own, where anybody's are.
    fn protection(&self) -> Option<&Protection> {
        None
    }

    /// Whose the request is. `resource` is the identifier of what is asked for (RFC 8707).
    fn caller(&self, shown: Shown, resource: &str) -> impl Future<Output = Result<Session, Stranger>> + Send;

    /// A new wire to a server, for a caller.
    fn open(&self, server: &str, caller: Session) -> impl Future<Output = Result<Opened, NotOpened>> + Send;

    /// 128 random bits; none where the system gives none.
    fn chance(&self) -> Option<[u8; 16]>;
}

/// What a request shows of its caller.
#[derive(Clone, PartialEq, Eq)]
pub enum Shown {
    /// `Authorization: Bearer`, as sent.
    Bearer(String),
    /// Nothing, and it comes from this machine.
    NothingLocally,
}

impl fmt::Debug for Shown {
    /// Without the credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shown::Bearer(_) => "Bearer(…)",
            Shown::NothingLocally => "NothingLocally",
        })
    }
}

/// A caller that is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// It is nobody that is known.
    Unknown {
        /// Why, for the caller to read.
        reason: String,
    },
    /// What it showed counts, but not for this.
    LacksScope {
        /// Why, for the caller to read.
        reason: String,
    },
}

/// A wire: lines in, lines out.
pub struct Opened {
    /// What the client says. Dropped when the session ends: the wire then ends too.
    pub to_wire: Box<dyn AsyncWrite + Send + Unpin>,
    /// What the client is told. Its end is the session's.
    pub from_wire: Box<dyn AsyncRead + Send + Unpin>,
    /// Resolves, or is dropped, when nothing of the wire runs any more.
    pub ended: oneshot::Receiver<()>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}

/// A wire that could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotOpened {
    /// Why, for the caller to read.
    pub reason: String,
}

/// How much and how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one body.
    pub body: usize,
    /// Bytes of all bodies that one caller is sending.
    pub bodies: usize,
    /// Requests and streams of one caller that are not over.
    pub requests_of_one: usize,
    /// Sessions of one caller.
    pub sessions_of_one: usize,
    /// Sessions in all.
    pub sessions: usize,
    /// Connections in all.
    pub connections: usize,
    /// For a request's head and, again, for its body.
    pub arrival: Duration,
    /// For a client to take what is sent to it, and for a server to take a message.
    pub patience: Duration,
    /// After which a quiet stream is kept alive by a comment.
    pub beat: Duration,
    /// After which a session that nobody uses ends.
    pub idle: Duration,
    /// For open requests when the front is told to end.
    pub drain: Duration,
}

impl Limits {
    /// What is served with.
    pub const STANDARD: Limits = Limits {
        body: MAX_BYTES,
        bodies: 4 * MAX_BYTES,
        requests_of_one: 512,
        sessions_of_one: 64,
        sessions: 16 * 1024,
        connections: 16 * 1024,
        arrival: Duration::from_secs(30),
        patience: Duration::from_secs(30),
        beat: Duration::from_secs(10),
        idle: Duration::from_secs(30 * 60),
        drain: Duration::from_secs(10),
    };
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
struct Ends {
    local: SocketAddr,
    peer: SocketAddr,
}

/// The front: its sessions, and what stands behind it.
pub struct Front<U> {
    upstreams: U,
    limits: Limits,
    sessions: Arc<Sessions>,
    draining: AtomicBool,
}

impl<U> fmt::Debug for Front<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<U: Upstreams> Front<U> {
    /// A front without sessions.
    pub fn new(upstreams: U, limits: Limits) -> Arc<Self> {
        Arc::new(Front {
            upstreams,
            limits,
            sessions: Sessions::new(limits),
            draining: AtomicBool::new(false),
        })
    }

    async fn answer(&self, request: Request<Incoming>, ends: Ends) -> Response<Reply> {
        match self.respond(request, ends).await {
            Ok(response) => response,
            Err(stop) => stop.response(),
        }
    }

    async fn respond(&self, request: Request<Incoming>, ends: Ends) -> Result<Response<Reply>, Stop> {
        gate::not_foreign(&request, ends.local)?;
        if request.uri().path() == "/healthz" {
            return match *request.method() {
                Method::GET => Ok(reply::text(StatusCode::OK, "ok\n")),
                _ => Err(not_allowed("GET")),
            };
        }
        if let Some(metadata) = self.upstreams.protection().and_then(|ours| ours.metadata(&request)) {
            return metadata;
        }
        let caller = self.caller(request.headers(), &Asked::by(&request)?, ends).await?;
        let server = named(request.uri().path()).filter(|server| self.upstreams.serves(server));
        let Some(server) = server.map(str::to_owned) else {
            return Err(Stop::new(StatusCode::NOT_FOUND, "there is no such server here"));
        };
        let share = self.sessions.share_of(caller.id());
        let place = share.request()?;
        let mut response = match *request.method() {
            Method::POST => self.post(request, &server, caller, share.bodies).await?,
            Method::GET => self.listen(request.headers(), &server, &caller)?,
            Method::DELETE => {
                self.session(request.headers(), &server, &caller)?.end("it was deleted by its client");
                reply::empty(StatusCode::NO_CONTENT)
            }
            _ => return Err(not_allowed("GET, POST, DELETE")),
        };
        response.body_mut().hold(place);
        Ok(response)
    }

    /// Who asks. What is shown and does not count is never taken for nothing shown.
    async fn caller(&self, headers: &HeaderMap, asked: &Asked, ends: Ends) -> Result<Session, Stop> {
        let protection = self.upstreams.protection();
        let unknown = |reason: &str, was_shown: bool| {
            let stranger = Stranger::Unknown { reason: reason.to_owned() };
            protected::turned_away(protection, asked, &stranger, was_shown)
        };
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        let shown = match (shown.next(), shown.next()) {
            (Some(value), None) => {
                let bearer = value.to_str().ok().and_then(|value| value.split_once(' '));
                let Some((_, token)) = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                else {
                    return Err(unknown("only `Authorization: Bearer` is taken", true));
                };
                Shown::Bearer(token.trim().to_owned())
            }
            (None, _) if ends.peer.ip().is_loopback() => Shown::NothingLocally,
            (None, _) => return Err(unknown("a caller from elsewhere has to show a token", false)),
            (Some(_), Some(_)) => return Err(unknown("there are two credentials", true)),
        };
        let is_shown = matches!(shown, Shown::Bearer(_));
        let caller = self.upstreams.caller(shown, &asked.resource()).await;
        caller.map_err(|stranger| protected::turned_away(protection, asked, &stranger, is_shown))
    }

    /// The session that a request names, which must be its own caller's and server's.
    fn session(
        &self,
        headers: &HeaderMap,
        server: &str,
        caller: &Session,
    ) -> Result<Arc<session::Session>, Stop> {
        let Some(id) = gate::single(headers, SESSION)? else {
            return Err(Stop::bad("the header `Mcp-Session-Id` is missing"));
        };
        self.sessions
            .find(id, server, caller.id())
            .ok_or_else(|| Stop::new(StatusCode::NOT_FOUND, "there is no such session; initialize a new one"))
    }

    /// The session's own stream.
    fn listen(&self, headers: &HeaderMap, server: &str, caller: &Session) -> Result<Response<Reply>, Stop> {
        gate::accepts(headers, &["text/event-stream"])?;
        mirror::revision(headers)?;
        let session = self.session(headers, server, caller)?;
        let heard = session.listen()?;
        Ok(reply::events(heard, self.limits.beat))
    }

    /// Takes no more sessions, lets open requests come to their end, ends every session, and gives
    /// servers a moment to end by themselves.
    async fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        if tokio::time::timeout(self.limits.drain, self.sessions.quiet()).await.is_err() {
            tracing::warn!("requests were still open when the time to finish them was over");
        }
        self.sessions.end_all("the gateway is ending");
        if tokio::time::timeout(ENDING, self.sessions.empty()).await.is_err() {
            tracing::warn!("servers did not end by themselves in time");
        }
    }
}

/// The server that a path names; none is named by `/mcp/`.
fn named(path: &str) -> Option<&str> {
    if path == ALL { Some("") } else { path.strip_prefix(MCP).filter(|server| !server.is_empty()) }
}

fn not_allowed(allowed: &'static str) -> Stop {
    Stop::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this address").with(ALLOW, allowed)
}
