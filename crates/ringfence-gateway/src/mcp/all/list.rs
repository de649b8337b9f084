//! Lists of all servers as one: pages of each behind a cursor of ours, in the order of the
//! servers. What is held until a server before has answered is bounded; what is beyond is asked
//! for again when the client turns the page.

use std::borrow::Cow;
use std::collections::HashMap;

use super::fan::{Caching, Failure, Work, part};
use super::names::{self, Form};
use super::results::items;
use super::{All, MAX_HELD};
use crate::mcp::edit::{Edits, ToolList};
use crate::mcp::envelope::{Object, Request};
use crate::mcp::json;

/// How many items make a page full, and how many bytes of them.
const FULL: usize = 1_000;
const FULL_BYTES: usize = 1 << 20;
/// The longest page of one server.
const MAX_PAGE: usize = 8 << 20;

/// A kind of list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// What a server that has such a list says it can do.
    capability: &'static str,
    /// The member of the result.
    list: &'static str,
    /// The member of an item that names it.
    key: &'static str,
    form: Form,
}

const TOOLS: Kind = Kind { capability: "tools", list: "tools", key: "name", form: Form::Name };
const PROMPTS: Kind = Kind { capability: "prompts", list: "prompts", key: "name", form: Form::Name };
const RESOURCES: Kind = Kind { capability: "resources", list: "resources", key: "uri", form: Form::Uri };
const TEMPLATES: Kind =
    Kind { capability: "resources", list: "resourceTemplates", key: "uriTemplate", form: Form::Uri };
const TASKS: Kind = Kind { capability: "tasks/list", list: "tasks", key: "taskId", form: Form::Name };

/// The list that a method asks for.
pub(super) fn kind(method: &str) -> Option<Kind> {
    match method {
        "tools/list" => Some(TOOLS),
        "prompts/list" => Some(PROMPTS),
        "resources/list" => Some(RESOURCES),
        "resources/templates/list" => Some(TEMPLATES),
        "tasks/list" => Some(TASKS),
        _ => None,
    }
}

/// A list under way.
#[derive(Debug)]
pub(super) struct List {
    kind: Kind,
    /// It goes on where an earlier page ended.
    goes_on: bool,
    parts: Vec<(usize, Part)>,
}

#[derive(Debug)]
enum Part {
    Waiting,
    Held(Page),
    /// It has answered more than could be held.
    Later,
    Failed,
}

/// A page of one server, its items qualified.
#[derive(Debug)]
struct Page {
    items: Vec<String>,
    bytes: usize,
    next: Option<String>,
    caching: Caching,
}

/// How far the page of ours reaches.
enum Reach {
    /// A server is still to answer.
    Waiting,
    /// To the end of these parts; where the next page begins.
    Until(usize, Option<(usize, Option<String>)>),
}

impl List {
    /// Takes the page of one server. `held` is what is held elsewhere.
    pub(super) fn take(
        &mut self,
        which: usize,
        name: &str,
        result: &str,
        held: usize,
    ) -> Result<(), Failure> {
        let next = self.parts.iter().position(|(_, part)| matches!(part, Part::Waiting));
        let Some(position) = self.parts.iter().position(|(at, _)| *at == which) else { return Ok(()) };
        let is_too_much = held.saturating_add(result.len()) > MAX_HELD;
        let page = if is_too_much && next != Some(position) {
            Part::Later
        } else {
            Part::Held(page(self.kind, name, result).map_err(|why| Failure::new(-32603, why))?)
        };
        for (_, part) in self.parts.iter_mut().skip(position.saturating_add(1)) {
            // The page ends here, so that nothing of it is held until the others answer.
            if is_too_much && matches!((&page, &part), (Part::Held(_), Part::Waiting)) {
                *part = Part::Later;
            }
        }
        if let Some((_, part)) = self.parts.get_mut(position) {
            *part = page;
        }
        Ok(())
    }

