//! What policy may ask about one attempt, answered from the guard's own state, and the limits
//! that were reserved while it asked.

use std::cell::RefCell;

use jiff::SignedDuration;
use ringfence_audit::record::{Charge, ChargeSpan};
use ringfence_model::{
    Action, ActionKind, AgentId, OutcomeKind, Resource, RuleName, Subject, Timestamp, Usage,
};
use ringfence_policy::{
    By, Fact, FactId, Facts, Limit, LimitKind, PolicySet, Room, Value, Window, fact_name,
};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::Target;
use crate::guard::Inner;
use crate::limits::{BucketKey, Full, Reservation, Reserve, Shape};
use crate::session::{Live, SessionState};

/// How the attempt's limits are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limits {
    /// Reserve them.
    Reserve,
    /// Reserve them, but for repetition: the same attempt was counted before it was asked.
    ReserveAgain,
    /// Those that the permit holds already stay held; of any other nothing is known.
    Kept,
    /// They do not matter here.
    Aside,
    /// Nothing is known of them.
    Unknown,
}

/// The facts of one attempt.
pub(crate) struct AttemptFacts<'a> {
    inner: &'a Inner,
    session: &'a SessionState,
    action: &'a Action,
    target: &'a Target,
    live: Live,
    labels: [(&'a str, Value<'a>); 2],
    now: Timestamp,
    limits: Limits,
    /// What a permit holds already.
    kept: Option<&'a Held>,
    held: RefCell<Held>,
}

impl<'a> AttemptFacts<'a> {
    pub(crate) fn new(
        inner: &'a Inner,
        session: &'a SessionState,
        action: &'a Action,
        target: &'a Target,
        limits: Limits,
    ) -> Self {
        let live = session.live();
        let labels = [
            ("integrity", Value::Str(live.labels.integrity.as_str())),
            ("confidentiality", Value::Str(live.labels.confidentiality.as_str())),
        ];
        let now = inner.now();
        AttemptFacts {
            inner,
            session,
            action,
            target,
            live,
            labels,
            now,
            limits,
            kept: None,
            held: RefCell::default(),
        }
    }

