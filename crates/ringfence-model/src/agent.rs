//! Who an agent is: a SPIFFE ID.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The identifier of an agent: a SPIFFE ID (SPIFFE-ID, sections 2.1 to 2.4), such as
/// `spiffe://acme.example/agent/inventory/7`. At most 2,048 bytes, with a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(Arc<str>);

/// A string that is no SPIFFE ID of a workload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{id}` is not a SPIFFE ID: {why}")]
pub struct BadAgentId {
    id: String,
    why: &'static str,
}

const SCHEME: &str = "spiffe://";
const MAX_BYTES: usize = 2048;
const MAX_TRUST_DOMAIN: usize = 255;

impl AgentId {
    /// The whole identifier, with its scheme.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifier without `spiffe://`, as it stands in `agent://` resources.
    pub fn without_scheme(&self) -> &str {
        self.0.strip_prefix(SCHEME).unwrap_or(&self.0)
    }

    /// The trust domain, such as `acme.example`.
    pub fn trust_domain(&self) -> &str {
        let rest = self.without_scheme();
        rest.split_once('/').map_or(rest, |(domain, _)| domain)
    }

    /// The path without its leading slash, such as `agent/inventory/7`.
    pub fn path(&self) -> &str {
        self.without_scheme().split_once('/').map_or("", |(_, path)| path)
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AgentId {
    type Err = BadAgentId;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        let bad = |why| BadAgentId { id: id.chars().take(200).collect(), why };
        if id.len() > MAX_BYTES {
            return Err(bad("it is longer than 2,048 bytes"));
        }
        let rest = id.strip_prefix(SCHEME).ok_or_else(|| bad("it must begin with `spiffe://`"))?;
        let (domain, path) = rest.split_once('/').ok_or_else(|| bad("it has no path"))?;
        if domain.is_empty() || domain.len() > MAX_TRUST_DOMAIN {
            return Err(bad("its trust domain must have 1 to 255 characters"));
        }
        if !domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b)) {
            return Err(bad("its trust domain may hold only a-z, 0-9, `.`, `-` and `_`"));
        }
        for segment in path.split('/') {
            if segment.is_empty() {
                return Err(bad("its path has an empty segment"));
            }
            if segment == "." || segment == ".." {
                return Err(bad("its path has a dot segment"));
            }
            if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b)) {
                return Err(bad("its path may hold only letters, digits, `.`, `-` and `_`"));
            }
        }
        Ok(AgentId(id.into()))
    }
}
