//! Messages as the bridge writes them, over the parts of others as they were written.

use serde_json::Value;

use crate::mcp::envelope::{Answer, Id, IdKey, Object, Params, Request, Response};

pub(super) fn error(id: &str, code: i64, message: &str) -> String {
    let message = Value::from(message);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#)
}

pub(super) fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// A response under another id.
pub(super) fn readdressed(response: &Response<'_>, id: &str) -> String {
    match response.answer {
        Answer::Result(text) => result(id, text),
        Answer::Error(text) => format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{text}}}"#),
    }
}

pub(super) fn cancelled(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#)
}

/// A request under another id, with other parameters.
pub(super) fn request(request: &Request<'_>, id: &str, params: &str) -> String {
    match Object::parse(request.text, &[]) {
        Ok(object) => object.edited(&[("id", Some(id)), ("params", Some(params))]),
        // It was taken apart before.
        Err(_) => request.text.to_owned(),
    }
}

/// Parameters with some members put in or left out.
pub(super) fn params(params: &Params<'_>, changes: &[(&str, Option<&str>)]) -> String {
    match params {
        Params::Object(object) => object.edited(changes),
        Params::Absent => empty().edited(changes),
    }
}

/// An object as written, with some members put in or left out; none that is no object.
pub(super) fn object(text: Option<&str>, changes: &[(&str, Option<&str>)]) -> String {
    match text.and_then(|text| Object::parse(text, &[]).ok()) {
        Some(object) => object.edited(changes),
        None => empty().edited(changes),
    }
}

fn empty() -> Object<'static> {
    Object::parse("{}", &[]).expect("invariant: `{}` is an object")
}

/// The code of an error.
pub(super) fn code(error: &str) -> Option<i64> {
    Object::parse(error, &[]).ok()?.member("code")?.parse().ok()
}

/// An id that was read before or is of ours, as it is looked up by.
pub(super) fn key(id: &str) -> IdKey {
    Id::parse(id).expect("invariant: it is an id").key()
}

/// Objects and values that mean the same, however they are written.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let read = |text| serde_json::from_str::<Value>(text).ok();
    one == other || read(one).is_some_and(|value| Some(value) == read(other))
}
