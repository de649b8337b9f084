//! The headers that a message is sent with.

use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::mcp::envelope::Request;
use crate::mcp::mirror::{self, Marked};

/// Names a session (2025-03-26 to 2025-11-25).
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// Names a revision (from 2025-06-18 on).
pub(super) const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Names the last event that was heard (2025-03-26 to 2025-11-25).
pub(super) const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Those that every POST has.
pub(super) fn of_post() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

/// Those of a request that stands alone: its method, what it names, and the parameters that its
/// tool marks (2026-07-28, Streamable HTTP, Request metadata).
pub(super) fn alone(headers: &mut HeaderMap, request: &Request<'_>, marked: &[Marked]) {
    put(headers, METHOD, &request.method);
    if let Some(name) = mirror::name_of(request) {
        put(headers, NAME, &name);
    }
    for (name, value) in mirror::values(&request.params, marked) {
        if let Ok(name) = HeaderName::try_from(format!("mcp-param-{name}")) {
            put(headers, name, &value);
        }
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(&mirror::encoded(value));
    headers.insert(name, value.expect("invariant: printable ASCII is a header's value"));
}
