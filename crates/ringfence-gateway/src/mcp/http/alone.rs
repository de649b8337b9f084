//! Requests that stand alone (2026-07-28): what each has to say of itself, in its `_meta` and again
//! in its headers, and with which status it is answered.

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::gate::single;
use super::reply::Stop;
use super::{SESSION, mirror};
use crate::mcp::envelope::{Answer, Message, Object, Request, parse};
use crate::mcp::json;
use crate::mcp::method::{self, Revision, Sender};
use crate::mcp::mirror::{Marked, decoded, name_of, values};

/// JSON-RPC error codes (2026-07-28, Error codes).
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const HEADER_MISMATCH: i32 = -32020;
const MISSING_CAPABILITY: i64 = -32021;
const UNSUPPORTED_REVISION: i32 = -32022;

/// Whether a request stands alone: it says so, or its headers do and it belongs to no session.
pub(super) fn is_one(headers: &HeaderMap, request: &Request<'_>) -> Result<bool, Stop> {
    if method::is_stateless(&request.params) {
        return Ok(true);
    }
    let said = single(headers, mirror::REVISION)?;
    let is_named = single(headers, SESSION)?.is_some();
    Ok(!is_named && said.is_some_and(|said| said >= Revision::V20260728.as_str()))
}

/// Refuses one that does not say what it has to, or says two things.
pub(super) fn checked(headers: &HeaderMap, request: &Request<'_>) -> Result<(), Stop> {
    if !method::is_of(Revision::V20260728, Sender::Client, &request.method) {
        let message = format!("`{}` is not a method of this revision", shown(&request.method));
        let stop = Stop::coded(StatusCode::NOT_FOUND, METHOD_NOT_FOUND, &message, Value::Null);
        return Err(stop.of(request.id));
    }
    let meta = request.params.member("_meta").and_then(|meta| Object::parse(meta, &[]).ok());
    let member = |name: &str| meta.as_ref().and_then(|meta| meta.member(name));
    let revision = member("io.modelcontextprotocol/protocolVersion").and_then(json::string);
    let capabilities = member("io.modelcontextprotocol/clientCapabilities");
    let (Some(revision), true) = (revision, capabilities.and_then(json::kind) == Some(b'{')) else {
        let message = "`params._meta` has to have `io.modelcontextprotocol/protocolVersion`, a string, and \
             `io.modelcontextprotocol/clientCapabilities`, an object";
        let stop = Stop::coded(StatusCode::BAD_REQUEST, INVALID_PARAMS, message, Value::Null);
        return Err(stop.of(request.id));
    };
    let said = |name| single(headers, name).map_err(|stop| stop.of(request.id));
    let mismatch = |header: &str| Err(mismatch(header).of(request.id));
    if said(mirror::REVISION)? != Some(&*revision) {
        return mismatch("MCP-Protocol-Version");
    }
    // What an unknown revision means by its requests is not known here, whatever its server does.
    let known = Revision::V20260728.as_str();
    if revision != known {
        let data = json!({ "supported": [known], "requested": revision });
        let message = "this revision of the protocol is not known here";
        let stop = Stop::coded(StatusCode::BAD_REQUEST, UNSUPPORTED_REVISION, message, data);
        return Err(stop.of(request.id));
    }
    if said(mirror::METHOD)? != Some(&*request.method) {
        return mismatch("Mcp-Method");
    }
    let named = name_of(request);
    match (said(mirror::NAME)?, &named) {
        (None, Some(_)) if is_named(&request.method) => mismatch("Mcp-Name"),
        (None, _) => Ok(()),
        (Some(name), Some(named)) if decoded(name).as_ref() == Some(named) => Ok(()),
        (Some(_), _) => mismatch("Mcp-Name"),
    }
}

/// The methods whose requests name what they are about in a header (the tasks extension's too).
fn is_named(method: &str) -> bool {
    matches!(method, "tools/call" | "resources/read" | "prompts/get") || method.starts_with("tasks/")
}

/// Refuses a call whose headers do not say what its arguments say where its tool marks them.
pub(super) fn agrees(headers: &HeaderMap, request: &Request<'_>, marked: &[Marked]) -> Result<(), Stop> {
    let expected = values(&request.params, marked);
    for mark in marked {
        let header = format!("mcp-param-{}", mark.header.to_ascii_lowercase());
        let said = match HeaderName::try_from(&header) {
            Ok(name) => single(headers, name.as_str()).map_err(|stop| stop.of(request.id))?,
            Err(_) => None,
        };
        let body = expected.iter().find(|(header, _)| *header == mark.header).map(|(_, text)| text.as_str());
        let is_same = match (said, body) {
            (None, None) => true,
            (Some(said), Some(body)) => decoded(said).is_some_and(|said| is_same(&said, body)),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_same {
            return Err(mismatch(&format!("Mcp-Param-{}", mark.header)).of(request.id));
        }
    }
    Ok(())
}

/// Numbers are compared as numbers: `42.0` is `42`.
fn is_same(said: &str, body: &str) -> bool {
    let numbers = || Some((said.parse::<f64>().ok()?, body.parse::<f64>().ok()?));
    said == body || numbers().is_some_and(|(said, body)| said == body && said.is_finite())
}

/// The status of an answer: some errors have one of their own.
pub(super) fn status(answer: &[u8]) -> StatusCode {
    let Ok(Message::Response(response)) = parse(answer) else { return StatusCode::OK };
    let Answer::Error(error) = response.answer else { return StatusCode::OK };
    let code = Object::parse(error, &[]).ok().and_then(|error| error.member("code")?.parse::<i64>().ok());
    match code {
        Some(code) if code == i64::from(METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        Some(MISSING_CAPABILITY) => StatusCode::BAD_REQUEST,
        Some(code) if [HEADER_MISMATCH, UNSUPPORTED_REVISION].map(i64::from).contains(&code) => {
            StatusCode::BAD_REQUEST
        }
        Some(_) | None => StatusCode::OK,
    }
}

pub(super) fn mismatch(header: &str) -> Stop {
    let message = format!("the header `{header}` does not say what the body says");
    Stop::coded(StatusCode::BAD_REQUEST, HEADER_MISMATCH, &message, Value::Null)
}

fn shown(method: &str) -> String {
    method.chars().take(120).collect()
}
