//! The checker: resolves names, infers types, and makes the tree that is evaluated. It goes on after
//! an issue, so that one load shows as many as there are.
//!
//! What is dynamic is left to the evaluation; what cannot be right, whatever the facts are, is an
//! issue. The types here only refuse and explain: the evaluation looks at every value itself.

mod calls;
mod guards;
mod operators;

use std::sync::Arc;

use bumpalo::Bump;

use crate::env::Entry;
use crate::eval::{Machine, constant};
use crate::issue::nearest;
use crate::syntax::{Expr, ExprKind, Ident, Literal, Span};
use crate::tree::{Const, Node, Op};
use crate::{Activation, Env, Fact, Issue, Kind, Record, Slot, Type};

use guards::{Guards, Path};

/// How many issues are reported of one expression.
const MAX_ISSUES: usize = 20;
/// How many entries a map may be written with.
pub(crate) const MAX_ENTRIES: usize = 256;

/// Checks that `expr` is a condition over `env`.
pub(crate) fn check(source: &str, expr: &Expr, env: &Env) -> Result<Node, Vec<Issue>> {
    let mut checker =
        Checker { source, env, issues: Vec::new(), variables: Vec::new(), guards: Guards::default() };
    let typed = checker.expr(expr);
    if let Some(typed) = &typed
        && !matches!(typed.ty, Type::Bool | Type::Dyn)
    {
        checker.advise(
            expr.span,
            format!("a condition is a bool, this is {}", with_article(&typed.ty)),
            Some("compare it with something".to_owned()),
        );
    }
    match typed {
        Some(typed) if checker.issues.is_empty() => Ok(typed.node),
        _ => Err(checker.issues),
    }
}

struct Checker<'s> {
    source: &'s str,
    env: &'s Env,
    issues: Vec<Issue>,
    variables: Vec<Variable>,
    guards: Guards,
}

/// The variable of a macro around the expression.
struct Variable {
    name: String,
    ty: Type,
    /// Tells it from others of the same name.
    number: usize,
}

/// An expression that was found right.
struct Typed {
    ty: Type,
    node: Node,
}

/// Facts of which none is known: enough to evaluate what depends on none.
pub(crate) struct Nothing;

impl<'a> Activation<'a> for Nothing {
    fn fact(&self, _slot: Slot) -> Fact<'a> {
        Fact::Unknown
    }
}

