//! The tree that is read from source text (the grammar of the CEL language definition, "Syntax").
//! It holds what was written, with macros as ordinary calls; it knows neither names nor types.

mod lexer;
mod literal;
mod parser;

use std::ops::Range;

pub(crate) use parser::parse;

/// The longest source that is read, in bytes.
pub(crate) const MAX_SOURCE: usize = 16 * 1024;
/// How deep expressions may nest. `&&` and `||` in a row are one level.
pub(crate) const MAX_DEPTH: u8 = 64;
/// How many nodes an expression may have.
pub(crate) const MAX_NODES: usize = 4096;

/// Bytes of the source. Thirty-two bits hold any position in a source of the longest length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn to(self, end: Span) -> Span {
        Span { start: self.start, end: end.end }
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// An expression and where it stands.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
    /// How many levels of expressions stand below, this one included.
    pub(crate) height: u8,
}

/// A name that was written, and where.
#[derive(Debug)]
pub(crate) struct Ident {
    pub(crate) name: String,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum ExprKind {
    Literal(Literal),
    Name(String),
    Select { base: Box<Expr>, member: Ident },
    Index { base: Box<Expr>, index: Box<Expr> },
    Call { function: Ident, arguments: Vec<Expr> },
    Method { target: Box<Expr>, function: Ident, arguments: Vec<Expr> },
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary { operator: Operator, left: Box<Expr>, right: Box<Expr> },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Conditional { condition: Box<Expr>, yes: Box<Expr>, no: Box<Expr> },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
}

/// The operators between two expressions, but for `&&` and `||`, which take many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    /// As it is written, in backquotes for messages.
    pub(crate) fn quoted(self) -> &'static str {
        match self {
            Operator::Equal => "`==`",
            Operator::NotEqual => "`!=`",
            Operator::Less => "`<`",
            Operator::LessEqual => "`<=`",
            Operator::Greater => "`>`",
            Operator::GreaterEqual => "`>=`",
            Operator::In => "`in`",
            Operator::Add => "`+`",
            Operator::Subtract => "`-`",
            Operator::Multiply => "`*`",
            Operator::Divide => "`/`",
            Operator::Remainder => "`%`",
        }
    }
}
