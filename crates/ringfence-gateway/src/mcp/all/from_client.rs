//! What the client says, message by message: to whom each goes.

use super::asked::{failure_of, unqualify_related};
use super::fan::{Failure, Work, part};
use super::names::{self, Form, Named};
use super::results::RELATED;
use super::{All, MAX_OPEN, Open, Worker, list};
use crate::mcp::edit::{self, Edits};
use crate::mcp::envelope::{self, Id, Message, Notification, Object, Request};
use crate::mcp::json;
use crate::mcp::method::{self, is_stateless};

/// What of a request says whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// `params.name`
    Name,
    /// `params.uri`
    Uri,
    /// `params.taskId`
    Task,
    /// `params.ref`, a prompt or a resource
    Reference,
}

impl All {
    pub(super) fn hear_client(&mut self, line: &[u8]) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match envelope::parse(line) {
            Ok(message) => self.client_message(&message),
            Err(refused) => self.say(edit::refused(&refused)),
        }
    }

    fn client_message(&mut self, message: &Message<'_>) {
        match message {
            Message::Request(request) => self.client_request(request),
            Message::Notification(notification) => self.client_notification(notification),
            Message::Response(response) => self.client_response(response),
            // Each of a batch goes its own way; the answers come one by one.
            Message::Batch(batch) => batch.messages.iter().for_each(|message| self.client_message(message)),
        }
    }

    fn client_request(&mut self, request: &Request<'_>) {
        let id = request.id.text();
        if self.open.contains_key(&request.id.key()) {
            return self.say_error(id, &Failure::new(-32600, "a request with this id is under way"));
        }
        if self.open.len() >= MAX_OPEN {
            return self.say_error(id, &Failure::new(-32603, "too many requests are without an answer"));
        }
        if is_stateless(&request.params) {
            self.want_back();
        }
        match &*request.method {
            "ping" => self.say(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)),
            "initialize" | "server/discover" => self.greet(request),
            "logging/setLevel" => self.set_level(request),
            "subscriptions/listen" => self.listen(request),
            "tools/call" | "prompts/get" => self.route(request, By::Name),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                self.route(request, By::Uri);
            }
            "completion/complete" => self.route(request, By::Reference),
            "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/update" => self.route(request, By::Task),
            other => match list::kind(other) {
                Some(kind) => self.list(request, kind),
                None => {
                    let shown: String = other.chars().take(120).collect();
                    let why = format!("`{shown}` is not a method that this side sends");
                    self.say_error(id, &Failure::new(-32601, why));
                }
            },
        }
    }

    /// Every server that logs is told how much.
    fn set_level(&mut self, request: &Request<'_>) {
        let text = match part(request, &self.next_part_id()) {
            Ok(edits) => edits.done().into_owned(),
            Err(failure) => return self.say_error(request.id.text(), &failure),
        };
        let parts: Vec<(usize, String)> =
            self.offering("logging").into_iter().map(|which| (which, text.clone())).collect();
        self.fan_out(request, &parts, Work::Level(false));
    }

    /// The request goes to the server that it names, under the name that it has there.
    fn route(&mut self, request: &Request<'_>, by: By) {
        let id = request.id.text();
        let routed = self.routed(request, by);
        let (which, token, text) = match routed {
            Ok(routed) => routed,
            Err(failure) => return self.say_error(id, &failure),
        };
        let key = request.id.key();
        if self.server(which).open.contains_key(&key) {
            // It is one of our own.
            return self.say_error(id, &Failure::new(-32600, "a request with this id is under way"));
        }
        if let Some(token) = &token
            && let Some(before) = self.tokens.insert(token.clone(), which)
            && let Some(server) = self.servers.get_mut(before)
        {
            server.task_tokens.remove(token);
        }
        self.open.insert(key.clone(), Worker::Server(which));
        let open = Open::Routed { id: id.to_owned(), token };
        self.ask(which, key, open, text);
    }

    fn routed(
        &self,
        request: &Request<'_>,
        by: By,
    ) -> Result<(usize, Option<envelope::IdKey>, String), Failure> {
        let (raw, form) = called(request, by)?;
        let found = names::apart(raw, form).and_then(|named| {
            let which = self.servers.iter().position(|server| server.name == named.server)?;
            Some((which, named))
        });
        let Some((which, Named { server, own })) = found else { return Err(unknown(request, by, raw)) };
        if let Some(failure) = self.objection(which) {
            return Err(failure);
        }
        let mut edits = Edits::of(request.text);
        edits.put(raw, own);
        let mut token = None;
        if let Some(meta) = request.params.member("_meta") {
            let refused =
                |refused: envelope::Refused| Failure::new(-32602, format!("`params._meta`: {refused}"));
            unqualify_related(&mut edits, &server, Some(meta)).map_err(refused)?;
            let meta = Object::parse(meta, &["progressToken", RELATED]).map_err(refused)?;
            token = meta.member("progressToken").and_then(Id::parse).map(Id::key);
            if token.as_ref().is_some_and(|token| self.is_in_use(token)) {
                // Progress of this one could not be told from the other's.
                edits.leave_out(&meta, "progressToken");
                token = None;
            }
        }
        Ok((which, token, edits.done().into_owned()))
    }

    /// Whether a progress token is an open request's. A task's gives way.
    fn is_in_use(&self, token: &envelope::IdKey) -> bool {
        let of = self.tokens.get(token).and_then(|which| self.servers.get(*which));
        of.is_some_and(|server| !server.task_tokens.contains(token))
    }

    fn client_notification(&mut self, notification: &Notification<'_>) {
        match &*notification.method {
            "notifications/initialized" | "notifications/roots/list_changed" => {
                for which in self.up() {
                    self.tell(which, notification.text);
                }
            }
            "notifications/cancelled" => {
                if let Some(id) = method::cancelled(&notification.params) {
                    self.cancelled_by_client(id, notification);
                }
            }
            "notifications/progress" => self.client_progress(notification),
            "notifications/tasks/status" => self.client_task_status(notification),
            other => {
                let method: String = other.chars().take(120).collect();
                tracing::warn!(method, "a notification that is for no server was dropped");
            }
        }
    }

    /// Whoever works on it is told, and what still comes of it is nobody's.
    fn cancelled_by_client(&mut self, id: Id<'_>, notification: &Notification<'_>) {
        let key = id.key();
        match self.open.get(&key).copied() {
            Some(Worker::Server(which)) => {
                self.open.remove(&key);
                if let Some(server) = self.servers.get_mut(which)
                    && let Some(Open::Routed { token: Some(token), .. }) = server.open.remove(&key)
                {
                    self.tokens.remove(&token);
                }
                self.tell(which, notification.text);
            }
            // The handshake is not cancelled (Utilities, Cancellation).
            Some(Worker::Fan(number)) if !self.is_greeting(number) => {
                self.close_fan(number);
            }
            Some(Worker::Fan(_)) | None => {}
        }
    }
}

