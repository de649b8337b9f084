//! Policies and attempts as plain data: what [`crate::properties`] makes up and
//! [`crate::oracle`] reads.

use std::collections::BTreeMap;

use ringfence_model::Effect;

#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) layer: usize,
    pub(crate) subjects: Vec<String>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) limits: Vec<Limit>,
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) effect: Effect,
    pub(crate) actions: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) when: Option<Condition>,
    pub(crate) approvers: Vec<String>,
    pub(crate) expires: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Limit {
    pub(crate) id: String,
    pub(crate) actions: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) then: Effect,
}

#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Above(String, i64),
    Is(String, i64),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
}

#[derive(Debug, Clone)]
pub(crate) enum Argument {
    Int(i64),
    Text(String),
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) subject: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) args: BTreeMap<String, Argument>,
    /// Limits that are used up, by full name.
    pub(crate) spent: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) effect: Effect,
    pub(crate) rule: String,
    pub(crate) approvers: Vec<Vec<String>>,
    pub(crate) expires: Option<u64>,
}
