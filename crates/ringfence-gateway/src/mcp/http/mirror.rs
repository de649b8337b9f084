//! Headers that repeat what the body says (2026-07-28, Streamable HTTP, Standard headers): whoever
//! stands in between reads the one, the server the other, so they must agree.

use hyper::StatusCode;
use hyper::header::HeaderMap;
use serde_json::{Value, json};

use super::gate::single;
use super::reply::Stop;
use crate::mcp::envelope::Message;
use crate::mcp::method::{self, Revision, is_stateless};
use crate::mcp::mirror::{decoded, name_of};

const HEADER_MISMATCH: i32 = -32020;
const UNSUPPORTED_REVISION: i32 = -32022;

/// Refuses a revision that is not known.
pub(super) fn revision(headers: &HeaderMap) -> Result<Option<&str>, Stop> {
    let Some(asked) = single(headers, "mcp-protocol-version")? else { return Ok(None) };
    if Revision::ALL.iter().any(|known| known.as_str() == asked) {
        return Ok(Some(asked));
    }
    let supported: Vec<&str> = Revision::ALL.iter().map(|known| known.as_str()).collect();
    let data = json!({ "supported": supported, "requested": asked });
    let message = "this revision of the protocol is not known here";
    Err(Stop::coded(StatusCode::BAD_REQUEST, UNSUPPORTED_REVISION, message, data))
}

/// Refuses headers that say something else than the message, or are missing where they must be.
pub(super) fn agrees(headers: &HeaderMap, message: &Message<'_>) -> Result<(), Stop> {
    let asked = revision(headers)?;
    // What says nothing of its revision may be of the one that has batches.
    if let (Message::Batch(_), Some(asked)) = (message, asked)
        && asked != Revision::V20250326.as_str()
    {
        return Err(Stop::bad("this revision of the protocol has no batches"));
    }
    let (method, name) = (single(headers, "mcp-method")?, single(headers, "mcp-name")?);
    let (said, params) = match message {
        Message::Request(request) => (Some(&*request.method), Some(&request.params)),
        Message::Notification(notification) => (Some(&*notification.method), Some(&notification.params)),
        Message::Response(_) | Message::Batch(_) => (None, None),
    };
    let named = params.and_then(name_of).map(std::borrow::Cow::into_owned);
    if method.is_some() && method != said {
        return Err(mismatch("Mcp-Method"));
    }
    if let Some(name) = name
        && (named.is_none() || decoded(name).as_deref() != named.as_deref())
    {
        return Err(mismatch("Mcp-Name"));
    }
    if let (Message::Request(_), Some(params)) = (message, params)
        && is_stateless(params)
    {
        if method::revision(params).as_deref() != asked {
            return Err(mismatch("MCP-Protocol-Version"));
        }
        if method.is_none() {
            return Err(mismatch("Mcp-Method"));
        }
        if matches!(said, Some("tools/call" | "resources/read" | "prompts/get")) && name.is_none() {
            return Err(mismatch("Mcp-Name"));
        }
    }
    Ok(())
}

fn mismatch(header: &str) -> Stop {
    let message = format!("the header `{header}` does not say what the body says");
    Stop::coded(StatusCode::BAD_REQUEST, HEADER_MISMATCH, &message, Value::Null)
}
