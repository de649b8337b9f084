//! The monitor's own loop: one task for each client, an end when nobody needs it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use ringfence_audit::Log;
use ringfence_gateway::mcp::upstream::{self, Endpoint};
use ringfence_guard::Guard;
use ringfence_model::Timestamp;
use ringfence_policy::PolicySet;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::VERSION;
use crate::attach::{self, ServerSettings};
use crate::data::DataDir;
use crate::http::{self, Http};
use crate::logins::{LoginRules, Logins};
use crate::open::Monitor;
use crate::peer::Peer;
use crate::protocol::{ANY_VERSION, Answer, Hello, Request, Welcome};

mod operate;
mod records;

/// The longest request, in bytes.
const MAX_REQUEST: u64 = 1024 * 1024;
/// How long a client that was let in may take to say what it wants, when the monitor ends.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// How often the cache is brought forward, and what has had its time is let go of.
const CACHE_EVERY: Duration = Duration::from_secs(2);

/// The monitor cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket.
    #[error("the socket {0} cannot be made")]
    Socket(PathBuf, #[source] io::Error),
    /// The key of logins.
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
    /// Servers over HTTP.
    #[error("servers cannot be reached over HTTP")]
    Upstream(#[from] upstream::NoTls),
}

/// What every client's task needs.
pub(crate) struct Served {
    pub(crate) guard: Guard,
    pub(crate) log: Log,
    pub(crate) data: DataDir,
    /// What may change while it serves.
    setting: ArcSwap<Setting>,
    again: Option<Again>,
    pub(crate) upstream: upstream::Http,
    /// None where no server is logged in to.
    pub(crate) logins: Option<Arc<Logins>>,
    clients: AtomicUsize,
    /// Those whose first request has not been answered.
    unanswered: AtomicUsize,
    left: Notify,
    stop: Notify,
    /// It stays although nobody is connected, so it makes way for no other.
    stays: bool,
    /// It was told to end: who connects now is to wait for the next one.
    stopping: AtomicBool,
}

/// What a configuration says that may change while a monitor serves.
#[derive(Debug)]
pub struct Setting {
    /// Names the configuration; a client that names another is refused.
    pub setup: String,
    /// The servers that it names.
    pub servers: BTreeMap<String, ConfiguredServer>,
}

/// Reads the configuration again: all of it, or why not.
pub type Again = Box<dyn Fn() -> Result<(Setting, PolicySet, Option<Timestamp>), String> + Send + Sync>;

/// How a monitor serves.
pub struct Serving {
    /// What it begins with.
    pub setting: Setting,
    /// How that is read again, where there is a configuration.
    pub again: Option<Again>,
    /// After how long without a client it ends; never where there is none.
    pub idle: Option<Duration>,
    /// Where those servers are reached over HTTP, where they are.
    pub http: Option<Http>,
}

/// A server that the configuration names.
#[derive(Debug, Clone)]
pub struct ConfiguredServer {
    /// How it is reached.
    pub transport: Transport,
    /// What else is said of it.
    pub settings: ServerSettings,
    /// How it is logged in to, where it is.
    pub login: Option<LoginRules>,
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub enum Transport {
    /// It is started, and spoken to over its standard streams.
    Stdio {
        /// Its program and arguments.
        command: Vec<String>,
        /// Where it runs, whatever the client's working directory is.
        cwd: PathBuf,
        /// What its environment has besides, or instead of, the client's.
        env: BTreeMap<String, String>,
    },
    /// It is somewhere else, and spoken to over Streamable HTTP.
    Http(Endpoint),
}

/// Serves clients until nobody has needed the monitor for a while, or it is told to stop.
///
/// # Errors
/// The socket cannot be made.
pub async fn serve(mut monitor: Monitor, data: DataDir, serving: Serving) -> Result<Monitor, ServeError> {
    let listener = listen(&data)?;
    let upstream = upstream::Http::new()?;
    let logins = logins(&monitor, &data, &serving.setting.servers, &upstream)?;
    let served = Arc::new(Served {
        guard: monitor.guard.clone(),
        log: monitor.log.clone(),
        data: data.clone(),
        setting: ArcSwap::from_pointee(serving.setting),
        again: serving.again,
        upstream,
        logins,
        clients: AtomicUsize::new(0),
        unanswered: AtomicUsize::new(0),
        left: Notify::new(),
        stop: Notify::new(),
        stays: serving.idle.is_none(),
        stopping: AtomicBool::new(false),
    });
    let (end_http, http_ends) = oneshot::channel::<()>();
    let mut end_http = serving.http.is_some().then_some(end_http);
    let http = serving.http.map(|http| tokio::spawn(http::serve(Arc::clone(&served), http, http_ends)));
    let mut http = pin!(async {
        match http {
            Some(http) => {
                http.await.map_err(|error| tracing::error!(%error, "HTTP is served no more")).is_ok()
            }
            None => std::future::pending().await,
        }
    });
    let mut since = Instant::now();
    let mut cache = tokio::time::interval(CACHE_EVERY);
    loop {
        let idle = served.clients.load(Ordering::SeqCst) == 0;
        let end = since + serving.idle.unwrap_or(Duration::MAX / 4).min(Duration::from_secs(86_400 * 365));
        tokio::select! {
            biased;
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let present = Present::new(&served);
                    tokio::spawn(async move {
                        if let Err(error) = client(&present, stream).await {
                            tracing::debug!(%error, "a client left");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a client could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            () = served.left.notified() => since = Instant::now(),
            () = served.stop.notified() => match end_http.take() {
                // Clients are served meanwhile: what is still open may wait for an operator.
                Some(end) => drop(end),
                None => break,
            },
            _ = &mut http => break,
            () = tokio::time::sleep_until(end), if idle && serving.idle.is_some() => break,
            _ = cache.tick() => {
                served.guard.sweep();
                monitor = keep_cache(monitor).await;
            }
        }
    }
    // Nobody can reach it from here on; whoever tries starts the next one.
    drop(listener);
    if let Err(error) = std::fs::remove_file(data.socket()) {
        tracing::debug!(%error, "the socket was gone already");
    }
    // Whoever was let in is answered.
    let answered = async {
        while served.unanswered.load(Ordering::SeqCst) > 0 {
            served.left.notified().await;
        }
    };
    if tokio::time::timeout(LAST_ANSWERS, answered).await.is_err() {
        tracing::debug!("a client that had said nothing was left");
    }
    Ok(monitor)
}

/// The logins of the servers that are logged in to, where there are some.
fn logins(
    monitor: &Monitor,
    data: &DataDir,
    servers: &BTreeMap<String, ConfiguredServer>,
    upstream: &upstream::Http,
) -> Result<Option<Arc<Logins>>, ServeError> {
    let rules = servers.iter().filter_map(|(name, server)| Some((name.clone(), server.login.clone()?)));
    let rules: BTreeMap<_, _> = rules.collect();
    if rules.is_empty() {
        return Ok(None);
    }
    let secret = zeroize::Zeroizing::new(data.login_secret()?);
    let logins = Logins::new(rules, upstream.clone(), monitor.guard.clone(), data.logins(), &secret);
    Ok(Some(Arc::new(logins)))
}

/// A client that is connected, however its task ends.
struct Present {
    served: Arc<Served>,
    is_answered: AtomicBool,
}

impl Present {
    fn new(served: &Arc<Served>) -> Self {
        served.clients.fetch_add(1, Ordering::SeqCst);
        served.unanswered.fetch_add(1, Ordering::SeqCst);
        Present { served: Arc::clone(served), is_answered: AtomicBool::new(false) }
    }

    /// It has been answered, or will be at its leisure.
    fn answered(&self) {
        if !self.is_answered.swap(true, Ordering::SeqCst) {
            self.served.unanswered.fetch_sub(1, Ordering::SeqCst);
            self.served.left.notify_one();
        }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.answered();
        self.served.clients.fetch_sub(1, Ordering::SeqCst);
        self.served.left.notify_one();
    }
}

/// The cache is written by a thread that may wait for the disk.
async fn keep_cache(mut monitor: Monitor) -> Monitor {
    let kept = tokio::task::spawn_blocking(move || {
        if let Err(error) = monitor.keep_cache() {
            tracing::warn!(%error, "the cache could not be brought forward");
        }
        monitor
    });
    kept.await.expect("invariant: keeping the cache does not panic, and nobody aborts it")
}

/// Binds through the folder's descriptor, since a socket's path may have 107 bytes at most.
fn listen(data: &DataDir) -> Result<UnixListener, ServeError> {
    let path = data.socket();
    let failed = |error| ServeError::Socket(path.clone(), error);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let folder = File::open(data.path()).map_err(failed)?;
    UnixListener::bind(format!("/proc/self/fd/{}/monitor.sock", folder.as_raw_fd())).map_err(failed)
}

async fn client(present: &Present, stream: UnixStream) -> io::Result<()> {
    let served = &present.served;
    if served.stopping.load(Ordering::SeqCst) {
        return Ok(());
    }
    let peer = Peer::of(&stream)?;
    let mut stream = BufReader::new(stream);
    let Some(hello) = line::<Hello>(&mut stream).await? else { return Ok(()) };
    if let Some(reason) = served.unwelcome(peer, &hello) {
        return say(&mut stream, &Welcome::Refused { reason }).await;
    }
    say(&mut stream, &Welcome::Ready { pid: std::process::id() }).await?;
    while let Some(request) = line::<Request>(&mut stream).await? {
        match request {
            Request::Stop => {
                say(&mut stream, &Answer::Done(serde_json::Value::Null)).await?;
                served.stop.notify_one();
            }
            _ if hello.version == ANY_VERSION => {
                let reason = "a client of any version can end the monitor and do nothing else".to_owned();
                say(&mut stream, &Answer::Failed(reason)).await?;
            }
            Request::Mcp(wanted) => {
                present.answered();
                return attach::mcp(served, peer, wanted, stream).await;
            }
            Request::Yield if served.stays => {
                let reason = "the running monitor is there to stay".to_owned();
                say(&mut stream, &Answer::No(reason)).await?;
            }
            Request::Yield if served.clients.load(Ordering::SeqCst) > 1 => {
                let reason = "others are connected to the running monitor".to_owned();
                say(&mut stream, &Answer::No(reason)).await?;
            }
            Request::Yield => {
                served.stopping.store(true, Ordering::SeqCst);
                let said = say(&mut stream, &Answer::Done(serde_json::Value::Null)).await;
                served.stop.notify_one();
                said?;
            }
            request => {
                let answer = served.operate(request).await;
                say(&mut stream, &answer).await?;
            }
        }
        present.answered();
    }
    Ok(())
}

impl Served {
    /// What holds now. Whoever keeps it keeps to it.
    pub(crate) fn setting(&self) -> Arc<Setting> {
        self.setting.load_full()
    }

    /// Reads the configuration again and lets it hold from here on.
    pub(crate) fn reload(&self) -> Result<(), String> {
        let again = self.again.as_ref().ok_or("this monitor has no configuration to read again")?;
        let (setting, policies, observe_until) = again()?;
        self.guard.enforce(policies, observe_until);
        self.setting.store(Arc::new(setting));
        tracing::info!("the configuration was read again");
        Ok(())
    }

    fn unwelcome(&self, peer: Peer, hello: &Hello) -> Option<String> {
        if !peer.may_connect() {
            return Some("this monitor is another user's".to_owned());
        }
        if hello.version != VERSION && hello.version != ANY_VERSION {
            return Some(format!(
                "the running monitor is version {VERSION} and this command is {}; end the old one with `ringfence stop`",
                hello.version
            ));
        }
        if hello.setup.as_ref().is_some_and(|setup| *setup != self.setting().setup) {
            return Some(
                "the running monitor works with another configuration; let it read this one with `ringfence reload`, end it with `ringfence stop`, or name another folder with --data"
                    .to_owned(),
            );
        }
        None
    }
}

async fn line<T: serde::de::DeserializeOwned>(stream: &mut BufReader<UnixStream>) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    let read = stream.take(MAX_REQUEST).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Ok(None);
    }
    serde_json::from_slice(&line).map(Some).map_err(io::Error::other)
}

pub(crate) async fn say<T: serde::Serialize>(stream: &mut BufReader<UnixStream>, what: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    stream.get_mut().write_all(&line).await
}
