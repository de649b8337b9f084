//! The one enforcement path: every attempt comes through [`Session::check`], and there is no
//! other way to a permit.

use std::sync::Arc;

use ringfence_audit::record::{self, Approval, ApprovalStep, Record, RecordRef};
use ringfence_audit::{AppendError, Appended, Payload};
use ringfence_model::{
    Action, Ask, Decision, Effect, Ground, Labels, Obligation, Resource, ResourceKind, RuleName, Timestamp,
};
use ringfence_policy::decide;
use serde_json::json;

use crate::canonical::action_digest;
use crate::facts::{AttemptFacts, Held, Limits};
use crate::followed::Followed;
use crate::guard::{InForce, Inner};
use crate::pending::{Pending, Ticket};
use crate::permit::{InFlight, Permit, PermitCore};
use crate::session::{Session, record_labels};
use crate::state::{Answer, ApprovalRow};
use crate::verdict::built_in;
use crate::{Attempt, Denied, Target, Verdict};

/// How many unanswered asks one session may have.
const MAX_AWAITED: usize = 64;

/// Whether an attempt comes for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    /// After a person was asked.
    AfterAsk,
}

/// An attempt that has been decided and is not yet recorded.
struct Decided {
    decision: Decision,
    held: Held,
    body: record::Decision,
    payload: Payload,
    now: Timestamp,
    observing: bool,
}

impl Session {
    /// Decides one attempt, records the decision durably and, where it is allowed, gives the
    /// permit. Total: whatever goes wrong is a denial.
    pub async fn check<A: Attempt>(&self, attempt: A) -> Verdict<A> {
        self.run(attempt, Turn::First).await
    }

    /// Checks again after a person was asked. Limits, latches and policy decide anew; the
    /// approval lifts only the ask it was given for.
    pub async fn resume<A: Attempt>(&self, _ticket: Ticket, attempt: A) -> Verdict<A> {
        self.run(attempt, Turn::AfterAsk).await
    }

    async fn run<A: Attempt>(&self, mut attempt: A, turn: Turn) -> Verdict<A> {
        let inner = &*self.guard;
        let state = &*self.state;
        let epoch = inner.epoch();
        let force = self.in_force();
        let target = attempt.target();
        let action = match attempt.action() {
            Ok(action) => action,
            Err(malformed) => {
                let action = Action {
                    kind: ringfence_model::ActionKind::ToolCall,
                    resource: Resource::mcp_server("unreadable"),
                    arguments: ringfence_model::Arguments::none(),
                };
                let resource = leaf_resource(&action.resource);
                let facts = AttemptFacts::new(inner, state, &action, &target, Limits::Aside);
                let denial = inner.built_in_denial(built_in::MALFORMED, &malformed.reason);
                let mut decided = decided(self, (&action, &target, &resource), facts, denial);
                decided.conceal("what was sent cannot be read as an action");
                return self.deny(decided).await;
            }
        };
        let resource = leaf_resource(&action.resource);

        if let Some((rule, reason)) = inner.barred(state, &resource) {
            let facts = AttemptFacts::new(inner, state, &action, &target, Limits::Aside);
            let denial = inner.built_in_denial(rule, &reason);
            return self.deny(decided(self, (&action, &target, &resource), facts, denial)).await;
        }
        if let Some(misfit) = &target.misfit {
            let facts = AttemptFacts::new(inner, state, &action, &target, Limits::Aside);
            let denial = inner.built_in_denial(built_in::SCHEMA, misfit);
            let mut decided = decided(self, (&action, &target, &resource), facts, denial);
            decided.conceal("the arguments do not fit what the tool declares");
            return self.deny(decided).await;
        }

        let limits = match turn {
            Turn::First => Limits::Reserve,
            Turn::AfterAsk => Limits::ReserveAgain,
        };
        let facts = AttemptFacts::new(inner, state, &action, &target, limits);
        let decision = decide(&force.set, &facts);
        let observed = observed(&force, &facts, &decision);
        let mut decided = decided(self, (&action, &target, &resource), facts, decision);
        match observed {
            Observing::Not => {}
            Observing::Lets => {
                decided.observing = true;
                decided.body.observing = true;
                return self.permit(attempt, decided, epoch, &force, None).await;
            }
            Observing::Limited(rule, reason) => {
                decided.refuse(inner, rule, &reason);
                return self.deny(decided).await;
            }
        }
        match decided.decision.effect {
            Effect::Deny => self.deny(decided).await,
            Effect::Allow => {
                if let Err(path) = apply_all(&mut attempt, &decided.decision.obligations) {
                    decided.replace(inner, built_in::OBLIGATION, &path);
                    return self.deny(decided).await;
                }
                self.permit(attempt, decided, epoch, &force, None).await
            }
            Effect::Ask => self.ask(attempt, &action, &target, decided, turn, (epoch, &force)).await,
        }
    }

