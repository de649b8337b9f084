//! The protocol without a guard: the decision alone, for measuring it. No session state, no
//! limits, no log; answers carry no record.

use ringfence_model::{ActionKind, AgentId, Labels, Person, Resource, Ring, Subject, Timestamp, Usage};
use ringfence_policy::{Fact, FactId, Facts, Limit, PolicySet, Room, Value, decide};

use super::answer::Answer;
use super::line::{Event, Kind, NotAnEvent};

/// A policy set, asked about one event after another.
pub struct Stateless {
    set: PolicySet,
    sponsor: Person,
    default_agent: Option<String>,
}

impl Stateless {
    /// `default_agent` is who acts where an event names nobody.
    pub fn new(set: PolicySet, sponsor: Person, default_agent: Option<String>) -> Stateless {
        Stateless { set, sponsor, default_agent }
    }

    /// Takes one line and gives its answer. `now` is what `now` means in conditions.
    pub fn take(&self, line: &[u8], now: Timestamp) -> Answer {
        let event = match Event::parse(line, self.default_agent.as_deref()) {
            Ok(event) => event,
            Err(NotAnEvent { id, error }) => return Answer::error(id.as_ref(), &error),
        };
        let id = event.id.clone();
        match self.decided(event, now) {
            Ok(answer) => answer,
            Err(error) => Answer::error(Some(&id.into()), &error),
        }
    }

    fn decided(&self, event: Event, now: Timestamp) -> Result<Answer, String> {
        let agent =
            event.agent.ok_or("without state every event has to say which `agent` acts (or use --agent)")?;
        let agent: AgentId = agent.parse().map_err(|error: ringfence_model::BadAgentId| error.to_string())?;
        let Kind::Attempt { action, usage } = event.kind else {
            return Err("without state only attempts are decided".to_owned());
        };
        let subject = Subject {
            id: agent,
            sponsor: self.sponsor.clone(),
            groups: [].into(),
            ring: Ring::Three,
            delegation: [].into(),
        };
        let facts = Given {
            subject,
            session: event.session,
            kind: action.kind,
            resource: &action.resource,
            arguments: action.arguments.value(),
            usage: usage.unwrap_or_default(),
            now,
        };
        let decision = decide(&self.set, &facts);
        Ok(Answer::decision(&event.id, &decision, Labels::FRESH, None))
    }
}

struct Given<'a> {
    subject: Subject,
    session: String,
    kind: ActionKind,
    resource: &'a Resource,
    arguments: &'a serde_json::Value,
    usage: Usage,
    now: Timestamp,
}

const FRESH: [(&str, Value<'static>); 2] =
    [("integrity", Value::Str("trusted")), ("confidentiality", Value::Str("internal"))];

impl Facts for Given<'_> {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn action(&self) -> ActionKind {
        self.kind
    }

    fn resource(&self) -> &Resource {
        self.resource
    }

    fn fact(&self, fact: FactId) -> Fact<'_> {
        match fact {
            FactId::SessionId => Fact::Known(Value::Str(&self.session)),
            FactId::SessionAge => {
                Fact::Known(Value::Duration(std::time::Duration::ZERO.try_into().unwrap_or_default()))
            }
            FactId::SessionCalls | FactId::SessionTokens | FactId::SessionUsd => Fact::Known(Value::Int(0)),
            FactId::SessionLabels => Fact::Known(Value::Record(&FRESH)),
            FactId::Args => Fact::Known(Value::Json(self.arguments)),
            FactId::Now => Fact::Known(Value::Timestamp(self.now)),
            FactId::ResourceAnnotations | FactId::ResourceLabels | FactId::Findings => Fact::Missing,
        }
    }

    fn limit(&self, _limit: &Limit) -> Room {
        let _ = self.usage;
        Room::Left
    }
}
