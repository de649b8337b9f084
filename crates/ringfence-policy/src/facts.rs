//! What a decision may ask for. Facts are asked for lazily, one at a time; whoever answers keeps
//! to one answer for the length of a decision.

use ringfence_cel::Fact;
use ringfence_model::{ActionKind, Resource, Subject};

use crate::limit::{Limit, Room};

/// Where the facts of one attempt come from.
pub trait Facts {
    /// Who acts, authenticated.
    fn subject(&self) -> &Subject;
    /// What is attempted.
    fn action(&self) -> ActionKind;
    /// What it is attempted on.
    fn resource(&self) -> &Resource;
    /// One fact: known, missing, or (while it is only asked what could be allowed) unknown.
    fn fact(&self, fact: FactId) -> Fact<'_>;
    /// How much of a limit that applies is left, this action included. Asked in the order of the
    /// limits, only when no rule denied, and not again after a limit that denies.
    fn limit(&self, limit: &Limit) -> Room;
}

/// The facts that are asked for. The discriminant is the fact's number in
/// [`ringfence_model::FactSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FactId {
    /// `session.id`: string.
    SessionId = 0,
    /// `session.age`: duration.
    SessionAge = 1,
    /// `session.calls`: int.
    SessionCalls = 2,
    /// `session.tokens`: int.
    SessionTokens = 3,
    /// `session.usd`: int, micro-dollars.
    SessionUsd = 4,
    /// `session.labels`: a record of `integrity` and `confidentiality`, strings.
    SessionLabels = 5,
    /// `resource.annotations`: an object, for tools of trusted servers.
    ResourceAnnotations = 6,
    /// `resource.labels`: a record like `session.labels`.
    ResourceLabels = 7,
    /// `args`: any value.
    Args = 8,
    /// `now`: timestamp.
    Now = 9,
    /// `findings`: a list of records of `rule`, `category`, `severity` and `path`, strings.
    Findings = 10,
}

impl FactId {
    /// Every fact, in declaration order.
    pub const ALL: [FactId; 11] = [
        FactId::SessionId,
        FactId::SessionAge,
        FactId::SessionCalls,
        FactId::SessionTokens,
        FactId::SessionUsd,
        FactId::SessionLabels,
        FactId::ResourceAnnotations,
        FactId::ResourceLabels,
        FactId::Args,
        FactId::Now,
        FactId::Findings,
    ];

    /// As conditions name it.
    pub fn as_str(self) -> &'static str {
        match self {
            FactId::SessionId => "session.id",
            FactId::SessionAge => "session.age",
            FactId::SessionCalls => "session.calls",
            FactId::SessionTokens => "session.tokens",
            FactId::SessionUsd => "session.usd",
            FactId::SessionLabels => "session.labels",
            FactId::ResourceAnnotations => "resource.annotations",
            FactId::ResourceLabels => "resource.labels",
            FactId::Args => "args",
            FactId::Now => "now",
            FactId::Findings => "findings",
        }
    }

    /// Its number in a [`ringfence_model::FactSet`].
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// The facts that are answered from the subject and the resource themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Given {
    SubjectId = 32,
    SubjectSponsor = 33,
    SubjectGroups = 34,
    SubjectRing = 35,
    SubjectDelegation = 36,
    ResourceUri = 37,
    ResourceServer = 38,
    ResourceTool = 39,
}

impl Given {
    pub(crate) const ALL: [Given; 8] = [
        Given::SubjectId,
        Given::SubjectSponsor,
        Given::SubjectGroups,
        Given::SubjectRing,
        Given::SubjectDelegation,
        Given::ResourceUri,
        Given::ResourceServer,
        Given::ResourceTool,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Given::SubjectId => "subject.id",
            Given::SubjectSponsor => "subject.sponsor",
            Given::SubjectGroups => "subject.groups",
            Given::SubjectRing => "subject.ring",
            Given::SubjectDelegation => "subject.delegation",
            Given::ResourceUri => "resource.uri",
            Given::ResourceServer => "resource.server",
            Given::ResourceTool => "resource.tool",
        }
    }
}

/// The name of the fact with that number in a [`ringfence_model::FactSet`], as conditions write
/// it, where there is one.
pub fn fact_name(number: u8) -> Option<&'static str> {
    let asked = FactId::ALL.into_iter().find(|fact| *fact as u8 == number).map(FactId::as_str);
    asked.or_else(|| Given::ALL.into_iter().find(|fact| *fact as u8 == number).map(Given::as_str))
}
