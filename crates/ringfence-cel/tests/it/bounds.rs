//! What is promised of the cost of a condition.

use ringfence_cel::{FUEL, Program, Verdict};
use serde_json::json;

use crate::facts::{Facts, env, order};

fn bound(condition: &str) -> u64 {
    Program::compile(condition, &env()).unwrap().cost_bound()
}

#[test]
fn conditions_over_values_of_known_size_have_small_bounds() {
    assert!(bound("args.total > 500.0") < 50);
    assert!(bound("session.labels.integrity == 'trusted'") < 50);
    assert!(bound("args.path.startsWith('/srv/')") < 50);
    assert!(bound("args.region in ['a', 'b', 'c']") < 50);
    assert!(bound("[1, 2, 3].all(n, args.limit > 5)") < 150);
}

#[test]
fn conditions_over_values_of_any_size_are_bounded_by_the_fuel() {
    for condition in
        ["args.a.contains('x')", "args.a == args.b", "args.l.all(x, x > 1)", "args.a.matches('b')"]
    {
        assert_eq!(bound(condition), FUEL, "{condition}");
    }
}

#[test]
fn cost_follows_what_is_looked_at() {
    let cost = |elements: usize| {
        let program = Program::compile("args.l.all(n, n >= 0)", &env()).unwrap();
        let args = json!({"l": (0..elements).collect::<Vec<_>>()});
        let (verdict, cost) = program.measure(&Facts { args: &args, order: &order(), groups: &Vec::new() });
        assert_eq!(verdict, Verdict::True);
        cost
    };
    assert_eq!(cost(200) - cost(100), cost(300) - cost(200));
    assert!(cost(100) > cost(0));
}