    /// Looks for an approval of exactly this; asks for one where there is none.
    async fn ask<A: Attempt>(
        &self,
        mut attempt: A,
        action: &Action,
        target: &Target,
        mut decided: Decided,
        turn: Turn,
        (epoch, force): (u64, &InForce),
    ) -> Verdict<A> {
        let inner = &*self.guard;
        let digest = match action_digest(&self.state.subject, action, target) {
            Ok(digest) => digest.to_string(),
            Err(error) => {
                decided.replace(inner, built_in::APPROVAL, &error.to_string());
                decided.conceal("the arguments have no form that an approval could be bound to");
                return self.deny(decided).await;
            }
        };
        let Some(ask) = decided.decision.ask.clone() else {
            decided.replace(inner, built_in::APPROVAL, "the decision does not say who may approve");
            return self.deny(decided).await;
        };
        let approvers = match inner.leaf_approvers(&ask) {
            Ok(approvers) => approvers,
            Err(error) => {
                decided.replace(inner, built_in::APPROVAL, &format!("the keys cannot be used: {error}"));
                return self.deny(decided).await;
            }
        };
        match self.find_approval(&digest, &ask, approvers, decided.now, turn) {
            Found::Approved(id, row) => {
                if let Err(path) = apply_all(&mut attempt, &decided.decision.obligations) {
                    inner.approvals.lock().restore(&id, row);
                    decided.replace(inner, built_in::OBLIGATION, &path);
                    return self.deny(decided).await;
                }
                decided.body.approval = Some(approval(id.clone(), ApprovalStep::Used, &row));
                self.permit(attempt, decided, epoch, force, Some((id, row))).await
            }
            Found::Refused => {
                decided.replace(inner, built_in::APPROVAL, "a person was asked for exactly this and said no");
                self.deny(decided).await
            }
            Found::Lapsed => {
                let reason = "nobody answered in time, or what was answered does not serve any more";
                decided.replace(inner, built_in::APPROVAL, reason);
                self.deny(decided).await
            }
            Found::TooMany => {
                let reason = format!("{MAX_AWAITED} asks of this session wait for an answer already");
                decided.replace(inner, built_in::APPROVAL, &reason);
                self.deny(decided).await
            }
            Found::Awaited(id, row) => {
                decided.body.approval = Some(approval(id.clone(), ApprovalStep::Joined, &row));
                self.pend(attempt, decided, id, row.expires).await
            }
            Found::Asked(id, row) => {
                decided.body.approval = Some(approval(id.clone(), ApprovalStep::Asked, &row));
                self.pend(attempt, decided, id, row.expires).await
            }
        }
    }

