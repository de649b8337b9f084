//! Sessions: made by the monitor, bound to a credential. An id that a caller sends washes
//! nothing off, since labels, limits and history hold on the session of the credential.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringfence_audit::{Append, Payload, record};
use ringfence_model::{Assurance, Confidentiality, Integrity, Labels, Subject, Timestamp, Usage};
use ringfence_policy::PolicySet;
use tokio::sync::watch;

use crate::guard::{InForce, Inner};
use crate::limits::BucketKey;
use crate::state::SessionRow;

/// After how long without an attempt a session is over.
pub const IDLE: Duration = Duration::from_secs(30 * 60);

/// A session of one agent: where attempts are checked. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    pub(crate) guard: Arc<Inner>,
    pub(crate) state: Arc<SessionState>,
    /// How the caller that holds this is held itself.
    pub(crate) assurance: Assurance,
    /// A policy set that holds here in place of the guard's, which has none.
    pub(crate) own: Option<Arc<InForce>>,
    /// The holder commits what is recorded here.
    pub(crate) led: bool,
}

/// What the guard knows of a session.
pub(crate) struct SessionState {
    pub(crate) id: Arc<str>,
    pub(crate) subject: Subject,
    /// The subject as records have it.
    pub(crate) leaf_subject: String,
    /// Pseudonym.
    pub(crate) sponsor: String,
    /// Keyed hash.
    pub(crate) credential: String,
    /// SHA-256 of the token it began with, where the log has that token.
    pub(crate) token: Option<String>,
    /// How the caller was held that it began with.
    pub(crate) assurance: Assurance,
    pub(crate) created: Timestamp,
    live: Mutex<Live>,
    /// The buckets that end with it.
    owned: Mutex<BTreeSet<BucketKey>>,
}

/// The part that changes with every attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live {
    pub(crate) last: Timestamp,
    pub(crate) calls: u64,
    pub(crate) tokens: u64,
    pub(crate) micro_usd: u64,
    pub(crate) labels: Labels,
    /// Permits without an outcome.
    pub(crate) open: u64,
    pub(crate) ended: bool,
}

impl SessionState {
    pub(crate) fn new(who: Identified, credential: String, id: Arc<str>, now: Timestamp) -> Self {
        let live = Live {
            last: now,
            calls: 0,
            tokens: 0,
            micro_usd: 0,
            labels: Labels::FRESH,
            open: 0,
            ended: false,
        };
        SessionState {
            id,
            subject: who.subject,
            leaf_subject: who.leaf_subject,
            sponsor: who.sponsor,
            credential,
            token: who.token,
            assurance: who.assurance,
            created: now,
            live: Mutex::new(live),
            owned: Mutex::default(),
        }
    }

    /// The session that the log knows, continued for the same credential.
    pub(crate) fn resumed(who: Identified, id: &str, row: &SessionRow) -> Self {
        let live = Live {
            last: row.last,
            calls: row.calls,
            tokens: row.tokens,
            micro_usd: row.micro_usd,
            labels: labels_of(&row.labels),
            open: 0,
            ended: false,
        };
        SessionState {
            id: id.into(),
            subject: who.subject,
            leaf_subject: who.leaf_subject,
            sponsor: who.sponsor,
            credential: row.credential.clone(),
            token: who.token,
            assurance: who.assurance,
            created: row.created,
            live: Mutex::new(live),
            owned: Mutex::default(),
        }
    }

