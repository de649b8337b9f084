//! A guard over a log of a test's own.

use std::sync::Arc;

use ringfence_audit::{Log, Options, SystemClock};
use ringfence_guard::{Configured, Guard, Opening};
use ringfence_policy::{PolicySet, Source};
use ringfence_store::SqliteStore;
use tempfile::TempDir;

pub(crate) struct Guarded {
    /// Where the log lies: gone with this.
    pub(crate) folder: TempDir,
    pub(crate) log: Log,
    pub(crate) guard: Guard,
}

impl Guarded {
    pub(crate) fn by(policy: &str) -> Guarded {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let options = Options { clock: clock.clone(), journal_bytes: 32 << 20, ..Options::new("test") };
        let log = Log::open(folder.path(), options).unwrap();
        let store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
        let loaded = PolicySet::load(&[Source { name: "test.yaml", text: policy }]);
        let loaded = loaded.unwrap_or_else(|refused| panic!("{refused:?}"));
        let (guard, _keeper) = Guard::open(Opening {
            log: log.clone(),
            clock,
            secret: [7; 32],
            configured: Configured::nobody(),
            policies: loaded.set,
            observe_until: None,
            store: Box::new(store),
        })
        .unwrap();
        Guarded { folder, log, guard }
    }
}
