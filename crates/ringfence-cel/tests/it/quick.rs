//! What is told at once comes to the same as what is told the general way: a fact on the left and
//! what is written out on the right is quick, the same turned round is not.

use std::mem::{self, Discriminant};

use ringfence_cel::{Fault, FaultKind, Program, Verdict};
use serde_json::{Value, json};

use crate::facts::{Facts, env};

const TURNED: [(&str, &str); 6] =
    [("<", ">"), ("<=", ">="), (">", "<"), (">=", "<="), ("==", "=="), ("!=", "!=")];

/// Numbers at which types, signs and the precision of a double end, and texts around what is free.
const WRITTEN: [&str; 23] = [
    "0",
    "-1",
    "1",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "9223372036854775807",
    "-9223372036854775807",
    "0.0",
    "-0.0",
    "0.5",
    "-0.5",
    "9007199254740992.0",
    "9223372036854775808.0",
    "18446744073709551616.0",
    "1e308",
    "5e-324",
    "9223372036854775808u",
    "18446744073709551615u",
    "'a'",
    "''",
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
];

fn given() -> Vec<Value> {
    vec![
        json!(0),
        json!(-1),
        json!(1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1u64 << 63),
        json!(1i64 << 53),
        json!((1i64 << 53) + 1),
        json!(-(1i64 << 53) - 1),
        json!(0.0),
        json!(-0.0),
        json!(0.5),
        json!(-0.5),
        json!(9_007_199_254_740_992.0),
        json!(9_223_372_036_854_775_808.0),
        json!(1e308),
        json!(5e-324),
        json!("a"),
        json!(""),
        json!("b"),
        json!("a".repeat(64)),
        json!("a".repeat(63)),
        json!(null),
        json!(true),
        json!([1]),
        json!({}),
    ]
}

/// What is told, but for where it stands and which side is which.
fn told(program: &Program, args: &Value) -> Result<bool, Option<Discriminant<FaultKind>>> {
    let (order, groups) = (json!({}), Vec::new());
    match program.eval(&Facts { args, order: &order, groups: &groups }) {
        Verdict::True => Ok(true),
        Verdict::False => Ok(false),
        Verdict::Unknown => Err(None),
        Verdict::Error(fault) => {
            let Fault { kind, .. } = *fault;
            Err(Some(mem::discriminant(&kind)))
        }
    }
}

fn program(condition: &str) -> Program {
    Program::compile(condition, &env()).unwrap_or_else(|issues| panic!("{condition}: {issues:?}"))
}

#[test]
fn either_way_is_the_same() {
    for (operator, turned) in TURNED {
        for written in WRITTEN {
            let (quick, general) = (
                program(&format!("args.x {operator} {written}")),
                program(&format!("{written} {turned} args.x")),
            );
            // Few members are looked for in another way than many.
            for (given, more) in given().into_iter().flat_map(|given| [(given.clone(), 0), (given, 12)]) {
                let mut args: serde_json::Map<String, Value> =
                    (0..more).map(|n| (format!("other{n}"), json!(n))).collect();
                args.insert("x".to_owned(), given);
                let args = Value::Object(args);
                assert_eq!(told(&quick, &args), told(&general, &args), "{} {operator} {written}", args["x"]);
            }
        }
    }
}

#[test]
fn what_is_not_there_is_missing_either_way() {
    for (operator, turned) in TURNED {
        let (quick, general) =
            (program(&format!("args.x {operator} 1")), program(&format!("1 {turned} args.x")));
        for args in [json!({}), json!({"y": 1}), json!(1), json!("a"), json!(null)] {
            assert!(told(&quick, &args).is_err(), "{args}");
            assert_eq!(told(&quick, &args), told(&general, &args), "{args} {operator}");
        }
    }
}
