//! Permits: the only way to an effect. A permit owns the attempt that it allows, is made in one
//! place, is used once, and ends in exactly one outcome record, whatever happens to it.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ringfence_audit::record::{self, Record, RecordRef};
use ringfence_audit::{Append, AppendError, Appended, Payload};
use ringfence_model::{Decision, Labels, Outcome, OutcomeKind, Timestamp, Usage};

use crate::facts::Held;
use crate::guard::{InForce, Inner};
use crate::limits::Full;
use crate::session::{SessionState, record_labels};
use crate::verdict::built_in;
use crate::{Attempt, Denied};

/// Leave to cause one effect once. Dropped before it is begun, its outcome is `not_started`.
///
/// It cannot be made outside the guard:
///
/// ```compile_fail,E0451
/// fn forge<A: ringfence_guard::Attempt>(attempt: A) -> ringfence_guard::Permit<A> {
///     ringfence_guard::Permit { attempt, core: loop {}, decision: loop {} }
/// }
/// ```
///
/// nor copied:
///
/// ```compile_fail,E0599
/// fn twice<A: ringfence_guard::Attempt>(permit: ringfence_guard::Permit<A>) {
///     let copy = permit.clone();
///     let _ = (permit.begin(), copy.begin());
/// }
/// ```
///
/// nor used a second time:
///
/// ```compile_fail,E0382
/// fn again<A: ringfence_guard::Attempt>(permit: ringfence_guard::Permit<A>) {
///     let first = permit.begin();
///     let second = permit.begin();
/// }
/// ```
///
/// nor used for another attempt than the one it was given for, since what is started comes out
/// of it and nothing goes in:
///
/// ```compile_fail,E0616
/// fn swap<A: ringfence_guard::Attempt>(permit: ringfence_guard::Permit<A>, other: A) {
///     let Ok((mut started, _sent)) = permit.begin() else { return };
///     started.attempt = other;
/// }
/// ```
#[must_use = "a permit that is dropped is recorded as not started"]
pub struct Permit<A: Attempt> {
    pub(crate) attempt: A,
    pub(crate) core: PermitCore,
    pub(crate) decision: Decision,
}

/// What was permitted and has begun: the only thing that effects accept.
#[derive(Debug)]
pub struct Started<A> {
    attempt: A,
}

impl<A> Started<A> {
    /// The attempt, to be sent as it is.
    pub fn into_inner(self) -> A {
        self.attempt
    }
}

impl<A: Attempt> Permit<A> {
    /// What was decided.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The record that proves it.
    pub fn record(&self) -> &RecordRef {
        &self.core.record
    }

    /// Whether a person's approval was used up for it.
    pub fn was_approved(&self) -> bool {
        self.core.approved
    }

    /// The last look, just before the first byte goes out: a kill since then denies, a newer
    /// policy decides again, and a limit's window is counted from now.
    ///
    /// # Errors
    /// It may not happen any more; nothing was sent.
    #[expect(clippy::result_large_err, reason = "a denial is an answer with its record, and rare")]
    pub fn begin(mut self) -> Result<(Started<A>, Sent), Denied> {
        let Permit { attempt, core, decision } = &mut self;
        if let Err((rule, reason)) = core.last_look(attempt, decision) {
            core.note = Some(reason.clone());
            let denied = Denied {
                decision: core.inner.built_in_denial(rule, &reason),
                record: Some(core.record.clone()),
                retry_after: None,
            };
            return Err(denied);
        }
        let started = core.inner.now();
        let Permit { attempt, core, decision: _ } = self;
        Ok((Started { attempt }, Sent { core: Some(core), started }))
    }
}

/// What every permit carries. Dropped, it settles itself.
pub(crate) struct PermitCore {
    pub(crate) inner: Arc<Inner>,
    pub(crate) session: Arc<SessionState>,
    pub(crate) record: RecordRef,
    pub(crate) resource: String,
    pub(crate) epoch: u64,
    pub(crate) generation: u64,
    /// The policy set that holds for the session in place of the guard's.
    pub(crate) own: Option<Arc<InForce>>,
    pub(crate) held: Held,
    /// Whether a person's approval was used up for it.
    pub(crate) approved: bool,
    pub(crate) observing: bool,
    /// Why it did not begin, once that is known.
    pub(crate) note: Option<String>,
    /// Whether an outcome is still owed.
    pub(crate) owed: bool,
}