    /// The facts of an attempt that has a permit already.
    pub(crate) fn keeping(
        inner: &'a Inner,
        session: &'a SessionState,
        action: &'a Action,
        target: &'a Target,
        held: &'a Held,
    ) -> Self {
        AttemptFacts { kept: Some(held), ..AttemptFacts::new(inner, session, action, target, Limits::Kept) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn live(&self) -> Live {
        self.live
    }

    /// What was reserved while policy asked.
    pub(crate) fn into_held(self) -> Held {
        self.held.into_inner()
    }

    /// The facts that were read, by name, for the record. What may be personal is named only.
    pub(crate) fn recorded(&self, read: ringfence_model::FactSet) -> Map<String, Json> {
        let known = |number| FactId::ALL.into_iter().find(|fact| fact.number() == number);
        read.iter()
            .filter_map(|number| {
                Some((fact_name(number)?.to_owned(), known(number).map_or(Json::Null, |f| self.plain(f))))
            })
            .collect()
    }

    fn plain(&self, fact: FactId) -> Json {
        match fact {
            FactId::SessionAge => json!(self.age().as_micros().to_string()),
            FactId::SessionCalls => json!(self.live.calls),
            FactId::SessionTokens => json!(self.live.tokens),
            FactId::SessionUsd => json!(self.live.micro_usd),
            FactId::SessionLabels => json!({
                "integrity": self.live.labels.integrity.as_str(),
                "confidentiality": self.live.labels.confidentiality.as_str(),
            }),
            FactId::Now => json!(self.now.to_string()),
            _ => Json::Null,
        }
    }

    fn age(&self) -> SignedDuration {
        self.now.duration_since(self.session.created)
    }

    /// Every fact that a rule could have asked, so that the decision can be taken again later
    /// under another policy. For the encrypted payload.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let subject = &self.session.subject;
        let labels = self.live.labels;
        let asked = Asked {
            subject: AskedSubject {
                id: subject.id.as_str(),
                sponsor: subject.sponsor.as_str(),
                groups: &subject.groups,
                ring: subject.ring.number(),
                delegation: subject.delegation.iter().map(AgentId::as_str).collect(),
            },
            action: self.action.kind.as_str(),
            resource: self.action.resource.to_string(),
            session: AskedSession {
                id: &self.session.id,
                age_us: i64::try_from(self.age().as_micros()).unwrap_or(i64::MAX),
                calls: self.live.calls,
                tokens: self.live.tokens,
                usd: self.live.micro_usd,
                labels: AskedLabels {
                    integrity: labels.integrity.as_str(),
                    confidentiality: labels.confidentiality.as_str(),
                },
            },
            annotations: self.annotations(),
            findings: [],
            now: self.now,
            server: self.target.server.map(|digest| digest.to_string()),
            tool: self.target.tool.as_ref().map(|tool| tool.hash.to_string()),
        };
        let arguments = self.action.arguments.raw();
        let mut text = Vec::with_capacity(1_024 + arguments.len());
        serde_json::to_writer(&mut text, &asked).expect("invariant: plain data serialises into memory");
        // The arguments go in as they were sent, number forms included.
        text.pop();
        text.extend_from_slice(b",\"arguments\":");
        text.extend_from_slice(arguments.as_bytes());
        text.push(b'}');
        text
    }

    fn annotations(&self) -> Option<&Json> {
        self.target.tool.as_ref().and_then(|tool| tool.annotations.as_ref())
    }

    /// Whether a limit had not enough left, or could not be measured, while policy asked.
    pub(crate) fn limited(&self) -> bool {
        self.held.borrow().spent.is_some()
    }

    /// Meets every limit of a set that is about the attempt, for a decision that was made without
    /// asking them. Gives the first that does not let it pass, and why.
    pub(crate) fn meet_limits(&self, set: &PolicySet) -> Result<(), (RuleName, String)> {
        for limit in set.limits().iter().filter(|limit| limit.applies(self)) {
            let passes = match limit.kind() {
                LimitKind::Hours(hours) => hours.contains(self.now),
                LimitKind::Calls { .. }
                | LimitKind::Tokens { .. }
                | LimitKind::Usd { .. }
                | LimitKind::Concurrent { .. }
                | LimitKind::Identical { .. } => {
                    matches!(self.limit(limit), Room::Left | Room::Warned { .. })
                }
            };
            if !passes {
                let reason = format!(
                    "The limit {} of {} holds although rules are only observed.",
                    limit.name(),
                    limit.kind()
                );
                return Err((limit.name().clone(), reason));
            }
        }
        Ok(())
    }

    fn reserve(&self, limit: &Limit) -> Room {
        let room = self.reserve_of(limit);
        let until = match &room {
            Room::Spent { until } => *until,
            Room::Unmeasured => None,
            Room::Left | Room::Warned { .. } | Room::Unknown => return room,
        };
        self.held.borrow_mut().spent = Some((limit.name().clone(), until));
        room
    }

    fn reserve_of(&self, limit: &Limit) -> Room {
        let name = limit.name().as_str();
        let Some(unit) = Unit::of(limit.kind()) else { return Room::Left };
        let Some(amount) = unit.amount(&self.target.usage) else { return Room::Unmeasured };
        let owner = match (limit.by(), window_of(limit.kind())) {
            (_, Some(Window::Session)) => &*self.session.id,
            (By::Agent, _) => self.session.subject.id.as_str(),
            (By::Sponsor, _) => self.session.subject.sponsor.as_str(),
        };
        let mut parts = vec![name, owner];
        let repeated;
        if unit == Unit::Repetition {
            repeated = self.inner.attempt_hash(&self.session.id, self.action);
            parts.push(&repeated);
        }
        let bucket = self.inner.keyed(&parts);
        let Some((shape, span)) = shape_of(limit.kind(), self.now) else { return Room::Unmeasured };
        let key = BucketKey::new(name, &bucket);
        self.inner.revive(&key, &shape);
        if unit == Unit::Repetition && self.limits == Limits::ReserveAgain {
            return match self.inner.buckets.look(&key, &shape, self.now) {
                Ok(()) => Room::Left,
                Err(Full { until }) => Room::Spent { until },
            };
        }
        if span == ChargeSpan::Session(true) {
            self.session.owns(&key);
        }
        match self.inner.buckets.reserve(&key, &shape, amount, self.now) {
            Reserve::Granted { reservation, used } => {
                let charge = Charge { limit: name.to_owned(), bucket, amount, span };
                let window = window_of(limit.kind()).cloned();
                self.held.borrow_mut().items.push(HeldLimit { charge, reservation, unit, window });
                room(limit, used)
            }
            Reserve::Full(Full { until }) => {
                if unit == Unit::Repetition {
                    let charge = Charge { limit: name.to_owned(), bucket, amount, span };
                    self.held.borrow_mut().repeated.push(charge);
                }
                Room::Spent { until }
            }
        }
    }
}

impl Facts for AttemptFacts<'_> {
    fn subject(&self) -> &Subject {
        &self.session.subject
    }

    fn action(&self) -> ActionKind {
        self.action.kind
    }

    fn resource(&self) -> &Resource {
        &self.action.resource
    }

