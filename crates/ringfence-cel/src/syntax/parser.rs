//! Tokens to a tree, by recursive descent. Bounded in nesting and in nodes, so that neither reading,
//! nor checking, nor dropping the tree can exhaust the stack. Stops at the first thing it cannot read.

use crate::Issue;
use crate::syntax::lexer::{Token, tokens};
use crate::syntax::{Expr, ExprKind, Ident, Literal, MAX_DEPTH, MAX_NODES, MAX_SOURCE, Operator, Span};

/// The expression that `source` is.
pub(crate) fn parse(source: &str) -> Result<Expr, Issue> {
    if source.len() > MAX_SOURCE {
        return Err(Issue {
            span: 0..source.len(),
            message: format!("the condition has {} bytes, {MAX_SOURCE} are allowed", source.len()),
            help: Some("split it into several rules".to_owned()),
        });
    }
    let mut parser = Parser { tokens: tokens(source)?, at: 0, depth: 0, nodes: 0 };
    let expr = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: u8,
    nodes: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn span(&self) -> Span {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(Span { start: 0, end: 0 }, |(_, span)| *span)
    }

    fn next(&mut self) -> (Token, Span) {
        let span = self.span();
        let token = match self.tokens.get_mut(self.at) {
            Some((token, _)) => std::mem::replace(token, Token::End),
            None => Token::End,
        };
        self.at = (self.at + 1).min(self.tokens.len());
        (token, span)
    }

    fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, token: &Token, wanted: &str) -> Result<Span, Issue> {
        let span = self.span();
        if self.eat(token) { Ok(span) } else { Err(self.unexpected(wanted)) }
    }

    fn unexpected(&self, wanted: &str) -> Issue {
        let (message, help) = match self.peek() {
            Token::End => (format!("the condition ends where {wanted} should stand"), None),
            Token::Reserved(word) => {
                (format!("`{word}` is reserved and cannot be a name"), Some("choose another name".to_owned()))
            }
            Token::Ident(word) => {
                let help = match word.as_str() {
                    "and" | "AND" => Some("`and` is written `&&`".to_owned()),
                    "or" | "OR" => Some("`or` is written `||`".to_owned()),
                    "not" | "NOT" => Some("`not` is written `!`".to_owned()),
                    _ => None,
                };
                (format!("`{word}` stands where {wanted} should"), help)
            }
            _ => (format!("this stands where {wanted} should"), None),
        };
        Issue { span: self.span().range(), message, help }
    }

    /// Builds a node above `parts`.
    fn node(&mut self, kind: ExprKind, span: Span, below: u8) -> Result<Expr, Issue> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Issue {
                span: span.range(),
                message: format!("the condition has more than {MAX_NODES} parts"),
                help: Some("split it into several rules".to_owned()),
            });
        }
        if below >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        Ok(Expr { kind, span, height: below + 1 })
    }

    /// Runs `parse` one level deeper.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Issue>) -> Result<T, Issue> {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep(self.span()));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn expression(&mut self) -> Result<Expr, Issue> {
        self.deeper(|parser| {
            let condition = parser.or()?;
            if !parser.eat(&Token::Question) {
                return Ok(condition);
            }
            let yes = parser.or()?;
            parser.expect(&Token::Colon, "`:`")?;
            let no = parser.expression()?;
            let span = condition.span.to(no.span);
            let below = condition.height.max(yes.height).max(no.height);
            let (condition, yes, no) = (Box::new(condition), Box::new(yes), Box::new(no));
            parser.node(ExprKind::Conditional { condition, yes, no }, span, below)
        })
    }

    fn or(&mut self) -> Result<Expr, Issue> {
        self.chain(&Token::Or, Self::and, ExprKind::Or)
    }

    fn and(&mut self) -> Result<Expr, Issue> {
        self.chain(&Token::And, Self::relation, ExprKind::And)
    }

    /// One operand, or several with `operator` between them as one node.
    fn chain(
        &mut self,
        operator: &Token,
        operand: fn(&mut Self) -> Result<Expr, Issue>,
        build: fn(Vec<Expr>) -> ExprKind,
    ) -> Result<Expr, Issue> {
        let first = operand(self)?;
        if self.peek() != operator {
            return Ok(first);
        }
        let mut operands = vec![first];
        while self.eat(operator) {
            operands.push(operand(self)?);
        }
        let (span, below) = extent(&operands);
        self.node(build(operands), span, below)
    }

    fn relation(&mut self) -> Result<Expr, Issue> {
        self.left_associative(Self::addition, |operator| {
            matches!(
                operator,
                Operator::Equal
                    | Operator::NotEqual
                    | Operator::Less
                    | Operator::LessEqual
                    | Operator::Greater
                    | Operator::GreaterEqual
                    | Operator::In
            )
        })
    }

    fn addition(&mut self) -> Result<Expr, Issue> {
        self.left_associative(Self::multiplication, |operator| {
            matches!(operator, Operator::Add | Operator::Subtract)
        })
    }

    fn multiplication(&mut self) -> Result<Expr, Issue> {
        self.left_associative(Self::unary, |operator| {
            matches!(operator, Operator::Multiply | Operator::Divide | Operator::Remainder)
        })
    }

    fn left_associative(
        &mut self,
        operand: fn(&mut Self) -> Result<Expr, Issue>,
        accept: fn(Operator) -> bool,
    ) -> Result<Expr, Issue> {
        let mut left = operand(self)?;
        while let Token::Operator(operator) = *self.peek() {
            if !accept(operator) {
                break;
            }
            self.at += 1;
            let right = operand(self)?;
            let span = left.span.to(right.span);
            let below = left.height.max(right.height);
            let (boxed, right) = (Box::new(left), Box::new(right));
            left = self.node(ExprKind::Binary { operator, left: boxed, right }, span, below)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Issue> {
        let start = self.span();
        match self.peek() {
            Token::Not => {
                self.at += 1;
                let inner = self.deeper(Self::unary)?;
                let (span, below) = (start.to(inner.span), inner.height);
                self.node(ExprKind::Not(Box::new(inner)), span, below)
            }
            Token::Operator(Operator::Subtract) => {
                self.at += 1;
                if matches!(self.peek(), Token::Int(_) | Token::Double(_)) {
                    let number = self.negative_number(start)?;
                    return self.members(number);
                }
                let inner = self.deeper(Self::unary)?;
                let (span, below) = (start.to(inner.span), inner.height);
                self.node(ExprKind::Negate(Box::new(inner)), span, below)
            }
            _ => {
                let primary = self.primary()?;
                self.members(primary)
            }
        }
    }

    /// A number after a minus is one literal: the least integer has no positive counterpart.
    fn negative_number(&mut self, start: Span) -> Result<Expr, Issue> {
        let (token, end) = self.next();
        let span = start.to(end);
        let literal = match token {
            Token::Int(magnitude) => match 0i64.checked_sub_unsigned(magnitude) {
                Some(value) => Literal::Int(value),
                None => return Err(integer_too_large(span)),
            },
            Token::Double(value) => Literal::Double(-value),
            _ => return Err(self.unexpected("a number")),
        };
        self.node(ExprKind::Literal(literal), span, 0)
    }

    fn members(&mut self, base: Expr) -> Result<Expr, Issue> {
        let mut expr = base;
        loop {
            if self.eat(&Token::Dot) {
                expr = self.member(expr)?;
            } else if self.eat(&Token::LeftBracket) {
                let index = self.expression()?;
                let end = self.expect(&Token::RightBracket, "`]`")?;
                let (span, below) = (expr.span.to(end), expr.height.max(index.height));
                let (base, index) = (Box::new(expr), Box::new(index));
                expr = self.node(ExprKind::Index { base, index }, span, below)?;
            } else if *self.peek() == Token::LeftBrace {
                return Err(Issue {
                    span: self.span().range(),
                    message: "messages cannot be made here".to_owned(),
                    help: Some("a map is written `{\"key\": value}`".to_owned()),
                });
            } else {
                return Ok(expr);
            }
        }
    }

    fn member(&mut self, base: Expr) -> Result<Expr, Issue> {
        let member = match self.peek() {
            Token::Ident(_) | Token::Quoted(_) => match self.next() {
                (Token::Ident(name) | Token::Quoted(name), span) => Ident { name, span },
                _ => return Err(self.unexpected("a member's name")),
            },
            // Reserved words are kept from being variables; JSON members are called as they are.
            Token::Reserved(word) => {
                let name = (*word).to_owned();
                Ident { name, span: self.next().1 }
            }
            _ => return Err(self.unexpected("a member's name")),
        };
        if !self.eat(&Token::LeftParen) {
            let (span, below) = (base.span.to(member.span), base.height);
            return self.node(ExprKind::Select { base: Box::new(base), member }, span, below);
        }
        let (arguments, end) = self.arguments(&Token::RightParen, "`,` or `)`")?;
        let span = base.span.to(end);
        let below = base.height.max(extent(&arguments).1);
        let target = Box::new(base);
        self.node(ExprKind::Method { target, function: member, arguments }, span, below)
    }

    /// Expressions with commas between them, up to `close`. A comma may stand before it.
    fn arguments(&mut self, close: &Token, wanted: &str) -> Result<(Vec<Expr>, Span), Issue> {
        let mut arguments = Vec::new();
        loop {
            let span = self.span();
            if self.eat(close) {
                return Ok((arguments, span));
            }
            arguments.push(self.expression()?);
            if !self.eat(&Token::Comma) {
                let end = self.expect(close, wanted)?;
                return Ok((arguments, end));
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, Issue> {
        let start = self.span();
        let literal = match self.peek() {
            Token::LeftParen => return self.parenthesised(),
            Token::LeftBracket => {
                self.at += 1;
                let (items, end) = self.arguments(&Token::RightBracket, "`,` or `]`")?;
                let below = extent(&items).1;
                return self.node(ExprKind::List(items), start.to(end), below);
            }
            Token::LeftBrace => return self.map(),
            Token::Dot => {
                // A leading dot names the root scope, and there is no other.
                self.at += 1;
                if !matches!(self.peek(), Token::Ident(_)) {
                    return Err(self.unexpected("a name"));
                }
                return self.name(start);
            }
            Token::Ident(_) => return self.name(start),
            Token::Int(magnitude) => match i64::try_from(*magnitude) {
                Ok(value) => Literal::Int(value),
                Err(_) => return Err(integer_too_large(start)),
            },
            Token::Uint(value) => Literal::Uint(*value),
            Token::Double(value) => Literal::Double(*value),
            Token::String(_) | Token::Bytes(_) => return self.text(),
            Token::True => Literal::Bool(true),
            Token::False => Literal::Bool(false),
            Token::Null => Literal::Null,
            _ => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        self.node(ExprKind::Literal(literal), start, 0)
    }

    fn text(&mut self) -> Result<Expr, Issue> {
        let (token, span) = self.next();
        let literal = match token {
            Token::String(value) => Literal::String(value),
            Token::Bytes(value) => Literal::Bytes(value),
            _ => return Err(self.unexpected("a text")),
        };
        self.node(ExprKind::Literal(literal), span, 0)
    }

    fn parenthesised(&mut self) -> Result<Expr, Issue> {
        let start = self.span();
        self.at += 1;
        let inner = self.expression()?;
        let end = self.expect(&Token::RightParen, "`)`")?;
        Ok(Expr { span: start.to(end), ..inner })
    }

    fn name(&mut self, start: Span) -> Result<Expr, Issue> {
        let (token, span) = self.next();
        let Token::Ident(name) = token else { return Err(self.unexpected("a name")) };
        if !self.eat(&Token::LeftParen) {
            return self.node(ExprKind::Name(name), start.to(span), 0);
        }
        let (arguments, end) = self.arguments(&Token::RightParen, "`,` or `)`")?;
        let below = extent(&arguments).1;
        let function = Ident { name, span };
        self.node(ExprKind::Call { function, arguments }, start.to(end), below)
    }

    fn map(&mut self) -> Result<Expr, Issue> {
        let start = self.span();
        self.at += 1;
        let mut entries = Vec::new();
        let mut below = 0;
        let end = loop {
            let span = self.span();
            if self.eat(&Token::RightBrace) {
                break span;
            }
            let key = self.expression()?;
            self.expect(&Token::Colon, "`:`")?;
            let value = self.expression()?;
            below = below.max(key.height).max(value.height);
            entries.push((key, value));
            if !self.eat(&Token::Comma) {
                break self.expect(&Token::RightBrace, "`,` or `}`")?;
            }
        };
        self.node(ExprKind::Map(entries), start.to(end), below)
    }
}

/// Where a row of expressions stands, and how high the highest is.
fn extent(row: &[Expr]) -> (Span, u8) {
    let none = Span { start: 0, end: 0 };
    let first = row.first().map_or(none, |expr| expr.span);
    let last = row.last().map_or(none, |expr| expr.span);
    (first.to(last), row.iter().map(|expr| expr.height).max().unwrap_or(0))
}

fn too_deep(span: Span) -> Issue {
    Issue {
        span: span.range(),
        message: format!("the condition nests deeper than {MAX_DEPTH} levels"),
        help: Some("split it into several rules".to_owned()),
    }
}

fn integer_too_large(span: Span) -> Issue {
    Issue {
        span: span.range(),
        message: "the integer is beyond what 64 bits with a sign hold".to_owned(),
        help: Some("write it with `u` for an unsigned, or with `.0` for a double".to_owned()),
    }
}
