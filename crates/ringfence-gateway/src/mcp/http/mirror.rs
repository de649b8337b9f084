//! What a session's headers say of its messages: whoever stands in between reads the one, the
//! server the other, so they must agree.

use hyper::StatusCode;
use hyper::header::HeaderMap;
use serde_json::json;

use super::alone::mismatch;
use super::gate::single;
use super::reply::Stop;
use crate::mcp::envelope::{Message, Request};
use crate::mcp::method::Revision;
use crate::mcp::mirror::{decoded, name_of};

pub(super) const REVISION: &str = "mcp-protocol-version";
pub(super) const METHOD: &str = "mcp-method";
pub(super) const NAME: &str = "mcp-name";

const UNSUPPORTED_REVISION: i32 = -32022;

/// Refuses a revision that is not known.
pub(super) fn revision(headers: &HeaderMap) -> Result<Option<&str>, Stop> {
    let Some(asked) = single(headers, REVISION)? else { return Ok(None) };
    if Revision::ALL.iter().any(|known| known.as_str() == asked) {
        return Ok(Some(asked));
    }
    let supported: Vec<&str> = Revision::ALL.iter().map(|known| known.as_str()).collect();
    let data = json!({ "supported": supported, "requested": asked });
    let message = "this revision of the protocol is not known here";
    Err(Stop::coded(StatusCode::BAD_REQUEST, UNSUPPORTED_REVISION, message, data))
}

/// Refuses headers that say something else than a message of a session.
pub(super) fn agrees(headers: &HeaderMap, message: &Message<'_>) -> Result<(), Stop> {
    let asked = revision(headers)?;
    // What says nothing of its revision may be of the one that has batches.
    if let (Message::Batch(_), Some(asked)) = (message, asked)
        && asked != Revision::V20250326.as_str()
    {
        return Err(Stop::bad("this revision of the protocol has no batches"));
    }
    let method = match message {
        Message::Request(request) => Some(&*request.method),
        Message::Notification(notification) => Some(&*notification.method),
        Message::Response(_) | Message::Batch(_) => None,
    };
    let said = single(headers, METHOD)?;
    if said.is_some() && said != method {
        return Err(mismatch("Mcp-Method"));
    }
    let named = match message {
        Message::Request(request) => named(request),
        Message::Notification(_) | Message::Response(_) | Message::Batch(_) => None,
    };
    match single(headers, NAME)? {
        Some(name) if named.is_none() || decoded(name).as_deref() != named.as_deref() => {
            Err(mismatch("Mcp-Name"))
        }
        Some(_) | None => Ok(()),
    }
}

fn named(request: &Request<'_>) -> Option<String> {
    name_of(request).map(std::borrow::Cow::into_owned)
}
