//! A condition as it is evaluated: names resolved to slots, constants folded, patterns compiled.
//! Made by the checker alone.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use crate::functions::{Call, Part};
use crate::syntax::{Operator, Span};
use crate::{Kind, Slot};

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum Op {
    Const(Const),
    Fact {
        slot: Slot,
        name: Arc<str>,
    },
    /// The variable of the macro that stands `up` macros further out.
    Local {
        up: usize,
    },
    /// Members of members of a fact.
    Path(Box<Path>),
    Select {
        base: Box<Node>,
        member: Box<str>,
        name: Arc<str>,
    },
    Has {
        base: Box<Node>,
        member: Box<str>,
    },
    HasFact {
        slot: Slot,
    },
    Index {
        base: Box<Node>,
        index: Box<Node>,
        name: Arc<str>,
    },
    Not(Box<Node>),
    Negate(Box<Node>),
    /// `==` where neither side is a literal `null`.
    Equal {
        operator: Operator,
        sides: Box<[Node; 2]>,
    },
    /// `==` against a literal `null`, which any value may be held against.
    IsNull {
        negated: bool,
        value: Box<Node>,
    },
    Order {
        operator: Operator,
        sides: Box<[Node; 2]>,
    },
    In {
        sides: Box<[Node; 2]>,
    },
    Arithmetic {
        operator: Operator,
        sides: Box<[Node; 2]>,
    },
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Conditional(Box<[Node; 3]>),
    List(Box<[Node]>),
    Map(Box<[(Node, Node)]>),
    Call {
        call: Call,
        name: &'static str,
        value: Box<Node>,
    },
    TextTest {
        test: TextTest,
        name: &'static str,
        sides: Box<[Node; 2]>,
    },
    Matches {
        text: Box<Node>,
        pattern: Box<Pattern>,
    },
    Calendar {
        part: Part,
        name: &'static str,
        at: Box<Node>,
        zone: Option<Zone>,
    },
    Quantify {
        quantifier: Quantifier,
        inner: Box<Loop>,
    },
    Collect {
        collector: Collector,
        inner: Box<Loop>,
    },
}

/// The way from a fact to a member, at least one step.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) slot: Slot,
    pub(crate) name: Arc<str>,
    pub(crate) span: Span,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) member: Box<str>,
    /// The whole way up to here, as it is written.
    pub(crate) name: Arc<str>,
    pub(crate) span: Span,
}

/// A time zone that is known beforehand, or one that a value names.
#[derive(Debug)]
pub(crate) enum Zone {
    Known(TimeZone),
    Named(Box<Node>),
}

#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    /// Steps for every 64 bytes of text. The work of the regular expression grows with its length.
    pub(crate) weight: u64,
}

/// A macro that runs over the elements of a list or the keys of a map.
#[derive(Debug)]
pub(crate) struct Loop {
    /// What the macro is called.
    pub(crate) name: &'static str,
    pub(crate) range: Node,
    /// Of `map` with three arguments.
    pub(crate) condition: Option<Node>,
    pub(crate) body: Node,
    /// Steps for every element, without what loops further in take.
    pub(crate) weight: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    All,
    Exists,
    ExistsOne,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collector {
    Map,
    Filter,
}

#[derive(Clone, Debug)]
pub(crate) enum Const {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Box<str>),
    Bytes(Box<[u8]>),
    Duration(SignedDuration),
    Timestamp(Timestamp),
    Kind(Kind),
    List(Box<[Const]>),
}

impl Node {
    /// Reading a member of `base`, which is written `name` at `span` as a whole.
    pub(crate) fn select(base: Node, member: &str, name: Arc<str>, span: Span) -> Op {
        let member: Box<str> = member.into();
        match base.op {
            Op::Fact { slot, name: fact } => {
                let steps = vec![Step { member, name, span }];
                Op::Path(Box::new(Path { slot, name: fact, span: base.span, steps }))
            }
            Op::Path(mut path) => {
                path.steps.push(Step { member, name, span });
                Op::Path(path)
            }
            op => Op::Select { base: Box::new(Node { op, span: base.span }), member, name },
        }
    }

    /// What every part of the expression costs that is evaluated at most once.
    pub(crate) fn weight(&self) -> u64 {
        let mut sum = match &self.op {
            Op::Path(path) => 1 + path.steps.len() as u64,
            _ => 1,
        };
        self.each_child(&mut |child| sum = sum.saturating_add(child.weight()));
        sum
    }

    /// Calls `visit` with every part that is evaluated at most once when this one is.
    pub(crate) fn each_child<'n>(&'n self, visit: &mut dyn FnMut(&'n Node)) {
        match &self.op {
            Op::Const(_) | Op::Fact { .. } | Op::Local { .. } | Op::HasFact { .. } | Op::Path(_) => {}
            Op::Select { base: one, .. }
            | Op::Has { base: one, .. }
            | Op::Not(one)
            | Op::Negate(one)
            | Op::Call { value: one, .. }
            | Op::IsNull { value: one, .. }
            | Op::Matches { text: one, .. } => visit(one),
            Op::Index { base, index, .. } => {
                visit(base);
                visit(index);
            }
            Op::Equal { sides, .. }
            | Op::Order { sides, .. }
            | Op::In { sides }
            | Op::TextTest { sides, .. }
            | Op::Arithmetic { sides, .. } => sides.iter().for_each(visit),
            Op::Conditional(parts) => parts.iter().for_each(visit),
            Op::And(nodes) | Op::Or(nodes) | Op::List(nodes) => nodes.iter().for_each(visit),
            Op::Map(entries) => {
                for (key, value) in entries {
                    visit(key);
                    visit(value);
                }
            }
            Op::Calendar { at, zone, .. } => {
                visit(at);
                if let Some(Zone::Named(name)) = zone {
                    visit(name);
                }
            }
            Op::Quantify { inner, .. } | Op::Collect { inner, .. } => visit(&inner.range),
        }
    }
}
