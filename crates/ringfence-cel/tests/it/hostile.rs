//! Conditions and facts that are made to exhaust the stack, the memory or the time.

use std::fmt::Write;

use proptest::prelude::{Strategy, any, prop};
use proptest::test_runner::Config;
use proptest::{prop_assert, proptest};
use ringfence_cel::{FUEL, FaultKind, Issue, Program, Verdict};
use serde_json::{Value as Json, json};

use crate::facts::{Facts, env, order};

fn compile(source: &str) -> Result<Program, Vec<Issue>> {
    let compiled = Program::compile(source, &env());
    if let Err(issues) = &compiled {
        assert!(!issues.is_empty());
        for issue in issues {
            assert!(source.get(issue.span.clone()).is_some(), "a span outside of the text: {issue:?}");
        }
    }
    compiled
}

fn message(source: &str) -> String {
    compile(source).expect_err("it is refused").remove(0).message
}

fn eval(source: &str, args: &Json) -> Verdict {
    let program = compile(source).unwrap_or_else(|issues| panic!("{source}: {issues:?}"));
    let groups = vec!["staff".to_owned()];
    let (verdict, cost) = program.measure(&Facts { args, order: &order(), groups: &groups });
    assert!(cost <= program.cost_bound() && cost <= FUEL, "{source}: {cost} of {}", program.cost_bound());
    verdict
}

fn is_too_costly(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Error(fault) if fault.kind == FaultKind::TooCostly)
}

#[test]
fn what_nests_without_end_is_refused() {
    let fill = |unit: &str| unit.repeat(16 * 1024 / unit.len());
    for unit in [
        "(",
        "[",
        "{",
        "!",
        "-",
        "- ",
        "{1:",
        "[[",
        "(!",
        "-(",
        "a[",
        "f(",
        "a.f(",
        "true?",
        "true?true:",
        "has(",
    ] {
        compile(&fill(unit)).expect_err(unit);
    }
    assert!(message(&fill("(")).contains("nests deeper"));
    assert!(message(&fill("!")).contains("nests deeper"));
    assert!(message(&format!("args{} == 1", ".a".repeat(8000))).contains("nests deeper"));
    assert!(message(&format!("1{} == 1", "+1".repeat(8000))).contains("nests deeper"));
    assert!(message(&format!("args{} == 1", "[0]".repeat(5000))).contains("nests deeper"));
}

#[test]
fn the_depth_that_is_allowed_compiles_and_runs() {
    let within = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(eval(&within(63), &json!({})), Verdict::True);
    compile(&within(64)).expect_err("one more");
    assert_eq!(eval(&format!("{}true", "!".repeat(62)), &json!({})), Verdict::True);
    assert_eq!(eval(&format!("1{} == 60", "+1".repeat(59)), &json!({})), Verdict::True);
    let lists = format!("{}1{} == {}1{}", "[".repeat(60), "]".repeat(60), "[".repeat(60), "]".repeat(60));
    assert_eq!(eval(&lists, &json!({})), Verdict::True);
    let mut loops = "true".to_owned();
    for level in 0..30 {
        loops = format!("[1].all(x{level}, {loops})");
    }
    assert_eq!(eval(&loops, &json!({})), Verdict::True);
}

#[test]
fn long_rows_of_and_are_one_level() {
    let row = vec!["args.a == 1"; 900].join(" && ");
    assert_eq!(eval(&row, &json!({"a": 1})), Verdict::True);
    assert_eq!(eval(&row.replace("&&", "||"), &json!({"a": 2})), Verdict::False);
}

#[test]
fn sources_and_their_parts_are_counted() {
    assert!(message(&" ".repeat(16 * 1024 + 1)).contains("16384 are allowed"));
    assert!(message(&vec!["1==1"; 2500].join("&&")).contains("more than 4096 parts"));
    assert!(message(&format!("[{}] == []", "1,".repeat(5000))).contains("more than 4096 parts"));
    assert!(message(&format!("{} > 0", "9".repeat(16_000))).len() < 200);
    assert!(message(&format!("'{}", "a".repeat(16_000))).len() < 200);
    let mut entries = String::new();
    for key in 0..300 {
        write!(entries, "{key}: 1, ").unwrap();
    }
    assert!(message(&format!("{{{entries}}}.size() == 1")).contains("at most 256 entries"));
}