    fn find_approval(
        &self,
        digest: &str,
        ask: &Ask,
        approvers: Vec<Vec<String>>,
        now: Timestamp,
        turn: Turn,
    ) -> Found {
        let inner = &*self.guard;
        let session = &*self.state.id;
        let mut approvals = inner.approvals.lock();
        let bound = approvals.bound_to(session, digest, now).map(|(id, row)| (id.to_owned(), row.clone()));
        if let Some((id, row)) = bound {
            match &row.answer {
                Answer::Awaited => return Found::Awaited(id, row),
                Answer::Refused { .. } => return Found::Refused,
                Answer::Approved { operator } if inner.satisfies(operator, &ask.approvers) => {
                    // Taken out under the lock: a second attempt does not find it.
                    approvals.remove(&id);
                    return Found::Approved(id, row);
                }
                // Somebody approved who does not suffice for today's policy: ask anew.
                Answer::Approved { .. } => drop(approvals.remove(&id)),
            }
        }
        if turn == Turn::AfterAsk {
            return Found::Lapsed;
        }
        if approvals.awaited(session, now) >= MAX_AWAITED {
            return Found::TooMany;
        }
        let Some(id) = inner.fresh_id() else { return Found::TooMany };
        let wait = jiff::SignedDuration::try_from(ask.expires).unwrap_or(jiff::SignedDuration::from_mins(10));
        let row = ApprovalRow {
            session: session.to_owned(),
            digest: digest.to_owned(),
            expires: now.checked_add(wait).unwrap_or(Timestamp::MAX),
            approvers,
            record: ApprovalRow::UNRECORDED,
            answer: Answer::Awaited,
        };
        approvals.restore(&id, row.clone());
        Found::Asked(id, row)
    }

    async fn permit<A: Attempt>(
        &self,
        attempt: A,
        decided: Decided,
        epoch: u64,
        force: &InForce,
        approved: Option<(String, ApprovalRow)>,
    ) -> Verdict<A> {
        let inner = &self.guard;
        let Decided { decision, held, mut body, payload, now, observing } = decided;
        body.permit = true;
        body.charges = held.charges();
        let core = PermitCore {
            inner: inner.clone(),
            session: self.state.clone(),
            record: inner.no_record(),
            resource: body.resource.clone(),
            epoch,
            generation: force.generation,
            held,
            own: self.own.clone(),
            approved: approved.is_some(),
            observing,
            note: None,
            owed: false,
        };
        self.state.permitted(now);
        let append = self.append(Record::Decision(Box::new(body)), payload);
        let core = match InFlight::new(append, core).await {
            Ok(core) => core,
            Err(error) => {
                // Nothing says that it was used, so it was not.
                if let Some((id, row)) = approved {
                    inner.approvals.lock().restore(&id, row);
                }
                return Verdict::Denied(inner.unrecorded(&error));
            }
        };
        Verdict::Allowed(Permit { attempt, core, decision })
    }

    async fn pend<A: Attempt>(
        &self,
        attempt: A,
        decided: Decided,
        id: String,
        expires: Timestamp,
    ) -> Verdict<A> {
        let inner = &self.guard;
        let Decided { decision, held, mut body, payload, now, .. } = decided;
        body.charges = held.attempted();
        drop(held);
        self.state.touched(now, None);
        let fresh = body.approval.as_ref().is_some_and(|approval| approval.step == ApprovalStep::Asked);
        let append = self.append(Record::Decision(Box::new(body)), payload);
        let (of, asked) = (Arc::clone(inner), id.clone());
        // Also where nobody waits for this check any more: the ask is in the log then, and an
        // answer to it serves the same attempt made again.
        let recorded = Followed::by(append, move |written| {
            if !fresh {
                return;
            }
            match written {
                Ok(appended) => {
                    of.approvals.lock().recorded(&asked, appended.index);
                    of.asked(&asked);
                }
                Err(_) => drop(of.approvals.lock().remove(&asked)),
            }
        });
        let appended = match recorded.await {
            Ok(appended) => appended,
            Err(error) => return Verdict::Denied(inner.unrecorded(&error)),
        };
        Verdict::Pending(Pending {
            attempt,
            session: self.clone(),
            ticket: Ticket::new(id),
            decision,
            expires,
            record: Some(inner.record_ref(&appended)),
        })
    }

