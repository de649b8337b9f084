//! How a guard comes to be: the state is folded from the log, helped by a cache, and everything
//! that was under way when the last one ended gets its outcome.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use ringfence_audit::record::{self, PolicyLoaded, Record, Stamped, UnknownRecord};
use ringfence_audit::{AppendError, CannotRead, Clock, Head, Log, ProveError};
use ringfence_model::{Digest, Integrity, OutcomeKind, Timestamp};
use ringfence_policy::PolicySet;
use tokio::sync::watch;

use crate::Labels;
use crate::config::Configured;
use crate::guard::{Guard, Guarded, InForce, Inner};
use crate::limits::{BucketKey, Buckets};
use crate::session::{Sessions, record_labels};
use crate::state::{BadRow, State};
use crate::store::{Covered, Store, StoreError};

/// What a guard is made of.
pub struct Opening {
    /// The log, open for writing.
    pub log: Log,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// 32 secret bytes that outlive restarts: bucket and credential names are keyed with it.
    pub secret: [u8; 32],
    /// Agents and operators of the configuration.
    pub configured: Configured,
    /// The policy set to begin with.
    pub policies: PolicySet,
    /// Until when decisions are recorded and not enforced.
    pub observe_until: Option<Timestamp>,
    /// Where the state is cached.
    pub store: Box<dyn Store>,
}

/// A guard cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// An agent or operator stands in the configuration and in the log.
    #[error(
        "agent `{0}` is registered in the configuration and in the log; take it out of the configuration, or revoke it"
    )]
    Twice(String),
    /// What was under way cannot be brought to its end.
    #[error("the outcomes that the last run left open cannot be recorded")]
    Outcomes(#[source] AppendError),
    /// What is in force cannot be recorded.
    #[error("the policy set in force cannot be recorded")]
    Policy(#[source] AppendError),
}

/// The cache of the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object in it.
    #[error(transparent)]
    Row(#[from] BadRow),
    /// The log.
    #[error("the log cannot be read")]
    Log(#[from] CannotRead),
    /// Its tree.
    #[error("the log's tree cannot be read")]
    Tree(#[from] ProveError),
    /// A record in it.
    #[error(transparent)]
    Record(#[from] UnknownRecord),
    /// It covers more than there is.
    #[error(
        "the database covers {covered} records and the log has only {size}: an older log was put back, or the database is another's; put the newer log back, or, if the older one is meant, delete the database"
    )]
    Ahead {
        /// How many records the database saw.
        covered: u64,
        /// How many the log has.
        size: u64,
    },
    /// It saw another log.
    #[error(
        "the log does not extend the one that the database saw ({covered} records, root {seen}, now {found}): it was rewritten, or the database is another's"
    )]
    Forked {
        /// How many records the database saw.
        covered: u64,
        /// The root it saw.
        seen: Digest,
        /// The log's root at that size.
        found: Digest,
    },
}

/// Brings the cache forward behind the running guard.
pub struct CacheKeeper {
    log: Log,
    store: Box<dyn Store>,
    state: State,
    size: u64,
    /// How many records the store covers.
    saved: u64,
}

impl CacheKeeper {
    fn open(log: Log, mut store: Box<dyn Store>) -> Result<Self, CacheError> {
        let Some(cached) = store.load()? else {
            return Ok(CacheKeeper { log, store, state: State::default(), size: 0, saved: 0 });
        };
        let Covered { size: covered, root: seen } = cached.covered;
        let size = log.head().size;
        if covered > size {
            return Err(CacheError::Ahead { covered, size });
        }
        let found = log.root_at(covered)?;
        if found != seen {
            return Err(CacheError::Forked { covered, seen, found });
        }
        Ok(CacheKeeper { log, store, state: State::from_rows(&cached.rows)?, size: covered, saved: covered })
    }

    /// Folds what the log has gained, up to a head. Returns how many records that were.
    fn fold(&mut self, head: &Head) -> Result<u64, CacheError> {
        let mut taken = 0;
        for leaf in self.log.read(self.size) {
            let leaf = leaf?;
            if leaf.index >= head.size {
                break;
            }
            self.state.apply(leaf.index, &Stamped::parse(leaf.index, &leaf.bytes)?);
            self.size = leaf.index.saturating_add(1);
            taken += 1;
        }
        Ok(taken)
    }

