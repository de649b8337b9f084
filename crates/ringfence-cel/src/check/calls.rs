//! Calls: functions with their overloads, and the macros.

use regex::RegexBuilder;

use crate::check::{Checker, Namespaced, Typed, Variable, with_article};
use crate::env::Entry;
use crate::functions::{Call, Function, Macro, Signature, find, functions};
use crate::issue::nearest;
use crate::syntax::{Expr, ExprKind, Ident, Literal, Span};
use crate::tree::{Collector, Const, Loop, Node, Op, Pattern, Quantifier, Zone};
use crate::{Type, eval};

/// How much memory the automaton of one pattern may take, in bytes, and what it then costs to look
/// at 64 bytes of text: at worst every state is looked at for every byte.
const PATTERN_SIZES: [(usize, u64); 4] = [(8 << 10, 1), (32 << 10, 4), (128 << 10, 16), (256 << 10, 32)];
/// How much the automaton may keep of what it learnt from texts, in bytes.
const PATTERN_CACHE: usize = 1024 * 1024;

/// What a function is called with.
#[derive(Clone, Copy)]
struct Given<'e> {
    /// What stands before the dot.
    target: Option<&'e Expr>,
    arguments: &'e [Expr],
}

impl<'e> Given<'e> {
    fn all(self) -> impl Iterator<Item = &'e Expr> {
        self.target.into_iter().chain(self.arguments)
    }
}

/// What a macro does for each element.
#[derive(Clone, Copy)]
struct Body<'e> {
    variable: &'e Expr,
    condition: Option<&'e Expr>,
    body: &'e Expr,
}

