//! Which parameters a session's tools mark to stand in headers, too: asked of its server once, as
//! its client would ask.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::session::{Asked, Line, Session};
use crate::mcp::edit::ToolList;
use crate::mcp::envelope::{self, Answer, Message, Object, Request};
use crate::mcp::mirror::{self, Marked};

/// How long a server may take to list its tools before a call goes on without.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many pages are asked for.
const MAX_PAGES: usize = 100;
/// How many tools are remembered.
const MAX_TOOLS: usize = 10_000;

impl Session {
    /// The parameters that the tool of a call marks; none where its server does not say.
    pub(super) async fn marked(self: &Arc<Self>, call: &Request<'_>) -> Vec<Marked> {
        let Some(tool) = mirror::name_of(call) else { return Vec::new() };
        if let Some(known) = self.known_marks(&tool) {
            return known;
        }
        // A server that does not tell in time is asked again with the next call.
        let Ok(found) = timeout(PATIENCE, self.ask_for_marks(call)).await else { return Vec::new() };
        let marked = found.get(&*tool).cloned().unwrap_or_default();
        self.remember_marks(found);
        marked
    }

    async fn ask_for_marks(self: &Arc<Self>, call: &Request<'_>) -> HashMap<String, Vec<Marked>> {
        let mut found = HashMap::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let id = self.own_id();
            let meta = call.params.member("_meta").and_then(envelope::without_progress);
            let meta = meta.map(|meta| format!("\"_meta\":{meta}"));
            let at = cursor.take().map(|cursor| format!("\"cursor\":{cursor}"));
            let params: Vec<String> = meta.into_iter().chain(at).collect();
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{{}}}}}"#,
                params.join(",")
            );
            let Ok(Message::Request(request)) = envelope::parse(text.as_bytes()) else { return found };
            let asked = vec![Asked::of(&request)];
            let line = || Line { text: text.clone().into_bytes(), held: None };
            let Ok(mut heard) = self.ask(asked, line).await else { return found };
            let answer = loop {
                match heard.next().await {
                    Some(said) if said.is_last => break said.text,
                    Some(_) => {}
                    None => return found,
                }
            };
            let Ok(Message::Response(response)) = envelope::parse(&answer) else { return found };
            let Answer::Result(result) = response.answer else { return found };
            let Ok(list) = ToolList::parse(response.text, result) else { return found };
            for tool in list.tools() {
                let (Some(name), Some(schema)) = (&tool.name, tool.input_schema) else { continue };
                let marked =
                    serde_json::from_str(schema).ok().and_then(|schema| mirror::marked(&schema).ok());
                if let Some(marked) = marked.filter(|marked| !marked.is_empty() && found.len() < MAX_TOOLS) {
                    found.insert(name.clone().into_owned(), marked);
                }
            }
            let next = Object::parse(result, &[]).ok().and_then(|result| result.member("nextCursor"));
            match next.filter(|next| *next != "null") {
                Some(next) => cursor = Some(next.to_owned()),
                None => return found,
            }
        }
        found
    }
}
