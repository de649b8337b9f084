//! What an action is attempted on.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The kind of a resource: the scheme of its URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// `mcp://<server>` and `mcp://<server>/<tool, prompt or resource>`
    Mcp,
    /// `model://<provider>/<model>`
    Model,
    /// `http://host[:port]/path`
    Http,
    /// `https://host[:port]/path`
    Https,
    /// `exec:///<absolute path>`
    Exec,
    /// `file:///<absolute path>`
    File,
    /// `agent://<trust domain>/<path>`
    Agent,
    /// `memory://<store>/<key>`
    Memory,
}

impl ResourceKind {
    /// Every kind, in declaration order.
    pub const ALL: [ResourceKind; 8] = [
        ResourceKind::Mcp,
        ResourceKind::Model,
        ResourceKind::Http,
        ResourceKind::Https,
        ResourceKind::Exec,
        ResourceKind::File,
        ResourceKind::Agent,
        ResourceKind::Memory,
    ];

    /// The URI's scheme.
    pub fn as_str(self) -> &'static str {
        match self {
            ResourceKind::Mcp => "mcp",
            ResourceKind::Model => "model",
            ResourceKind::Http => "http",
            ResourceKind::Https => "https",
            ResourceKind::Exec => "exec",
            ResourceKind::File => "file",
            ResourceKind::Agent => "agent",
            ResourceKind::Memory => "memory",
        }
    }

    /// Whether the name is one part, whatever it contains, or a path of several.
    pub fn is_path(self) -> bool {
        match self {
            ResourceKind::Mcp | ResourceKind::Model | ResourceKind::Memory => false,
            ResourceKind::Http
            | ResourceKind::Https
            | ResourceKind::Exec
            | ResourceKind::File
            | ResourceKind::Agent => true,
        }
    }
}

/// A resource: kind, authority and name, held decoded. Its URI is how it is written, each part
/// percent-encoded as one segment (RFC 3986, section 2.1); a query or fragment is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    kind: ResourceKind,
    authority: Box<str>,
    parts: Box<[Box<str>]>,
}

/// A URI that names no resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{uri}` does not name a resource: {why}")]
pub struct BadResource {
    uri: String,
    why: &'static str,
}

impl Resource {
    /// An MCP server as a whole: `mcp://<server>`.
    pub fn mcp_server(server: &str) -> Self {
        Resource { kind: ResourceKind::Mcp, authority: server.into(), parts: Box::default() }
    }

    /// A tool, prompt or resource of an MCP server, named exactly as the server declares it.
    pub fn mcp(server: &str, name: &str) -> Self {
        Resource::single(ResourceKind::Mcp, server, name)
    }

    /// A model: `model://<provider>/<model>`.
    pub fn model(provider: &str, model: &str) -> Self {
        Resource::single(ResourceKind::Model, provider, model)
    }

    fn single(kind: ResourceKind, authority: &str, name: &str) -> Self {
        Resource { kind, authority: authority.into(), parts: Box::new([name.into()]) }
    }

    /// Its kind.
    pub fn kind(&self) -> ResourceKind {
        self.kind
    }

    /// Server, provider, host with port, trust domain or store; empty for files and programs.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The decoded parts of the name: none for a server as a whole, one for tools and models,
    /// the segments of the path otherwise.
    pub fn parts(&self) -> &[Box<str>] {
        &self.parts
    }

    /// The tool, prompt, resource, model or key, where the name is one part.
    pub fn name(&self) -> Option<&str> {
        match &*self.parts {
            [only] if !self.kind.is_path() => Some(only),
            _ => None,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.kind.as_str())?;
        write!(f, "{}", utf8_percent_encode(&self.authority, AUTHORITY))?;
        for part in &self.parts {
            write!(f, "/{}", utf8_percent_encode(part, SEGMENT))?;
        }
        if self.parts.is_empty() && self.kind.is_path() {
            f.write_str("/")?;
        }
        Ok(())
    }
}

/// What is percent-encoded in a part: all but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// And in an authority, where ports and addresses need these as well.
const AUTHORITY: &AsciiSet = &SEGMENT.remove(b':').remove(b'[').remove(b']');

impl FromStr for Resource {
    type Err = BadResource;

    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        let bad = |why| BadResource { uri: uri.chars().take(200).collect(), why };
        let (scheme, rest) = uri.split_once("://").ok_or_else(|| bad("it has no `://`"))?;
        let kind = ResourceKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == scheme)
            .ok_or_else(|| bad("its scheme is none of mcp, model, http, https, exec, file, agent, memory"))?;
        if let Some((_, _)) = rest.split_once('#') {
            return Err(bad("it has a fragment"));
        }
        let rest = rest.split_once('?').map_or(rest, |(path, _query)| path);
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (rest, None),
        };
        let authority = decode(authority).map_err(bad)?;
        let local = matches!(kind, ResourceKind::File | ResourceKind::Exec);
        if authority.is_empty() != local {
            return Err(bad(if local {
                "its path must be absolute, after `://`"
            } else {
                "its authority is empty"
            }));
        }
        if matches!(kind, ResourceKind::Http | ResourceKind::Https) && authority.contains('@') {
            return Err(bad("it has a user before its host"));
        }
        let mut parts = Vec::new();
        if let Some(path) = path.filter(|path| !path.is_empty()) {
            for segment in path.split('/') {
                let part = decode(segment).map_err(bad)?;
                if &*part == "." || &*part == ".." {
                    return Err(bad("it has a dot segment"));
                }
                parts.push(part);
            }
        }
        if !kind.is_path() {
            if parts.len() > 1 {
                return Err(bad("its name must be one segment; a `/` in it is written `%2F`"));
            }
            if path == Some("") {
                return Err(bad("its name is empty"));
            }
        }
        if parts.is_empty()
            && matches!(kind, ResourceKind::Model | ResourceKind::Memory | ResourceKind::Agent)
        {
            return Err(bad("it has no name after its authority"));
        }
        Ok(Resource { kind, authority, parts: parts.into() })
    }
}

/// Percent-decodes one segment, once.
fn decode(segment: &str) -> Result<Box<str>, &'static str> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit =
            |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        match (digit(rest.next()), digit(rest.next())) {
            (Some(high), Some(low)) => bytes.push(high << 4 | low),
            _ => return Err("a `%` in it is not followed by two hex digits"),
        }
    }
    String::from_utf8(bytes).map(String::into_boxed_str).map_err(|_| "it does not decode to UTF-8")
}