#[test]
fn loops_within_loops_run_out_of_fuel() {
    let mut eights = "args.n == 1".to_owned();
    let mut twos = "1 / args.n == 1".to_owned();
    for level in 0..12 {
        eights = format!("args.l.all(x{level}, {eights})");
    }
    for level in 0..20 {
        twos = format!("args.l.all(x{level}, {twos})");
    }
    assert!(is_too_costly(&eval(&eights, &json!({"n": 1, "l": [1, 2, 3, 4, 5, 6, 7, 8]}))));
    assert!(is_too_costly(&eval(&twos, &json!({"n": 0, "l": [0, 1]}))));
    // What runs out stays out: neither side can go on by being absorbed.
    assert!(is_too_costly(&eval(&format!("({twos}) || ({twos})"), &json!({"n": 0, "l": [0, 1]}))));
    // Over lists that are written out it is found when the condition is loaded.
    for unsettled in [&eights, &twos] {
        assert!(message(&unsettled.replace("args.l", "[1, 2, 3]")).contains("costs more than 100000 steps"));
    }
    let elements: Vec<Json> = (0..2000).map(|n| json!(n)).collect();
    let verdict = eval("args.l.all(a, args.l.all(b, a + b >= 0))", &json!({"l": elements}));
    assert!(is_too_costly(&verdict));
}

#[test]
fn what_doubles_runs_out_of_fuel_before_memory() {
    // Lists share what they hold; looking through them is what doubles.
    let lists = format!("args.l{}", ".map(x, [x + x, x + x])".repeat(40));
    assert!(is_too_costly(&eval(&format!("{lists} == {lists}"), &json!({"l": ["foo", "bar"]}))));
    let texts = format!("args.l{}.size() > 0", ".map(x, x + x)".repeat(40));
    assert!(is_too_costly(&eval(&texts, &json!({"l": ["foo", "bar"]}))));
    let joined = format!("[args.t]{}.size() > 0", ".map(x, x + x + x + x)".repeat(20));
    assert!(is_too_costly(&eval(&joined, &json!({"t": "a".repeat(1000)}))));
}

#[test]
fn large_texts_are_paid_for() {
    let text = "a".repeat(7_000_000);
    let args = json!({"t": text, "u": text.clone() + "b", "v": text});
    for condition in [
        "args.t.contains('b')",
        "args.t == args.v",
        "args.t < args.u",
        "args.t.size() > 1",
        "args.t.matches('b')",
        "args.u.endsWith(args.t + 'b')",
        "args.t.lowerAscii() == 'a'",
        "(args.t + args.u).size() > 1",
        "args.t in [args.v]",
    ] {
        assert!(is_too_costly(&eval(condition, &args)), "{condition}");
    }
    assert_eq!(eval("args.t == 'a'", &args), Verdict::False);
    assert_eq!(eval("args.t.startsWith('aa')", &args), Verdict::True);
    let Verdict::Error(_) = eval("int(args.t) == 1", &args) else { panic!("no number has that many digits") };
}

#[test]
fn patterns_run_in_linear_time_or_are_refused() {
    let text = "a".repeat(50_000);
    for pattern in ["(a*)*b", "(a|a)*b", "(a+)+$x", "(.*a){20}b", "^(([a-z])+.)+[A-Z]([a-z])+$"] {
        let verdict = eval(&format!("args.t.matches('{pattern}')"), &json!({"t": text}));
        assert_ne!(verdict, Verdict::True, "{pattern}");
    }
    for pattern in ["a{1,100000}", "((a{1,100}){1,100}){1,100}", r"\\w{1,500}", "(?=a)b"] {
        compile(&format!("args.t.matches('{pattern}')")).expect_err(pattern);
    }
}

#[test]
fn deep_facts_do_not_exhaust_the_stack() {
    let mut deep = json!(1);
    for _ in 0..400 {
        deep = json!([deep]);
    }
    let args = json!({"a": deep, "b": deep});
    assert!(is_too_costly(&eval("args.a == args.b", &args)));
    assert!(is_too_costly(&eval("args.a in [args.b]", &args)));
}