    pub(super) fn failed(&mut self, which: usize) {
        if let Some((_, part)) = self.parts.iter_mut().find(|(at, _)| *at == which) {
            *part = Part::Failed;
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.reach(), Reach::Until(..))
    }

    pub(super) fn held(&self) -> usize {
        self.parts
            .iter()
            .map(|(_, part)| match part {
                Part::Held(page) => page.bytes,
                Part::Waiting | Part::Later | Part::Failed => 0,
            })
            .sum()
    }

    fn reach(&self) -> Reach {
        let (mut count, mut bytes) = (0_usize, 0_usize);
        for (position, (which, part)) in self.parts.iter().enumerate() {
            if count >= FULL || bytes >= FULL_BYTES {
                return Reach::Until(position, Some((*which, None)));
            }
            match part {
                Part::Waiting => return Reach::Waiting,
                Part::Later => return Reach::Until(position, Some((*which, None))),
                Part::Failed => {}
                Part::Held(page) => {
                    count = count.saturating_add(page.items.len());
                    bytes = bytes.saturating_add(page.bytes);
                    if let Some(next) = &page.next {
                        return Reach::Until(position.saturating_add(1), Some((*which, Some(next.clone()))));
                    }
                }
            }
        }
        Reach::Until(self.parts.len(), None)
    }
}

impl All {
    /// Every server that may have such a list is asked for it, or the rest from the cursor on.
    pub(super) fn list(&mut self, request: &Request<'_>, kind: Kind) {
        let id = request.id.text();
        let mut servers = self.offering(kind.capability);
        let mut first_cursor = None;
        let goes_on = request.params.member("cursor").filter(|cursor| *cursor != "null");
        if let Some(cursor) = goes_on {
            let found = names::cursor_apart(cursor).and_then(|(server, own)| {
                let which = self.servers.iter().position(|known| known.name == server)?;
                Some((which, own))
            });
            let Some((which, own)) = found else {
                return self.say_error(id, &Failure::new(-32602, "there is no such cursor"));
            };
            servers.retain(|server| *server >= which);
            if own.is_some() && servers.first() != Some(&which) {
                let failure = self.objection(which);
                let gone = || Failure::new(-32602, "there is no such cursor");
                return self.say_error(id, &failure.unwrap_or_else(gone));
            }
            first_cursor = own;
        }
        let part_id = self.next_part_id();
        let mut parts = Vec::new();
        for which in &servers {
            let own = if parts.is_empty() { first_cursor.take() } else { None };
            let mut edits = match part(request, &part_id) {
                Ok(edits) => edits,
                Err(failure) => return self.say_error(id, &failure),
            };
            if let Some(params) = params_of(request) {
                match (own, goes_on) {
                    (Some(own), Some(cursor)) => edits.put(cursor, serde_json::Value::from(own).to_string()),
                    (_, Some(_)) => edits.leave_out(params, "cursor"),
                    (_, None) => {}
                }
            }
            parts.push((*which, edits.done().into_owned()));
        }
        let waiting = servers.iter().map(|which| (*which, Part::Waiting)).collect();
        let list = List { kind, goes_on: goes_on.is_some(), parts: waiting };
        self.fan_out(request, &parts, Work::List(list));
    }

