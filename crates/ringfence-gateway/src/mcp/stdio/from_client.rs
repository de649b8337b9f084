//! What the client says, message by message.

use tokio::io::AsyncWrite;

use super::calls::{Cancellation, OpenCall};
use super::check::Asked;
use super::{Way, Wire, asking, reply};
use crate::mcp::envelope::{self, Message, Notification, Object, Refused, Request, Response};
use crate::mcp::method::{self, Meaning, Sender};

impl<CW: AsyncWrite + Unpin, SW: AsyncWrite + Unpin> Wire<CW, SW> {
    pub(super) fn client_line(&mut self, line: Result<&[u8], Refused>) {
        let parsed = line.and_then(|line| {
            if line.iter().all(u8::is_ascii_whitespace) { Ok(None) } else { envelope::parse(line).map(Some) }
        });
        match parsed {
            Ok(Some(message)) => self.client_says(&message),
            Ok(None) => {}
            Err(refused) => self.tell_client(&reply::refused(&refused)),
        }
    }

    /// A message of the client's own: it may be of another era than the server.
    fn client_says(&mut self, message: &Message<'_>) {
        if let Message::Batch(batch) = message {
            batch.messages.iter().for_each(|message| self.client_says(message));
            return;
        }
        if self.bridge.is_passing() || self.bridge.client_says(message) == Way::On {
            self.client_message(message);
        }
        // In the order in which it was said.
        self.say_bridged();
    }

    pub(super) fn client_message(&mut self, message: &Message<'_>) {
        match message {
            Message::Request(request) => self.client_request(request),
            Message::Notification(notification) => self.client_notification(notification),
            Message::Response(response) => self.client_response(response),
            // Each of a batch goes its own way; the answers come one by one.
            Message::Batch(batch) => batch.messages.iter().for_each(|message| self.client_message(message)),
        }
    }

    fn client_request(&mut self, request: &Request<'_>) {
        if let Some(objection) = self.calls.objection(Sender::Client, request.id) {
            self.tell_client(&reply::error(request.id, -32600, objection));
            return;
        }
        if request.method == "initialize" {
            self.elicits = request.params.member("capabilities").is_some_and(asking::elicits);
        }
        let meaning = match method::of_request(&self.server.name, Sender::Client, request) {
            Ok(meaning) => meaning,
            Err(malformed) => {
                let code =
                    if matches!(malformed, method::Malformed::UnknownMethod(_)) { -32601 } else { -32602 };
                self.tell_client(&reply::error(request.id, code, &malformed.to_string()));
                return;
            }
        };
        let actions = match meaning {
            Meaning::Nothing => 0,
            Meaning::Actions(actions) => actions.len(),
            Meaning::Task(task) => {
                if method::is_stateless(&request.params) && !method::declares_tasks(&request.params) {
                    self.tell_client(&reply::no_tasks(request.id));
                    return;
                }
                if !self.calls.made_task(&task) {
                    let reason = "no call of this connection made that task";
                    self.tell_client(&reply::error(request.id, -32602, reason));
                    return;
                }
                0
            }
        };
        if actions == 0 {
            self.calls.open(Sender::Client, request.id, OpenCall::passing(request));
            self.to_server.push(request.text.as_bytes());
            return;
        }
        self.calls.open(Sender::Client, request.id, OpenCall::waiting(request));
        if request.method == "tools/call" && !self.tools.suffice_for(&request.params) {
            // Nobody has listed this tool: it is looked up now, so that the call is held against
            // its schema. The call waits.
            if let Some(ask) = self.tools.wait(request) {
                self.to_server.push(ask.as_bytes());
            }
            return;
        }
        self.check_request(request, actions, None);
    }

    /// Checks a request of the client's; `unlisted` says why its server's tools are not known.
    fn check_request(&mut self, request: &Request<'_>, actions: usize, unlisted: Option<&str>) {
        let mut target = self.checker.target(request, &self.tools, unlisted);
        let asked = Asked::of_request(request, self.elicits);
        match self.checker.again(request) {
            None => self.check(Sender::Client, asked, request.text, (actions, target), None),
            Some(Ok(again)) => {
                let answer = Some((again.ask, again.said));
                self.check(Sender::Client, asked, &again.text, (actions, target), answer);
            }
            Some(Err(why)) => {
                target.misfit = Some(why.to_owned());
                self.check(Sender::Client, asked, request.text, (actions, target), None);
            }
        }
    }

    /// The calls that waited for the server's list of tools go on; `unlisted` says why it is not
    /// known, where it is not.
    pub(super) fn go_on(&mut self, unlisted: Option<&str>) {
        for (_, text) in self.tools.take_waiting() {
            let Ok(Message::Request(request)) = envelope::parse(text.as_bytes()) else { continue };
            // A call attempts one thing.
            self.check_request(&request, 1, unlisted);
        }
    }

    fn client_notification(&mut self, notification: &Notification<'_>) {
        match method::of_notification(Sender::Client, notification) {
            Ok(_) => {
                if notification.method == "notifications/cancelled"
                    && let Some(id) = method::cancelled(&notification.params)
                    && self.calls.cancel(Sender::Client, id) == Cancellation::Unsent
                {
                    // The server never saw the request.
                    self.tools.cancel(&id.key());
                    return;
                }
                self.to_server.push(notification.text.as_bytes());
            }
            Err(malformed) => {
                tracing::warn!(server = self.server.name, %malformed, "a notification was dropped");
            }
        }
    }

    /// The client's answer to something that the server asked.
    fn client_response(&mut self, response: &Response<'_>) {
        if self.checker.questions.answered(response) {
            return;
        }
        let Some(mut call) = response.id.and_then(|id| self.calls.answered(Sender::Server, id)) else {
            tracing::warn!(server = self.server.name, "the client answered what nobody asked; dropped");
            return;
        };
        let result = Object::of_result(response);
        self.settled.extend(call.settle(response, result.as_ref(), None));
        self.to_server.push(response.text.as_bytes());
    }
}