    fn fact(&self, fact: FactId) -> Fact<'_> {
        let int = |n: u64| Fact::Known(Value::Int(i64::try_from(n).unwrap_or(i64::MAX)));
        let unknown_tool = self.limits == Limits::Unknown;
        match fact {
            FactId::SessionId => Fact::Known(Value::Str(&self.session.id)),
            FactId::SessionAge
            | FactId::SessionCalls
            | FactId::SessionTokens
            | FactId::SessionUsd
            | FactId::SessionLabels
            | FactId::Now
            | FactId::Args
            | FactId::Findings
                if unknown_tool =>
            {
                Fact::Unknown
            }
            FactId::SessionAge => Fact::Known(Value::Duration(self.age())),
            FactId::SessionCalls => int(self.live.calls),
            FactId::SessionTokens => int(self.live.tokens),
            FactId::SessionUsd => int(self.live.micro_usd),
            FactId::SessionLabels => Fact::Known(Value::Record(&self.labels)),
            FactId::Args => Fact::Known(Value::Json(self.action.arguments.value())),
            FactId::Now => Fact::Known(Value::Timestamp(self.now)),
            FactId::ResourceAnnotations => {
                self.annotations().map_or(Fact::Missing, |a| Fact::Known(Value::Json(a)))
            }
            FactId::ResourceLabels => Fact::Missing,
            FactId::Findings => Fact::Known(Value::Json(&self.inner.no_findings)),
        }
    }

    fn limit(&self, limit: &Limit) -> Room {
        match self.limits {
            Limits::Reserve | Limits::ReserveAgain => self.reserve(limit),
            Limits::Kept => match self.kept {
                Some(held) if held.has(limit) => Room::Left,
                Some(_) | None => Room::Unknown,
            },
            Limits::Aside => Room::Left,
            Limits::Unknown => Room::Unknown,
        }
    }
}

/// What the payload of a decision holds besides the arguments.
#[derive(Serialize)]
struct Asked<'a> {
    subject: AskedSubject<'a>,
    action: &'static str,
    resource: String,
    session: AskedSession<'a>,
    annotations: Option<&'a Json>,
    findings: [(); 0],
    now: Timestamp,
    server: Option<String>,
    tool: Option<String>,
}

#[derive(Serialize)]
struct AskedSubject<'a> {
    id: &'a str,
    sponsor: &'a str,
    groups: &'a [String],
    ring: u8,
    delegation: Vec<&'a str>,
}

#[derive(Serialize)]
struct AskedSession<'a> {
    id: &'a str,
    age_us: i64,
    calls: u64,
    tokens: u64,
    usd: u64,
    labels: AskedLabels,
}

#[derive(Serialize)]
struct AskedLabels {
    integrity: &'static str,
    confidentiality: &'static str,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Calls,
    Tokens,
    MicroUsd,
    OpenActions,
    Repetition,
}

impl Unit {
    /// Nothing where the limit is about hours, which policy settles alone.
    fn of(kind: &LimitKind) -> Option<Unit> {
        match kind {
            LimitKind::Calls { .. } => Some(Unit::Calls),
            LimitKind::Tokens { .. } => Some(Unit::Tokens),
            LimitKind::Usd { .. } => Some(Unit::MicroUsd),
            LimitKind::Concurrent { .. } => Some(Unit::OpenActions),
            LimitKind::Identical { .. } => Some(Unit::Repetition),
            LimitKind::Hours(_) => None,
        }
    }

    /// How much an attempt will use, where all of it is known.
    fn amount(self, usage: &Usage) -> Option<u64> {
        match self {
            Unit::Calls | Unit::OpenActions | Unit::Repetition => Some(1),
            Unit::Tokens => Some(usage.input_tokens?.saturating_add(usage.output_tokens?)),
            Unit::MicroUsd => usage.micro_usd,
        }
    }

    /// What it used in the end: as measured, or as reserved where nobody measured.
    fn actual(self, reserved: u64, kind: OutcomeKind, usage: &Usage) -> u64 {
        match (self, kind) {
            (Unit::Repetition, _) => reserved,
            (_, OutcomeKind::NotStarted) => 0,
            (Unit::Tokens | Unit::MicroUsd, OutcomeKind::Ok | OutcomeKind::Error | OutcomeKind::Cut) => {
                self.amount(usage).unwrap_or(reserved)
            }
            (_, _) => reserved,
        }
    }
}

fn shape_of(kind: &LimitKind, now: Timestamp) -> Option<(Shape, ChargeSpan)> {
    let micros = |span: std::time::Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let windowed = |n: u64, window: &Window| {
        Some(match window {
            Window::Sliding(span) => {
                (Shape::Sliding { n, window: *span }, ChargeSpan::SlidesUs(micros(*span)))
            }
            Window::Calendar { .. } => {
                let (start, end) = window.period(now)?;
                (Shape::Calendar { n, period: (start, end) }, ChargeSpan::Until(end))
            }
            Window::Session => (Shape::Session { n }, ChargeSpan::Session(true)),
        })
    };
    match kind {
        LimitKind::Calls { n, window } | LimitKind::Tokens { n, window } => windowed(*n, window),
        LimitKind::Usd { micro, window } => windowed(*micro, window),
        LimitKind::Concurrent { n } => Some((Shape::Concurrent { n: *n }, ChargeSpan::Open(true))),
        LimitKind::Identical { n, per } => {
            Some((Shape::Identical { n: *n, per: *per }, ChargeSpan::SlidesUs(micros(*per))))
        }
        LimitKind::Hours(_) => None,
    }
}

