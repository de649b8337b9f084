//! Conditions: the expression language over the facts of one attempt. The only file that knows
//! how facts get their names, types and numbers in expressions.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use ringfence_cel::{
    Activation, Env, Fact, Issue, Member, Program, Record, Sequence, Slot, Type, Value, Verdict,
};
use ringfence_model::{ActionKind, AgentId, FactSet, ResourceKind};

use crate::facts::{FactId, Facts, Given};

/// A condition that was checked. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    program: Arc<Program>,
    source: Arc<str>,
}

/// Whether a condition depends on anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Constant {
    /// It holds, whatever the facts.
    True,
    /// It does not hold, whatever the facts.
    False,
    /// It cannot be told, whatever the facts.
    Error,
    /// It depends.
    No,
}

static ENV: LazyLock<Env> = LazyLock::new(env);

impl Condition {
    pub(crate) fn compile(source: &str) -> Result<Self, Vec<Issue>> {
        Condition::compile_in(source, &ENV)
    }

    /// The same condition with `args` of a known type.
    pub(crate) fn compile_with_args(source: &str, args: Type) -> Result<Self, Vec<Issue>> {
        Condition::compile_in(source, &ENV.with_fact_type(Slot(FactId::Args.number()), args))
    }

    fn compile_in(source: &str, env: &Env) -> Result<Self, Vec<Issue>> {
        let program = Program::compile(source, env)?;
        Ok(Condition { program: Arc::new(program), source: source.into() })
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    #[inline]
    pub(crate) fn evaluate<'a>(&self, inquiry: &dyn Activation<'a>) -> Verdict {
        self.program.eval(inquiry)
    }

    /// Evaluates with every fact unknown: what is decided then is decided always.
    pub(crate) fn constant(&self) -> Constant {
        match self.program.eval(&Nothing) {
            Verdict::True => Constant::True,
            Verdict::False => Constant::False,
            Verdict::Error(_) => Constant::Error,
            Verdict::Unknown => Constant::No,
        }
    }
}

/// The environment of every condition, for lists of names and functions.
pub fn environment() -> &'static Env {
    &ENV
}

fn env() -> Env {
    let asked = |fact: FactId, ty: Type| (member(fact.as_str()), Slot(fact.number()), ty);
    let given = |fact: Given, ty: Type| (member(fact.as_str()), Slot(fact as u8), ty);
    let strings = || Type::List(Arc::new(Type::String));
    Env::builder()
        .namespace(
            "subject",
            &[
                given(Given::SubjectId, Type::String),
                given(Given::SubjectSponsor, Type::String),
                given(Given::SubjectGroups, strings()),
                given(Given::SubjectRing, Type::Int),
                given(Given::SubjectDelegation, strings()),
            ],
        )
        .namespace(
            "session",
            &[
                asked(FactId::SessionId, Type::String),
                asked(FactId::SessionAge, Type::Duration),
                asked(FactId::SessionCalls, Type::Int),
                asked(FactId::SessionTokens, Type::Int),
                asked(FactId::SessionUsd, Type::Int),
                asked(FactId::SessionLabels, labels()),
            ],
        )
        .namespace(
            "resource",
            &[
                given(Given::ResourceUri, Type::String),
                given(Given::ResourceServer, Type::String),
                given(Given::ResourceTool, Type::String),
                asked(FactId::ResourceAnnotations, annotations()),
                asked(FactId::ResourceLabels, labels()),
            ],
        )
        .fact("args", Slot(FactId::Args.number()), Type::Dyn)
        .fact("now", Slot(FactId::Now.number()), Type::Timestamp)
        .fact("findings", Slot(FactId::Findings.number()), Type::List(Arc::new(finding())))
        .build()
}

