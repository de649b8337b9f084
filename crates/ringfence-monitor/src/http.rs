//! The configured servers over HTTP: each session of the front gets a server of its own, started,
//! held and ended like one that a client on the Unix socket wraps; a session with all servers as
//! one gets one of each.

mod issued;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ringfence_gateway::mcp::http::{
    Front, Limits, NotOpened, Opened, Protection, Shown, Stranger, Upstreams,
};
use ringfence_gateway::mcp::{all, http};
use ringfence_guard::{Evidence, Session, SessionKey};
use ringfence_identity::{Issuers, Refused, Token, Verified};
use ringfence_model::{AgentId, Assurance, Person};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, duplex, split};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use self::issued::Issued;
use crate::attach::far::{self, Far, Wire};
use crate::attach::{self, NotWrapped, pipe, streams};
use crate::peer::user_name;
use crate::protocol::McpRequest;
use crate::serve::{Served, Transport};

/// How much waits between the front and a wire, each way.
const PIPE: usize = 64 * 1024;
/// How much of what a server says on its standard error is looked at in one piece.
const ASIDE: u64 = 4096;

/// How the configured servers are reached over HTTP.
#[derive(Debug)]
pub struct Http {
    /// Where it listens.
    pub listener: TcpListener,
    /// Who a caller on this machine is that shows no token; without it, such a caller is refused.
    pub anonymous: Option<AgentId>,
    /// Whose tokens are taken besides our own.
    pub issuers: Issuers,
    /// Where the keys of issuers are fetched that are in no file.
    pub keys: BTreeMap<String, ringfence_identity::Endpoint>,
    /// The environment of the servers, before what the configuration says of each.
    pub env: Vec<(String, String)>,
    /// Takes what a person should see.
    pub notices: mpsc::Sender<String>,
}

/// What stands behind the front.
struct Servers {
    starter: Starter,
    anonymous: Option<AgentId>,
    issued: Issued,
    guesses: Guesses,
}

/// Tokens that are nobody's. Only so many a minute are recorded: whoever may connect could
/// otherwise fill the disk without being anybody.
#[derive(Default)]
struct Guesses(Mutex<Option<(Instant, u32)>>);

impl Guesses {
    const RECORDED: u32 = 60;
    const WITHIN: Duration = Duration::from_secs(60);

    /// Whether one more is recorded.
    fn is_recorded(&self) -> bool {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (since, count) = counted.filter(|(since, _)| now < *since + Guesses::WITHIN).unwrap_or((now, 0));
        *counted = Some((since, count.saturating_add(1)));
        if count == Guesses::RECORDED {
            tracing::warn!("too many tokens that are nobody's; the rest of this minute's are not recorded");
        }
        count < Guesses::RECORDED
    }
}

/// Serves until `stop` is dropped and what was under way has come to its end.
pub(crate) async fn serve(served: Arc<Served>, http: Http, stop: oneshot::Receiver<()>) {
    let Http { listener, anonymous, issuers, keys, env, notices } = http;
    let listener = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the listener cannot be used");
            return;
        }
    };
    let issued = Issued::new(issuers, keys, served.upstream.clone());
    let guesses = Guesses::default();
    let servers = Servers { starter: Starter { served, env, notices }, anonymous, issued, guesses };
    let front = Front::new(servers, Limits::STANDARD);
    let stopped = async {
        // Dropped is told too.
        stop.await.ok();
    };
    http::serve(listener, front, stopped).await;
}

impl Upstreams for Servers {
    fn serves(&self, server: &str) -> bool {
        server.is_empty() || self.starter.served.setting().servers.contains_key(server)
    }

    fn protection(&self) -> Option<&Protection> {
        self.issued.protection()
    }

    async fn caller(&self, shown: Shown, resource: &str) -> Result<Session, Stranger> {
        let stranger = |reason: String| Stranger::Unknown { reason };
        let evidence = match shown {
            Shown::Bearer(token)
                if self.issued.protection().is_some() && !token.starts_with(Token::PREFIX) =>
            {
                Evidence::Jwt(self.verified(&token, resource).await?)
            }
            Shown::Bearer(token) => {
                let token: Token =
                    token.parse().map_err(|error| stranger(format!("the token is {error}")))?;
                if !self.starter.served.guard.is_agent(&token) && !self.guesses.is_recorded() {
                    return Err(stranger("the token is no agent's".to_owned()));
                }
                Evidence::Token { token, claimed: None }
            }
            Shown::NothingLocally => {
                let Some(agent) = self.anonymous.clone() else {
                    return Err(stranger("a caller has to show an agent's token here".to_owned()));
                };
                let user = user_name(rustix::process::geteuid().as_raw());
                Evidence::Anonymous { agent, sponsor: Person::new(&user) }
            }
        };
        let session =
            self.starter.served.guard.session(evidence, SessionKey::Credential, Assurance::Cooperative).await;
        session.map_err(|denied| stranger(denied.decision.reason().to_string()))
    }