fn window_of(kind: &LimitKind) -> Option<&Window> {
    match kind {
        LimitKind::Calls { window, .. }
        | LimitKind::Tokens { window, .. }
        | LimitKind::Usd { window, .. } => Some(window),
        LimitKind::Concurrent { .. } | LimitKind::Identical { .. } | LimitKind::Hours(_) => None,
    }
}

/// Enough is left; whether so little that it is to be said.
fn room(limit: &Limit, used: u64) -> Room {
    let of = match limit.kind() {
        LimitKind::Calls { n, .. }
        | LimitKind::Tokens { n, .. }
        | LimitKind::Usd { micro: n, .. }
        | LimitKind::Concurrent { n }
        | LimitKind::Identical { n, .. } => *n,
        LimitKind::Hours(_) => return Room::Left,
    };
    #[expect(clippy::cast_precision_loss, reason = "a warning may come one unit early or late beyond 2^53")]
    let reached = limit.warn_at().is_some_and(|part| used as f64 >= part * of as f64);
    if reached { Room::Warned { used, of } } else { Room::Left }
}

/// What one attempt holds of limits. Dropped, it is given back.
#[derive(Default)]
pub(crate) struct Held {
    items: Vec<HeldLimit>,
    /// Attempts that were counted although they were refused.
    repeated: Vec<Charge>,
    /// The last limit that had not enough left, and when it has, where time alone will help.
    spent: Option<(RuleName, Option<Timestamp>)>,
    /// Whether a calendar's period ended before this began.
    moved: bool,
}

struct HeldLimit {
    charge: Charge,
    reservation: Reservation,
    unit: Unit,
    window: Option<Window>,
}

impl Held {
    /// What a permit's record says was reserved.
    pub(crate) fn charges(&self) -> Vec<Charge> {
        self.items.iter().map(|item| &item.charge).chain(&self.repeated).cloned().collect()
    }

    /// How long each charge counts, where that is not what the permit's record says.
    pub(crate) fn spans(&self) -> Vec<ChargeSpan> {
        if self.moved { self.charges().iter().map(|charge| charge.span).collect() } else { Vec::new() }
    }

    /// Whether a limit is held just as it stands in a policy now. Attempts are counted when they
    /// are made, so those of a repetition are as good as held.
    fn has(&self, limit: &Limit) -> bool {
        let (name, unit, window) = (limit.name().as_str(), Unit::of(limit.kind()), window_of(limit.kind()));
        unit.is_none_or(|unit| {
            unit == Unit::Repetition
                || self.items.iter().any(|item| {
                    item.charge.limit == name && item.unit == unit && item.window.as_ref() == window
                })
        })
    }

    /// What counts although nothing was permitted: repetitions.
    pub(crate) fn attempted(&self) -> Vec<Charge> {
        let counted = self.items.iter().filter(|item| item.unit == Unit::Repetition).map(|item| &item.charge);
        counted.chain(&self.repeated).cloned().collect()
    }

    /// When the limit that denied has room again, where it was that and time alone will help.
    pub(crate) fn retry_after(&self, denied: &RuleName) -> Option<Timestamp> {
        self.spent.as_ref().filter(|(limit, _)| limit == denied).and_then(|(_, until)| *until)
    }

    /// The windows count from now.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Result<(), Full> {
        for item in &mut self.items {
            let period = item.window.as_ref().and_then(|window| window.period(now));
            item.reservation.begin(now, period)?;
            if let (Some((_, end)), ChargeSpan::Until(reserved)) = (period, item.charge.span) {
                item.charge.span = ChargeSpan::Until(end);
                self.moved |= end != reserved;
            }
        }
        Ok(())
    }

    /// Turns what was reserved into what was used, and says how much that was.
    pub(crate) fn settle(&mut self, kind: OutcomeKind, usage: &Usage, now: Timestamp) -> Vec<u64> {
        std::mem::take(&mut self.items)
            .into_iter()
            .map(|item| {
                let actual = item.unit.actual(item.charge.amount, kind, usage);
                item.reservation.settle(actual, now);
                actual
            })
            .chain(std::mem::take(&mut self.repeated).into_iter().map(|charge| charge.amount))
            .collect()
    }
}
