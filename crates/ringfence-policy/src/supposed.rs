//! An attempt that nobody makes: for the tests of documents, and for explaining. A fact that is
//! not given is missing, except that its session is a fresh one. Every limit has room.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ringfence_cel::{Fact, Value};
use ringfence_model::{ActionKind, Resource, Subject};
use serde_json::{Value as Json, json};

use crate::facts::{FactId, Facts};
use crate::limit::{Limit, Room};

/// A supposed attempt and the facts it happens under.
#[derive(Debug, Clone)]
pub struct Supposed {
    /// Who attempts it.
    pub subject: Subject,
    /// What.
    pub action: ActionKind,
    /// On what.
    pub resource: Resource,
    /// With what.
    pub args: Json,
    /// The tool's, as its server gives them.
    pub annotations: Option<Json>,
    /// In which session.
    pub session: SupposedSession,
    /// When.
    pub now: Option<Timestamp>,
    /// A list of records, as detectors give it.
    pub findings: Json,
}

/// The session of a supposed attempt.
#[derive(Debug, Clone)]
pub struct SupposedSession {
    /// Its id.
    pub id: String,
    /// Calls before this one.
    pub calls: i64,
    /// Tokens before this one.
    pub tokens: i64,
    /// Micro-dollars before this one.
    pub micro_usd: i64,
    /// How long ago it began.
    pub age: Duration,
    /// A record of `integrity` and `confidentiality`.
    pub labels: Json,
}

impl SupposedSession {
    /// One in which nothing has happened yet.
    pub fn fresh() -> Self {
        SupposedSession {
            id: "test".to_owned(),
            calls: 0,
            tokens: 0,
            micro_usd: 0,
            age: Duration::ZERO,
            labels: json!({"integrity": "trusted", "confidentiality": "internal"}),
        }
    }
}

impl Facts for Supposed {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn action(&self) -> ActionKind {
        self.action
    }

    fn resource(&self) -> &Resource {
        &self.resource
    }

    fn fact(&self, fact: FactId) -> Fact<'_> {
        let session = &self.session;
        Fact::Known(match fact {
            FactId::SessionId => Value::Str(&session.id),
            FactId::SessionAge => {
                Value::Duration(SignedDuration::try_from(session.age).unwrap_or(SignedDuration::MAX))
            }
            FactId::SessionCalls => Value::Int(session.calls),
            FactId::SessionTokens => Value::Int(session.tokens),
            FactId::SessionUsd => Value::Int(session.micro_usd),
            FactId::SessionLabels => Value::Json(&session.labels),
            FactId::ResourceAnnotations => match &self.annotations {
                Some(annotations) => Value::Json(annotations),
                None => return Fact::Missing,
            },
            FactId::ResourceLabels => return Fact::Missing,
            FactId::Args => Value::Json(&self.args),
            FactId::Now => match self.now {
                Some(now) => Value::Timestamp(now),
                None => return Fact::Missing,
            },
            FactId::Findings => Value::Json(&self.findings),
        })
    }

    fn limit(&self, _limit: &Limit) -> Room {
        Room::Left
    }
}
