//! What a server says, message by message: all of it counts as that server's alone.

use super::fan::Failure;
use super::listen::SUBSCRIPTION;
use super::names::Form;
use super::results::{self, Qualifier};
use super::{All, MAX_KEPT, Open, State};
use crate::mcp::edit::Edits;
use crate::mcp::envelope::{self, Answer, Id, Message, Notification, Object, Refused, Response};
use crate::mcp::method::{self, Sender};

impl All {
    pub(super) fn hear_server(&mut self, which: usize, line: &[u8]) {
        let is_up = self.servers.get(which).is_some_and(|server| server.state == State::Up);
        if !is_up || line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match envelope::parse(line) {
            Ok(message) => {
                if let Some(server) = self.servers.get_mut(which) {
                    server.is_late = false;
                }
                self.server_message(which, &message);
            }
            Err(refused) => {
                tracing::warn!(server = self.name(which), %refused, "a line of the server was dropped");
            }
        }
    }

    fn server_message(&mut self, which: usize, message: &Message<'_>) {
        match message {
            Message::Response(response) => self.server_response(which, response),
            Message::Request(request) => self.server_request(which, request),
            Message::Notification(notification) => {
                if let Err(refused) = self.server_notification(which, notification) {
                    tracing::warn!(server = self.name(which), %refused, "a notification was dropped");
                }
            }
            Message::Batch(batch) => {
                batch.messages.iter().for_each(|message| self.server_message(which, message));
            }
        }
    }

    fn server_response(&mut self, which: usize, response: &Response<'_>) {
        let key = response.id.map(Id::key);
        let Some(server) = self.servers.get_mut(which) else { return };
        match key.as_ref().and_then(|key| server.open.get(key)) {
            Some(Open::Part(number)) => {
                let number = *number;
                // A subscription that is answered is over; so is every other part.
                key.as_ref().map(|key| server.open.remove(key));
                self.part_answered(number, which, response);
            }
            Some(Open::Routed { .. }) => {
                let Some(key) = key else { return };
                let Some(Open::Routed { id, token }) = server.open.remove(&key) else { return };
                self.open.remove(&key);
                let name = self.name(which);
                let text = results::response(name, response).map(std::borrow::Cow::into_owned);
                if let Some(token) = token {
                    self.end_progress(which, token, response);
                }
                match text {
                    Ok(text) => self.answer(&id, text),
                    Err(refused) => {
                        let name = self.name(which);
                        let why = format!("the answer of the server `{name}` is withheld: {}", refused.why);
                        self.say_error(&id, &Failure::new(-32603, why));
                    }
                }
            }
            None => {
                tracing::warn!(
                    server = server.name,
                    "the server answered what nobody asked of it, or twice; dropped"
                );
            }
        }
    }

    /// A request is over, and its progress with it, unless a task goes on.
    fn end_progress(&mut self, which: usize, token: envelope::IdKey, response: &Response<'_>) {
        let made_task = match response.answer {
            Answer::Result(result) => Object::parse(result, &[])
                .is_ok_and(|result| result.member("task").is_some() || result.member("taskId").is_some()),
            Answer::Error(_) => false,
        };
        let Some(server) = self.servers.get_mut(which) else { return };
        if made_task && server.task_tokens.len() < MAX_KEPT {
            server.task_tokens.insert(token);
        } else {
            self.tokens.remove(&token);
        }
    }

    fn server_notification(&mut self, which: usize, notification: &Notification<'_>) -> Result<(), Refused> {
        let server = self.name(which);
        if method::of_notification(Sender::Server, notification).is_err() {
            tracing::warn!(server, "a notification that servers do not send was dropped");
            return Ok(());
        }
        let params = &notification.params;
        if let Some(token) = params.member("progressToken") {
            let of = Id::parse(token).and_then(|token| self.tokens.get(&token.key()));
            if of != Some(&which) {
                tracing::debug!(server, "progress of what this server does not work on was dropped");
                return Ok(());
            }
        }
        let mut qualifier = Qualifier { server, edits: Edits::of(notification.text) };
        let meta = params.member("_meta");
        let subscription =
            meta.map(|meta| Object::parse(meta, &[SUBSCRIPTION, results::RELATED])).transpose()?;
        let subscription = subscription.and_then(|meta| meta.member(SUBSCRIPTION));
        let mut subscriber = None;
        if let Some(id) = subscription {
            let Some((number, of_client)) = self.subscription(which, id) else {
                tracing::debug!(server, "a notification of no subscription of this server was dropped");
                return Ok(());
            };
            qualifier.edits.put(id, of_client);
            subscriber = Some(number);
        }
        qualifier.related_task(meta, |task| !self.client_tasks.contains_key(task))?;
        match &*notification.method {
            "notifications/cancelled" => {
                if let Some(id) = method::cancelled(params) {
                    self.cancelled_by_server_or_ended(which, id, notification);
                }
                return Ok(());
            }
            "notifications/subscriptions/acknowledged" => {
                if let Some(number) = subscriber {
                    self.acknowledged(number, which, params);
                }
                return Ok(());
            }
            "notifications/resources/updated" => {
                if let Some(uri) = params.member("uri") {
                    qualifier.name(uri, Form::Uri);
                }
            }
            "notifications/tasks/status" | "notifications/tasks" => {
                if let Some(params) = params.text() {
                    let object = Object::parse(params, &["taskId", "result", "_meta"])?;
                    qualifier.task_and_blocks(&object)?;
                }
            }
            "notifications/elicitation/complete" => {
                if let Some(params) = params.text() {
                    qualifier.elicitation(params)?;
                }
            }
            _ => {}
        }
        let text = qualifier.edits.done().into_owned();
        if text.len() > envelope::MAX_BYTES {
            return Ok(());
        }
        match subscriber {
            Some(number) => self.say_to_subscriber(number, text),
            None => self.say(text),
        }
        Ok(())
    }

    /// A server ends a subscription (2026-07-28, Cancellation), or takes back what it asked.
    fn cancelled_by_server_or_ended(&mut self, which: usize, id: Id<'_>, notification: &Notification<'_>) {
        let Some((number, _)) = self.subscription(which, id.text()) else {
            return self.cancelled_by_server(which, id, notification);
        };
        if let Some(server) = self.servers.get_mut(which) {
            server.open.remove(&id.key());
        }
        self.part_failed(number, which, Failure::new(-32603, "it ended the subscription"));
    }
}
