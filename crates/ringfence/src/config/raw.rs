//! The shape of the file. Everything that can be wrong with a value keeps its place, so that it
//! can be shown.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(rename = "apiVersion")]
    pub(super) api_version: Spanned<String>,
    pub(super) kind: Spanned<String>,
    pub(super) data: Option<Spanned<String>>,
    pub(super) policies: Option<OneOrMany>,
    pub(super) observe: Option<RawObserve>,
    pub(super) audit: Option<RawAudit>,
    #[serde(default)]
    pub(super) servers: Entries<RawServer>,
    #[serde(default)]
    pub(super) agents: Vec<RawAgent>,
    #[serde(default)]
    pub(super) operators: Vec<RawOperator>,
    #[serde(default)]
    pub(super) issuers: Vec<RawIssuer>,
    pub(super) listen: Option<Spanned<String>>,
    pub(super) anonymous: Option<Spanned<String>>,
    // Known, and refused until they are enforced.
    pub(super) egress: Option<Spanned<IgnoredAny>>,
    pub(super) console: Option<Spanned<IgnoredAny>>,
    pub(super) models: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawObserve {
    pub(super) until: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAudit {
    pub(super) durability: Option<Spanned<String>>,
    pub(super) witness: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    pub(super) command: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    pub(super) cwd: Option<String>,
    pub(super) trusted: Option<bool>,
    pub(super) schema: Option<Spanned<String>>,
    pub(super) url: Option<Spanned<String>>,
    pub(super) token: Option<Spanned<RawSecret>>,
    pub(super) login: Option<Spanned<RawLogin>>,
    // Known, and refused until they are enforced.
    pub(super) ring: Option<Spanned<IgnoredAny>>,
    pub(super) shared: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAgent {
    pub(super) id: Spanned<String>,
    pub(super) sponsor: Spanned<String>,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    pub(super) token: Option<Spanned<RawSecret>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOperator {
    pub(super) id: Spanned<String>,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    pub(super) token: Spanned<RawSecret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLogin {
    pub(super) grant: Option<Spanned<String>>,
    pub(super) client: Option<RawClient>,
    pub(super) scopes: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClient {
    pub(super) issuer: Option<Spanned<String>>,
    pub(super) id: Spanned<String>,
    pub(super) secret: Option<Spanned<RawSecret>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIssuer {
    pub(super) url: Spanned<String>,
    pub(super) audience: Option<Spanned<String>>,
    pub(super) keys: RawKeys,
    pub(super) agents: RawAgentClaim,
    pub(super) sponsor: RawClaim,
    #[serde(default)]
    pub(super) scopes: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKeys {
    pub(super) file: Option<String>,
    pub(super) url: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAgentClaim {
    pub(super) claim: Option<Spanned<String>>,
    pub(super) prefix: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClaim {
    pub(super) claim: Spanned<String>,
}

/// Where a secret is.
pub(super) enum RawSecret {
    Places(SecretPlaces),
    /// The secret itself, which has no place in the file. Not kept, so that nothing can show it.
    Written,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretPlaces {
    pub(super) file: Option<String>,
    pub(super) env: Option<String>,
}

impl<'de> Deserialize<'de> for RawSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = RawSecret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`{file: PATH}` or `{env: NAME}`")
            }

            fn visit_str<E>(self, _: &str) -> Result<RawSecret, E> {
                Ok(RawSecret::Written)
            }

            fn visit_map<A: MapAccess<'de>>(self, places: A) -> Result<RawSecret, A::Error> {
                SecretPlaces::deserialize(MapAccessDeserializer::new(places)).map(RawSecret::Places)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// `a`, or `[a, b]`.
pub(super) struct OneOrMany(pub(super) Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, defined } = Spanned::<Words>::deserialize(deserializer)?;
        Ok(OneOrMany(match value {
            Words::One(value) => vec![Spanned { value, referenced, defined }],
            Words::Many(words) => words,
        }))
    }
}

enum Words {
    One(String),
    Many(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or a list of paths and profiles")
            }

            fn visit_str<E>(self, word: &str) -> Result<Words, E> {
                Ok(Words::One(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Words, A::Error> {
                let mut found = Vec::new();
                while let Some(word) = words.next_element()? {
                    found.push(word);
                }
                Ok(Words::Many(found))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// A mapping whose keys keep their places.
pub(super) struct Entries<V>(pub(super) Vec<(Spanned<String>, V)>);

impl<V> Default for Entries<V> {
    fn default() -> Self {
        Entries(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Pairs<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping from names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    found.push(entry);
                }
                Ok(Entries(found))
            }
        }
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}
