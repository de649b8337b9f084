//! The guard itself: what it holds, and what every part of it may ask of the rest.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use aws_lc_rs::{hmac, rand};
use ringfence_audit::record::{Record, RecordRef};
use ringfence_audit::{Append, AppendError, Clock, Log, Payload};
use ringfence_model::{Action, AgentId, Approver, Ask, Digest, Person, Timestamp, hex};
use ringfence_policy::PolicySet;
use tokio::sync::watch;

use crate::client_word;
use crate::config::Configured;
use crate::limits::{BucketKey, Buckets, Shape};
use crate::session::{SessionState, Sessions};
use crate::state::{Approvals, Entry, Registry, SessionRow, Standing};
use crate::verdict::built_in;

/// The one enforcement path. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    pub(crate) inner: Arc<Inner>,
}

/// The policy set in force.
pub(crate) struct InForce {
    pub(crate) set: PolicySet,
    pub(crate) generation: u64,
    pub(crate) observe_until: Option<Timestamp>,
}

impl InForce {
    pub(crate) fn observes(&self, now: Timestamp) -> bool {
        self.observe_until.is_some_and(|until| now < until)
    }
}

pub(crate) struct Inner {
    pub(crate) log: Log,
    pub(crate) failures: Arc<Failures>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The latest time there was, in microseconds.
    pub(crate) latest: AtomicI64,
    pub(crate) origin: Arc<str>,
    pub(crate) configured: Configured,
    pub(crate) policy: ArcSwap<InForce>,
    pub(crate) registry: ArcSwap<Registry>,
    /// Held while an operator's change is made durable: such changes are rare, and follow one
    /// another. A kill waits for none of them.
    pub(crate) control: tokio::sync::Mutex<()>,
    /// Held while something is changed in memory and queued for the log, where both have to come
    /// in one order.
    pub(crate) order: Guarded<()>,
    pub(crate) approvals: Guarded<Approvals>,
    pub(crate) sessions: Sessions,
    /// Sessions that the log knows and nobody has come back for yet, by credential.
    pub(crate) dormant: Guarded<HashMap<String, (String, SessionRow)>>,
    pub(crate) buckets: Buckets,
    /// What the log says buckets hold that nobody has used since the start.
    pub(crate) dormant_buckets: Guarded<HashMap<BucketKey, Vec<Entry>>>,
    pub(crate) no_findings: serde_json::Value,
    pub(crate) key: hmac::Key,
    pub(crate) epoch: AtomicU64,
    pub(crate) kills: watch::Sender<u64>,
    pub(crate) answers: watch::Sender<u64>,
    pub(crate) asks: watch::Sender<u64>,
}

/// Tells the operator what could not be recorded. A log that has failed is said to have failed
/// once: everything after it fails too.
#[derive(Default)]
pub(crate) struct Failures(AtomicBool);

impl Failures {
    pub(crate) fn tell(&self, what: &'static str, error: &AppendError) {
        match error {
            AppendError::Failed(failure) if self.0.swap(true, Ordering::Relaxed) => {
                tracing::debug!(%failure, "{what} could not be recorded");
            }
            AppendError::Failed(failure) => tracing::error!(
                cause = %failure.cause(),
                "{failure}: nothing is permitted until the disk takes it and the monitor is started again"
            ),
            other => tracing::error!(error = %other, "{what} could not be recorded"),
        }
    }
}

