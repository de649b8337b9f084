//! The decision. Pure and total: it asks for facts, and whatever goes wrong is a deny with a
//! reason, or a rule that fires.

use std::sync::Arc;
use std::time::Duration;

use ringfence_cel::{Fact, Fault, Value, Verdict};
use ringfence_model::{Approver, Ask, Decision, Effect, FactSet, Ground, Obligation, RuleName};
use smallvec::SmallVec;

use crate::condition::{Constant, Givens, Inquiry};
use crate::facts::{FactId, Facts};
use crate::limit::{Limit, LimitKind, Room};
use crate::permits::Layers;
use crate::rule::{Layer, Rule};
use crate::set::PolicySet;
use crate::target::{Target, agent};
use crate::units::usd_text;

/// Decides one attempt. A fact that is unknown counts as one that is missing.
pub fn decide(set: &PolicySet, facts: &dyn Facts) -> Decision {
    decide_by(set, facts, Clock::Asked)
}

/// What office hours go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The fact `now`.
    Asked,
    /// They are open: for the tests of documents that say nothing of the time.
    Open,
}

pub(crate) fn decide_by(set: &PolicySet, facts: &dyn Facts, clock: Clock) -> Decision {
    if set.is_empty() {
        let ground = Ground::new(RuleName::built_in("no-policy"), "No policy is loaded.");
        return denial(set, ground, FactSet::EMPTY);
    }
    let givens = Givens::new(facts);
    let inquiry = Inquiry::new(facts, &givens);
    let target = Target::new(facts.resource());
    let agent = agent(&facts.subject().id);
    let mut permitted = Layers::NONE;
    let mut allowed: Option<&Rule> = None;
    let mut asks: SmallVec<[Asking<'_>; 4]> = SmallVec::new();
    // Denies come first, then what asks, then what allows; each by layer, policy and position.
    for hit in set.rules_about(agent, facts.action(), &target) {
        let Some(rule) = set.rules.get(hit as usize) else { continue };
        match rule.effect {
            Effect::Deny => {
                if let Some(cause) = certain(fires(rule, &inquiry), rule.effect) {
                    return denial(set, cause.ground(&rule.ground), inquiry.read());
                }
            }
            Effect::Ask => {
                if let Some(cause) = certain(fires(rule, &inquiry), rule.effect) {
                    permitted.insert(rule.layer);
                    asks.push(Asking::rule(rule, &cause));
                }
            }
            Effect::Allow => {
                let settled = allowed.is_some() || !asks.is_empty();
                if settled && permitted.contains(rule.layer) {
                    continue;
                }
                if certain(fires(rule, &inquiry), rule.effect).is_some() {
                    permitted.insert(rule.layer);
                    allowed = allowed.or(Some(rule));
                }
            }
        }
    }
    if permitted.is_empty() {
        let ground = Ground::new(RuleName::built_in("default-deny"), not_allowed(facts));
        return denial(set, ground, inquiry.read());
    }
    if let Some(layer) = set.permits.owing(permitted, agent, &target) {
        let rule = RuleName::built_in(&format!("layer-{}", layer.as_str()));
        return denial(set, Ground::new(rule, not_allowed_by(layer, facts)), inquiry.read());
    }
    let mut warnings = Vec::new();
    for hit in set.limits_about(agent, facts.action(), &target) {
        let Some(limit) = set.limits.get(hit as usize) else { continue };
        match meet(limit, facts, &inquiry, clock) {
            Meeting::Passed => {}
            Meeting::Warned(warning) => warnings.push(warning),
            Meeting::Asks(reason) => asks.push(Asking::limit(limit, reason)),
            Meeting::Denies(reason) | Meeting::Open(reason) => {
                return denial(set, Ground::new(limit.name.clone(), reason), inquiry.read());
            }
        }
    }
    permission(set, allowed, asks, warnings, inquiry.read())
}

/// Whether an attempt would be denied whatever the facts that are unknown turn out to be. For
/// deciding what an agent may see; unknown is not missing.
pub fn certainly_denied(set: &PolicySet, facts: &dyn Facts) -> bool {
    let givens = Givens::new(facts);
    let inquiry = Inquiry::new(facts, &givens);
    let target = Target::new(facts.resource());
    let agent = agent(&facts.subject().id);
    let mut possible = Layers::NONE;
    for hit in set.rules_about(agent, facts.action(), &target) {
        let Some(rule) = set.rules.get(hit as usize) else { continue };
        match (rule.effect, fires(rule, &inquiry)) {
            (Effect::Deny, Fires::Yes(_)) => return true,
            (Effect::Deny, Fires::Maybe | Fires::No(_)) => {}
            (Effect::Ask | Effect::Allow, Fires::Yes(_) | Fires::Maybe) => possible.insert(rule.layer),
            (Effect::Ask | Effect::Allow, Fires::No(_)) => {}
        }
    }
    if possible.is_empty() || set.permits.owing(possible, agent, &target).is_some() {
        return true;
    }
    set.limits_about(agent, facts.action(), &target).into_iter().any(|hit| {
        let Some(limit) = set.limits.get(hit as usize) else { return false };
        match meet(limit, facts, &inquiry, Clock::Asked) {
            Meeting::Denies(_) => true,
            Meeting::Passed | Meeting::Warned(_) | Meeting::Asks(_) | Meeting::Open(_) => false,
        }
    })
}

/// What came of one rule that is about the attempt.
pub(crate) enum Fires {
    /// It applies.
    Yes(Cause),
    /// It depends on what is unknown.
    Maybe,
    /// It does not apply; for an allow rule this may be because of a fault.
    No(Option<Box<Fault>>),
}

/// Why a rule applies.
pub(crate) enum Cause {
    /// It has no condition, or its condition holds.
    Held,
    /// Its condition could not be told. Boxed, because it is rare and the rest is small.
    Fault(Box<Fault>),
    /// Its condition depends on facts that are unknown.
    Unknown,
}

/// Evaluates a rule that is about the attempt. A fault makes what restricts apply, and what
/// allows not.
#[inline]
pub(crate) fn fires(rule: &Rule, inquiry: &Inquiry<'_>) -> Fires {
    let condition = match (&rule.condition, rule.constant) {
        (None, _) | (_, Constant::True) => return Fires::Yes(Cause::Held),
        (Some(condition), Constant::False | Constant::Error | Constant::No) => condition,
    };
    match condition.evaluate(inquiry) {
        Verdict::True => Fires::Yes(Cause::Held),
        Verdict::False => Fires::No(None),
        Verdict::Unknown => Fires::Maybe,
        Verdict::Error(fault) => match rule.effect {
            Effect::Allow => Fires::No(Some(fault)),
            Effect::Ask | Effect::Deny => Fires::Yes(Cause::Fault(fault)),
        },
    }
}

/// Takes what depends on unknown facts the strict way.
fn certain(fires: Fires, effect: Effect) -> Option<Cause> {
    match (fires, effect) {
        (Fires::Yes(cause), _) => Some(cause),
        (Fires::Maybe, Effect::Ask | Effect::Deny) => Some(Cause::Unknown),
        (Fires::Maybe, Effect::Allow) | (Fires::No(_), _) => None,
    }
}

impl Cause {
    /// What a rule says, and what kept its condition from being told.
    fn ground(&self, rule: &Ground) -> Ground {
        let reason = rule.reason();
        let said = match self {
            Cause::Held => return rule.clone(),
            Cause::Fault(fault) => format!("{reason} (The condition could not be decided: {fault}.)"),
            Cause::Unknown => format!("{reason} (The condition could not be decided: a fact is not known.)"),
        };
        Ground::new(rule.rule().clone(), said)
    }
}

/// Something that asks for a person: a rule, or a limit that is met.
struct Asking<'s> {
    rank: u32,
    ground: Ground,
    approvers: &'s Arc<[Approver]>,
    expires: Duration,
}

