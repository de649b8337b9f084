//! The cases in `tests/cases`, through one `run`.
//!
//! A case is `if` (the condition), `is` (`true`, `false`, `"fault"`, `"unknown"`, `"issue"`), and
//! where needed `args`, and parts of the message (`why`) and of the advice (`help`).

use ringfence_cel::{FUEL, Program, Verdict};
use serde_json::{Value as Json, json};

use crate::facts::{Facts, env, order};

fn run(name: &str, text: &str) {
    let cases: Vec<Json> = serde_json::from_str(text).unwrap();
    let failures: Vec<String> = cases.iter().filter_map(|case| failure(case).err()).collect();
    assert!(failures.is_empty(), "{name}:\n{}", failures.join("\n"));
}

fn failure(case: &Json) -> Result<(), String> {
    let condition = case["if"].as_str().unwrap();
    let wanted = &case["is"];
    let part = |key: &str| case[key].as_str().unwrap_or("").to_owned();
    let (found, why, help) = outcome(condition, &case["args"]);
    if found == *wanted && why.contains(&part("why")) && help.contains(&part("help")) {
        return Ok(());
    }
    Err(format!("  {condition}\n    wanted {case}\n    found  {found} why {why:?} help {help:?}"))
}

fn outcome(condition: &str, args: &Json) -> (Json, String, String) {
    let program = match Program::compile(condition, &env()) {
        Ok(program) => program,
        Err(issues) => {
            for issue in &issues {
                assert!(condition.get(issue.span.clone()).is_some(), "{condition}: {issue:?}");
            }
            let help: Vec<String> = issues.iter().filter_map(|issue| issue.help.clone()).collect();
            let why: Vec<String> = issues.iter().map(|issue| issue.message.clone()).collect();
            return (json!("issue"), why.join("; "), help.join("; "));
        }
    };
    let none = json!({});
    let args = if args.is_null() { &none } else { args };
    let groups = vec!["staff".to_owned(), "procurement".to_owned()];
    let (verdict, cost) = program.measure(&Facts { args, order: &order(), groups: &groups });
    assert!(cost <= program.cost_bound(), "{condition}: {cost} of {}", program.cost_bound());
    assert!(program.cost_bound() <= FUEL);
    let none = String::new;
    match verdict {
        Verdict::True => (json!(true), none(), none()),
        Verdict::False => (json!(false), none(), none()),
        Verdict::Unknown => (json!("unknown"), none(), none()),
        Verdict::Error(fault) => {
            assert!(condition.get(fault.span.clone()).is_some(), "{condition}: {fault:?}");
            (json!("fault"), fault.to_string(), none())
        }
    }
}

macro_rules! case_files {
    ($($name:ident),*) => {$(
        #[test]
        fn $name() {
            run(stringify!($name), include_str!(concat!("../cases/", stringify!($name), ".json")));
        }
    )*};
}

case_files!(literals, operators, numbers, logic, members, macros, functions, time, issues);