/// What a request calls what it is for, as JSON.
fn called<'a>(request: &Request<'a>, by: By) -> Result<(&'a str, Form), Failure> {
    let bad = |what: &str| Failure::new(-32602, format!("`{}` needs {what}", request.method));
    let (raw, form, what) = match by {
        By::Name => (request.params.member("name"), Form::Name, "`params.name` to be a string"),
        By::Uri => (request.params.member("uri"), Form::Uri, "`params.uri` to be a string"),
        By::Task => (request.params.member("taskId"), Form::Name, "`params.taskId` to be a string"),
        By::Reference => {
            let reference = request.params.member("ref").ok_or_else(|| bad("`params.ref`"))?;
            let reference =
                Object::parse(reference, &["type", "name", "uri"]).map_err(|refused| failure_of(&refused))?;
            match reference.member("type").and_then(json::string).as_deref() {
                Some("ref/prompt") => (reference.member("name"), Form::Name, "a prompt's `name`"),
                Some("ref/resource") => (reference.member("uri"), Form::Uri, "a resource's `uri`"),
                Some(_) | None => return Err(bad("`params.ref` to be a prompt or a resource")),
            }
        }
    };
    let raw = raw.filter(|raw| json::string(raw).is_some()).ok_or_else(|| bad(what))?;
    Ok((raw, form))
}

/// Nothing is called so.
fn unknown(request: &Request<'_>, by: By, raw: &str) -> Failure {
    let name: String = json::string(raw).unwrap_or_default().chars().take(200).collect();
    let what = match (by, &*request.method) {
        (By::Uri, _) => {
            // Server Features, Resources, Error Handling.
            let code = if is_stateless(&request.params) { -32602 } else { -32002 };
            let data = (raw.len() <= 4096).then(|| format!("{{\"uri\":{raw}}}"));
            return Failure { code, message: format!("there is no resource `{name}`"), data };
        }
        (By::Name, "prompts/get") => "prompt",
        (By::Name, _) => "tool",
        (By::Task, _) => "task",
        (By::Reference, _) => "prompt or resource",
    };
    Failure::new(
        -32602,
        format!("there is no {what} `{name}`; names begin with their server's, as in `server__name`"),
    )
}
