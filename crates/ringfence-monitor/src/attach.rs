//! One wrapped MCP server: the client's streams arrive over the socket, the server is started
//! and held here, and everything between them goes through the guard.

pub(crate) mod far;
pub(crate) mod streams;
mod thread;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ringfence_gateway::mcp::stdio::{self, Server};
use ringfence_gateway::mcp::upstream::{self, Authorization, Endpoint, Reached};
use ringfence_guard::{Denied, Evidence, Session, SessionKey, sha256};
use ringfence_identity::Token;
use ringfence_model::{Assurance, Confinement, Need};
use ringfence_policy::{PolicySet, Source, stock};
use ringfence_sandbox::{Command, Exit, Features, Running, prepare};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use self::far::{Far, Line};
use self::streams::Ended;
use crate::peer::Peer;
use crate::protocol::{Answer, McpRequest};
use crate::serve::{Served, Transport, say};

/// How long a client may take to read what the server said before it ended.
pub(crate) const LAST_LINES: Duration = Duration::from_secs(2);

/// Why a server is not wrapped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotWrapped {
    #[error("{0}")]
    Denied(Box<Denied>),
    #[error(
        "an operator stopped this before it was started; `ringfence kill --list` shows the kills in force"
    )]
    Killed,
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Sandbox(#[from] ringfence_sandbox::Refused),
    #[error("the server's pipes cannot be made")]
    Pipes(#[source] io::Error),
    #[error("the client's streams cannot be used")]
    Streams(#[source] io::Error),
}

impl NotWrapped {
    /// It and its causes.
    pub(crate) fn whole(&self) -> String {
        let mut message = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        message
    }
}

/// Serves one `ringfence mcp` until its server or its client ends.
pub(crate) async fn mcp(
    served: &Arc<Served>,
    peer: Peer,
    wanted: McpRequest,
    mut stream: BufReader<UnixStream>,
) -> io::Result<()> {
    // The client sends its files only now, so that nothing of them is read ahead.
    say(&mut stream, &Answer::Done(serde_json::Value::Null)).await?;
    let files = streams::receive(stream.get_mut()).await?;
    let answer = match wrapped(served, peer, wanted, files, &mut stream).await {
        Ok(exit) => exit,
        Err(NotWrapped::Denied(denied)) => Answer::No(denied.to_string()),
        Err(killed @ NotWrapped::Killed) => Answer::No(killed.to_string()),
        Err(error) => Answer::Failed(error.whole()),
    };
    say(&mut stream, &answer).await
}

async fn wrapped(
    served: &Arc<Served>,
    peer: Peer,
    mut wanted: McpRequest,
    files: [OwnedFd; 3],
    stream: &mut BufReader<UnixStream>,
) -> Result<Answer, NotWrapped> {
    let (settings, endpoint) = served.settings(&mut wanted)?;
    let session = session(served, peer, &wanted).await?;
    let [client_in, client_out, client_err] = files;
    let server = server(&wanted, settings, endpoint.as_ref());
    let (mut far, line) = connect(served, &wanted, endpoint, client_err, &session).await?;
    let (notices, mut heard) = mpsc::channel(16);
    let client = move || Ok((streams::reader(client_in)?, streams::writer(client_out)?));
    let mut wire = far::wire(session.clone(), server, client, line, notices)?;
    let mut is_over = false;
    let mut byte = [0u8; 1];
    let mut message = None;
    let mut kills = session.kills();
    loop {
        tokio::select! {
            biased;
            () = far.is_over() => break,
            killed = session.killed(&mut kills) => {
                message = Some(killed);
                far.kill();
                break;
            }
            // The client says nothing more; when its socket ends, it is gone.
            read = stream.read(&mut byte) => {
                if !matches!(read, Ok(1..)) {
                    far.kill();
                    break;
                }
            }
            Some(notice) = heard.recv() => {
                if say(stream, &Answer::Notice(notice)).await.is_err() {
                    far.kill();
                    break;
                }
            }
            finished = &mut wire => {
                is_over = true;
                match finished {
                    Ok(end) => message = end.message,
                    Err(error) => message = Some(format!("the connection broke: {error}")),
                }
                // The server was told (its input is closed); it has a moment to end by itself.
                far.give_time().await;
                far.kill();
                break;
            }
        }
    }
    let exit = far.wait().await?;
    // What the server said last still goes through before the streams close.
    if !is_over && tokio::time::timeout(LAST_LINES, &mut wire).await.is_err() {
        tracing::debug!(session = session.id(), "the client did not take what the server said last");
    }
    Ok(Answer::Exited { code: code(exit), message })
}

/// The server as the wire names it.
pub(crate) fn server(wanted: &McpRequest, settings: ServerSettings, endpoint: Option<&Endpoint>) -> Server {
    let identity = match endpoint {
        Some(endpoint) => sha256(endpoint.uri.to_string().as_bytes()),
        None => sha256(wanted.command.join("\0").as_bytes()),
    };
    Server { name: wanted.server.clone(), identity, trusted: settings.trusted, schema: settings.schema }
}

/// Starts a server for a session, or makes ready to reach one.
pub(crate) async fn connect(
    served: &Served,
    wanted: &McpRequest,
    endpoint: Option<Endpoint>,
    stderr: OwnedFd,
    session: &Session,
) -> Result<(Far, Line), NotWrapped> {
    if let Some(mut endpoint) = endpoint {
        let logins = served.logins.as_ref();
        let own = logins.and_then(|logins| logins.credential(&session.subject().id, &wanted.server));
        if let Some(own) = own {
            endpoint.authorization = Authorization::Issued(own);
        }
        tracing::info!(server = %wanted.server, session = session.id(), uri = %endpoint.uri, "reached");
        let Reached { from_server, to_server, hold, ended } =
            upstream::reach(served.upstream.clone(), endpoint);
        return Ok((
            Far::Reached { hold: Some(hold), ended: Some(ended) },
            Line::Http { from_server, to_server },
        ));
    }
    let (child_in, to_child) = pipe()?;
    let (from_child, child_out) = pipe()?;
    let command = command(wanted, child_in, child_out, stderr)?;
    let (running, features) = match start(command, session.clone()).await {
        Err(_) if session.is_killed() => return Err(NotWrapped::Killed),
        started => started?,
    };
    tracing::info!(server = %wanted.server, session = session.id(), pid = running.pid(), ?features, "wrapped");
    let ended = Ended::watch(running.as_fd().try_clone_to_owned().map_err(NotWrapped::Streams)?)
        .map_err(NotWrapped::Streams)?;
    Ok((Far::Child { running, ended }, Line::Pipes(from_child, to_child)))
}

/// What is read, and what it is written to.
pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd), NotWrapped> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|error| NotWrapped::Pipes(error.into()))
}