impl<'s> Asking<'s> {
    fn rule(rule: &'s Rule, cause: &Cause) -> Self {
        Asking {
            rank: rule.rank,
            ground: cause.ground(&rule.ground),
            approvers: &rule.approvers,
            expires: rule.expires,
        }
    }

    fn limit(limit: &'s Limit, reason: Arc<str>) -> Self {
        Asking {
            rank: limit.rank,
            ground: Ground::new(limit.name.clone(), reason),
            approvers: &limit.approvers,
            expires: limit.expires,
        }
    }
}

/// What a limit says of one attempt.
enum Meeting {
    Passed,
    Warned(Obligation),
    Asks(Arc<str>),
    Denies(Arc<str>),
    /// It depends on what is unknown; the reason if that has to be taken the strict way.
    Open(Arc<str>),
}

fn meet(limit: &Limit, facts: &dyn Facts, inquiry: &Inquiry<'_>, clock: Clock) -> Meeting {
    let Limit { name, kind, .. } = limit;
    if let LimitKind::Hours(hours) = kind {
        match clock {
            Clock::Open => return Meeting::Passed,
            Clock::Asked => {}
        }
        return match inquiry.ask(FactId::Now) {
            Fact::Known(Value::Timestamp(now)) if hours.contains(now) => Meeting::Passed,
            Fact::Known(Value::Timestamp(_)) => {
                Meeting::Denies(format!("The limit {name} allows this only at these hours: {hours}.").into())
            }
            Fact::Known(_) | Fact::Missing => Meeting::Denies(
                format!("The limit {name} allows this only at certain hours, and the time is missing.")
                    .into(),
            ),
            Fact::Unknown => Meeting::Open(
                format!("The limit {name} allows this only at certain hours, and the time is not known.")
                    .into(),
            ),
        };
    }
    match facts.limit(limit) {
        Room::Left => Meeting::Passed,
        Room::Warned { used, of } => Meeting::Warned(Obligation::Warn {
            path: String::new(),
            message: match kind {
                LimitKind::Usd { .. } => {
                    format!("The limit {name} is at {} of {} USD.", usd_text(used), usd_text(of))
                }
                _ => format!("The limit {name} is at {used} of {of}."),
            },
        }),
        Room::Spent { until } => {
            let until = until.map_or(String::new(), |until| format!(" until {until}"));
            let spent = format!("The limit {name} of {kind} is used up{until}");
            match limit.then {
                Effect::Ask => Meeting::Asks(format!("{spent}, so a person has to approve this.").into()),
                Effect::Deny | Effect::Allow => Meeting::Denies(format!("{spent}.").into()),
            }
        }
        Room::Unknown => {
            Meeting::Open(format!("It is not known how much of the limit {name} of {kind} is left.").into())
        }
        Room::Unmeasured => Meeting::Denies(
            format!("It cannot be told what this would use of the limit {name} of {kind}.").into(),
        ),
    }
}

