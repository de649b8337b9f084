//! What a compiled condition tells of itself, and of what is wrong with one.

use std::cell::RefCell;

use ringfence_cel::{Activation, Env, Fact, FaultKind, Program, Slot, Type, Value, Verdict};
use serde_json::json;

use crate::facts::{ARGS, Facts, ORDER, env, order, record, required};

fn program(condition: &str) -> Program {
    Program::compile(condition, &env()).unwrap_or_else(|issues| panic!("{condition}: {issues:?}"))
}

#[test]
fn programs_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<Program>();
    crosses::<Env>();
    crosses::<Value<'static>>();
}

#[test]
fn slots_are_all_that_may_be_read() {
    let slots = |condition: &str| program(condition).slots().map(|slot| slot.0).collect::<Vec<_>>();
    assert_eq!(slots("args.a == 1"), [0]);
    assert_eq!(slots("session.labels.x == 'a' || args.a == session.calls"), [0, 7, 63]);
    assert_eq!(slots("has(session.usd)"), [8]);
    assert_eq!(slots("args.l.filter(x, x > session.calls).map(y, later, y).size() == 1"), [0, 1, 7]);
    assert_eq!(slots("true"), [0u8; 0]);
}

/// Counts what is asked for.
struct Asked(RefCell<Vec<u8>>);

impl<'a> Activation<'a> for Asked {
    fn fact(&self, slot: Slot) -> Fact<'a> {
        self.0.borrow_mut().push(slot.0);
        Fact::Known(Value::Int(7))
    }
}

#[test]
fn facts_are_asked_for_only_when_needed() {
    let asked = |condition: &str| {
        let facts = Asked(RefCell::default());
        let _verdict = program(condition).eval(&facts);
        facts.0.into_inner()
    };
    assert_eq!(asked("session.calls == 7 || args == 7"), [7]);
    assert_eq!(asked("session.calls == 8 && args == 7"), [7]);
    assert_eq!(asked("session.calls == 7 ? later == 7 : args == 7"), [7, 1]);
    assert_eq!(asked("session.calls == 8 || args == 7"), [7, 0]);
}

#[test]
fn constants_are_known() {
    for (condition, constant) in [
        ("true", Some(true)),
        ("1 > 2", Some(false)),
        ("args.a == 1 && false", Some(false)),
        ("true || args.a == 1", Some(true)),
        ("[1, 2].all(n, n > args.a) || 'a' in ['a']", Some(true)),
        ("args.l.all(x, true)", None),
        ("args.a == args.a", None),
        ("has(args.a)", None),
        ("duration('1h') > duration('1m')", Some(true)),
        ("timestamp('2026-03-01T00:00:00Z').getHours('Europe/Berlin') == 1", Some(true)),
    ] {
        assert_eq!(program(condition).constant(), constant, "{condition}");
    }
}

#[test]
fn several_issues_are_shown_at_once_in_order() {
    let issues = Program::compile("arg.x == 1 && 'a'.startswith('b') && 1 == 'c' && nov > now", &env());
    let messages: Vec<String> = issues.unwrap_err().into_iter().map(|issue| issue.message).collect();
    assert_eq!(
        messages,
        [
            "`arg` is not known here",
            "there is no function `startswith`",
            "`==` does not take an int and a string",
            "`nov` is not known here",
        ]
    );
}

#[test]
fn issues_are_not_without_end() {
    let issues = Program::compile(&vec!["a == 1"; 500].join(" && "), &env()).unwrap_err();
    assert!(issues.len() <= 20, "{}", issues.len());
}

#[test]
fn spans_show_what_is_wrong() {
    let source = "args.total > 5 && order.amont > 1.0";
    let issues = Program::compile(source, &env()).unwrap_err();
    assert_eq!(source.get(issues[0].span.clone()), Some("amont"));
    let source = "é == 'é'";
    let issues = Program::compile(source, &env()).unwrap_err();
    assert_eq!(source.get(issues[0].span.clone()), Some("é"));
}

#[test]
fn faults_show_where_and_why() {
    let condition = "args.a == 1 && args.order.total > 500";
    let args = json!({"a": 1, "order": {}});
    let verdict = program(condition).eval(&Facts { args: &args, order: &order(), groups: &Vec::new() });
    let Verdict::Error(fault) = verdict else { panic!("{verdict:?}") };
    assert_eq!(condition.get(fault.span.clone()), Some("args.order.total"));
    assert_eq!(fault.kind, FaultKind::Missing { name: "args.order.total".into() });
    assert_eq!(fault.to_string(), "`args.order.total` is missing");
}

#[test]
fn a_schema_types_a_fact() {
    let typed = env().with_fact_type(ARGS, record("transfer", [("total", required(Type::Double))], false));
    assert!(Program::compile("args.total > 500", &typed).is_ok());
    let issues = Program::compile("args.totl > 500", &typed).unwrap_err();
    assert_eq!(issues[0].message, "`transfer` has no member `totl`");
    let issues = Program::compile("args.total == '500'", &typed).unwrap_err();
    assert_eq!(issues[0].message, "`==` does not take a double and a string");
    // The other environment is as it was.
    assert!(Program::compile("args.totl > 500", &env()).is_ok());
    assert!(Program::compile("order.id == 'A'", &env().with_fact_type(ORDER, Type::String)).is_err());
}

#[test]
fn facts_that_break_their_type_are_faults() {
    let program = program("order.id == 'A1'");
    for broken in [json!({"id": 5}), json!({}), json!([]), json!("A1"), json!(null)] {
        let facts = Facts { args: &json!({}), order: &broken, groups: &Vec::new() };
        assert!(matches!(program.eval(&facts), Verdict::Error(_)), "{broken}");
    }
}

#[test]
fn names_are_listed_in_full() {
    let env = env();
    let names: Vec<String> = env.names().map(|name| format!("{}: {}", name.path, name.ty)).collect();
    assert_eq!(
        names,
        [
            "absent: int",
            "args: dyn",
            "groups: list(string)",
            "later: dyn",
            "now: timestamp",
            "open: open",
            "order: order",
            "session.age: duration",
            "session.calls: int",
            "session.labels: map(string, string)",
            "session.usd: int",
        ]
    );
}
