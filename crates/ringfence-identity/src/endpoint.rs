//! Where somebody is on the web. Nothing is normalised: two ways to write an address are two
//! addresses, as RFC 8414 and RFC 9207 compare them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// The longest address, in bytes.
const MAX_BYTES: usize = 2048;

/// An absolute URL of `https`, or of `http` on this machine, without credentials and fragment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(Arc<Parts>);

#[derive(PartialEq, Eq, Hash)]
struct Parts {
    text: String,
    /// Scheme and authority.
    origin: String,
    /// Begins with `/`, or is empty.
    path: String,
    is_here: bool,
}

/// A text that is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an https URL (or one of http on this machine) without credentials and fragment")]
pub struct BadEndpoint;

impl Endpoint {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Scheme, host and port, as written.
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    /// The path as written: empty, or with a `/` before it.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Whether it is on this machine.
    pub fn is_here(&self) -> bool {
        self.0.is_here
    }

    /// Whether it ends with its path.
    pub(crate) fn has_query(&self) -> bool {
        self.0.text.len() > self.0.origin.len().saturating_add(self.0.path.len())
    }

    /// Whether both are of one scheme, host and port (RFC 6454, section 5).
    pub(crate) fn is_same_origin(&self, other: &Endpoint) -> bool {
        let whole = |origin: &str| {
            let origin = origin.to_ascii_lowercase();
            let default = if origin.starts_with("https:") { ":443" } else { ":80" };
            origin.strip_suffix(default).map(str::to_owned).unwrap_or(origin)
        };
        whole(self.origin()) == whole(other.origin())
    }
}

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"#\\\"<>^`{|}".contains(&byte);
        if text.len() > MAX_BYTES || !text.bytes().all(is_plain) {
            return Err(BadEndpoint);
        }
        let (scheme, rest) = text.split_once("://").ok_or(BadEndpoint)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let path = rest.split('?').next().unwrap_or_default();
        let host = host(authority).ok_or(BadEndpoint)?;
        let is_here =
            host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match scheme {
            "https" => {}
            "http" if is_here => {}
            _ => return Err(BadEndpoint),
        }
        Ok(Endpoint(Arc::new(Parts {
            text: text.to_owned(),
            origin: format!("{scheme}://{authority}"),
            path: path.to_owned(),
            is_here,
        })))
    }
}

/// The host of an authority, without an IPv6 address' brackets; none where there is more than a host
/// and a port.
fn host(authority: &str) -> Option<&str> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if !port.is_none_or(is_port) {
        return None;
    }
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        return inner.parse::<std::net::Ipv6Addr>().is_ok().then_some(inner);
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (!host.is_empty() && host.bytes().all(is_name)).then_some(host)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
