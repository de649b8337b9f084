//! One attempt with the facts that a test gives it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use ringfence_cel::{Fact, Value};
use ringfence_model::{ActionKind, AgentId, Person, Resource, Ring, Subject};
use ringfence_policy::{FactId, Facts, Limit, Room};

/// What a test says of a fact. One that it does not mention is missing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given {
    Json(serde_json::Value),
    Int(i64),
    Duration(SignedDuration),
    Time(Timestamp),
    Unknown,
}

#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) subject: Subject,
    pub(crate) action: ActionKind,
    pub(crate) resource: Resource,
    pub(crate) facts: BTreeMap<FactId, Given>,
    /// By the limit's full name; a limit that is not mentioned has room left.
    pub(crate) rooms: BTreeMap<String, Room>,
    /// Which limits were asked, in order.
    pub(crate) asked: RefCell<Vec<String>>,
}

impl Attempt {
    pub(crate) fn new(subject: &str, action: &str, resource: &str) -> Self {
        Attempt {
            subject: Subject {
                id: subject.parse::<AgentId>().unwrap(),
                sponsor: Person::new("dana@acme.example"),
                groups: vec!["staff".to_owned()].into(),
                ring: Ring::Three,
                delegation: Vec::new().into(),
            },
            action: action.parse().unwrap(),
            resource: resource.parse().unwrap(),
            facts: BTreeMap::from([(FactId::Args, Given::Json(serde_json::json!({})))]),
            rooms: BTreeMap::new(),
            asked: RefCell::default(),
        }
    }

    pub(crate) fn with(mut self, fact: FactId, given: Given) -> Self {
        self.facts.insert(fact, given);
        self
    }

    pub(crate) fn args(self, args: serde_json::Value) -> Self {
        self.with(FactId::Args, Given::Json(args))
    }
}

impl Facts for Attempt {
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
        match self.facts.get(&fact) {
            None => Fact::Missing,
            Some(Given::Unknown) => Fact::Unknown,
            Some(Given::Json(value)) => Fact::Known(Value::Json(value)),
            Some(Given::Int(value)) => Fact::Known(Value::Int(*value)),
            Some(Given::Duration(value)) => Fact::Known(Value::Duration(*value)),
            Some(Given::Time(value)) => Fact::Known(Value::Timestamp(*value)),
        }
    }

    fn limit(&self, limit: &Limit) -> Room {
        assert!(limit.applies(self), "asked for {}, which does not apply", limit.name());
        self.asked.borrow_mut().push(limit.name().to_string());
        self.rooms.get(limit.name().as_str()).copied().unwrap_or(Room::Left)
    }
}