impl Checker<'_> {
    fn issue(&mut self, span: Span, message: String) {
        self.report(Issue { span: span.range(), message, help: None });
    }

    fn advise(&mut self, span: Span, message: String, help: Option<String>) {
        self.report(Issue { span: span.range(), message, help });
    }

    fn report(&mut self, issue: Issue) {
        if self.issues.len() < MAX_ISSUES && !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }

    /// What is written at `span`, to name things in messages.
    fn written(&self, span: Span) -> &str {
        self.source.get(span.range()).unwrap_or("")
    }

    /// Checks one expression; `None` if it is wrong, which has then been reported.
    fn expr(&mut self, expr: &Expr) -> Option<Typed> {
        match &expr.kind {
            ExprKind::Literal(literal) => Some(self.literal(literal, expr.span)),
            ExprKind::Name(name) => self.name(name, expr.span),
            ExprKind::Select { base, member } => self.select(expr, base, member),
            ExprKind::Index { base, index } => self.index(expr, base, index),
            ExprKind::Call { function, arguments } => self.global_call(expr, function, arguments),
            ExprKind::Method { target, function, arguments } => {
                self.method_call(expr, target, function, arguments)
            }
            ExprKind::List(items) => self.list(items, expr.span),
            ExprKind::Map(entries) => self.map(entries, expr.span),
            ExprKind::Not(inner) => {
                let inner = self.bool(inner, "`!`")?;
                Some(self.made(Type::Bool, Op::Not(Box::new(inner)), expr.span))
            }
            ExprKind::Negate(inner) => self.negate(inner, expr.span),
            ExprKind::Binary { operator, left, right } => self.binary(*operator, left, right, expr.span),
            ExprKind::And(operands) => {
                let nodes =
                    self.guarded(Guards::if_true(expr, self), |checker| checker.operands(operands, "`&&`"))?;
                Some(self.made(Type::Bool, Op::And(nodes), expr.span))
            }
            ExprKind::Or(operands) => {
                let nodes =
                    self.guarded(Guards::if_false(expr, self), |checker| checker.operands(operands, "`||`"))?;
                Some(self.made(Type::Bool, Op::Or(nodes), expr.span))
            }
            ExprKind::Conditional { condition, yes, no } => self.conditional(condition, yes, no, expr.span),
        }
    }

    fn made(&self, ty: Type, op: Op, span: Span) -> Typed {
        Typed { ty, node: folded(Node { op, span }) }
    }

    fn literal(&self, literal: &Literal, span: Span) -> Typed {
        let (ty, value) = match literal {
            Literal::Null => (Type::Null, Const::Null),
            Literal::Bool(value) => (Type::Bool, Const::Bool(*value)),
            Literal::Int(value) => (Type::Int, Const::Int(*value)),
            Literal::Uint(value) => (Type::Uint, Const::Uint(*value)),
            Literal::Double(value) => (Type::Double, Const::Double(*value)),
            Literal::String(value) => (Type::String, Const::String(value.as_str().into())),
            Literal::Bytes(value) => (Type::Bytes, Const::Bytes(value.as_slice().into())),
        };
        self.made(ty, Op::Const(value), span)
    }

    fn name(&mut self, name: &str, span: Span) -> Option<Typed> {
        if let Some((up, variable)) =
            self.variables.iter().rev().enumerate().find(|(_, variable)| variable.name == name)
        {
            return Some(self.made(variable.ty.clone(), Op::Local { up }, span));
        }
        let env = self.env;
        match env.entry(name) {
            Some(Entry::Fact(slot, ty)) => {
                Some(self.made(ty.clone(), Op::Fact { slot: *slot, name: name.into() }, span))
            }
            Some(Entry::Namespace(members)) => {
                let first = members.keys().next().copied().unwrap_or("member");
                self.advise(
                    span,
                    format!("`{name}` is a group of names, not a value"),
                    Some(format!("name one of its members, as `{name}.{first}`")),
                );
                None
            }
            None => {
                if let Some(kind) = kind_named(name) {
                    return Some(self.made(Type::Type, Op::Const(Const::Kind(kind)), span));
                }
                let help = self.name_help(name);
                self.advise(span, format!("`{name}` is not known here"), help);
                None
            }
        }
    }

    fn name_help(&self, name: &str) -> Option<String> {
        if crate::functions::find(name).is_some() {
            return Some(format!("`{name}` is a function, call it"));
        }
        let variables = self.variables.iter().map(|variable| variable.name.as_str());
        if let Some(near) = nearest(name, self.env.roots().chain(variables)) {
            return Some(format!("did you mean `{near}`?"));
        }
        // A member that lost its namespace, as `calls` for `session.calls`.
        let full: Vec<String> = self.env.names().map(|known| known.path).collect();
        let member = full.iter().find(|path| path.split_once('.').is_some_and(|(_, member)| member == name));
        if let Some(path) = member {
            return Some(format!("did you mean `{path}`?"));
        }
        let roots: Vec<&str> = self.env.roots().collect();
        (!roots.is_empty()).then(|| format!("known here: {}", roots.join(", ")))
    }

    /// The namespace member that `base.member` names, if `base` is a namespace.
    fn namespaced<'e>(&self, base: &Expr, member: &Ident, env: &'e Env) -> Namespaced<'e> {
        let ExprKind::Name(name) = &base.kind else { return Namespaced::No };
        if self.variables.iter().any(|variable| variable.name == *name) {
            return Namespaced::No;
        }
        match env.entry(name) {
            Some(Entry::Namespace(members)) => match members.get(member.name.as_str()) {
                Some((slot, ty)) => Namespaced::Member(*slot, ty),
                None => {
                    Namespaced::Unknown(name.clone(), members.keys().copied().map(str::to_owned).collect())
                }
            },
            Some(Entry::Fact(..)) | None => Namespaced::No,
        }
    }

    fn select(&mut self, expr: &Expr, base: &Expr, member: &Ident) -> Option<Typed> {
        let env = self.env;
        match self.namespaced(base, member, env) {
            Namespaced::Member(slot, ty) => {
                let name = self.written(expr.span).into();
                return Some(self.made(ty.clone(), Op::Fact { slot, name }, expr.span));
            }
            Namespaced::Unknown(name, members) => {
                self.unknown_member(member, &format!("`{name}`"), members.iter().map(String::as_str));
                return None;
            }
            Namespaced::No => {}
        }
        let typed = self.expr(base)?;
        let ty = self.member_type(&typed.ty, member, expr)?;
        let name: Arc<str> = self.written(expr.span).into();
        let op = Node::select(typed.node, &member.name, name, expr.span);
        Some(self.made(ty, op, expr.span))
    }

    /// The type of a member that is read.
    fn member_type(&mut self, base: &Type, member: &Ident, reading: &Expr) -> Option<Type> {
        match base {
            Type::Dyn => Some(Type::Dyn),
            Type::Map(value) => Some((**value).clone()),
            Type::Record(record) => match record.members.get(&member.name) {
                Some(known) => {
                    if known.optional && !self.is_guarded(reading) {
                        self.unguarded(record, member, reading);
                        return None;
                    }
                    Some(known.ty.clone())
                }
                None if record.open => Some(Type::Dyn),
                None => {
                    self.unknown_member(
                        member,
                        &format!("`{}`", record.name),
                        record.members.keys().map(String::as_str),
                    );
                    None
                }
            },
            other => {
                let help = crate::functions::find(&member.name)
                    .map(|function| format!("`{}` is a function, call it", function.name));
                self.advise(
                    member.span,
                    format!("{} has no members, `{}` cannot be read", with_article(other), member.name),
                    help,
                );
                None
            }
        }
    }

    fn unguarded(&mut self, record: &Record, member: &Ident, reading: &Expr) {
        let written = self.written(reading.span).to_owned();
        let help = match Path::of(reading, self) {
            Some(_) => format!("write `has({written}) && …`, or `!has({written}) || …`"),
            None => format!("give the value a name first, as in `list.all(x, has(x.{}) && …)`", member.name),
        };
        self.advise(
            reading.span,
            format!("`{}` may be absent from `{}`", member.name, record.name),
            Some(help),
        );
    }

    fn unknown_member<'m>(
        &mut self,
        member: &Ident,
        owner: &str,
        members: impl Iterator<Item = &'m str> + Clone,
    ) {
        let help = match nearest(&member.name, members.clone()) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None => {
                let members: Vec<&str> = members.take(12).collect();
                (!members.is_empty()).then(|| format!("it has: {}", members.join(", ")))
            }
        };
        self.advise(member.span, format!("{owner} has no member `{}`", member.name), help);
    }

    fn index(&mut self, expr: &Expr, base: &Expr, index: &Expr) -> Option<Typed> {
        let checked_base = self.expr(base);
        let checked_index = self.expr(index);
        let (checked_base, checked_index) = (checked_base?, checked_index?);
        let name: Arc<str> = self.written(expr.span).into();
        if let ExprKind::Literal(Literal::String(member)) = &index.kind
            && matches!(checked_base.ty, Type::Record(_) | Type::Map(_) | Type::Dyn)
        {
            let ident = Ident { name: member.clone(), span: index.span };
            let ty = self.member_type(&checked_base.ty, &ident, expr)?;
            let op = Node::select(checked_base.node, member, name, expr.span);
            return Some(self.made(ty, op, expr.span));
        }
        let ty = match (&checked_base.ty, &checked_index.ty) {
            (Type::List(element), Type::Int | Type::Uint | Type::Dyn) => (**element).clone(),
            (Type::Map(value), Type::String | Type::Dyn) => (**value).clone(),
            (Type::Record(_), Type::String | Type::Dyn) | (Type::Dyn, _) => Type::Dyn,
            (base, index) => {
                let message =
                    format!("`[]` does not take {} and {}", with_article(base), with_article(index));
                self.issue(expr.span, message);
                return None;
            }
        };
        let (base, index) = (Box::new(checked_base.node), Box::new(checked_index.node));
        Some(self.made(ty, Op::Index { base, index, name }, expr.span))
    }

    fn list(&mut self, items: &[Expr], span: Span) -> Option<Typed> {
        let checked: Vec<Option<Typed>> = items.iter().map(|item| self.expr(item)).collect();
        let checked: Vec<Typed> = checked.into_iter().collect::<Option<_>>()?;
        let element = checked
            .iter()
            .map(|item| item.ty.clone())
            .reduce(|left, right| left.join(&right).unwrap_or(Type::Dyn))
            .unwrap_or(Type::Dyn);
        let nodes: Vec<Node> = checked.into_iter().map(|item| item.node).collect();
        Some(self.made(Type::list(element), Op::List(nodes.into()), span))
    }

    fn map(&mut self, entries: &[(Expr, Expr)], span: Span) -> Option<Typed> {
        if entries.len() > MAX_ENTRIES {
            self.issue(span, format!("a map has at most {MAX_ENTRIES} entries here"));
            return None;
        }
        let mut whole = Some(Vec::with_capacity(entries.len()));
        let mut element: Option<Type> = None;
        let mut text_keys = true;
        for (key, value) in entries {
            let (checked_key, checked_value) = (self.expr(key), self.expr(value));
            let (Some(checked_key), Some(checked_value)) = (checked_key, checked_value) else {
                whole = None;
                continue;
            };
            if !matches!(checked_key.ty, Type::String | Type::Int | Type::Uint | Type::Bool | Type::Dyn) {
                let message = format!("{} cannot be a key", with_article(&checked_key.ty));
                self.advise(key.span, message, Some("keys are string, int, uint or bool".to_owned()));
                whole = None;
                continue;
            }
            text_keys &= checked_key.ty == Type::String;
            element = Some(match element {
                None => checked_value.ty,
                Some(element) => element.join(&checked_value.ty).unwrap_or(Type::Dyn),
            });
            if let Some(whole) = &mut whole {
                whole.push((checked_key.node, checked_value.node));
            }
        }
        // Only maps with string keys have a type of their own.
        let ty = if text_keys { Type::map(element.unwrap_or(Type::Dyn)) } else { Type::Dyn };
        Some(self.made(ty, Op::Map(whole?.into()), span))
    }

    /// Checks an expression that `operation` needs to be a bool.
    fn bool(&mut self, expr: &Expr, operation: &str) -> Option<Node> {
        let typed = self.expr(expr)?;
        if matches!(typed.ty, Type::Bool | Type::Dyn) {
            return Some(typed.node);
        }
        self.issue(expr.span, format!("{operation} takes a bool, this is {}", with_article(&typed.ty)));
        None
    }

    fn operands(&mut self, operands: &[Expr], operation: &str) -> Option<Box<[Node]>> {
        let nodes: Vec<Option<Node>> = operands.iter().map(|operand| self.bool(operand, operation)).collect();
        nodes.into_iter().collect()
    }

    fn conditional(&mut self, condition: &Expr, yes: &Expr, no: &Expr, span: Span) -> Option<Typed> {
        let checked_condition = self.bool(condition, "`?`");
        let checked_yes = self.guarded(Guards::if_true(condition, self), |checker| checker.expr(yes));
        let checked_no = self.guarded(Guards::if_false(condition, self), |checker| checker.expr(no));
        let (condition, yes, no) = (checked_condition?, checked_yes?, checked_no?);
        let Some(ty) = yes.ty.join(&no.ty) else {
            let message = format!(
                "the two results differ in type: {} and {}",
                with_article(&yes.ty),
                with_article(&no.ty)
            );
            self.advise(span, message, Some("wrap one in `dyn()` if that is meant".to_owned()));
            return None;
        };
        Some(self.made(ty, Op::Conditional(Box::new([condition, yes.node, no.node])), span))
    }

    /// Runs `check` where the members in `guards` are known to be there.
    fn guarded<T>(&mut self, guards: Guards, check: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.guards.push(guards);
        let checked = check(self);
        self.guards.truncate(mark);
        checked
    }

    fn is_guarded(&self, reading: &Expr) -> bool {
        Path::of(reading, self).is_some_and(|path| self.guards.contains(&path))
    }
}

