//! Subscriptions of a client of the older era: each resource is a stream of its own at the server
//! (2026-07-28, Subscriptions), and so are the lists that may change.

use std::collections::HashMap;

use serde_json::Value;

use super::{Outbox, Way, write};
use crate::mcp::envelope::{Answer, Id, IdKey, Notification, Object, Params, Request, Response};
use crate::mcp::{json, method};

use super::SUBSCRIPTION;

/// How many resources are subscribed to at once.
const MAX: usize = 1000;

/// The streams of one client.
#[derive(Debug)]
pub(super) struct Listens {
    /// The lists that the server says may change.
    lists: Vec<&'static str>,
    has_begun: bool,
    open: HashMap<IdKey, Listen>,
}

#[derive(Debug)]
struct Listen {
    /// As written.
    id: String,
    /// The resource; none for the lists.
    uri: Option<String>,
    /// The client's request that is answered when the stream is there.
    asked: Option<String>,
}

impl Listens {
    /// Those that a server with these capabilities has.
    pub(super) fn of(capabilities: &str) -> Listens {
        let offered: Value = serde_json::from_str(capabilities).unwrap_or_default();
        let lists = [
            ("/tools/listChanged", "toolsListChanged"),
            ("/prompts/listChanged", "promptsListChanged"),
            ("/resources/listChanged", "resourcesListChanged"),
        ];
        let changes = |(place, _): &(&str, &str)| offered.pointer(place) == Some(&Value::Bool(true));
        let lists = lists.into_iter().filter(changes).map(|(_, name)| name).collect();
        Listens { lists, has_begun: false, open: HashMap::new() }
    }

    /// Whether the client waits for an answer under this id.
    pub(super) fn is_asked(&self, id: &IdKey) -> bool {
        let mut asked = self.open.values().filter_map(|listen| listen.asked.as_deref());
        asked.any(|asked| write::key(asked) == *id)
    }

    /// The session has begun.
    pub(super) fn begin(&mut self, meta: &str, said: &mut Outbox) {
        if self.lists.is_empty() || std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let lists: Vec<String> = self.lists.iter().map(|name| format!("\"{name}\":true")).collect();
        self.listen(None, None, &lists.join(","), meta, said);
    }

    fn listen(
        &mut self,
        uri: Option<String>,
        asked: Option<String>,
        filter: &str,
        meta: &str,
        said: &mut Outbox,
    ) {
        let id = said.id();
        said.tell_server(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"subscriptions/listen","params":{{"_meta":{meta},"notifications":{{{filter}}}}}}}"#
        ));
        self.open.insert(write::key(&id), Listen { id, uri, asked });
    }

    /// `resources/subscribe` and `resources/unsubscribe`.
    pub(super) fn request(&mut self, request: &Request<'_>, meta: &str, said: &mut Outbox) {
        let id = request.id.text();
        let Some(uri) = request.params.member("uri").and_then(json::string) else {
            said.tell_client(write::error(id, -32602, "`params.uri` has to be a string"));
            return;
        };
        let found = self.open.iter().find(|(_, listen)| listen.uri.as_deref() == Some(&*uri));
        let known = found.map(|(key, listen)| (key.clone(), listen.asked.is_none()));
        if request.method == "resources/unsubscribe" {
            if let Some(listen) = known.and_then(|(key, _)| self.open.remove(&key)) {
                said.tell_server(write::cancelled(&listen.id));
            }
            said.tell_client(write::result(id, "{}"));
            return;
        }
        match known {
            Some((_, true)) => said.tell_client(write::result(id, "{}")),
            Some((_, false)) => {
                said.tell_client(write::error(id, -32600, "this resource is just being subscribed to"));
            }
            None if self.open.len() >= MAX => {
                said.tell_client(write::error(id, -32000, "too many resources are subscribed to"));
            }
            None => {
                let filter = format!(r#""resourceSubscriptions":[{}]"#, Value::from(&*uri));
                self.listen(Some(uri.into_owned()), Some(id.to_owned()), &filter, meta, said);
            }
        }
    }

    /// The end of a stream, or its refusal.
    pub(super) fn response(&mut self, response: &Response<'_>, said: &mut Outbox) -> Way {
        let Some(listen) = response.id.and_then(|id| self.open.remove(&id.key())) else { return Way::On };
        if let Some(asked) = listen.asked {
            said.tell_client(match response.answer {
                Answer::Error(_) => write::readdressed(response, &asked),
                Answer::Result(_) => write::error(&asked, -32603, "the server ended the subscription"),
            });
        }
        Way::Taken
    }

    /// What comes over the streams: the client knows the same by older names.
    pub(super) fn notification(&mut self, notification: &Notification<'_>, said: &mut Outbox) -> Way {
        match &*notification.method {
            "notifications/subscriptions/acknowledged" => {
                let listen = subscription(&notification.params).and_then(|key| self.open.get_mut(&key));
                if let Some(asked) = listen.and_then(|listen| listen.asked.take()) {
                    said.tell_client(write::result(&asked, "{}"));
                }
                Way::Taken
            }
            "notifications/cancelled" => {
                let ended =
                    method::cancelled(&notification.params).and_then(|id| self.open.remove(&id.key()));
                let Some(ended) = ended else { return Way::On };
                if let Some(asked) = ended.asked {
                    said.tell_client(write::error(&asked, -32603, "the server ended the subscription"));
                }
                Way::Taken
            }
            _ => Way::On,
        }
    }
}

fn subscription(params: &Params<'_>) -> Option<IdKey> {
    let meta = Object::parse(params.member("_meta")?, &[]).ok()?;
    Id::parse(meta.member(SUBSCRIPTION)?).map(Id::key)
}