/// The part of `session.calls` after the dot.
fn member(path: &'static str) -> &'static str {
    path.split_once('.').map_or(path, |(_, member)| member)
}

fn labels() -> Type {
    record("labels", &[("integrity", Type::String), ("confidentiality", Type::String)], Shape::Closed)
}

fn finding() -> Type {
    let members = ["rule", "category", "severity", "path"].map(|name| (name, Type::String));
    record("finding", &members, Shape::Closed)
}

/// The hints that MCP names (schema, `ToolAnnotations`); a server may add others.
fn annotations() -> Type {
    let members = [
        ("title", Type::String),
        ("readOnlyHint", Type::Bool),
        ("destructiveHint", Type::Bool),
        ("idempotentHint", Type::Bool),
        ("openWorldHint", Type::Bool),
    ];
    record("annotations", &members, Shape::Open)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Open,
    Closed,
}

fn record(name: &str, members: &[(&str, Type)], shape: Shape) -> Type {
    let members: BTreeMap<String, Member> = members
        .iter()
        .map(|(name, ty)| ((*name).to_owned(), Member { ty: ty.clone(), optional: false }))
        .collect();
    Type::Record(Arc::new(Record { name: name.to_owned(), members, open: shape == Shape::Open }))
}

/// The facts of one attempt that are made from its subject and resource.
pub(crate) struct Givens<'a> {
    groups: Strings<'a>,
    delegation: Chain<'a>,
    uri: OnceCell<String>,
}

impl<'a> Givens<'a> {
    pub(crate) fn new(facts: &'a dyn Facts) -> Self {
        let subject = facts.subject();
        Givens {
            groups: Strings(&subject.groups),
            delegation: Chain(&subject.delegation),
            uri: OnceCell::new(),
        }
    }
}

/// Answers conditions, and keeps in mind which facts they read.
pub(crate) struct Inquiry<'a> {
    facts: &'a dyn Facts,
    givens: &'a Givens<'a>,
    read: Cell<FactSet>,
}

impl<'a> Inquiry<'a> {
    pub(crate) fn new(facts: &'a dyn Facts, givens: &'a Givens<'a>) -> Self {
        Inquiry { facts, givens, read: Cell::new(FactSet::EMPTY) }
    }

    /// What was read since this was made.
    pub(crate) fn read(&self) -> FactSet {
        self.read.get()
    }

    /// One fact that is asked for, noted like any other.
    pub(crate) fn ask(&self, fact: FactId) -> Fact<'a> {
        self.note(fact.number());
        self.facts.fact(fact)
    }

    fn note(&self, number: u8) {
        let mut read = self.read.get();
        read.insert(number);
        self.read.set(read);
    }

    fn given(&self, given: Given) -> Fact<'a> {
        let resource = self.facts.resource();
        let subject = self.facts.subject();
        let in_server = resource.kind() == ResourceKind::Mcp;
        match given {
            Given::SubjectId => Fact::Known(Value::Str(subject.id.as_str())),
            Given::SubjectSponsor => Fact::Known(Value::Str(subject.sponsor.as_str())),
            Given::SubjectGroups => Fact::Known(Value::List(&self.givens.groups)),
            Given::SubjectRing => Fact::Known(Value::Int(subject.ring.number().into())),
            Given::SubjectDelegation => Fact::Known(Value::List(&self.givens.delegation)),
            Given::ResourceUri => {
                Fact::Known(Value::Str(self.givens.uri.get_or_init(|| resource.to_string())))
            }
            Given::ResourceServer if in_server => Fact::Known(Value::Str(resource.authority())),
            Given::ResourceTool if in_server && self.facts.action() == ActionKind::ToolCall => {
                resource.name().map_or(Fact::Missing, |name| Fact::Known(Value::Str(name)))
            }
            Given::ResourceServer | Given::ResourceTool => Fact::Missing,
        }
    }

    /// The fact with that number, without noting that it was read.
    pub(crate) fn peek(&self, number: u8) -> Fact<'a> {
        if let Some(fact) = FactId::ALL.get(usize::from(number)) {
            return self.facts.fact(*fact);
        }
        match Given::ALL.into_iter().find(|given| *given as u8 == number) {
            Some(given) => self.given(given),
            None => Fact::Missing,
        }
    }
}

impl<'a> Activation<'a> for Inquiry<'a> {
    fn fact(&self, slot: Slot) -> Fact<'a> {
        self.note(slot.0);
        self.peek(slot.0)
    }
}

/// Knows nothing.
struct Nothing;

impl<'a> Activation<'a> for Nothing {
    fn fact(&self, _slot: Slot) -> Fact<'a> {
        Fact::Unknown
    }
}

struct Strings<'a>(&'a [String]);

impl Sequence for Strings<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn at(&self, index: usize) -> Option<Value<'_>> {
        self.0.get(index).map(|text| Value::Str(text))
    }
}

struct Chain<'a>(&'a [AgentId]);

impl Sequence for Chain<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn at(&self, index: usize) -> Option<Value<'_>> {
        self.0.get(index).map(|id| Value::Str(id.as_str()))
    }
}