fn permission(
    set: &PolicySet,
    allowed: Option<&Rule>,
    mut asks: SmallVec<[Asking<'_>; 4]>,
    obligations: Vec<Obligation>,
    read: FactSet,
) -> Decision {
    asks.sort_by_key(|asking| asking.rank);
    let ask = asks.iter().map(|asking| asking.expires).min().map(|expires| Ask {
        approvers: asks.iter().map(|asking| Arc::clone(asking.approvers)).collect(),
        expires,
    });
    let (effect, ground) = match (asks.into_iter().next(), allowed) {
        (Some(first), _) => (Effect::Ask, first.ground),
        (None, Some(rule)) => (Effect::Allow, rule.ground.clone()),
        // A layer permitted, so one of the two is there; were neither, nothing allows.
        (None, None) => {
            (Effect::Deny, Ground::new(RuleName::built_in("default-deny"), "No rule allows this."))
        }
    };
    Decision { effect, ground, obligations, policy_digest: set.digest(), ask, read }
}

fn denial(set: &PolicySet, ground: Ground, read: FactSet) -> Decision {
    Decision {
        effect: Effect::Deny,
        ground,
        obligations: Vec::new(),
        policy_digest: set.digest(),
        ask: None,
        read,
    }
}

fn not_allowed(facts: &dyn Facts) -> Arc<str> {
    format!("No rule allows {} on {} for {}.", facts.action(), facts.resource(), facts.subject().id).into()
}

fn not_allowed_by(layer: Layer, facts: &dyn Facts) -> Arc<str> {
    let (action, resource, subject) = (facts.action(), facts.resource(), &facts.subject().id);
    format!(
        "The {} layer has rules for {subject}, and none of them allows {action} on {resource}.",
        layer.as_str()
    )
    .into()
}