fn json_value() -> impl Strategy<Value = Json> {
    let leaf = proptest::prop_oneof![
        proptest::strategy::Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "[a-z/.é]{0,12}".prop_map(Json::from),
        proptest::strategy::Just(json!("2026-03-01T00:00:00Z")),
        proptest::strategy::Just(json!("90s")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        proptest::prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

const PIECES: [&str; 58] = [
    "args",
    "args.a",
    "args.b",
    "args.a.b",
    "later",
    "absent",
    "now",
    "groups",
    "order",
    "order.id",
    "order.amount",
    "session.calls",
    "session",
    "x",
    "1",
    "2u",
    "0.5",
    "'a'",
    "b'a'",
    "null",
    "true",
    "false",
    "[1, 'a']",
    "{'a': 1}",
    "-",
    "!",
    "+",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">=",
    "in",
    "&&",
    "||",
    "?",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    ".size()",
    ".all(x, ",
    ".map(x, ",
    ".exists(x, x == ",
    "has(",
    "int(",
    "string(",
    "timestamp(",
    "duration(",
    ".matches('a+')",
    ".getHours()",
];

proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_text_is_read_or_refused(source in any::<String>()) {
        let _refused = compile(&source).is_err();
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _refused = compile(&String::from_utf8_lossy(&bytes)).is_err();
    }

    #[test]
    fn any_quotes_and_escapes_are_read_or_refused(source in r#"[rb]{0,2}['"]{1,3}[\\xuU0-9a-f'"\n]{0,24}"#) {
        let _refused = compile(&source).is_err();
    }

    #[test]
    fn pieces_in_any_order_are_refused_or_run_within_their_bound(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 1..14),
        args in json_value(),
    ) {
        let source = pieces.join(" ");
        if compile(&source).is_ok() {
            let _verdict = eval(&source, &args);
        }
    }

    #[test]
    fn whatever_the_facts_are_there_is_a_verdict(a in json_value(), b in json_value()) {
        let args = json!({"a": a, "b": b});
        for condition in CONDITIONS {
            let verdict = eval(condition, &args);
            // `!=` is the contrary of `==`, faults included.
            if condition == "args.a == args.b" {
                let contrary = eval("args.a != args.b", &args);
                prop_assert!(
                    matches!(
                        (&verdict, &contrary),
                        (Verdict::True, Verdict::False)
                            | (Verdict::False, Verdict::True)
                            | (Verdict::Error(_), Verdict::Error(_))
                    ),
                    "{verdict:?} {contrary:?}"
                );
            }
        }
    }
}

const CONDITIONS: [&str; 30] = [
    "args.a == args.b",
    "args.a < args.b",
    "args.a + args.b == args.a",
    "args.a - args.b == args.a",
    "args.a * args.b == args.a",
    "args.a / args.b == args.a",
    "args.a % args.b == args.a",
    "-args.a == args.b",
    "args.a in args.b",
    "args.a[args.b] == 1",
    "args.a.b == args.b.a",
    "has(args.a.b) && args.a.b > 1",
    "args.a && args.b || !args.a",
    "args.a ? args.b : args.a",
    "args.a.all(x, x == args.b)",
    "args.a.exists_one(x, x == args.b)",
    "args.a.map(x, [x, x]).filter(x, x[0] == args.b).size() == 1",
    "size(args.a) == size(args.b)",
    "int(args.a) == int(args.b)",
    "uint(args.a) == uint(args.b)",
    "double(args.a) == double(args.b)",
    "string(args.a) == string(args.b)",
    "bytes(args.a) == bytes(args.b)",
    "timestamp(args.a) + duration(args.b) > now",
    "now + duration(args.a) - duration(args.b) > now",
    "timestamp(args.a).getHours(args.b) == 1",
    "args.a.contains(args.b) || args.a.startsWith(args.b) || args.a.endsWith(args.b)",
    "args.a.lowerAscii().upperAscii().trim() == args.b",
    "{args.a: args.b}[args.b] == args.a",
    "type(args.a) == type(args.b)",
];