    async fn deny<A: Attempt>(&self, decided: Decided) -> Verdict<A> {
        let inner = &self.guard;
        let Decided { decision, held, mut body, payload, now, .. } = decided;
        body.charges = held.attempted();
        let retry_after = held.retry_after(decision.rule());
        drop(held);
        self.state.touched(now, None);
        match self.append(Record::Decision(Box::new(body)), payload).await {
            Ok(appended) => {
                Verdict::Denied(Denied { decision, record: Some(inner.record_ref(&appended)), retry_after })
            }
            Err(error) => Verdict::Denied(inner.unrecorded(&error)),
        }
    }
}

/// What is known of an approval for one digest.
enum Found {
    /// A person said yes, and it is taken for this attempt.
    Approved(String, ApprovalRow),
    /// A person said no.
    Refused,
    /// A person has been asked already.
    Awaited(String, ApprovalRow),
    /// A person is asked now.
    Asked(String, ApprovalRow),
    /// A person had been asked, and no answer serves this.
    Lapsed,
    /// Too many are waiting.
    TooMany,
}

/// What observing does to one decision.
enum Observing {
    /// Nothing: it is enforced.
    Not,
    /// It is let through all the same.
    Lets,
    /// Its rules would be, but a limit holds.
    Limited(RuleName, String),
}

/// Observing withholds the effect of what rules, or their absence, decided. Limits stay as they
/// are, also those that policy did not come to.
fn observed(force: &InForce, facts: &AttemptFacts<'_>, decision: &Decision) -> Observing {
    let by_limit =
        || facts.limited() || force.set.limits().iter().any(|limit| limit.name() == decision.rule());
    match decision.effect {
        Effect::Allow => Observing::Not,
        Effect::Ask | Effect::Deny if !force.observes(facts.now()) || by_limit() => Observing::Not,
        Effect::Ask => Observing::Lets,
        Effect::Deny => match facts.meet_limits(&force.set) {
            Ok(()) => Observing::Lets,
            Err((limit, reason)) => Observing::Limited(limit, reason),
        },
    }
}

impl Decided {
    /// The guard's own denial takes the place of what policy said.
    fn replace(&mut self, inner: &Inner, rule: &str, reason: &str) {
        self.refuse(inner, RuleName::built_in(rule), reason);
    }

    fn refuse(&mut self, inner: &Inner, rule: RuleName, reason: &str) {
        let (ground, read) = (Ground::new(rule, reason), self.decision.read);
        self.decision = Decision { ground, read, ..inner.built_in_denial(built_in::POLICY, reason) };
        self.body.decision = Effect::Deny.as_str().into();
        self.body.rule = self.decision.rule().to_string();
        self.body.reason = reason.to_owned();
    }

    /// The reason quotes what was sent: the leaf says less, and the payload the whole.
    fn conceal(&mut self, said: &str) {
        self.body.reason = said.to_owned();
        let content = &mut self.payload.content;
        if content.pop().is_some() {
            content.extend_from_slice(b",\"reason\":");
            content.extend_from_slice(json!(self.decision.reason()).to_string().as_bytes());
            content.push(b'}');
        }
    }
}

fn approval(id: String, step: ApprovalStep, row: &ApprovalRow) -> Approval {
    Approval { id, step, digest: row.digest.clone(), expires: row.expires, approvers: row.approvers.clone() }
}

fn apply_all<A: Attempt>(attempt: &mut A, obligations: &[Obligation]) -> Result<(), String> {
    for obligation in obligations {
        match obligation {
            Obligation::Warn { .. } => {}
            Obligation::Hide { .. } => attempt.apply(obligation).map_err(|error| error.to_string())?,
        }
    }
    Ok(())
}