    async fn open(&self, server: &str, caller: Session) -> Result<Opened, NotOpened> {
        if !server.is_empty() {
            return opened(self.starter.opening(server, caller)).await;
        }
        // All are started before any is waited for.
        let setting = self.starter.served.setting();
        let opening: Vec<_> = setting
            .servers
            .keys()
            .cloned()
            .map(|name| {
                let opening = self.starter.opening(&name, caller.clone());
                (name, opening)
            })
            .collect();
        let mut servers = Vec::new();
        for (name, opening) in opening {
            servers.push((name, opened(opening).await));
        }
        let why = |(name, opened): &(String, Result<Opened, NotOpened>)| {
            opened.as_ref().err().map(|not_opened| format!("{name}: {}", not_opened.reason))
        };
        let reasons: Vec<String> = servers.iter().filter_map(why).collect();
        if reasons.len() == servers.len() {
            return Err(NotOpened { reason: reasons.join("; ") });
        }
        let again = self.starter.clone();
        let reopen =
            Box::new(move |name: &str| -> Opening { Box::pin(opened(again.opening(name, caller.clone()))) });
        Ok(all::all_reopening(servers, reopen))
    }

    fn chance(&self) -> Option<[u8; 16]> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(bytes)
    }
}

impl Servers {
    /// What an issuer says in its token. Who shows one that does not do is recorded, as whoever
    /// shows one of ours that does not.
    async fn verified(&self, token: &str, resource: &str) -> Result<Verified, Stranger> {
        let refused = match self.issued.verify(token, resource, self.starter.served.guard.now()).await {
            Ok(verified) => return Ok(verified),
            Err(refused) => refused,
        };
        let reason = refused.to_string();
        if self.guesses.is_recorded() {
            let denied = self.starter.served.guard.turn_away(&reason).await;
            tracing::debug!(record = denied.record.is_some(), "a token was refused");
        }
        Err(match refused {
            Refused::Scope => Stranger::LacksScope { reason },
            _ => Stranger::Unknown { reason },
        })
    }
}

impl Served {
    /// The words that a configured server is started with.
    fn command_of(&self, server: &str) -> Vec<String> {
        match self.setting().servers.get(server).map(|server| &server.transport) {
            Some(Transport::Stdio { command, .. }) => command.clone(),
            Some(Transport::Http(_)) | None => Vec::new(),
        }
    }
}

type Opening = Pin<Box<dyn Future<Output = Result<Opened, NotOpened>> + Send>>;

/// What starting a server needs.
#[derive(Clone)]
struct Starter {
    served: Arc<Served>,
    env: Vec<(String, String)>,
    notices: mpsc::Sender<String>,
}

impl Starter {
    /// Begins to open a wire to one server: a task of its own, since whoever asked may go away
    /// while the server is being started, and then it has to be ended.
    fn opening(&self, server: &str, caller: Session) -> JoinHandle<Result<Opened, NotWrapped>> {
        let Starter { served, env, notices } = self.clone();
        let wanted = McpRequest {
            server: server.to_owned(),
            command: served.command_of(server),
            cwd: std::path::PathBuf::from("/"),
            env,
            profile: None,
            agent: None,
            observe: false,
        };
        tokio::spawn(async move { open(&served, wanted, caller, notices).await })
    }
}

async fn opened(opening: JoinHandle<Result<Opened, NotWrapped>>) -> Result<Opened, NotOpened> {
    let told = |reason: String| NotOpened { reason };
    opening.await.map_err(|error| told(error.to_string()))?.map_err(|not| told(not.whole()))
}

async fn open(
    served: &Arc<Served>,
    mut wanted: McpRequest,
    session: Session,
    notices: mpsc::Sender<String>,
) -> Result<Opened, NotWrapped> {
    let (settings, endpoint) = served.settings(&mut wanted)?;
    let server = attach::server(&wanted, settings, endpoint.as_ref());
    let (aside, stderr) = pipe()?;
    let (far, line) = attach::connect(served, &wanted, endpoint, stderr, &session).await?;
    tokio::spawn(hear_aside(wanted.server, aside));
    let (front, near) = duplex(PIPE);
    let (from_wire, to_wire) = split(front);
    let (ending, ended) = oneshot::channel();
    let wire = far::wire(session.clone(), server, move || Ok(split(near)), line, notices)?;
    tokio::spawn(async move {
        let id = session.id().to_owned();
        if let Err(error) = attend(session, far, wire).await {
            tracing::warn!(session = id, error = error.whole(), "a server's connection broke");
        }
        drop(ending);
    });
    Ok(Opened { to_wire: Box::new(to_wire), from_wire: Box::new(from_wire), ended })
}

/// Until either side ends, or somebody stops it; nothing of the server runs any more then.
async fn attend(session: Session, mut far: Far, mut wire: Wire) -> Result<(), NotWrapped> {
    let mut kills = session.kills();
    let mut is_over = false;
    tokio::select! {
        biased;
        () = far.is_over() => {}
        why = session.killed(&mut kills) => {
            tracing::info!(session = session.id(), why, "a server is ended");
            far.kill();
        }
        finished = &mut wire => {
            is_over = true;
            if let Err(error) = finished {
                tracing::warn!(%error, "a server's connection broke");
            }
            far.give_time().await;
            far.kill();
        }
    }
    far.wait().await?;
    // What the server said last still goes through.
    if !is_over && tokio::time::timeout(attach::LAST_LINES, &mut wire).await.is_err() {
        tracing::debug!(session = session.id(), "the client did not take what the server said last");
    }
    Ok(())
}

/// What a server says on its standard error is read, so that it is never held up by it, and goes
/// into this process's own log.
async fn hear_aside(server: String, aside: OwnedFd) {
    let reader = match streams::reader(aside) {
        Ok(reader) => reader,
        Err(error) => {
            tracing::warn!(server, %error, "what it says aside cannot be read");
            return;
        }
    };
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line that is longer is told in pieces.
        match (&mut reader).take(ASIDE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => tracing::info!(server, said = ?String::from_utf8_lossy(line.trim_ascii_end())),
        }
    }
}
