//! What an action is attempted with: the text as it was sent, and its value.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The arguments of an action: one JSON value, kept both as the bytes that were sent (what a
/// record commits to, number forms included) and parsed (what a condition reads).
///
/// A value that two parsers could read differently is refused: duplicate members, and nesting
/// deeper than [`Arguments::MAX_DEPTH`].
#[derive(Clone)]
pub struct Arguments {
    raw: Arc<str>,
    value: Arc<Value>,
}

/// Arguments that are refused as they stand.
#[derive(Debug, thiserror::Error)]
#[error("the arguments are refused: {0}")]
pub struct BadArguments(#[from] serde_json::Error);

impl Arguments {
    /// How deep arrays and objects may nest.
    pub const MAX_DEPTH: usize = 64;

    /// No arguments: `{}`.
    pub fn none() -> Self {
        Arguments { raw: "{}".into(), value: Arc::new(Value::Object(Map::new())) }
    }

    /// Takes the JSON text as it was sent.
    ///
    /// # Errors
    /// Text that is not JSON, has a duplicate member, or nests too deeply.
    pub fn parse(raw: &str) -> Result<Self, BadArguments> {
        let mut deserializer = serde_json::Deserializer::from_str(raw);
        let value = Strict { depth: 0 }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(Arguments { raw: raw.into(), value: Arc::new(value) })
    }

    /// The text as it was sent.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The parsed value.
    pub fn value(&self) -> &Value {
        &self.value
    }
}

impl PartialEq for Arguments {
    /// Equal when the same bytes were sent.
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl fmt::Debug for Arguments {
    /// Only the size: arguments may hold secrets, and debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arguments({} bytes)", self.raw.len())
    }
}

/// Builds a `Value`, refusing what a plain one accepts silently.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: de::Error>(self) -> Result<Strict, E> {
        if self.depth >= Arguments::MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {} levels", Arguments::MAX_DEPTH)));
        }
        Ok(Strict { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E: de::Error>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if members.contains_key(&key) {
                let shown: String = key.chars().take(80).collect();
                return Err(de::Error::custom(format_args!("member `{shown}` stands twice")));
            }
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}
