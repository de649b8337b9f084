//! JSON that others wrote and that decides who somebody is. A member that is there twice, at any
//! depth, is refused: one reader takes the first and another the last.

use ringfence_model::Arguments;
use serde_json::{Map, Value};

/// Bytes that are not one JSON object with each member once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotStrict;

/// One object, and nothing after it; read as the arguments of calls are.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, NotStrict> {
    let text = str::from_utf8(bytes).map_err(|_| NotStrict)?;
    let read = Arguments::parse(text).map_err(|_| NotStrict)?;
    read.value().as_object().cloned().ok_or(NotStrict)
}
