//! Which members are known to be there where an expression is evaluated. A member that may be absent
//! is read only under a `has()` that decides the matter when it is: in the same conjunction, on
//! either side; in a disjunction, negated; or in the branch of a conditional.

use std::rc::Rc;

use crate::check::{Checker, Namespaced};
use crate::env::Entry;
use crate::syntax::{Expr, ExprKind, Literal};

/// A member, as the way to it from a fact or a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    root: Root,
    steps: Rc<[Step]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Root {
    Slot(u8),
    Variable(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Index(i64),
}

/// Members that are known to be there.
#[derive(Debug, Default)]
pub(super) struct Guards {
    paths: Vec<Path>,
}

impl Path {
    /// The path that an expression is, if it is one whose value cannot change.
    pub(super) fn of(expr: &Expr, checker: &Checker<'_>) -> Option<Path> {
        let mut steps = Vec::new();
        let mut at = expr;
        let root = loop {
            match &at.kind {
                ExprKind::Name(name) => break root(name, checker)?,
                ExprKind::Select { base, member } => {
                    match checker.namespaced(base, member, checker.env) {
                        Namespaced::Member(slot, _) => break Root::Slot(slot.0),
                        Namespaced::Unknown(..) => return None,
                        Namespaced::No => steps.push(Step::Member(member.name.clone())),
                    }
                    at = base;
                }
                ExprKind::Index { base, index } => {
                    match &index.kind {
                        ExprKind::Literal(Literal::String(member)) => {
                            steps.push(Step::Member(member.clone()));
                        }
                        ExprKind::Literal(Literal::Int(index)) => steps.push(Step::Index(*index)),
                        _ => return None,
                    }
                    at = base;
                }
                _ => return None,
            }
        };
        steps.reverse();
        Some(Path { root, steps: steps.into() })
    }
}

fn root(name: &str, checker: &Checker<'_>) -> Option<Root> {
    if let Some(variable) = checker.variables.iter().rev().find(|variable| variable.name == name) {
        return Some(Root::Variable(variable.number));
    }
    match checker.env.entry(name) {
        Some(Entry::Fact(slot, _)) => Some(Root::Slot(slot.0)),
        Some(Entry::Namespace(_)) | None => None,
    }
}

impl Guards {
    /// The members whose absence makes `expr` false, whatever else it holds.
    ///
    /// Only `has(p)` gives rise to one, and for `p` alone, not for what `p` goes through: of a chain
    /// of optional members each needs its own guard, the shortest without help of a longer one.
    pub(super) fn if_true(expr: &Expr, checker: &Checker<'_>) -> Guards {
        let paths = match &expr.kind {
            ExprKind::Call { function, arguments } if function.name == "has" => match arguments.as_slice() {
                [member] => Path::of(member, checker).into_iter().collect(),
                _ => Vec::new(),
            },
            ExprKind::Not(inner) => Guards::if_false(inner, checker).paths,
            ExprKind::And(operands) => {
                operands.iter().flat_map(|operand| Guards::if_true(operand, checker).paths).collect()
            }
            ExprKind::Or(operands) => {
                common(operands.iter().map(|operand| Guards::if_true(operand, checker)))
            }
            _ => Vec::new(),
        };
        Guards { paths }
    }

    /// The members whose absence makes `expr` true, whatever else it holds.
    pub(super) fn if_false(expr: &Expr, checker: &Checker<'_>) -> Guards {
        let paths = match &expr.kind {
            ExprKind::Not(inner) => Guards::if_true(inner, checker).paths,
            ExprKind::And(operands) => {
                common(operands.iter().map(|operand| Guards::if_false(operand, checker)))
            }
            ExprKind::Or(operands) => {
                operands.iter().flat_map(|operand| Guards::if_false(operand, checker).paths).collect()
            }
            _ => Vec::new(),
        };
        Guards { paths }
    }

    pub(super) fn contains(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }

    /// Adds what `more` knows; what it gives back takes it away again.
    pub(super) fn push(&mut self, more: Guards) -> usize {
        let mark = self.paths.len();
        self.paths.extend(more.paths);
        mark
    }

    pub(super) fn truncate(&mut self, mark: usize) {
        self.paths.truncate(mark);
    }
}

fn common(mut all: impl Iterator<Item = Guards>) -> Vec<Path> {
    let mut kept = all.next().map(|guards| guards.paths).unwrap_or_default();
    for guards in all {
        kept.retain(|path| guards.contains(path));
    }
    kept
}