    /// Folds what the log has gained and saves it. Returns how many records that were.
    ///
    /// # Errors
    /// The log cannot be read or the cache not written; the guard works on, and the next start
    /// reads more of the log.
    pub fn catch_up(&mut self) -> Result<u64, CacheError> {
        let head = self.log.head();
        let taken = self.fold(&head)?;
        if self.size != self.saved {
            let changes = self.state.take_changes();
            let covered = Covered { size: head.size, root: head.root };
            if let Err(error) = self.store.save(covered, &changes) {
                self.state.changed_again(&changes);
                return Err(error.into());
            }
            self.saved = self.size;
        }
        Ok(taken)
    }

    /// The state as the log has it, as far as this has read.
    pub fn state(&self) -> &State {
        &self.state
    }
}

impl Guard {
    /// Opens a guard over a log.
    ///
    /// # Errors
    /// The cache or the log cannot be used; nothing is allowed then, since there is no guard.
    pub fn open(opening: Opening) -> Result<(Guard, CacheKeeper), OpenError> {
        let Opening { log, clock, secret, configured, policies, observe_until, store } = opening;
        let mut keeper = CacheKeeper::open(log.clone(), store)?;
        keeper.catch_up()?;
        close_open_permits(&log, &keeper.state)?;
        keeper.catch_up()?;

        let state = &keeper.state;
        for id in configured.agents.keys() {
            // A standing alone may be set for an agent of the configuration; a token makes it the log's.
            if state.registry.agents.get(id.as_str()).is_some_and(|row| !row.tokens.is_empty()) {
                return Err(OpenError::Twice(id.to_string()));
            }
        }
        let dormant = state
            .activity
            .sessions
            .iter()
            .map(|(id, row)| (row.credential.clone(), (id.clone(), row.clone())))
            .collect();
        let dormant_buckets: HashMap<_, _> = state
            .activity
            .windows
            .iter()
            .map(|(key, entries)| (BucketKey::new(&key.limit, &key.bucket), entries.clone()))
            .collect();
        let inner = Inner {
            origin: log.origin().into(),
            latest: AtomicI64::new(log.head().time.map_or(i64::MIN, Timestamp::as_microsecond)),
            log,
            failures: Arc::default(),
            clock,
            configured,
            policy: ArcSwap::from_pointee(InForce { set: policies, generation: 1, observe_until }),
            registry: ArcSwap::from_pointee(state.registry.clone()),
            control: tokio::sync::Mutex::new(()),
            order: Guarded::new(()),
            approvals: Guarded::new(state.approvals.clone()),
            sessions: Sessions::default(),
            dormant: Guarded::new(dormant),
            buckets: Buckets::new(),
            dormant_buckets: Guarded::new(dormant_buckets),
            no_findings: serde_json::json!([]),
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            epoch: AtomicU64::new(1),
            kills: watch::Sender::new(1),
            answers: watch::Sender::new(0),
            asks: watch::Sender::new(0),
        };
        let force = inner.in_force();
        // Durable before anybody is served: what is in force stands in the log before what it decides.
        let loaded = Record::PolicyLoaded(policy_loaded(&force.set, force.observe_until));
        inner.append(loaded, None).wait().map_err(OpenError::Policy)?;
        Ok((Guard { inner: Arc::new(inner) }, keeper))
    }
}

/// What was permitted and has no outcome: nobody knows how it ended.
fn close_open_permits(log: &Log, state: &State) -> Result<(), OpenError> {
    let mut last = None;
    for (index, open) in &state.activity.open {
        let mut labels = state
            .activity
            .sessions
            .get(&open.session)
            .map_or_else(|| record_labels(Labels::FRESH), |session| session.labels.clone());
        // Whatever came back may have been taken in before the end.
        labels.integrity = Integrity::Untrusted.as_str().into();
        let outcome = record::Outcome {
            of: *index,
            session: open.session.clone(),
            result: OutcomeKind::Unknown.as_str().into(),
            started: None,
            duration_us: None,
            usage: record::Usage::default(),
            charged: Vec::new(),
            spans: Vec::new(),
            labels,
            reason: Some("the monitor ended before the outcome was known".to_owned()),
        };
        last = Some(log.append(Record::Outcome(outcome).into_entry(None)));
    }
    // Appends are durable in order, so the last one speaks for all.
    last.map_or(Ok(()), |append| append.wait().map(drop).map_err(OpenError::Outcomes))
}

impl Inner {
    pub(crate) fn record_policy(&self, set: &PolicySet, observe_until: Option<Timestamp>) {
        self.queue(Record::PolicyLoaded(policy_loaded(set, observe_until)));
    }
}

fn policy_loaded(set: &PolicySet, observe_until: Option<Timestamp>) -> PolicyLoaded {
    PolicyLoaded {
        policy_digest: set.digest().to_string(),
        policies: u64::try_from(set.policies().len()).unwrap_or(u64::MAX),
        observe_until,
    }
}
