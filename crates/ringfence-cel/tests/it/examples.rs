//! What the table of functions shows a reader is true.

use ringfence_cel::{Env, Program, Verdict, functions};

use crate::facts::Unknown;

#[test]
fn every_example_in_the_table_of_functions_is_true() {
    let env = Env::builder().build();
    for function in functions() {
        let program = Program::compile(function.example, &env)
            .unwrap_or_else(|issues| panic!("{}: {issues:?}", function.example));
        assert_eq!(program.eval(&Unknown), Verdict::True, "{}", function.example);
        assert!(function.example.contains(function.name), "{} shows another function", function.name);
        assert!(function.summary.ends_with('.'), "{}: a sentence ends with a period", function.name);
    }
}

#[test]
fn the_table_is_in_alphabetical_order_and_shows_how_to_call() {
    let names: Vec<String> = functions().iter().map(|function| function.name.to_lowercase()).collect();
    assert!(names.is_sorted(), "{names:?}");
    let usages: Vec<String> = functions().iter().flat_map(|function| function.usages()).collect();
    assert!(usages.contains(&"string.startsWith(string) -> bool".to_owned()));
    assert!(usages.contains(&"timestamp.getHours(string) -> int".to_owned()));
    assert!(usages.contains(&"has(record.member) -> bool".to_owned()));
}
