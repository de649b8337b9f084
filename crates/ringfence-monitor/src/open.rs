//! From a data directory and a resolved configuration to a running guard.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use ringfence_audit::{Durability, Log, Options, SystemClock};
use ringfence_guard::{CacheError, CacheKeeper, Configured, Guard, Opening};
use ringfence_model::Timestamp;
use ringfence_policy::PolicySet;
use ringfence_store::SqliteStore;

use crate::data::{DataDir, DataError};

/// What a monitor is set up with: the configuration, resolved.
pub struct Setup {
    /// Where everything lies.
    pub data: DataDir,
    /// Names this installation in the log's origin.
    pub node: String,
    /// Whether a permit waits for the disk.
    pub durability: Durability,
    /// The policy set.
    pub policies: PolicySet,
    /// Until when decisions are recorded and not enforced.
    pub observe_until: Option<Timestamp>,
    /// Agents and operators of the configuration.
    pub configured: Configured,
}

/// The guard, open, with what keeps its cache.
pub struct Monitor {
    /// The one enforcement path.
    pub guard: Guard,
    /// The log, to read and to erase from.
    pub log: Log,
    pub(crate) keeper: CacheKeeper,
    // Released when the process ends, however it ends.
    _lock: File,
}

/// A monitor cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Another monitor has it.
    #[error("another monitor works on {0}; end it with `ringfence stop`, or name another folder with --data")]
    Taken(PathBuf),
    /// The lock cannot be taken.
    #[error("the lock {0} cannot be taken")]
    Lock(PathBuf, #[source] io::Error),
    /// The log.
    #[error("the log cannot be opened")]
    Log(#[from] ringfence_audit::OpenError),
    /// The cache of the state.
    #[error(transparent)]
    Store(#[from] ringfence_guard::store::StoreError),
    /// The guard.
    #[error(transparent)]
    Guard(#[from] ringfence_guard::OpenError),
}

impl Monitor {
    /// Takes the data directory for this process and opens log, cache and guard over it.
    ///
    /// # Errors
    /// Whatever is missing or contradicts itself, by name; there is no guard then.
    pub fn open(setup: Setup) -> Result<Monitor, OpenError> {
        let lock = take(&setup.data)?;
        let clock = Arc::new(SystemClock);
        let options =
            Options { durability: setup.durability, clock: clock.clone(), ..Options::new(&setup.node) };
        let log = Log::open(setup.data.path(), options)?;
        let store = SqliteStore::open(&setup.data.database())?;
        let (guard, keeper) = Guard::open(Opening {
            log: log.clone(),
            clock,
            secret: setup.data.secret()?,
            configured: setup.configured,
            policies: setup.policies,
            observe_until: setup.observe_until,
            store: Box::new(store),
        })?;
        Ok(Monitor { guard, log, keeper, _lock: lock })
    }

    /// Brings the cache up to the log.
    ///
    /// # Errors
    /// The log cannot be read or the cache not written; nothing is lost.
    pub fn keep_cache(&mut self) -> Result<u64, CacheError> {
        self.keeper.catch_up()
    }

    /// Ends it cleanly: the cache is brought forward, the log's tiles are laid.
    ///
    /// # Errors
    /// The log could not be closed cleanly; it is whole all the same, and the next start mends it.
    pub fn close(mut self) -> Result<(), ringfence_audit::CloseError> {
        if let Err(error) = self.keep_cache() {
            tracing::warn!(%error, "the cache could not be brought forward");
        }
        let Monitor { guard, log, keeper, _lock } = self;
        drop(guard);
        drop(keeper);
        log.close()
    }
}

fn take(data: &DataDir) -> Result<File, OpenError> {
    let path = data.lock();
    let failed = |error| OpenError::Lock(path.clone(), error);
    let file =
        File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::Taken(data.path().to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}
