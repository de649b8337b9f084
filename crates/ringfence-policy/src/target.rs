//! What globs are held against: a resource or an agent as bytes with its parts told apart.

use ringfence_model::{AgentId, Resource, ResourceKind};
use smallvec::SmallVec;

/// Stands between the parts of a resource; no byte of UTF-8.
pub(crate) const PART: u8 = 0xFF;
/// Stands between the segments of an agent's path, which cannot contain it.
pub(crate) const SEGMENT: u8 = b'/';

/// A resource as bytes: its authority, then each part after a [`PART`]. A path that is empty
/// has one empty part, as its URI is written.
pub(crate) struct Target {
    pub(crate) kind: ResourceKind,
    pub(crate) bytes: SmallVec<[u8; 128]>,
    /// How many of the bytes are the authority.
    pub(crate) authority: usize,
}

impl Target {
    #[inline]
    pub(crate) fn new(resource: &Resource) -> Self {
        let kind = resource.kind();
        let mut bytes = if is_web(kind) {
            SmallVec::from_slice(host(kind, &resource.authority().to_ascii_lowercase()).as_bytes())
        } else {
            SmallVec::from_slice(resource.authority().as_bytes())
        };
        let authority = bytes.len();
        for part in resource.parts() {
            bytes.push(PART);
            bytes.extend_from_slice(part.as_bytes());
        }
        if resource.parts().is_empty() && kind.is_path() {
            bytes.push(PART);
        }
        Target { kind, bytes, authority }
    }

    /// The bytes of the authority.
    pub(crate) fn authority(&self) -> &[u8] {
        self.bytes.get(..self.authority).unwrap_or_default()
    }

    /// The bytes after the authority: empty, or beginning with a [`PART`].
    pub(crate) fn name(&self) -> &[u8] {
        self.bytes.get(self.authority..).unwrap_or_default()
    }
}

/// The bytes that a subject's glob is held against.
pub(crate) fn agent(id: &AgentId) -> &[u8] {
    id.without_scheme().as_bytes()
}

/// Whether its authority is a host with an optional port, where letter case, a final dot and the
/// scheme's own port mean nothing.
pub(crate) fn is_web(kind: ResourceKind) -> bool {
    match kind {
        ResourceKind::Http | ResourceKind::Https => true,
        ResourceKind::Mcp
        | ResourceKind::Model
        | ResourceKind::Exec
        | ResourceKind::File
        | ResourceKind::Agent
        | ResourceKind::Memory => false,
    }
}

/// Whether `*` in its authority stays within one label.
pub(crate) fn has_labels(kind: ResourceKind) -> bool {
    is_web(kind) || kind == ResourceKind::Agent
}

/// A lower-case host in its one canonical form (RFC 3986, section 6.2.3).
pub(crate) fn host(kind: ResourceKind, authority: &str) -> String {
    let own = if kind == ResourceKind::Http { ":80" } else { ":443" };
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(port)),
        Some(_) | None => (authority, None),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    match port {
        Some(port) if !port.is_empty() && own.strip_prefix(':') != Some(port) => format!("{name}:{port}"),
        Some(_) | None => name.to_owned(),
    }
}
