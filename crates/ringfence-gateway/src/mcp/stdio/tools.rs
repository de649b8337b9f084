//! What a server has declared of its tools: what calls are held against, and what approvals are
//! bound to.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use ringfence_guard::{Tool, sha256};
use ringfence_model::Arguments;

use super::Server;
use crate::mcp::edit::{self, ToolList};
use crate::mcp::envelope::{self, Answer, Id, IdKey, Object, Params, Refused, Request, Response};
use crate::mcp::schema::InputSchema;

/// How many pages of a list are asked for.
const MAX_PAGES: u32 = 100;
/// How many tools of a server are known at once.
const MAX_TOOLS: usize = 10_000;
/// How many characters of a server's error are told.
const MAX_SHOWN: usize = 300;
/// JSON-RPC 2.0, section 5.1.
const METHOD_NOT_FOUND: i64 = -32601;

/// One tool as its server declared it.
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) tool: Arc<Tool>,
    schema: Result<InputSchema, String>,
}

impl Listed {
    /// Whether calls can be held against its schema at all.
    pub(super) fn is_usable(&self) -> bool {
        self.schema.is_ok()
    }

    /// Why a call's arguments do not fit, in words for a model.
    pub(super) fn misfit(&self, arguments: Option<&str>) -> Option<String> {
        let schema = match &self.schema {
            Ok(schema) => schema,
            Err(why) => return Some(format!("The tool cannot be called, because {why}.")),
        };
        match Arguments::parse(arguments.unwrap_or("{}")) {
            Ok(arguments) => schema.check(arguments.value()).err().map(|misfit| misfit.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// The tools of one server.
#[derive(Default)]
pub(super) struct Tools {
    known: Known,
    /// Whether the list has been read to its end since it last changed.
    complete: bool,
    asking: Option<Asking>,
    /// Calls that wait for the list.
    waiting: Vec<(IdKey, Box<str>)>,
}

type Known = HashMap<String, Arc<Listed>>;

/// A list of our own under way. It is put together apart from what else is heard, so that
/// nobody's pages get mixed up with it.
struct Asking {
    id: String,
    pages: u32,
    found: Known,
    /// The list changed meanwhile.
    stale: bool,
    /// The caller's `_meta`, which a stateless server needs.
    meta: Option<String>,
}

/// What came of a page of our own list.
pub(super) enum Listing {
    /// There is more: the request for it.
    More(String),
    /// The tools are known now, as far as the server tells.
    Done,
    /// They are not; why.
    Failed(String),
}

impl Tools {
    /// Whether enough is known to check a call: its tool, or that there is no such tool.
    pub(super) fn suffice_for(&self, params: &Params<'_>) -> bool {
        self.complete || self.called(params).is_some()
    }

    /// What is known of the tool that a call names.
    pub(super) fn called(&self, params: &Params<'_>) -> Option<&Arc<Listed>> {
        let name: String = serde_json::from_str(params.member("name")?).ok()?;
        self.known.get(&name)
    }

    /// Everything may have changed.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.complete = false;
        if let Some(asking) = &mut self.asking {
            asking.stale = true;
        }
    }

    /// A call waits until the list is known. Returns the request to send, unless one is under way.
    pub(super) fn wait(&mut self, call: &Request<'_>) -> Option<String> {
        self.waiting.push((call.id.key(), call.text.into()));
        if self.asking.is_some() {
            return None;
        }
        let meta = call.params.member("_meta").and_then(envelope::without_progress);
        let nonce = RandomState::new().hash_one(call.text);
        let id = format!("ringfence-{nonce:016x}");
        let asking = Asking { id, pages: 0, found: Known::new(), stale: false, meta };
        let request = asking.request(None);
        self.asking = Some(asking);
        Some(request)
    }

    pub(super) fn any_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(|(_, text)| text.len()).sum()
    }

    /// A call that waits is not wanted any more.
    pub(super) fn cancel(&mut self, id: &IdKey) {
        self.waiting.retain(|(waiting, _)| waiting != id);
    }

    pub(super) fn take_waiting(&mut self) -> Vec<(IdKey, Box<str>)> {
        std::mem::take(&mut self.waiting)
    }

    /// Whether a response answers our own request.
    pub(super) fn is_mine(&self, id: Id<'_>) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.page_id() == id.text())
    }

    /// Takes a page of our own list.
    pub(super) fn answered(&mut self, response: &Response<'_>, server: &Server) -> Listing {
        let Some(mut asking) = self.asking.take() else { return Listing::Done };
        let result = match response.answer {
            Answer::Result(result) => result,
            Answer::Error(error) if error_code(error) == Some(METHOD_NOT_FOUND) => {
                // It has no list: calls are decided on what is known.
                self.complete = true;
                return Listing::Done;
            }
            Answer::Error(error) => {
                let error: String = error.chars().take(MAX_SHOWN).collect();
                return Listing::Failed(format!("its server answered {error}"));
            }
        };
        if let Err(refused) = take_list(&mut asking.found, response.text, result, server) {
            return Listing::Failed(format!("the list of tools is refused: {}", refused.why));
        }
        asking.pages = asking.pages.saturating_add(1);
        let cursor = next_cursor(result);
        if asking.pages >= MAX_PAGES {
            return Listing::Failed(format!("the list of tools is longer than {MAX_PAGES} pages"));
        }
        let request = match cursor {
            Some(cursor) => asking.request(Some(cursor)),
            None if asking.stale => {
                asking.stale = false;
                asking.found.clear();
                asking.request(None)
            }
            None => {
                self.known = asking.found;
                self.complete = true;
                return Listing::Done;
            }
        };
        self.asking = Some(asking);
        Listing::More(request)
    }

    /// Remembers the tools of a result and gives the message back with those that `show` says yes
    /// to.
    ///
    /// # Errors
    /// The list cannot be read for sure.
    pub(super) fn shown(
        &mut self,
        text: &str,
        result: &str,
        server: &Server,
        first_page: bool,
        show: impl Fn(&Listed) -> bool,
    ) -> Result<String, Refused> {
        if first_page {
            self.known.clear();
        }
        take_list(&mut self.known, text, result, server)?;
        // Of a list in pages, the caller chooses which it asks for: only one of our own is whole.
        self.complete = first_page && next_cursor(result).is_none();
        let list = ToolList::parse(text, result)?;
        let known = |tool: &edit::Tool<'_>| tool.name.as_deref().and_then(|name| self.known.get(name));
        Ok(list.keeping(|tool| known(tool).is_some_and(|tool| show(tool))).into_owned())
    }
}

fn take_list(known: &mut Known, text: &str, result: &str, server: &Server) -> Result<(), Refused> {
    for tool in ToolList::parse(text, result)?.tools() {
        let Some(name) = &tool.name else { continue };
        if known.len() >= MAX_TOOLS {
            break;
        }
        known.insert(name.clone().into_owned(), Arc::new(listed(name, tool, server)));
    }
    Ok(())
}

impl Asking {
    /// The id of the request for the next page, as written.
    fn page_id(&self) -> String {
        format!("\"{}-{}\"", self.id, self.pages)
    }

    fn request(&self, cursor: Option<&str>) -> String {
        let mut params = Vec::new();
        if let Some(meta) = &self.meta {
            params.push(format!("\"_meta\":{meta}"));
        }
        if let Some(cursor) = cursor {
            params.push(format!("\"cursor\":{cursor}"));
        }
        let (id, params) = (self.page_id(), params.join(","));
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{{params}}}}}"#)
    }
}

fn error_code(error: &str) -> Option<i64> {
    serde_json::from_str(Object::parse(error, &[]).ok()?.member("code")?).ok()
}

fn listed(name: &str, tool: &edit::Tool<'_>, server: &Server) -> Listed {
    let schema = match tool.input_schema {
        Some(schema) => InputSchema::compile(schema).map_err(|unusable| unusable.to_string()),
        None => Err("it declares no input schema".to_owned()),
    };
    if let Err(why) = &schema {
        tracing::warn!(server = server.name, tool = name, why, "a tool is hidden");
    }
    let annotations = || {
        let object = Object::parse(tool.text, &[]).ok()?;
        serde_json::from_str(object.member("annotations")?).ok()
    };
    let tool = Tool {
        hash: sha256(tool.text.as_bytes()),
        annotations: if server.trusted { annotations() } else { None },
    };
    Listed { name: name.to_owned(), tool: Arc::new(tool), schema }
}

fn next_cursor(result: &str) -> Option<&str> {
    let result = Object::parse(result, &[]).ok()?;
    result.member("nextCursor").filter(|cursor| *cursor != "null")
}