    /// Everything is there that the page holds.
    pub(super) fn listed(&mut self, id: &str, is_stateless: bool, list: List, failed: &[(usize, Failure)]) {
        let Reach::Until(end, next) = list.reach() else { return };
        let first = list.parts.first();
        let is_broken = list.goes_on && matches!(first, Some((_, Part::Failed)));
        let is_empty = list.parts.iter().all(|(_, part)| matches!(part, Part::Failed));
        if is_broken || is_empty {
            let none = format!("no server has {}", list.kind.capability);
            let failure = self.why_nobody(failed, &none);
            return self.say_error(id, &failure);
        }
        let mut items = Vec::new();
        let mut caching = Caching::LONGEST;
        for (_, part) in list.parts.into_iter().take(end) {
            if let Part::Held(page) = part {
                items.extend(page.items);
                caching = caching.and(page.caching);
            }
        }
        if caching == Caching::LONGEST {
            caching = Caching::NONE;
        }
        if failed.iter().any(|(_, failure)| failure.code != METHOD_NOT_FOUND) {
            // Who failed may be back when the list is asked for again.
            caching.ttl = 0;
        }
        let name = list.kind.list;
        let next = next.map(|(which, own)| names::cursor(self.name(which), own.as_deref()));
        let next = next.map(|cursor| format!(",\"nextCursor\":\"{cursor}\"")).unwrap_or_default();
        let (before, after) = if is_stateless {
            (r#""resultType":"complete","#, format!(",{}", caching.members()))
        } else {
            ("", String::new())
        };
        let items = items.join(",");
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{{before}"{name}":[{items}]{next}{after}}}}}"#);
        self.answer(id, text);
    }
}

/// JSON-RPC 2.0, section 5.1.
const METHOD_NOT_FOUND: i64 = -32601;

fn params_of<'r, 'a>(request: &'r Request<'a>) -> Option<&'r Object<'a>> {
    match &request.params {
        crate::mcp::envelope::Params::Absent => None,
        crate::mcp::envelope::Params::Object(object) => Some(object),
    }
}

fn page(kind: Kind, server: &str, result: &str) -> Result<Page, String> {
    if result.len() > MAX_PAGE {
        return Err(format!("a page of its list is longer than {MAX_PAGE} bytes"));
    }
    let refused = |refused: crate::mcp::envelope::Refused| format!("its list is refused: {}", refused.why);
    let object = Object::parse(result, &[kind.list, "nextCursor", "ttlMs", "cacheScope"]).map_err(refused)?;
    let list = object.member(kind.list).filter(|list| json::kind(list) == Some(b'['));
    let list = list.ok_or_else(|| format!("its answer has no `{}`", kind.list))?;
    let prefix = kind.form.prefix(server);
    let texts: Vec<&str> = if kind == TOOLS {
        let tools = ToolList::parse(result, result).map_err(refused)?;
        tools.tools().iter().filter(|tool| tool.name.is_some()).map(|tool| tool.text).collect()
    } else {
        items(Some(list)).map_err(refused)?
    };
    let found: Vec<Item<'_>> = texts.into_iter().filter_map(|text| item(kind, text)).collect();
    // Two of one name cannot be told apart; two of one URI are one resource, said twice.
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for item in found.iter().filter(|_| kind.form == Form::Name) {
        let count = counts.entry(&item.key).or_default();
        *count = count.saturating_add(1);
    }
    let is_told_apart = |item: &&Item<'_>| counts.get(&*item.key).is_none_or(|count| *count == 1);
    let qualified: Vec<String> =
        found.iter().filter(is_told_apart).map(|item| item.qualified(&prefix)).collect();
    let next = object.member("nextCursor").filter(|next| *next != "null");
    let usable = next.and_then(names::usable_cursor);
    if next.is_some() && usable.is_none() {
        tracing::warn!(server, "a list ends early, because its cursor cannot be handed on");
    }
    let bytes = qualified.iter().map(String::len).sum();
    Ok(Page { items: qualified, bytes, next: usable, caching: Caching::of(&object) })
}

/// An item of a list.
struct Item<'a> {
    text: &'a str,
    /// What names it, as written.
    raw: &'a str,
    /// The same, decoded.
    key: Cow<'a, str>,
}

impl Item<'_> {
    /// Under its name here.
    fn qualified(&self, prefix: &str) -> String {
        let mut edits = Edits::of(self.text);
        edits.put_in_front(self.raw, prefix);
        edits.done().into_owned()
    }
}

/// None where it has no name, or can be read in two ways.
fn item(kind: Kind, text: &str) -> Option<Item<'_>> {
    let raw = Object::parse(text, &[kind.key]).ok()?.member(kind.key)?;
    let key = json::string(raw).filter(|key| !key.is_empty())?;
    Some(Item { text, raw, key })
}
