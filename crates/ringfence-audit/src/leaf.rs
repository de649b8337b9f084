//! A leaf: one JSON object on one line, whose first members the log itself writes. What else is
//! in it is the caller's; the log looks only at what it must hold to.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use ringfence_model::{Digest, Timestamp, hex};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The largest leaf, in bytes (C2SP tlog-tiles).
pub(crate) const MAX_LEAF: usize = 65_535;

/// The bytes before what [`tail`] gives: version and time, always as long.
pub(crate) const STAMP: usize = r#"{"v":1,"time":"2026-11-20T13:50:39.123456Z""#.len();

/// The members the log writes itself.
const OURS: [&str; 5] = ["v", "time", "node", "kind", "payload"];

/// A body that cannot be part of a leaf.
#[derive(Debug, thiserror::Error)]
pub enum BadBody {
    /// Not a JSON object.
    #[error("the record's members are not one JSON object")]
    Json(#[source] serde_json::Error),
    /// Not UTF-8.
    #[error("the record's members are not UTF-8")]
    NotUtf8,
}

/// The first part of a leaf.
pub(crate) fn stamp(micros: i64) -> Result<String, OutOfRange> {
    let time = Timestamp::from_microsecond(micros).map_err(|_| OutOfRange)?;
    let text = format!(r#"{{"v":1,"time":"{time:.6}""#);
    // Years before 0000 and after 9999 are written longer.
    if text.len() == STAMP { Ok(text) } else { Err(OutOfRange) }
}

/// A time that RFC 3339 cannot write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the clock shows a year that RFC 3339 cannot write; set it")]
pub struct OutOfRange;

/// The rest of a leaf, after its stamp: node, kind, commitment and the members of `body`.
pub(crate) fn tail(
    node: &str,
    kind: &str,
    commitment: Option<&Digest>,
    body: &[u8],
) -> Result<Vec<u8>, BadBody> {
    let body = std::str::from_utf8(body).map_err(|_| BadBody::NotUtf8)?;
    let members = members(body).map_err(BadBody::Json)?;
    let mut tail = Vec::with_capacity(body.len() + node.len() + kind.len() + 120);
    tail.extend_from_slice(br#","node":"#);
    push_string(&mut tail, node);
    tail.extend_from_slice(br#","kind":"#);
    push_string(&mut tail, kind);
    if let Some(commitment) = commitment {
        tail.extend_from_slice(br#","payload":""#);
        tail.extend_from_slice(hex(&commitment.0).as_bytes());
        tail.push(b'"');
    }
    if let Some(members) = members {
        tail.push(b',');
        // A line break can only stand between tokens here, where a space means the same.
        tail.extend(members.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    }
    tail.push(b'}');
    Ok(tail)
}

fn push_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("invariant: strings serialise into memory");
}

/// What stands between an object's braces; `None` where that is nothing.
fn members(body: &str) -> Result<Option<&[u8]>, serde_json::Error> {
    let Members(count) = serde_json::from_str(body)?;
    let inner = body.as_bytes().trim_ascii().strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    Ok(inner.filter(|_| count > 0))
}

/// How many members an object has, each of them once and none of them ours.
struct Members(usize);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut seen = Seen::default();
                while let Some(Key(name)) = map.next_key()? {
                    if OURS.contains(&&*name) {
                        return Err(de::Error::custom(format_args!("`{name}` is the log's own member")));
                    }
                    if let Err(name) = seen.insert(name) {
                        return Err(de::Error::custom(format_args!("`{name}` stands twice")));
                    }
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(Members(seen.count))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The names of members so far. Few stay in a row, where looking is cheaper than sorting.
#[derive(Default)]
struct Seen<'a> {
    count: usize,
    few: Vec<Cow<'a, str>>,
    many: BTreeSet<Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    /// Gives it back where it was there already.
    fn insert(&mut self, name: Cow<'a, str>) -> Result<(), Cow<'a, str>> {
        self.count += 1;
        if self.few.contains(&name) || self.many.contains(&name) {
            return Err(name);
        }
        if self.few.len() < 32 {
            self.few.reserve(32);
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        Ok(())
    }
}

/// A member's name, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(name)))
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// What the log itself reads of a leaf.
#[derive(Debug)]
pub(crate) struct Header {
    /// Microseconds since 1970.
    pub(crate) micros: i64,
    /// The commitment to its payload, where it has one.
    pub(crate) payload: Option<Digest>,
}

/// Why a leaf is none that this log wrote.
#[derive(Debug, thiserror::Error)]
pub enum BadLeaf {
    /// Not one JSON object with its version, time, node and kind.
    #[error("it is not a record: {0}")]
    Json(serde_json::Error),
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// Of another schema.
    #[error("its version is {0}, not 1")]
    Version(u64),
    /// A time of another form.
    #[error("its time is not RFC 3339 UTC with microseconds")]
    Time,
    /// From another node.
    #[error("its node is `{0}`")]
    Node(String),
    /// A commitment of another form.
    #[error("its payload is not 64 hex digits")]
    Payload,
}

/// Reads a leaf of the log of `node`.
pub(crate) fn parse(leaf: &[u8], node: &str) -> Result<Header, BadLeaf> {
    let leaf = std::str::from_utf8(leaf).map_err(|_| BadLeaf::NotUtf8)?;
    let raw: RawLeaf<'_> = serde_json::from_str(leaf).map_err(BadLeaf::Json)?;
    if raw.v != 1 {
        return Err(BadLeaf::Version(raw.v));
    }
    if raw.node != node {
        return Err(BadLeaf::Node(raw.node.into_owned()));
    }
    let micros = parse_time(&raw.time).ok_or(BadLeaf::Time)?;
    let payload = match raw.payload {
        None => None,
        Some(text) => {
            let bytes = ringfence_model::unhex(&text).and_then(|bytes| bytes.try_into().ok());
            Some(Digest(bytes.ok_or(BadLeaf::Payload)?))
        }
    };
    Ok(Header { micros, payload })
}

fn parse_time(text: &str) -> Option<i64> {
    // The one form this log writes: lengths and places fixed, so that text order is time order.
    let form = text.len() == 27
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            19 => byte == b'.',
            26 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !form {
        return None;
    }
    text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

struct RawLeaf<'a> {
    v: u64,
    time: Cow<'a, str>,
    node: Cow<'a, str>,
    payload: Option<Cow<'a, str>>,
}

impl<'de> Deserialize<'de> for RawLeaf<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = RawLeaf<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawLeaf<'de>, A::Error> {
                let (mut v, mut time, mut node, mut kind, mut payload) = (None, None, None, None, None);
                let text = |place: &mut Option<Cow<'de, str>>, map: &mut A, name| match place {
                    Some(_) => Err(de::Error::duplicate_field(name)),
                    None => {
                        let Key(value) = map.next_value()?;
                        *place = Some(value);
                        Ok(())
                    }
                };
                while let Some(Key(name)) = map.next_key()? {
                    match &*name {
                        "v" if v.is_some() => return Err(de::Error::duplicate_field("v")),
                        "v" => v = Some(map.next_value()?),
                        "time" => text(&mut time, &mut map, "time")?,
                        "node" => text(&mut node, &mut map, "node")?,
                        "kind" => text(&mut kind, &mut map, "kind")?,
                        "payload" => text(&mut payload, &mut map, "payload")?,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let missing = |name| move || de::Error::missing_field(name);
                kind.ok_or_else(missing("kind"))?;
                Ok(RawLeaf {
                    v: v.ok_or_else(missing("v"))?,
                    time: time.ok_or_else(missing("time"))?,
                    node: node.ok_or_else(missing("node"))?,
                    payload,
                })
            }
        }
        deserializer.deserialize_map(Object)
    }
}