enum Namespaced<'e> {
    Member(Slot, &'e Type),
    Unknown(String, Vec<String>),
    No,
}

/// The types that have names, for `type(x) == int`. Facts go first where they share one.
fn kind_named(name: &str) -> Option<Kind> {
    Some(match name {
        "bool" => Kind::Bool,
        "int" => Kind::Int,
        "uint" => Kind::Uint,
        "double" => Kind::Double,
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        "list" => Kind::List,
        "map" => Kind::Map,
        "null_type" => Kind::Null,
        "type" => Kind::Type,
        _ => return None,
    })
}

/// Replaces an operation on constants by what comes of it. One that faults is left as it is: it may
/// stand where `&&` or `||` absorb it.
fn folded(node: Node) -> Node {
    let foldable = match &node.op {
        Op::Not(_)
        | Op::Negate(_)
        | Op::Equal { .. }
        | Op::IsNull { .. }
        | Op::Order { .. }
        | Op::In { .. }
        | Op::Arithmetic { .. }
        | Op::List(_)
        | Op::Call { .. }
        | Op::TextTest { .. }
        | Op::Matches { .. }
        | Op::Calendar { .. } => {
            let mut constant = true;
            node.each_child(&mut |child| constant &= matches!(child.op, Op::Const(_)));
            constant
        }
        _ => false,
    };
    if !foldable {
        return node;
    }
    let arena = Bump::new();
    let value = Machine::new(&Nothing, &arena, crate::FUEL).value(&node).ok().and_then(constant);
    match value {
        Some(value) => Node { op: Op::Const(value), span: node.span },
        None => node,
    }
}

fn with_article(ty: &Type) -> String {
    match ty {
        Type::Null => "null".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        Type::Int => "an int".to_owned(),
        Type::Dyn => "a value of unknown type".to_owned(),
        Type::Record(record) => format!("the record `{}`", record.name),
        other => format!("a {other}"),
    }
}
