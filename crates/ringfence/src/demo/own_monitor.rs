//! The demo's own monitor, inside this process, serving the socket in the demo's data directory.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringfence_identity::Issuers;
use ringfence_monitor::client::{Client, ClientError};
use ringfence_monitor::protocol::Request;
use ringfence_monitor::{DataDir, Http, Monitor, Serving, Setting, Setup, serve};
use tokio::sync::mpsc;

use crate::command::mcp::environment;
use crate::command::monitor::{configured, servers};
use crate::config::load::load;
use crate::config::{Config, Origin};
use crate::fault::{Ending, Fault};

/// How long the monitor may take to answer for the first time, and to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// A monitor at work on a thread of this process.
pub(super) struct OwnMonitor {
    client: Client,
    thread: Option<JoinHandle<Result<(), Fault>>>,
    address: SocketAddr,
}

impl OwnMonitor {
    /// Opens the data directory under the configuration and serves it.
    pub(super) fn begin(config: &Path, data: &Path) -> Result<OwnMonitor, Fault> {
        let config = Config::read(config, Origin::User)?;
        let named = load(&config)?;
        let policies = named.policies.load(Ending::CannotRun)?.set;
        let data = DataDir::prepare(data)?;
        let monitor = Monitor::open(Setup {
            data: data.clone(),
            node: "demo".to_owned(),
            durability: config.durability,
            policies,
            observe_until: config.observe_until,
            configured: configured(&config, &named),
        })?;
        let setup = config.setup();
        let listener = TcpListener::bind(config.listen)?;
        let address = listener.local_addr()?;
        // Nobody waits for a person over HTTP here.
        let (notices, _) = mpsc::channel(1);
        let http = Http {
            listener,
            anonymous: None,
            issuers: Issuers::default(),
            keys: BTreeMap::new(),
            env: environment(Some(&config)),
            notices,
        };
        let serving = Serving {
            setting: Setting { setup: setup.clone(), servers: servers(&config, &named)? },
            again: None,
            idle: None,
            http: Some(http),
        };
        let served = data.clone();
        let thread = std::thread::Builder::new()
            .name("monitor".to_owned())
            .spawn(move || at_work(monitor, served, serving))?;
        Ok(OwnMonitor { client: reached(&data, &setup, &thread)?, thread: Some(thread), address })
    }

    /// Where it is reached over HTTP.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells it to stop, and waits until the log is closed.
    pub(super) fn end(mut self) -> Result<(), Fault> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), Fault> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let asked = self.client.ask(&Request::Stop);
        if asked.is_err() && !thread.is_finished() {
            return Err(Fault::cannot("the monitor could not be told to stop"));
        }
        thread.join().map_err(|_| Fault::cannot("the monitor broke off"))?
    }
}

impl Drop for OwnMonitor {
    fn drop(&mut self) {
        if let Err(fault) = self.stop() {
            tracing::debug!(why = fault.message(), "the monitor did not end well");
        }
    }
}

fn at_work(monitor: Monitor, data: DataDir, serving: Serving) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let monitor = runtime.block_on(serve(monitor, data, serving))?;
    // Whoever is still connected holds the log open.
    runtime.shutdown_timeout(PATIENCE);
    Ok(monitor.close()?)
}

fn reached(data: &DataDir, setup: &str, thread: &JoinHandle<Result<(), Fault>>) -> Result<Client, Fault> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Client::connect(data, Some(setup)) {
            Err(ClientError::NotRunning(_)) if Instant::now() < deadline && !thread.is_finished() => {
                std::thread::sleep(Duration::from_millis(2));
            }
            connected => return Ok(connected?),
        }
    }
}