/// A mutex around plain data: nothing panics while it is held, so a poisoned one is still whole.
#[derive(Default)]
pub(crate) struct Guarded<T>(Mutex<T>);

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Self {
        Guarded(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard {
    /// The time, as the log tells it.
    pub fn now(&self) -> Timestamp {
        self.inner.now()
    }

    /// How many policies are in force.
    pub fn policies(&self) -> usize {
        self.inner.in_force().set.policies().len()
    }

    /// The digest of the policy set in force.
    pub fn policy_digest(&self) -> Digest {
        self.inner.in_force().set.digest()
    }

    /// Until when decisions are recorded and not enforced, where they are.
    pub fn observing(&self) -> Option<Timestamp> {
        let force = self.inner.in_force();
        force.observe_until.filter(|until| self.inner.now() < *until)
    }

    /// An agent as records have it: the person's part of a local agent's id is a pseudonym.
    ///
    /// # Errors
    /// The keys cannot be used.
    pub fn agent_in_records(&self, id: &AgentId) -> Result<String, ringfence_audit::KeyringError> {
        self.inner.leaf_agent(id)
    }
}

impl Inner {
    /// Stands still while the system's clock is behind what it has shown, as the log's time does.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        let latest = self.latest.fetch_max(now.as_microsecond(), Ordering::Relaxed);
        if latest > now.as_microsecond() { Timestamp::from_microsecond(latest).unwrap_or(now) } else { now }
    }

    /// Rises with every change that may take a permit back.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Changes the registry: whoever looks at the epoch after this looks at the new one.
    pub(crate) fn change(&self, change: impl Fn(&mut Registry)) {
        self.registry.rcu(|registry| {
            let mut changed = Registry::clone(registry);
            change(&mut changed);
            changed
        });
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        self.kills.send_replace(epoch);
    }

    pub(crate) fn in_force(&self) -> Arc<InForce> {
        self.policy.load_full()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.policy.load().generation
    }

    pub(crate) fn kills(&self) -> watch::Receiver<u64> {
        self.kills.subscribe()
    }

    pub(crate) fn answers(&self) -> watch::Receiver<u64> {
        self.answers.subscribe()
    }

    /// Somebody waits for an answer from now on.
    pub(crate) fn asked(&self, id: &str) {
        tracing::info!(approval = id, "a person is asked");
        self.asks.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn answered(&self) {
        self.answers.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Why nothing that this session attempts may happen, whatever policy says.
    pub(crate) fn barred(&self, session: &SessionState, resource: &str) -> Option<(&'static str, String)> {
        if session.live().ended {
            return Some((built_in::SESSION, "the session has ended".to_owned()));
        }
        self.stopped(session, resource)
    }

    /// Why what is under way has to stop: a kill, or an agent that may not act any more.
    pub(crate) fn stopped(&self, session: &SessionState, resource: &str) -> Option<(&'static str, String)> {
        self.latched(session, resource).or_else(|| self.not_active(session))
    }

    /// The kill latch that covers an attempt, where one does.
    pub(crate) fn latched(&self, session: &SessionState, resource: &str) -> Option<(&'static str, String)> {
        let registry = self.registry.load();
        let (id, latch) = registry.latches.iter().find(|(_, latch)| {
            latch.covers(&session.leaf_subject, &session.id, &session.sponsor, resource)
        })?;
        let reason = format!(
            "an operator stopped this at {} (latch {id}); `ringfence unkill {id}` lifts it",
            latch.since
        );
        Some((built_in::KILLED, reason))
    }

    fn not_active(&self, session: &SessionState) -> Option<(&'static str, String)> {
        let registry = self.registry.load();
        let row = registry.agents.get(&session.leaf_subject);
        let why = match row.map(|row| row.standing) {
            Some(Standing::Suspended) => "the agent is suspended",
            Some(Standing::Revoked) => "the agent is revoked",
            Some(Standing::Active) | None => {
                let shown = session.token.as_ref();
                if shown.is_some_and(|token| !row.is_some_and(|row| row.takes(token, self.now()))) {
                    "the token that this session began with was rotated; come back with the new one"
                } else if self.log.person(&session.sponsor).is_none() {
                    "the agent's sponsor was erased; an operator names another with `ringfence agent add`"
                } else {
                    return None;
                }
            }
        };
        Some((built_in::AGENT, why.to_owned()))
    }

    /// Queues a record. The order in which this is called is the order in the log.
    pub(crate) fn append(&self, record: Record, payload: Option<Payload>) -> Append {
        self.log.append(record.into_entry(payload))
    }

    pub(crate) fn no_record(&self) -> RecordRef {
        RecordRef { origin: self.origin.clone(), index: u64::MAX, leaf: Digest([0; 32]) }
    }

    /// A keyed hash of some parts: names a bucket or a credential without giving anything away.
    pub(crate) fn keyed(&self, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            context.update(part.as_bytes());
        }
        hex(context.sign().as_ref().get(..16).unwrap_or_default())
    }

    /// What makes two attempts of a session the same one again.
    pub(crate) fn attempt_hash(&self, session: &str, action: &Action) -> String {
        let arguments = json_canon::to_string(action.arguments.value())
            .unwrap_or_else(|_| action.arguments.raw().to_owned());
        self.keyed(&["attempt", session, action.kind.as_str(), &action.resource.to_string(), &arguments])
    }

    /// Gives a bucket what the log says it holds, the first time it is used after a start.
    pub(crate) fn revive(&self, key: &BucketKey, shape: &Shape) {
        let mut dormant = self.dormant_buckets.lock();
        if let Some(entries) = dormant.remove(key) {
            // Under the lock, so that nobody reserves from the bucket before it is whole.
            self.buckets.restore(key, shape, entries.iter().map(|entry| (entry.at, entry.amount)));
        }
    }

    /// An id that nobody guesses and a person can type: 40 random bits.
    pub(crate) fn fresh_id(&self) -> Option<String> {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut random = [0u8; 8];
        rand::fill(&mut random).ok()?;
        let mut id = String::with_capacity(9);
        for (position, byte) in random.iter().enumerate() {
            if position == 4 {
                id.push('-');
            }
            id.push(char::from(*LETTERS.get(usize::from(byte % 32))?));
        }
        Some(id)
    }

    /// The approvers as records have them: people go by their pseudonyms.
    pub(crate) fn leaf_approvers(
        &self,
        ask: &Ask,
    ) -> Result<Vec<Vec<String>>, ringfence_audit::KeyringError> {
        let leaf = |approver: &Approver| match approver {
            Approver::Operator(name) => Ok(format!("{PERSON}{}", self.log.pseudonym(&Person::new(name))?)),
            Approver::Group(_) | Approver::Client => Ok(approver.to_string()),
        };
        ask.approvers.iter().map(|set| set.iter().map(leaf).collect()).collect()
    }

    /// Whether an operator suffices for every set of approvers. An empty set is any operator; an
    /// operator's word is worth at least the client's.
    pub(crate) fn satisfies(&self, operator: &str, approvers: &[Arc<[Approver]>]) -> bool {
        if operator == client_word::CLIENT {
            return client_word::suffices(approvers);
        }
        let Some(operator) = self.operator_by_pseudonym(operator) else { return false };
        approvers.iter().all(|set| {
            set.is_empty()
                || set.iter().any(|approver| match approver {
                    Approver::Group(group) => operator.groups.iter().any(|g| **g == **group),
                    Approver::Operator(name) => *operator.person.as_str() == **name,
                    Approver::Client => true,
                })
        })
    }

    /// An agent as records have it: the person's part of a local agent's id is a pseudonym.
    pub(crate) fn leaf_agent(&self, id: &AgentId) -> Result<String, ringfence_audit::KeyringError> {
        if id.trust_domain() != LOCAL {
            return Ok(id.to_string());
        }
        let (user, program) = id.path().split_once('/').unwrap_or((id.path(), ""));
        let pseudonym = self.log.pseudonym(&Person::new(user))?;
        Ok(format!("spiffe://{LOCAL}/{pseudonym}/{program}"))
    }
}

/// What stands before a person's pseudonym among approvers.
pub(crate) const PERSON: &str = "person:";

/// The trust domain of agents that nobody configured.
pub(crate) const LOCAL: &str = "local";