impl PermitCore {
    fn last_look<A: Attempt>(
        &mut self,
        attempt: &A,
        decision: &Decision,
    ) -> Result<(), (&'static str, String)> {
        if (self.inner.epoch() != self.epoch || self.session.live().ended)
            && let Some(reason) = self.inner.barred(&self.session, &self.resource)
        {
            return Err(reason);
        }
        let now = self.inner.now();
        let force = self.own.clone().unwrap_or_else(|| self.inner.in_force());
        if self.observing && !force.observes(now) {
            let reason = format!("what was only observed is enforced again: {}", decision.reason());
            return Err((built_in::POLICY, reason));
        }
        if !self.observing && force.generation != self.generation {
            self.inner.decide_again(self, attempt, decision)?;
        }
        self.held.begin(now).map_err(|Full { .. }| {
            (
                built_in::LIMIT,
                "the limit's period ended before this began, and the next one is used up".to_owned(),
            )
        })
    }

    /// Takes the outcome in, once: usage, limits and labels are as they are from here on.
    fn settle(
        &mut self,
        kind: OutcomeKind,
        started: Option<Timestamp>,
        detail: Detail<'_>,
    ) -> Option<Unwritten> {
        if !std::mem::replace(&mut self.owed, false) {
            return None;
        }
        let now = self.inner.now();
        let usage = detail.outcome.map_or(Usage::default(), |outcome| outcome.usage);
        let labels = self.session.settled(now, &usage, detail.taken_in);
        let spans = self.held.spans();
        let charged = self.held.settle(kind, &usage, now);
        let body = record::Outcome {
            of: self.record.index,
            session: self.session.id.to_string(),
            result: kind.as_str().into(),
            started,
            duration_us: detail
                .outcome
                .and_then(|outcome| outcome.duration)
                .map(|duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)),
            usage: record::Usage {
                bytes_out: usage.bytes_out,
                bytes_in: usage.bytes_in,
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                micro_usd: usage.micro_usd,
            },
            charged,
            spans,
            labels: record_labels(labels),
            reason: self.note.take(),
        };
        Some(Unwritten {
            inner: Arc::clone(&self.inner),
            session: Arc::clone(&self.session),
            body: Some(body),
            error: detail.outcome.and_then(|outcome| outcome.error.clone()),
            content: detail.content.map(<[u8]>::to_vec),
        })
    }
}

/// An outcome that holds and whose record has still to be written: when this is dropped.
struct Unwritten {
    inner: Arc<Inner>,
    session: Arc<SessionState>,
    body: Option<record::Outcome>,
    error: Option<String>,
    content: Option<Vec<u8>>,
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        let payload = (self.error.is_some() || self.content.is_some()).then(|| {
            let result = self.content.as_deref().map(String::from_utf8_lossy);
            let content = serde_json::to_vec(&CameBack { error: self.error.as_deref(), result });
            Payload {
                session: self.session.id.to_string(),
                persons: vec![self.session.subject.sponsor.clone()],
                content: content.expect("invariant: plain data serialises into memory"),
            }
        });
        // Queued: the reply does not wait for the disk. A log that fails refuses all further
        // permits, and the next start writes `unknown` for what has no outcome.
        let failures = Arc::clone(&self.inner.failures);
        self.inner.append(Record::Outcome(body), payload).detach(move |written| {
            if let Err(error) = written {
                failures.tell("an outcome", &error);
            }
        });
    }
}

/// What the payload of an outcome holds.
#[derive(serde::Serialize)]
struct CameBack<'a> {
    error: Option<&'a str>,
    result: Option<Cow<'a, str>>,
}

/// What is known of an outcome besides its kind.
#[derive(Default, Clone, Copy)]
struct Detail<'a> {
    outcome: Option<&'a Outcome>,
    content: Option<&'a [u8]>,
    taken_in: Option<Labels>,
}