/// Puts a decision into the form it is recorded in. What it is about comes with the resource as leaves
/// have it.
fn decided(
    session: &Session,
    (action, target, resource): (&Action, &Target, &str),
    facts: AttemptFacts<'_>,
    decision: Decision,
) -> Decided {
    let state = &*session.state;
    let labels: Labels = facts.live().labels;
    // Reasons name who and what; in a leaf they do it as the leaf does.
    let reason = decision
        .reason()
        .replace(state.subject.id.as_str(), &state.leaf_subject)
        .replace(&action.resource.to_string(), resource);
    let body = record::Decision {
        session: state.id.to_string(),
        subject: state.leaf_subject.clone(),
        sponsor: state.sponsor.clone(),
        delegation: state.subject.delegation.iter().map(ToString::to_string).collect(),
        action: action.kind.as_str().to_owned(),
        resource: resource.to_owned(),
        assurance: session.assurance.as_str().into(),
        decision: decision.effect.as_str().into(),
        rule: decision.rule().to_string(),
        reason,
        policy_digest: decision.policy_digest.to_string(),
        obligations: decision.obligations.iter().map(obligation_json).collect(),
        permit: false,
        observing: false,
        approval: None,
        facts: facts.recorded(decision.read),
        labels: record_labels(labels),
        charges: Vec::new(),
        tool: target.tool.as_ref().map(|tool| tool.hash.to_string()),
    };
    let payload = Payload {
        session: state.id.to_string(),
        persons: vec![state.subject.sponsor.clone()],
        content: facts.payload(),
    };
    let now = facts.now();
    Decided { decision, held: facts.into_held(), body, payload, now, observing: false }
}

/// An obligation as answers and records spell it.
pub fn obligation_json(obligation: &Obligation) -> serde_json::Value {
    match obligation {
        Obligation::Warn { path, message } => json!({ "kind": "warn", "path": path, "message": message }),
        Obligation::Hide { path } => json!({ "kind": "hide", "path": path }),
    }
}

/// The resource as records have it: a name that is itself a URL loses its user, query and
/// fragment, which may hold what is secret; the payload has the whole.
pub(crate) fn leaf_resource(resource: &Resource) -> String {
    let url = resource
        .name()
        .filter(|_| resource.kind() == ResourceKind::Mcp)
        .and_then(|name| name.split_once("://"));
    let Some((scheme, rest)) = url else { return resource.to_string() };
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = host.rsplit_once('@').map_or(host, |(_user, host)| host);
    Resource::mcp(resource.authority(), &format!("{scheme}://{host}{path}")).to_string()
}

impl Inner {
    /// A denial that no document wrote.
    pub(crate) fn built_in_denial(&self, rule: &str, reason: &str) -> Decision {
        Decision {
            effect: Effect::Deny,
            ground: Ground::new(RuleName::built_in(rule), reason),
            obligations: Vec::new(),
            policy_digest: self.in_force().set.digest(),
            ask: None,
            read: ringfence_model::FactSet::EMPTY,
        }
    }

    /// No record, no permit.
    pub(crate) fn unrecorded(&self, error: &AppendError) -> Denied {
        self.failures.tell("a decision", error);
        let reason = match error {
            AppendError::Failed(failure) => format!(
                "the decision could not be recorded ({}); nothing is permitted until the disk takes it and the monitor is started again",
                failure.cause()
            ),
            other => format!("the decision could not be recorded: {other}"),
        };
        Denied { decision: self.built_in_denial(built_in::LOG, &reason), record: None, retry_after: None }
    }

    pub(crate) fn record_ref(&self, appended: &Appended) -> RecordRef {
        RecordRef { origin: self.origin.clone(), index: appended.index, leaf: appended.leaf }
    }

    /// Policy has changed since the permit was given: does today's still allow it?
    pub(crate) fn decide_again<A: Attempt>(
        &self,
        permit: &PermitCore,
        attempt: &A,
        before: &Decision,
    ) -> Result<(), (&'static str, String)> {
        let action = attempt.action().map_err(|malformed| (built_in::MALFORMED, malformed.reason))?;
        let target = attempt.target();
        let facts = AttemptFacts::keeping(self, &permit.session, &action, &target, &permit.held);
        let now = decide(&self.in_force().set, &facts);
        let lifted = permit.approved && now.ask == before.ask;
        match now.effect {
            Effect::Allow => Ok(()),
            Effect::Ask if lifted => Ok(()),
            Effect::Ask | Effect::Deny => {
                Err((built_in::POLICY, format!("the policy changed before this began: {}", now.reason())))
            }
        }
    }
}
