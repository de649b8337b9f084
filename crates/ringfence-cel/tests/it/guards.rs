//! What is accepted as guarded is: whichever optional members are absent, none is found missing.

use std::cell::Cell;

use proptest::prelude::{Just, Strategy, prop};
use proptest::prop_oneof;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use ringfence_cel::{FaultKind, Program, Verdict};
use serde_json::{Value as Json, json};

use crate::facts::{Facts, env, order};

const ATOMS: [&str; 14] = [
    "has(order.amount)",
    "order.amount > 1.0",
    "has(order.note)",
    "order.note == 'x'",
    "has(order.address)",
    "order.address.city == 'Bonn'",
    "has(order.address.zip)",
    "order.address.zip == '1'",
    "order.id == 'A1'",
    "order.id == 'B2'",
    "order.lines.exists(line, has(line.quantity) && line.quantity > 1)",
    "order.lines.all(line, !has(line.quantity) || line.quantity > 1)",
    "order.lines.exists(line, order.amount > 1.0 && has(order.note))",
    "order.lines.all(line, line.quantity > 1)",
];

fn condition() -> impl Strategy<Value = String> {
    // Half of the time a guard stands before what it guards, or conditions would hardly ever compile.
    let pair = prop::sample::select(&["amount > 1.0", "note == 'x'", "address.city == 'Bonn'"][..])
        .prop_flat_map(|read| {
            let member = read.split(['.', ' ']).next().unwrap_or("");
            prop_oneof![
                Just(format!("(has(order.{member}) && order.{read})")),
                Just(format!("(!has(order.{member}) || order.{read})")),
                Just(format!("(order.{read} && has(order.{member}))")),
                Just(format!("(has(order.{member}) ? order.{read} : true)")),
            ]
        });
    let leaf = prop_oneof![prop::sample::select(ATOMS.to_vec()).prop_map(str::to_owned), pair];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" && "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" || "))),
            inner.clone().prop_map(|one| format!("!{one}")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

/// The order without some of its optional members.
fn orders() -> Vec<Json> {
    let mut whole = order();
    whole["note"] = json!("x");
    whole["address"]["zip"] = json!("1");
    let mut orders = Vec::new();
    for absent in 0u8..16 {
        let mut order = whole.clone();
        let members = order.as_object_mut().unwrap();
        for (bit, member) in [(1, "amount"), (2, "note"), (4, "address")] {
            if absent & bit != 0 {
                members.remove(member);
            }
        }
        if absent & 8 != 0
            && let Some(address) = members.get_mut("address")
        {
            address.as_object_mut().unwrap().remove("zip");
        }
        orders.push(order);
    }
    orders
}

#[test]
fn what_compiles_finds_no_optional_member_missing() {
    let orders = orders();
    let compiled = Cell::new(0u32);
    let mut runner = TestRunner::new(Config { cases: 4000, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&condition(), |condition| {
        let Ok(program) = Program::compile(&condition, &env()) else { return Ok(()) };
        compiled.set(compiled.get() + 1);
        for order in &orders {
            let verdict = program.eval(&Facts { args: &json!({}), order, groups: &Vec::new() });
            if let Verdict::Error(fault) = verdict {
                assert!(matches!(fault.kind, FaultKind::Missing { .. }));
                return Err(TestCaseError::fail(format!("{condition} over {order}: {fault}")));
            }
        }
        Ok(())
    });
    outcome.unwrap();
    assert!(compiled.get() > 200, "only {} compiled: the test says little", compiled.get());
}
