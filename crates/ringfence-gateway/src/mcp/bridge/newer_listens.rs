//! Streams of changes that a client of the newer era listens to (2026-07-28, Subscriptions), from a
//! server that is subscribed to resource by resource and tells of lists unasked.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::newer::notified;
use super::{Outbox, SUBSCRIPTION, write};
use crate::mcp::envelope::{Answer, IdKey, Notification, Request, Response};
use crate::mcp::json;

/// How many streams, and how many resources of all of them.
const MAX: usize = 1000;

/// The longest notice of a change: each stream is told of its own.
const MAX_NOTICE: usize = 64 * 1024;

const LISTS: [(&str, &str, &str); 3] = [
    ("toolsListChanged", "/tools/listChanged", "notifications/tools/list_changed"),
    ("promptsListChanged", "/prompts/listChanged", "notifications/prompts/list_changed"),
    ("resourcesListChanged", "/resources/listChanged", "notifications/resources/list_changed"),
];

/// The streams of one client.
#[derive(Debug, Default)]
pub(super) struct Listens {
    open: HashMap<IdKey, Listen>,
    /// Subscriptions that the server has not answered: the stream, and the resource. None for what
    /// nobody waits for.
    asked: HashMap<IdKey, Option<(IdKey, String)>>,
}

#[derive(Debug)]
struct Listen {
    /// As written.
    id: String,
    /// The names in its filter of the lists that it hears of.
    lists: Vec<&'static str>,
    uris: HashSet<String>,
    /// How many subscriptions it still waits for before it is acknowledged.
    outstanding: usize,
}

impl Listens {
    pub(super) fn listen(&mut self, request: &Request<'_>, capabilities: &str, said: &mut Outbox) {
        let id = request.id.text();
        let filter: Option<Value> =
            request.params.member("notifications").and_then(|filter| serde_json::from_str(filter).ok());
        let Some(Value::Object(filter)) = filter else {
            said.tell_client(write::error(id, -32602, "`params.notifications` has to be an object"));
            return;
        };
        let offered: Value = serde_json::from_str(capabilities).unwrap_or_default();
        let wants = |name: &str| filter.get(name) == Some(&Value::Bool(true));
        let changes = |place: &str| offered.pointer(place) == Some(&Value::Bool(true));
        let lists = LISTS.iter().filter(|(name, place, _)| wants(name) && changes(place));
        let lists = lists.map(|(name, ..)| *name).collect();
        let uris: Vec<String> = match filter.get("resourceSubscriptions").and_then(Value::as_array) {
            Some(uris) if changes("/resources/subscribe") => {
                uris.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(_) | None => Vec::new(),
        };
        let has = |listen: &Listen| listen.uris.len().saturating_add(listen.outstanding).saturating_add(1);
        let taken = self.open.values().map(has).fold(0, usize::saturating_add);
        if taken.saturating_add(uris.len()) >= MAX {
            said.tell_client(write::error(id, -32000, "too many subscriptions are open"));
            return;
        }
        let key = request.id.key();
        let mut listen = Listen { id: id.to_owned(), lists, uris: HashSet::new(), outstanding: 0 };
        for uri in uris {
            // Where another stream has it too, it is asked for again: each time it is decided anew.
            let asked = said.ask("resources/subscribe", &json!({ "uri": uri }).to_string());
            self.asked.insert(asked, Some((key.clone(), uri)));
            listen.outstanding = listen.outstanding.saturating_add(1);
        }
        if listen.outstanding == 0 {
            listen.acknowledge(said);
        }
        self.open.insert(key, listen);
    }

    /// Whether a stream of this id is open.
    pub(super) fn is_open(&self, id: &IdKey) -> bool {
        self.open.contains_key(id)
    }

    /// Whether it answers a subscription.
    pub(super) fn response(&mut self, key: &IdKey, response: &Response<'_>, said: &mut Outbox) -> bool {
        let Some(asked) = self.asked.remove(key) else { return false };
        let Some((listen, uri)) = asked else { return true };
        let is_subscribed = matches!(response.answer, Answer::Result(_));
        let Some(listen) = self.open.get_mut(&listen) else {
            if is_subscribed && !self.open.values().any(|open| open.uris.contains(&uri)) {
                self.unsubscribe(&uri, said);
            }
            return true;
        };
        if is_subscribed {
            listen.uris.insert(uri);
        }
        listen.outstanding = listen.outstanding.saturating_sub(1);
        if listen.outstanding == 0 {
            listen.acknowledge(said);
        }
        true
    }

    /// Whether it was a stream that its client does not want any more.
    pub(super) fn cancelled(&mut self, id: &IdKey, said: &mut Outbox) -> bool {
        let Some(listen) = self.open.remove(id) else { return false };
        for uri in listen.uris {
            if !self.open.values().any(|open| open.uris.contains(&uri)) {
                self.unsubscribe(&uri, said);
            }
        }
        true
    }

    fn unsubscribe(&mut self, uri: &str, said: &mut Outbox) {
        let asked = said.ask("resources/unsubscribe", &json!({ "uri": uri }).to_string());
        self.asked.insert(asked, None);
    }

    /// Tells every stream that wants to hear of it.
    pub(super) fn notification(&self, notification: &Notification<'_>, said: &mut Outbox) {
        if notification.text.len() > MAX_NOTICE {
            tracing::warn!("a notice of a change is too long to be told");
            return;
        }
        let list = LISTS.iter().find(|(_, _, method)| notification.method == *method).map(|(name, ..)| *name);
        let uri = notification.params.member("uri").and_then(json::string);
        for listen in self.open.values().filter(|listen| listen.outstanding == 0) {
            let wants = match (list, &uri) {
                (Some(list), _) => listen.lists.contains(&list),
                (None, Some(uri)) => listen.uris.contains(&**uri),
                (None, None) => false,
            };
            if wants {
                let meta = write::object(
                    notification.params.member("_meta"),
                    &[(SUBSCRIPTION, Some(listen.id.as_str()))],
                );
                let params = write::params(&notification.params, &[("_meta", Some(meta.as_str()))]);
                said.tell_client(notified(&notification.method, &params));
            }
        }
    }
}

impl Listen {
    fn acknowledge(&self, said: &mut Outbox) {
        let mut filter: Vec<String> = self.lists.iter().map(|name| format!(r#""{name}":true"#)).collect();
        if !self.uris.is_empty() {
            let mut uris: Vec<&str> = self.uris.iter().map(String::as_str).collect();
            uris.sort_unstable();
            filter.push(format!(r#""resourceSubscriptions":{}"#, json!(uris)));
        }
        let params = format!(
            r#"{{"_meta":{{"{SUBSCRIPTION}":{}}},"notifications":{{{}}}}}"#,
            self.id,
            filter.join(",")
        );
        said.tell_client(notified("notifications/subscriptions/acknowledged", &params));
    }
}