/// What the configuration says of one server.
#[derive(Debug, Clone, Copy)]
pub struct ServerSettings {
    /// Whether it is believed what it says of its own tools.
    pub trusted: bool,
    /// What happens to arguments that do not fit its schemas.
    pub schema: stdio::Schema,
}

impl Served {
    /// A server of the configuration runs where and with what the configuration says: the same
    /// words in another folder could be another program, and would be trusted as this one. Where it
    /// is not started but reached over HTTP, says where.
    pub(crate) fn settings(
        &self,
        wanted: &mut McpRequest,
    ) -> Result<(ServerSettings, Option<Endpoint>), NotWrapped> {
        let setting = self.setting();
        let Some(server) = setting.servers.get(&wanted.server) else {
            return Ok((ServerSettings { trusted: false, schema: stdio::Schema::Enforce }, None));
        };
        let anothers = NotWrapped::Refused(format!(
            "the configuration gives the name `{}` to another command; choose another name with --server",
            wanted.server
        ));
        match &server.transport {
            Transport::Stdio { command, cwd, env } => {
                if *command != wanted.command {
                    return Err(anothers);
                }
                wanted.cwd = cwd.clone();
                wanted.env.retain(|(name, _)| !env.contains_key(name));
                wanted.env.extend(env.iter().map(|(name, value)| (name.clone(), value.clone())));
                Ok((server.settings, None))
            }
            Transport::Http(_) if !wanted.command.is_empty() => Err(anothers),
            Transport::Http(endpoint) => Ok((server.settings, Some(endpoint.clone()))),
        }
    }
}

async fn session(served: &Served, peer: Peer, wanted: &McpRequest) -> Result<Session, NotWrapped> {
    let evidence = match &wanted.agent {
        Some((id, token)) => {
            let token: Token = token
                .0
                .parse()
                .map_err(|error| NotWrapped::Refused(format!("the agent's token is {error}")))?;
            let claimed = id
                .parse()
                .map_err(|error: ringfence_model::BadAgentId| NotWrapped::Refused(error.to_string()))?;
            Evidence::Token { token, claimed: Some(claimed) }
        }
        None => peer.evidence(),
    };
    let session = served
        .guard
        .session(evidence, SessionKey::Credential, Assurance::Cooperative)
        .await
        .map_err(|denied| NotWrapped::Denied(Box::new(denied)))?;
    if served.guard.policies() > 0 {
        if wanted.profile.is_some() || wanted.observe {
            return Err(NotWrapped::Refused(
                "the monitor has policies, so --profile and --observe do not count here; change the configuration, or name another folder with --data".to_owned(),
            ));
        }
        return Ok(session);
    }
    let Some(name) = &wanted.profile else {
        return Err(NotWrapped::Refused(format!(
            "no policy is loaded, so everything would be denied; name a configuration with --config, or a profile with --profile: {}",
            stock().iter().map(|profile| profile.name).collect::<Vec<_>>().join(", ")
        )));
    };
    let profile = stock().iter().find(|profile| profile.name == name).ok_or_else(|| {
        NotWrapped::Refused(format!(
            "there is no profile `{name}`; choose from {}",
            stock().iter().map(|profile| profile.name).collect::<Vec<_>>().join(", ")
        ))
    })?;
    let loaded = PolicySet::load(&[Source { name: profile.name, text: profile.text }])
        .map_err(|_| NotWrapped::Refused(format!("the profile `{name}` does not load")))?;
    Ok(session.under(loaded.set, wanted.observe))
}

fn command(
    wanted: &McpRequest,
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
) -> Result<Command, NotWrapped> {
    let mut words = wanted.command.iter().map(OsString::from);
    let program =
        words.next().ok_or_else(|| NotWrapped::Refused("there is no command to wrap".to_owned()))?;
    Ok(Command {
        program,
        args: words.collect(),
        cwd: wanted.cwd.clone(),
        env: wanted.env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        stdin,
        stdout,
        stderr,
    })
}

async fn start(command: Command, session: Session) -> Result<(Running, Features), NotWrapped> {
    let begun = tokio::task::spawn_blocking(move || {
        let confinement = Confinement { processes: Need::Preferred };
        let held = prepare(command, &confinement, Path::new("/proc/self/exe"))?;
        let features = held.features().clone();
        // The last look: a kill since the client connected means that nothing is executed.
        let running = held.release(|| !session.is_killed())?;
        Ok::<_, ringfence_sandbox::Refused>((running, features))
    });
    Ok(begun.await.map_err(|error| NotWrapped::Streams(io::Error::other(error)))??)
}

/// As shells have it.
fn code(exit: Exit) -> i32 {
    match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
        Exit::Killed => 137,
    }
}