impl Checker<'_> {
    pub(super) fn global_call(&mut self, expr: &Expr, name: &Ident, arguments: &[Expr]) -> Option<Typed> {
        let given = Given { target: None, arguments };
        let function = self.known(name, given)?;
        match function.call {
            Call::Has => self.has(expr, arguments),
            Call::Macro(_) => {
                self.usage(expr.span, function);
                None
            }
            Call::Matches => match arguments {
                [text, pattern] => self.matches(expr, text, pattern),
                _ => {
                    self.usage(expr.span, function);
                    None
                }
            },
            _ => self.call(expr, function, given),
        }
    }

    pub(super) fn method_call(
        &mut self,
        expr: &Expr,
        target: &Expr,
        name: &Ident,
        arguments: &[Expr],
    ) -> Option<Typed> {
        let given = Given { target: Some(target), arguments };
        let function = self.known(name, given)?;
        match (function.call, arguments) {
            (Call::Macro(which), [variable, body]) => {
                self.run(expr, which, function.name, target, Body { variable, condition: None, body })
            }
            (Call::Macro(Macro::Map), [variable, condition, body]) => {
                let body = Body { variable, condition: Some(condition), body };
                self.run(expr, Macro::Map, function.name, target, body)
            }
            (Call::Matches, [pattern]) => self.matches(expr, target, pattern),
            (Call::Macro(_) | Call::Has | Call::Matches, _) => {
                self.usage(expr.span, function);
                None
            }
            _ => self.call(expr, function, given),
        }
    }

    fn known(&mut self, name: &Ident, given: Given<'_>) -> Option<&'static Function> {
        if let Some(function) = find(&name.name) {
            return Some(function);
        }
        // What else is wrong is shown with it.
        for expr in given.all() {
            self.expr(expr);
        }
        let help = match nearest(&name.name, functions().iter().map(|function| function.name)) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None => matches!(self.env.entry(&name.name), Some(Entry::Fact(..)))
                .then(|| format!("`{}` is a value, not a function", name.name)),
        };
        self.advise(name.span, format!("there is no function `{}`", name.name), help);
        None
    }

    fn usage(&mut self, span: Span, function: &Function) {
        let usages: Vec<String> = function.usages().map(|usage| format!("`{usage}`")).collect();
        self.advise(
            span,
            format!("`{}` cannot be called like this", function.name),
            Some(format!("it is called as {}", usages.join(" or "))),
        );
    }

    fn call(&mut self, expr: &Expr, function: &'static Function, given: Given<'_>) -> Option<Typed> {
        let checked: Vec<Option<Typed>> = given.all().map(|argument| self.expr(argument)).collect();
        let checked: Vec<Typed> = checked.into_iter().collect::<Option<_>>()?;
        let types: Vec<&Type> = checked.iter().map(|argument| &argument.ty).collect();
        let shaped = |signature: &&Signature| {
            signature.receiver.is_some() == given.target.is_some()
                && signature.parameters.len() == given.arguments.len()
        };
        if !function.signatures.iter().any(|signature| shaped(&signature)) {
            self.usage(expr.span, function);
            return None;
        }
        let results: Vec<Type> = function
            .signatures
            .iter()
            .filter(shaped)
            .filter(|signature| {
                let parameters = signature.receiver.iter().chain(signature.parameters);
                parameters.zip(&types).all(|(parameter, ty)| parameter.accepts(ty))
            })
            .map(|signature| signature.result.ty())
            .collect();
        let Some(ty) = results.into_iter().reduce(|left, right| left.join(&right).unwrap_or(Type::Dyn))
        else {
            let shown: Vec<String> = types.iter().map(|ty| with_article(ty)).collect();
            let usages: Vec<String> = function.usages().map(|usage| format!("`{usage}`")).collect();
            self.advise(
                expr.span,
                format!("`{}` does not take {}", function.name, shown.join(" and ")),
                Some(format!("it is called as {}", usages.join(" or "))),
            );
            return None;
        };
        let mut nodes = checked.into_iter().map(|argument| argument.node);
        let value = nodes.next()?;
        let second = nodes.next();
        let op = match function.call {
            Call::Calendar(part) => {
                let zone = match second {
                    None => None,
                    Some(node) => Some(self.zone(node)?),
                };
                Op::Calendar { part, name: function.name, at: Box::new(value), zone }
            }
            Call::TextTest(test) => {
                Op::TextTest { test, name: function.name, sides: Box::new([value, second?]) }
            }
            call => Op::Call { call, name: function.name, value: Box::new(value) },
        };
        let constant = matches!(&op, Op::Call { value, .. } if matches!(value.op, Op::Const(_)));
        let made = self.made(ty, op, expr.span);
        if constant && matches!(made.node.op, Op::Call { .. }) {
            // Left unfolded: it faults, and always will.
            self.advise(
                expr.span,
                format!("`{}` can never be converted", self.written(expr.span)),
                conversion_help(function.call).map(str::to_owned),
            );
            return None;
        }
        Some(made)
    }

    fn zone(&mut self, node: Node) -> Option<Zone> {
        let Op::Const(Const::String(name)) = &node.op else {
            return Some(Zone::Named(Box::new(node)));
        };
        match eval::zone(name) {
            Some(zone) => Some(Zone::Known(zone)),
            None => {
                self.advise(
                    node.span,
                    format!("there is no time zone `{name}`"),
                    Some("name one as `Europe/Berlin`, `UTC` or `+02:00`".to_owned()),
                );
                None
            }
        }
    }

    fn has(&mut self, expr: &Expr, arguments: &[Expr]) -> Option<Typed> {
        let [argument] = arguments else {
            self.has_usage(expr.span);
            return None;
        };
        let (base, member) = match &argument.kind {
            ExprKind::Select { base, member } => {
                (base, Ident { name: member.name.clone(), span: member.span })
            }
            ExprKind::Index { base, index } => match &index.kind {
                ExprKind::Literal(Literal::String(name)) => {
                    (base, Ident { name: name.clone(), span: index.span })
                }
                _ => {
                    self.has_usage(argument.span);
                    return None;
                }
            },
            _ => {
                self.has_usage(argument.span);
                return None;
            }
        };
        let env = self.env;
        match self.namespaced(base, &member, env) {
            Namespaced::Member(slot, _) => {
                return Some(self.made(Type::Bool, Op::HasFact { slot }, expr.span));
            }
            Namespaced::Unknown(name, members) => {
                self.unknown_member(&member, &format!("`{name}`"), members.iter().map(String::as_str));
                return None;
            }
            Namespaced::No => {}
        }
        let typed = self.expr(base)?;
        match &typed.ty {
            Type::Dyn | Type::Map(_) => {}
            Type::Record(record) if record.open || record.members.contains_key(&member.name) => {}
            Type::Record(record) => {
                let owner = format!("`{}`", record.name);
                self.unknown_member(&member, &owner, record.members.keys().map(String::as_str));
                return None;
            }
            other => {
                let message = format!("{} has no members", with_article(other));
                self.issue(argument.span, message);
                return None;
            }
        }
        let op = Op::Has { base: Box::new(typed.node), member: member.name.as_str().into() };
        Some(self.made(Type::Bool, op, expr.span))
    }

    fn has_usage(&mut self, span: Span) {
        self.advise(
            span,
            "`has` takes a member".to_owned(),
            Some("write `has(record.member)` or `has(record[\"member\"])`".to_owned()),
        );
    }

    fn matches(&mut self, expr: &Expr, text: &Expr, pattern: &Expr) -> Option<Typed> {
        let checked = self.expr(text);
        let compiled = self.pattern(pattern);
        let (checked, compiled) = (checked?, compiled?);
        if !matches!(checked.ty, Type::String | Type::Dyn) {
            let message = format!("`matches` takes a string, this is {}", with_article(&checked.ty));
            self.issue(text.span, message);
            return None;
        }
        let op = Op::Matches { text: Box::new(checked.node), pattern: Box::new(compiled) };
        Some(self.made(Type::Bool, op, expr.span))
    }

    fn pattern(&mut self, pattern: &Expr) -> Option<Pattern> {
        let ExprKind::Literal(Literal::String(written)) = &pattern.kind else {
            self.advise(
                pattern.span,
                "the pattern of `matches` must be written out as a text".to_owned(),
                Some(
                    "it is compiled when the policy is loaded; a pattern made from values could be anything"
                        .to_owned(),
                ),
            );
            return None;
        };
        let built = compiled(written);
        match built {
            Ok(pattern) => Some(pattern),
            Err(regex::Error::CompiledTooBig(_)) => {
                self.advise(
                    pattern.span,
                    "the pattern is too large once compiled".to_owned(),
                    Some("repeat less: `{1,1000}` and `\\w` take the most room".to_owned()),
                );
                None
            }
            Err(error) => {
                // The library's message is a drawing over several lines; its last line says what is wrong.
                let text = error.to_string();
                let last = text.lines().last().unwrap_or("it cannot be read");
                let reason = last.strip_prefix("error: ").unwrap_or(last).to_owned();
                self.issue(pattern.span, format!("the pattern is wrong: {reason}"));
                None
            }
        }
    }

    fn run(
        &mut self,
        expr: &Expr,
        which: Macro,
        name: &'static str,
        range: &Expr,
        Body { variable, condition, body }: Body<'_>,
    ) -> Option<Typed> {
        let range = self.expr(range);
        let ExprKind::Name(variable_name) = &variable.kind else {
            self.advise(
                variable.span,
                format!("`{name}` takes a name here, which stands for each element"),
                Some(format!("as in `list.{name}(x, x > 1)`")),
            );
            return None;
        };
        let element = match range.as_ref().map(|range| &range.ty) {
            Some(Type::List(element)) => (**element).clone(),
            Some(Type::Map(_) | Type::Record(_)) => Type::String,
            Some(Type::Dyn) | None => Type::Dyn,
            Some(other) => {
                let message = format!("`{name}` runs over a list or a map, this is {}", with_article(other));
                self.issue(expr.span, message);
                return None;
            }
        };
        // Where the macro stands tells its variable from every other.
        let number = expr.span.end as usize * crate::syntax::MAX_SOURCE + expr.span.start as usize;
        self.variables.push(Variable { name: variable_name.clone(), ty: element.clone(), number });
        let condition = condition.map(|condition| self.bool(condition, &format!("`{name}`")));
        let body = match which {
            Macro::Map => self.expr(body),
            Macro::All | Macro::Exists | Macro::ExistsOne | Macro::Filter => {
                self.bool(body, &format!("`{name}`")).map(|node| Typed { ty: Type::Bool, node })
            }
        };
        self.variables.pop();
        let condition = match condition {
            None => None,
            Some(checked) => Some(checked?),
        };
        let (range, body) = (range?, body?);
        let weight = 1 + condition.as_ref().map_or(0, Node::weight) + body.node.weight();
        let inner = Box::new(Loop { name, range: range.node, condition, body: body.node, weight });
        let (ty, op) = match which {
            Macro::All => (Type::Bool, Op::Quantify { quantifier: Quantifier::All, inner }),
            Macro::Exists => (Type::Bool, Op::Quantify { quantifier: Quantifier::Exists, inner }),
            Macro::ExistsOne => (Type::Bool, Op::Quantify { quantifier: Quantifier::ExistsOne, inner }),
            Macro::Filter => (Type::list(element), Op::Collect { collector: Collector::Filter, inner }),
            Macro::Map => (Type::list(body.ty), Op::Collect { collector: Collector::Map, inner }),
        };
        Some(self.made(ty, op, expr.span))
    }
}

/// The pattern, in the smallest of the sizes that it fits.
fn compiled(written: &str) -> Result<Pattern, regex::Error> {
    let mut refused = regex::Error::CompiledTooBig(0);
    for (size, weight) in PATTERN_SIZES {
        match RegexBuilder::new(written).size_limit(size).dfa_size_limit(PATTERN_CACHE).build() {
            Ok(regex) => return Ok(Pattern { regex, weight }),
            Err(error @ regex::Error::CompiledTooBig(_)) => refused = error,
            Err(error) => return Err(error),
        }
    }
    Err(refused)
}

fn conversion_help(call: Call) -> Option<&'static str> {
    match call {
        Call::Duration => Some("durations are written as `90s`, `1h30m` or `250ms`"),
        Call::Timestamp => Some("points in time are written as RFC 3339 does: `2026-03-01T00:00:00Z`"),
        Call::Bool => Some("only `true` and `false` can be read"),
        _ => None,
    }
}
