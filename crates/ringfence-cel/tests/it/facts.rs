//! The facts that the tests evaluate over.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringfence_cel::{Activation, Env, Fact, Member, Record, Slot, Type, Value};
use serde_json::{Value as Json, json};

pub(crate) const ARGS: Slot = Slot(0);
const LATER: Slot = Slot(1);
const ABSENT: Slot = Slot(2);
const NOW: Slot = Slot(3);
const GROUPS: Slot = Slot(4);
pub(crate) const ORDER: Slot = Slot(5);
const OPEN: Slot = Slot(6);
const CALLS: Slot = Slot(7);
const USD: Slot = Slot(8);
const AGE: Slot = Slot(9);
const LABELS: Slot = Slot(63);

/// Facts of which none is known.
pub(crate) struct Unknown;

impl<'a> Activation<'a> for Unknown {
    fn fact(&self, _slot: Slot) -> Fact<'a> {
        Fact::Unknown
    }
}

/// One of each kind: known, missing, not known yet.
pub(crate) struct Facts<'a> {
    pub(crate) args: &'a Json,
    pub(crate) order: &'a Json,
    pub(crate) groups: &'a Vec<String>,
}

const LABEL_VALUES: &[(&str, Value<'static>)] =
    &[("confidentiality", Value::Str("internal")), ("integrity", Value::Str("trusted"))];
const OPEN_VALUES: &[(&str, Value<'static>)] = &[("kind", Value::Str("x"))];

impl<'a> Activation<'a> for Facts<'a> {
    fn fact(&self, slot: Slot) -> Fact<'a> {
        match slot {
            ARGS => Fact::Known(Value::Json(self.args)),
            NOW => Fact::Known(Value::Timestamp("2026-11-20T13:50:38.123Z".parse().unwrap())),
            GROUPS => Fact::Known(Value::List(self.groups)),
            ORDER => Fact::Known(Value::Json(self.order)),
            OPEN => Fact::Known(Value::Record(OPEN_VALUES)),
            CALLS => Fact::Known(Value::Int(7)),
            LABELS => Fact::Known(Value::Record(LABEL_VALUES)),
            LATER | AGE => Fact::Unknown,
            _ => Fact::Missing,
        }
    }
}

pub(crate) fn env() -> Env {
    Env::builder()
        .fact("args", ARGS, Type::Dyn)
        .fact("later", LATER, Type::Dyn)
        .fact("absent", ABSENT, Type::Int)
        .fact("now", NOW, Type::Timestamp)
        .fact("groups", GROUPS, Type::List(Arc::new(Type::String)))
        .fact("order", ORDER, order_type())
        .fact("open", OPEN, record("open", [("kind", required(Type::String))], true))
        .namespace(
            "session",
            &[
                ("calls", CALLS, Type::Int),
                ("usd", USD, Type::Int),
                ("age", AGE, Type::Duration),
                ("labels", LABELS, Type::Map(Arc::new(Type::String))),
            ],
        )
        .build()
}

pub(crate) fn order() -> Json {
    json!({
        "id": "A1", "amount": 12.5, "address": {"city": "Bonn"},
        "lines": [{"sku": "x", "quantity": 3}, {"sku": "y"}],
    })
}

pub(crate) fn order_type() -> Type {
    let address =
        record("address", [("city", required(Type::String)), ("zip", optional(Type::String))], false);
    let line = record("line", [("sku", required(Type::String)), ("quantity", optional(Type::Int))], false);
    record(
        "order",
        [
            ("id", required(Type::String)),
            ("amount", optional(Type::Double)),
            ("note", optional(Type::String)),
            ("address", optional(address)),
            ("lines", required(Type::List(Arc::new(line)))),
        ],
        false,
    )
}

pub(crate) fn record<const N: usize>(name: &str, members: [(&str, Member); N], open: bool) -> Type {
    let members: BTreeMap<String, Member> =
        members.into_iter().map(|(name, member)| (name.to_owned(), member)).collect();
    Type::Record(Arc::new(Record { name: name.to_owned(), members, open }))
}

pub(crate) fn required(ty: Type) -> Member {
    Member { ty, optional: false }
}

pub(crate) fn optional(ty: Type) -> Member {
    Member { ty, optional: true }
}
