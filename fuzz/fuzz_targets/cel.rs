//! A condition, on the first line, and the arguments that it is about after it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_cel::{Activation, Env, FUEL, Fact, Program, Slot, Type, Value};

struct Facts(serde_json::Value);

impl<'a> Activation<'a> for &'a Facts {
    fn fact(&self, slot: Slot) -> Fact<'a> {
        match slot.0 {
            0 => Fact::Known(Value::Json(&self.0)),
            1 => Fact::Known(Value::Int(7)),
            2 => Fact::Missing,
            _ => Fact::Unknown,
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (source, arguments) = text.split_once('\n').unwrap_or((text, "{}"));
    let env = Env::builder()
        .fact("args", Slot(0), Type::Dyn)
        .namespace(
            "session",
            &[("calls", Slot(1), Type::Int), ("age", Slot(2), Type::Duration), ("id", Slot(3), Type::String)],
        )
        .build();
    let program = match Program::compile(source, &env) {
        Ok(program) => program,
        Err(issues) => {
            assert!(!issues.is_empty());
            for issue in issues {
                assert!(source.get(issue.span.clone()).is_some(), "{issue:?} lies outside the condition");
            }
            return;
        }
    };
    assert!(program.cost_bound() <= FUEL);
    let Ok(arguments) = serde_json::from_str(arguments) else { return };
    let facts = Facts(arguments);
    let (verdict, steps) = program.measure(&&facts);
    assert!(steps <= program.cost_bound(), "{steps} steps, {} at most", program.cost_bound());
    assert_eq!(format!("{verdict:?}"), format!("{:?}", program.eval(&&facts)));
});
