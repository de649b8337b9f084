//! A value during an evaluation: copied freely, borrowing from facts, constants and the arena.

use jiff::{SignedDuration, Timestamp};

use crate::tree::Const;
use crate::{Kind, Sequence, Value};

// The discriminant is a whole word, so that every payload is aligned and moves in whole words.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(crate) enum Val<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Str(&'v str),
    Bytes(&'v [u8]),
    Duration(SignedDuration),
    Timestamp(Timestamp),
    Kind(Kind),
    List(List<'v>),
    Map(Map<'v>),
}

#[derive(Clone, Copy)]
pub(crate) enum List<'v> {
    Json(&'v [serde_json::Value]),
    Host(&'v dyn Sequence),
    Const(&'v [Const]),
    Made(&'v [Val<'v>]),
}

#[derive(Clone, Copy)]
pub(crate) enum Map<'v> {
    Json(&'v serde_json::Map<String, serde_json::Value>),
    Host(&'v [(&'v str, Value<'v>)]),
    Made(&'v [(Val<'v>, Val<'v>)]),
}

impl Val<'_> {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Val::Null => Kind::Null,
            Val::Bool(_) => Kind::Bool,
            Val::Int(_) => Kind::Int,
            Val::Uint(_) => Kind::Uint,
            Val::Double(_) => Kind::Double,
            Val::Str(_) => Kind::String,
            Val::Bytes(_) => Kind::Bytes,
            Val::Duration(_) => Kind::Duration,
            Val::Timestamp(_) => Kind::Timestamp,
            Val::Kind(_) => Kind::Type,
            Val::List(_) => Kind::List,
            Val::Map(_) => Kind::Map,
        }
    }
}

impl<'v> List<'v> {
    pub(crate) fn len(self) -> usize {
        match self {
            List::Json(items) => items.len(),
            List::Host(items) => items.len(),
            List::Const(items) => items.len(),
            List::Made(items) => items.len(),
        }
    }

    pub(crate) fn at(self, index: usize) -> Option<Val<'v>> {
        match self {
            List::Json(items) => items.get(index).map(Val::from),
            List::Host(items) => items.at(index).map(Val::from),
            List::Const(items) => items.get(index).map(Val::from),
            List::Made(items) => items.get(index).copied(),
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Val<'v>> {
        (0..self.len()).map_while(move |index| self.at(index))
    }
}

impl<'v> Map<'v> {
    pub(crate) fn len(self) -> usize {
        match self {
            Map::Json(members) => members.len(),
            Map::Host(members) => members.len(),
            Map::Made(entries) => entries.len(),
        }
    }

    pub(crate) fn iter(self) -> Entries<'v> {
        match self {
            Map::Json(members) => Entries::Json(members.iter()),
            Map::Host(members) => Entries::Host(members.iter()),
            Map::Made(entries) => Entries::Made(entries.iter()),
        }
    }
}

/// The keys and values of a map, in its own order.
pub(crate) enum Entries<'v> {
    Json(serde_json::map::Iter<'v>),
    Host(std::slice::Iter<'v, (&'v str, Value<'v>)>),
    Made(std::slice::Iter<'v, (Val<'v>, Val<'v>)>),
}

impl<'v> Iterator for Entries<'v> {
    type Item = (Val<'v>, Val<'v>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Entries::Json(members) => {
                members.next().map(|(key, value)| (Val::Str(key.as_str()), Val::from(value)))
            }
            Entries::Host(members) => members.next().map(|(key, value)| (Val::Str(key), Val::from(*value))),
            Entries::Made(entries) => entries.next().copied(),
        }
    }
}

impl<'v> From<Value<'v>> for Val<'v> {
    fn from(value: Value<'v>) -> Val<'v> {
        match value {
            Value::Null => Val::Null,
            Value::Bool(value) => Val::Bool(value),
            Value::Int(value) => Val::Int(value),
            Value::Uint(value) => Val::Uint(value),
            Value::Double(value) => Val::Double(value),
            Value::Str(value) => Val::Str(value),
            Value::Bytes(value) => Val::Bytes(value),
            Value::Duration(value) => Val::Duration(value),
            Value::Timestamp(value) => Val::Timestamp(value),
            Value::Json(value) => Val::from(value),
            Value::Record(members) => Val::Map(Map::Host(members)),
            Value::List(items) => Val::List(List::Host(items)),
        }
    }
}

impl<'v> From<&'v serde_json::Value> for Val<'v> {
    fn from(value: &'v serde_json::Value) -> Val<'v> {
        match value {
            serde_json::Value::Null => Val::Null,
            serde_json::Value::Bool(value) => Val::Bool(*value),
            serde_json::Value::Number(number) => {
                if let Some(value) = number.as_i64() {
                    Val::Int(value)
                } else if let Some(value) = number.as_u64() {
                    Val::Uint(value)
                } else {
                    // Only a number that was kept as text can be beyond a double; none is then right.
                    Val::Double(number.as_f64().unwrap_or(f64::NAN))
                }
            }
            serde_json::Value::String(text) => Val::Str(text),
            serde_json::Value::Array(items) => Val::List(List::Json(items)),
            serde_json::Value::Object(members) => Val::Map(Map::Json(members)),
        }
    }
}

impl<'v> From<&'v Const> for Val<'v> {
    fn from(value: &'v Const) -> Val<'v> {
        match value {
            Const::Null => Val::Null,
            Const::Bool(value) => Val::Bool(*value),
            Const::Int(value) => Val::Int(*value),
            Const::Uint(value) => Val::Uint(*value),
            Const::Double(value) => Val::Double(*value),
            Const::String(value) => Val::Str(value),
            Const::Bytes(value) => Val::Bytes(value),
            Const::Duration(value) => Val::Duration(*value),
            Const::Timestamp(value) => Val::Timestamp(*value),
            Const::Kind(value) => Val::Kind(*value),
            Const::List(items) => Val::List(List::Const(items)),
        }
    }
}
