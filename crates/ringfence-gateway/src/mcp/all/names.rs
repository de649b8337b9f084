//! How what a server names is called where there are many: `<server>__<name>` for tools, prompts
//! and tasks, `mcp+<server>+<uri>` for resources, and cursors that say whose they are.
//!
//! A server's name is made of `[a-z0-9-]`, so that the first `__` or the second `+` ends it, and
//! nothing that a server calls its own can be read as another's. Names are changed in front, in
//! the text: whatever follows keeps its escapes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::mcp::json;

const BETWEEN: &str = "__";
const SCHEME: &str = "mcp+";
/// The longest cursor of a server that is handed on.
const MAX_CURSOR: usize = 64 * 1024;

/// What something is called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A name or the id of a task.
    Name,
    /// A URI or a template of one.
    Uri,
}

impl Form {
    /// What stands in front of what `server` itself calls it.
    pub(super) fn prefix(self, server: &str) -> String {
        match self {
            Form::Name => format!("{server}{BETWEEN}"),
            Form::Uri => format!("{SCHEME}{server}+"),
        }
    }
}

/// Something that was named, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named<'a> {
    /// The server that it is said to be of.
    pub(super) server: String,
    /// What that server calls it, as JSON.
    pub(super) own: Cow<'a, str>,
}

/// Takes the JSON string `raw` apart; none where it names no server.
pub(super) fn apart(raw: &str, form: Form) -> Option<Named<'_>> {
    let whole = json::string(raw)?;
    let (server, own) = match form {
        Form::Name => whole.split_once(BETWEEN)?,
        Form::Uri => whole.strip_prefix(SCHEME)?.split_once('+')?,
    };
    let quoted = format!("\"{}", form.prefix(server));
    // Where what goes is written plainly, what stays is as it was written.
    let own = match raw.strip_prefix(&quoted) {
        Some(rest) => Cow::Owned(format!("\"{rest}")),
        None => Cow::Owned(Value::from(own).to_string()),
    };
    Some(Named { server: server.to_owned(), own })
}

/// A cursor of ours: where a list goes on. `own` is the server's, none for its beginning.
pub(super) fn cursor(server: &str, own: Option<&str>) -> String {
    let at = match own {
        Some(own) => format!("{server}\n{own}"),
        None => server.to_owned(),
    };
    URL_SAFE_NO_PAD.encode(at)
}

/// The server and its own cursor that one of ours, as JSON, stands for.
pub(super) fn cursor_apart(raw: &str) -> Option<(String, Option<String>)> {
    let bytes = URL_SAFE_NO_PAD.decode(&*json::string(raw)?).ok()?;
    let at = String::from_utf8(bytes).ok()?;
    Some(match at.split_once('\n') {
        Some((server, own)) => (server.to_owned(), Some(own.to_owned())),
        None => (at, None),
    })
}

/// A server's cursor, decoded; none where it cannot be handed on.
pub(super) fn usable_cursor(raw: &str) -> Option<String> {
    json::string(raw).filter(|cursor| cursor.len() <= MAX_CURSOR).map(Cow::into_owned)
}
