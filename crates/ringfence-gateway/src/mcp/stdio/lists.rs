//! Lists that a caller gets: of prompts and resources only those that it may use, and for it alone.

use std::borrow::Cow;

use ringfence_guard::{Session, Target};
use ringfence_model::{Action, ActionKind, Arguments, Resource};

use crate::mcp::edit::Edits;
use crate::mcp::envelope::{Object, Refused, Why};
use crate::mcp::json;

/// A list whose items a caller may or may not use.
struct Kind {
    /// The member of the result that it stands in.
    list: &'static str,
    /// The member of an item that names it.
    name: &'static str,
    action: ActionKind,
}

fn kind(method: &str) -> Option<Kind> {
    match method {
        "prompts/list" => Some(Kind { list: "prompts", name: "name", action: ActionKind::PromptGet }),
        "resources/list" => Some(Kind { list: "resources", name: "uri", action: ActionKind::ResourceRead }),
        // What a template stands for is decided when it is read.
        _ => None,
    }
}

/// Whether what answers a method depends on who asks.
pub(super) fn is_the_callers(method: &str) -> bool {
    matches!(
        method,
        "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" | "resources/read"
    )
}

/// The answer to a method as its caller may see it: without what it may certainly not use, and not
/// to be kept for others (2026-07-28, Caching). The text itself where nothing is to be changed.
///
/// # Errors
/// The list cannot be read for sure.
pub(super) fn shown<'a>(
    session: &Session,
    server: &str,
    target: &Target,
    method: &str,
    (text, result): (&'a str, &'a str),
) -> Result<Cow<'a, str>, Refused> {
    let mut edits = Edits::of(text);
    let kind = kind(method);
    let weighty: &[&'static str] = match &kind {
        Some(Kind { list: "prompts", .. }) => &["prompts", "nextCursor", "_meta", "cacheScope"],
        Some(_) => &["resources", "nextCursor", "_meta", "cacheScope"],
        None => &["cacheScope"],
    };
    let result = Object::parse(result, weighty)?;
    if let Some(kind) = kind
        && let Some(list) = result.member(kind.list)
    {
        let items = json::items(list).map_err(Why::from)?;
        let may_use = |item: &&&str| {
            let named = Object::parse(item, &[kind.name]).ok();
            let Some(name) = named.and_then(|item| item.member(kind.name)).and_then(json::string) else {
                return false;
            };
            let resource = Resource::mcp(server, &name);
            session.visible(&Action { kind: kind.action, resource, arguments: Arguments::none() }, target)
        };
        let kept: Vec<&str> = items.iter().filter(may_use).copied().collect();
        if kept.len() < items.len() {
            edits.put(list, format!("[{}]", kept.join(",")));
        }
    }
    if let Some(scope) = result.member("cacheScope").filter(|scope| *scope != PRIVATE) {
        edits.put(scope, PRIVATE);
    }
    Ok(edits.done())
}

const PRIVATE: &str = r#""private""#;
