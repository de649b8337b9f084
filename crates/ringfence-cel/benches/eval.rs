//! What one evaluation costs, for conditions as rules have them.

use divan::{Bencher, black_box};
use ringfence_cel::{Activation, Env, Fact, Program, Slot, Type, Value};
use serde_json::json;

fn main() {
    divan::main();
}

const ARGS: Slot = Slot(0);
const LABELS: Slot = Slot(1);

struct Facts<'a> {
    args: &'a serde_json::Value,
    labels: &'a [(&'a str, Value<'a>)],
}

impl<'a> Activation<'a> for Facts<'a> {
    fn fact(&self, slot: Slot) -> Fact<'a> {
        match slot {
            ARGS => Fact::Known(Value::Json(self.args)),
            LABELS => Fact::Known(Value::Record(self.labels)),
            _ => Fact::Missing,
        }
    }
}

const CONDITIONS: [&str; 6] = [
    "args.total > 500.0",
    "args.path.startsWith(\"/srv/\") && !args.path.contains(\"..\")",
    "session.labels.integrity == \"trusted\"",
    "args.id.matches(\"^INV-[0-9]{4}$\")",
    "args.region in [\"eu-west\", \"eu-central\", \"eu-north\"]",
    "args.items.all(item, item.quantity <= 10)",
];

#[divan::bench(args = CONDITIONS, min_time = 0.2, max_time = 0.5)]
fn eval(bencher: Bencher, condition: &str) {
    let env = Env::builder()
        .fact("args", ARGS, Type::Dyn)
        .namespace("session", &[("labels", LABELS, Type::Dyn)])
        .build();
    let program = Program::compile(condition, &env).expect("the condition compiles");
    let args = json!({
        "total": 90.5, "path": "/srv/data/report.pdf", "id": "INV-2041", "region": "eu-north",
        "items": [{"quantity": 1}, {"quantity": 2}, {"quantity": 3}],
    });
    let labels = [("confidentiality", Value::Str("internal")), ("integrity", Value::Str("trusted"))];
    let facts = Facts { args: &args, labels: &labels };
    bencher.bench(|| black_box(&program).eval(black_box(&facts)));
}

#[divan::bench(args = CONDITIONS, min_time = 0.1, max_time = 0.3)]
fn compile(bencher: Bencher, condition: &str) {
    let env = Env::builder()
        .fact("args", ARGS, Type::Dyn)
        .namespace("session", &[("labels", LABELS, Type::Dyn)])
        .build();
    bencher.bench(|| Program::compile(black_box(condition), &env).expect("the condition compiles"));
}
