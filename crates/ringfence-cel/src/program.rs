//! A condition that was read, checked and compiled.

use std::fmt;

use bumpalo::Bump;

use crate::check::{MAX_ENTRIES, Nothing, check};
use crate::eval::{Machine, Stop};
use crate::fault::{FaultKind, Verdict};
use crate::functions::Call;
use crate::syntax::parse;
use crate::tree::{Const, Node, Op, TextTest};
use crate::{Activation, Env, Issue, Slot};

/// How many steps an evaluation may take. A step is a part of the condition, an element that is
/// looked at, or 64 bytes of text.
pub const FUEL: u64 = 100_000;

/// The most steps for finding a member in a map that the condition itself made.
const MEMBER: u64 = MAX_ENTRIES as u64 / 16;

/// A condition. Compiled once, evaluated from any thread.
pub struct Program {
    root: Node,
    source: Box<str>,
    slots: u64,
    /// What is left once every part that runs at most once is paid for.
    fuel: u64,
    bound: u64,
    constant: Option<bool>,
}

impl Program {
    /// Reads, checks and compiles `source`.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order in which it is written. Of what cannot be read
    /// at all, only the first.
    pub fn compile(source: &str, env: &Env) -> Result<Program, Vec<Issue>> {
        let expr = parse(source).map_err(|issue| vec![issue])?;
        let root = check(source, &expr, env).map_err(|mut issues| {
            issues.sort_by_key(|issue| (issue.span.start, issue.span.end));
            issues
        })?;
        let weight = root.weight();
        let mut program = Program {
            slots: slots_read(&root),
            fuel: FUEL.saturating_sub(weight),
            bound: weight.saturating_add(variable_cost(&root)).min(FUEL),
            constant: None,
            source: source.into(),
            root,
        };
        match program.eval(&Nothing) {
            Verdict::True => program.constant = Some(true),
            Verdict::False => program.constant = Some(false),
            Verdict::Unknown => {}
            Verdict::Error(fault) => {
                let (message, help) = match fault.kind {
                    FaultKind::TooCostly => (fault.to_string(), Some("loop over less".to_owned())),
                    _ => (format!("the condition can never be told: {fault}"), None),
                };
                return Err(vec![Issue { span: fault.span, message, help }]);
            }
        }
        Ok(program)
    }

    /// Whether the condition holds. Total: whatever the facts are, there is a verdict, within
    /// [`cost_bound`](Self::cost_bound) steps.
    #[inline]
    pub fn eval<'a>(&self, facts: &dyn Activation<'a>) -> Verdict {
        let arena = Bump::new();
        verdict(Machine::new(facts, &arena, self.fuel).holds(&self.root))
    }

    /// The verdict, and how many steps it took.
    pub fn measure<'a>(&self, facts: &dyn Activation<'a>) -> (Verdict, u64) {
        let arena = Bump::new();
        let machine = Machine::new(facts, &arena, self.fuel);
        let verdict = verdict(machine.holds(&self.root));
        (verdict, FUEL.saturating_sub(machine.fuel()))
    }

    /// What the condition comes to, if that does not depend on any fact.
    #[must_use]
    pub fn constant(&self) -> Option<bool> {
        self.constant
    }

    /// The facts that an evaluation may ask for, in the order of their slots.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        let slots = self.slots;
        (0u8..64).filter(move |slot| slots & (1 << slot) != 0).map(Slot)
    }

    /// The most steps that an evaluation can take, never above [`FUEL`].
    #[must_use]
    pub fn cost_bound(&self) -> u64 {
        self.bound
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.source).finish()
    }
}

#[inline]
fn verdict(holds: Result<bool, Stop>) -> Verdict {
    match holds {
        Ok(true) => Verdict::True,
        Ok(false) => Verdict::False,
        Err(Stop::Unknown) => Verdict::Unknown,
        Err(Stop::Fault(fault)) => Verdict::Error(fault),
    }
}

fn slots_read(node: &Node) -> u64 {
    let mut slots = match &node.op {
        Op::Fact { slot, .. } | Op::HasFact { slot } => bit(*slot),
        Op::Path(path) => bit(path.slot),
        Op::Quantify { inner, .. } | Op::Collect { inner, .. } => {
            inner.condition.as_ref().map_or(0, slots_read) | slots_read(&inner.body)
        }
        _ => 0,
    };
    node.each_child(&mut |child| slots |= slots_read(child));
    slots
}

fn bit(slot: Slot) -> u64 {
    1u64.checked_shl(u32::from(slot.0)).expect("invariant: an environment has no slot above 63")
}

/// How many steps depend on values: [`FUEL`] as soon as there is a value of any size.
fn variable_cost(node: &Node) -> u64 {
    let mut cost = own_cost(node);
    node.each_child(&mut |child| cost = cost.saturating_add(variable_cost(child)));
    cost
}

fn own_cost(node: &Node) -> u64 {
    match &node.op {
        Op::Const(_)
        | Op::Fact { .. }
        | Op::Local { .. }
        | Op::HasFact { .. }
        | Op::Not(_)
        | Op::Negate(_)
        | Op::IsNull { .. }
        | Op::And(_)
        | Op::Or(_)
        | Op::Conditional(_)
        | Op::Calendar { .. }
        | Op::List(_) => 0,
        Op::Equal { sides, .. } | Op::Order { sides, .. } => {
            sides.iter().filter_map(text_size).min().unwrap_or(FUEL)
        }
        Op::In { sides } => match &sides[1].op {
            Op::Const(Const::List(items)) => {
                let texts: u64 = items.iter().map(constant_size).fold(0, u64::saturating_add);
                texts.saturating_add(items.len() as u64)
            }
            _ => FUEL,
        },
        Op::Quantify { inner, .. } | Op::Collect { inner, .. } => match &inner.range.op {
            Op::Const(Const::List(items)) => {
                let body = variable_cost(&inner.body)
                    .saturating_add(inner.condition.as_ref().map_or(0, variable_cost));
                inner.weight.saturating_add(body).saturating_mul(items.len() as u64)
            }
            _ => FUEL,
        },
        Op::Path(_) => 0, // A fact is JSON or a small record.
        Op::Select { .. } | Op::Has { .. } => MEMBER,
        Op::TextTest { test, sides, .. } => match test {
            TextTest::StartsWith | TextTest::EndsWith => text_size(&sides[1]).unwrap_or(FUEL),
            TextTest::Contains => FUEL,
        },
        Op::Call { call, .. } => match call {
            Call::Bool
            | Call::Double
            | Call::Duration
            | Call::Dyn
            | Call::Int
            | Call::Timestamp
            | Call::Type
            | Call::Uint => 0,
            _ => FUEL,
        },
        Op::Index { .. } | Op::Arithmetic { .. } | Op::Map(_) | Op::Matches { .. } => FUEL,
    }
}

/// Steps for comparing with a value that is known, `None` if it is not.
fn text_size(node: &Node) -> Option<u64> {
    match &node.op {
        Op::Const(value) => Some(constant_size(value)),
        _ => None,
    }
}

fn constant_size(value: &Const) -> u64 {
    match value {
        Const::String(text) => text.len() as u64 / 64,
        Const::Bytes(bytes) => bytes.len() as u64 / 64,
        Const::List(items) => items.iter().map(|item| 1 + constant_size(item)).fold(0, u64::saturating_add),
        _ => 0,
    }
}