impl Drop for PermitCore {
    fn drop(&mut self) {
        drop(self.settle(OutcomeKind::NotStarted, None, Detail::default()));
    }
}

/// The other half of something that has begun: its outcome. Dropped unsettled, the outcome is
/// `unknown`.
#[must_use = "what has begun has an outcome"]
pub struct Sent {
    core: Option<PermitCore>,
    started: Timestamp,
}

/// An outcome that was taken in. Its record goes into the queue when this is dropped: whoever
/// has a reply to pass on does that first.
pub struct Settled {
    /// The session's labels after what came back was taken in.
    pub labels: Labels,
    _record: Option<Unwritten>,
}

/// Why something under way has to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// One plain sentence.
    pub reason: String,
}

impl Sent {
    /// The record of the decision that this settles.
    pub fn record(&self) -> Option<&RecordRef> {
        self.core.as_ref().map(|core| &core.record)
    }

    /// Notes the outcome. Queued: it never waits for the disk. `content` is what came back, which
    /// goes into the encrypted payload; `taken_in` are the labels of what came back.
    pub fn settle(mut self, outcome: &Outcome, content: Option<&[u8]>, taken_in: Option<Labels>) -> Settled {
        let Some(mut core) = self.core.take() else {
            return Settled { labels: Labels::FRESH, _record: None };
        };
        let detail = Detail { outcome: Some(outcome), content, taken_in };
        let record = core.settle(outcome.kind, Some(self.started), detail);
        Settled { labels: core.session.live().labels, _record: record }
    }

    /// Resolves when this has to stop: a kill that covers it, or the end of the agent's standing.
    pub fn cut(&self) -> impl Future<Output = Cut> + Send + 'static + use<> {
        let watched = self
            .core
            .as_ref()
            .map(|core| (Arc::clone(&core.inner), Arc::clone(&core.session), core.resource.clone()));
        async move {
            let Some((inner, session, resource)) = watched else {
                return std::future::pending().await;
            };
            let mut kills = inner.kills();
            loop {
                if let Some((_, reason)) = inner.stopped(&session, &resource) {
                    return Cut { reason };
                }
                if kills.changed().await.is_err() {
                    return Cut { reason: "the monitor is ending".to_owned() };
                }
            }
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(core) = &mut self.core {
            let taken_in = Some(Labels { integrity: ringfence_model::Integrity::Untrusted, ..Labels::FRESH });
            let detail = Detail { taken_in, ..Detail::default() };
            drop(core.settle(OutcomeKind::Unknown, Some(self.started), detail));
        }
    }
}

/// A permit whose record is on its way to the disk. Dropped before it arrives, the permit is
/// settled as not started once it has.
pub(crate) struct InFlight {
    append: Option<Append>,
    core: Option<PermitCore>,
}

impl InFlight {
    pub(crate) fn new(append: Append, core: PermitCore) -> Self {
        InFlight { append: Some(append), core: Some(core) }
    }
}

impl Future for InFlight {
    type Output = Result<PermitCore, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let append = self.append.as_mut().expect("invariant: a future is not polled after it is done");
        let Poll::Ready(written) = Pin::new(append).poll(context) else { return Poll::Pending };
        self.append = None;
        let mut core = self.core.take().expect("invariant: the core goes out together with the append");
        Poll::Ready(match written {
            Ok(appended) => Ok(core.recorded(&appended)),
            Err(error) => {
                core.owed = false;
                core.session.settled(core.inner.now(), &Usage::default(), None);
                Err(error)
            }
        })
    }
}

impl PermitCore {
    /// The record is durable: from here on an outcome is owed.
    fn recorded(mut self, appended: &Appended) -> Self {
        self.record.index = appended.index;
        self.record.leaf = appended.leaf;
        self.owed = true;
        self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let (Some(append), Some(core)) = (self.append.take(), self.core.take()) else { return };
        append.detach(move |written| match written {
            Ok(appended) => drop(core.recorded(&appended)),
            Err(_) => drop(core.session.settled(core.inner.now(), &Usage::default(), None)),
        });
    }
}