    /// The changing part, as it is now.
    pub(crate) fn live(&self) -> Live {
        *self.lock()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Live> {
        // Nothing panics while the lock is held; what a poisoned one guards is plain numbers.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing was attempted for long, and nothing is under way.
    pub(crate) fn is_quiet(&self, now: Timestamp) -> bool {
        let live = self.live();
        live.open == 0 && is_long_ago(live.last, now)
    }

    /// A bucket ends with it.
    pub(crate) fn owns(&self, bucket: &BucketKey) {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        if !owned.contains(bucket) {
            owned.insert(bucket.clone());
        }
    }

    /// The buckets that end with it, once.
    pub(crate) fn take_owned(&self) -> BTreeSet<BucketKey> {
        std::mem::take(&mut *self.owned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A permit was given.
    pub(crate) fn permitted(&self, now: Timestamp) {
        let mut live = self.lock();
        live.last = live.last.max(now);
        live.calls = live.calls.saturating_add(1);
        live.open = live.open.saturating_add(1);
    }

    /// A permit has its outcome.
    pub(crate) fn settled(&self, now: Timestamp, usage: &Usage, taken_in: Option<Labels>) -> Labels {
        let mut live = self.lock();
        live.last = live.last.max(now);
        live.open = live.open.saturating_sub(1);
        let tokens = usage.input_tokens.unwrap_or(0).saturating_add(usage.output_tokens.unwrap_or(0));
        live.tokens = live.tokens.saturating_add(tokens);
        live.micro_usd = live.micro_usd.saturating_add(usage.micro_usd.unwrap_or(0));
        if let Some(labels) = taken_in {
            live.labels = live.labels.join(labels);
        }
        live.labels
    }

    /// Something was attempted or came in.
    pub(crate) fn touched(&self, now: Timestamp, taken_in: Option<Labels>) -> Labels {
        let mut live = self.lock();
        live.last = live.last.max(now);
        if let Some(labels) = taken_in {
            live.labels = live.labels.join(labels);
        }
        live.labels
    }
}

/// Whether a session that was last heard of then is over, if nobody holds it.
pub(crate) fn is_long_ago(last: Timestamp, now: Timestamp) -> bool {
    now > last && now.duration_since(last).unsigned_abs() >= IDLE
}

/// An authenticated caller.
#[derive(Debug, Clone)]
pub(crate) struct Identified {
    pub(crate) subject: Subject,
    pub(crate) leaf_subject: String,
    pub(crate) sponsor: String,
    pub(crate) assurance: Assurance,
    /// SHA-256 of the token that was shown, where the log has it.
    pub(crate) token: Option<String>,
    /// Who issued the credential, where that was not this monitor.
    pub(crate) issuer: Option<String>,
    /// What the session is bound to, in clear; never leaves the process.
    pub(crate) credential: String,
}

/// The running sessions, by the keyed hash of their credential.
#[derive(Default)]
pub(crate) struct Sessions {
    by_credential: Mutex<HashMap<String, Arc<SessionState>>>,
}

impl Sessions {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<SessionState>>> {
        self.by_credential.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> Vec<Arc<SessionState>> {
        self.lock().values().cloned().collect()
    }
}

impl Session {
    /// The id that the monitor gave it.
    pub fn id(&self) -> &str {
        &self.state.id
    }

    /// Who acts in it.
    pub fn subject(&self) -> &Subject {
        &self.state.subject
    }

    /// The same session where a policy set of its own holds, such as one wrapped server under a
    /// stock profile. For a guard that has no policies.
    #[must_use]
    pub fn under(&self, set: PolicySet, observe: bool) -> Session {
        let observe_until = observe.then_some(Timestamp::MAX);
        self.guard.record_policy(&set, observe_until);
        let own = InForce { set, generation: self.guard.generation(), observe_until };
        Session { own: Some(Arc::new(own)), ..self.clone() }
    }

    /// The same session for a holder with a thread of its own, which calls [`Session::commit`]
    /// whenever it is about to sleep while a check is under way. That saves two changes of
    /// thread on the way to every permit. A holder that forgets waits a few milliseconds longer.
    #[must_use]
    pub fn led(self) -> Session {
        Session { led: true, ..self }
    }

    /// Whether its holder commits.
    pub fn is_led(&self) -> bool {
        self.led
    }

    /// Commits the records that are queued. Blocks for the disk.
    pub fn commit(&self) {
        self.guard.log.commit();
    }

    /// Puts a record of this session on its way.
    pub(crate) fn append(&self, record: record::Record, payload: Payload) -> Append {
        let append = self.guard.append(record, Some(payload));
        if self.led { append.led() } else { append }
    }

    pub(crate) fn in_force(&self) -> Arc<InForce> {
        self.own.clone().unwrap_or_else(|| self.guard.in_force())
    }

    /// Told whenever a latch is set or a standing changes.
    pub fn kills(&self) -> watch::Receiver<u64> {
        self.guard.kills()
    }

    /// Whether a kill covers all of this session.
    pub fn is_killed(&self) -> bool {
        self.guard.barred(&self.state, "").is_some()
    }

    /// Resolves when a kill covers all of this session; why.
    pub async fn killed(&self, kills: &mut watch::Receiver<u64>) -> String {
        loop {
            if let Some((_, reason)) = self.guard.barred(&self.state, "") {
                return reason;
            }
            if kills.changed().await.is_err() {
                return "the monitor is ending".to_owned();
            }
        }
    }

    /// What it has been touched by so far.
    pub fn labels(&self) -> Labels {
        self.state.live().labels
    }
}

/// Labels as records spell them.
pub(crate) fn record_labels(labels: Labels) -> record::Labels {
    record::Labels {
        integrity: labels.integrity.as_str().into(),
        confidentiality: labels.confidentiality.as_str().into(),
    }
}

/// Labels back from a record; a word that is unknown is read as the strictest.
pub(crate) fn labels_of(labels: &record::Labels) -> Labels {
    Labels {
        integrity: match &*labels.integrity {
            "trusted" => Integrity::Trusted,
            _ => Integrity::Untrusted,
        },
        confidentiality: match &*labels.confidentiality {
            "public" => Confidentiality::Public,
            "internal" => Confidentiality::Internal,
            _ => Confidentiality::Secret,
        },
    }
}
