//! What the server says, message by message.

use tokio::io::AsyncWrite;

use super::calls::{Cancellation, OpenCall};
use super::check::Asked;
use super::tools::Listing;
use super::{Wire, attempt, lists, reply};
use crate::mcp::edit;
use crate::mcp::envelope::{self, Answer, Id, Message, Notification, Object, Refused, Request, Response};
use crate::mcp::method::{self, Meaning, Sender};

impl<CW: AsyncWrite + Unpin, SW: AsyncWrite + Unpin> Wire<CW, SW> {
    pub(super) fn server_line(&mut self, line: Result<&[u8], Refused>) {
        let parsed = line.and_then(|line| {
            if line.iter().all(u8::is_ascii_whitespace) { Ok(None) } else { envelope::parse(line).map(Some) }
        });
        match parsed {
            Ok(Some(message)) => self.server_message(&message),
            Ok(None) => {}
            Err(refused) => {
                tracing::warn!(server = self.server.name, %refused, "a line of the server was dropped");
            }
        }
    }

    fn server_message(&mut self, message: &Message<'_>) {
        match message {
            Message::Response(response) => self.server_response(response),
            Message::Request(request) => self.server_request(request),
            Message::Notification(notification) => {
                match method::of_notification(Sender::Server, notification) {
                    Ok(_) => self.server_notification(notification),
                    Err(malformed) => {
                        tracing::warn!(server = self.server.name, %malformed, "a notification was dropped");
                    }
                }
            }
            Message::Batch(batch) => batch.messages.iter().for_each(|message| self.server_message(message)),
        }
    }

    fn server_notification(&mut self, notification: &Notification<'_>) {
        if notification.method == "notifications/tools/list_changed" {
            self.tools.forget();
        }
        if notification.method == "notifications/cancelled"
            && let Some(id) = method::cancelled(&notification.params)
            && self.calls.cancel(Sender::Server, id) == Cancellation::Unsent
        {
            // The client never saw the request.
            return;
        }
        // A task may ask something of the client in passing (SEP-2663). The client is given it
        // when it looks the task up, where an answer can say what was denied; not unasked here.
        let asks = notification.params.text().is_some_and(|params| match edit::input_requests(params) {
            Ok(asked) => !asked.is_empty(),
            Err(_) => true,
        });
        if asks {
            tracing::info!(server = self.server.name, "a notification that asks something was left out");
            return;
        }
        self.tell_client(notification.text.as_bytes());
    }

    fn server_response(&mut self, response: &Response<'_>) {
        let Some(id) = response.id else {
            // An error about something that it could not read: the client may know what.
            self.tell_client(response.text.as_bytes());
            return;
        };
        if self.tools.is_mine(id) {
            match self.tools.answered(response, &self.server) {
                Listing::More(next) => self.to_server.push(next.as_bytes()),
                Listing::Done => self.go_on(None),
                Listing::Failed(why) => self.go_on(Some(&why)),
            }
            return;
        }
        let Some(mut call) = self.calls.answered(Sender::Client, id) else {
            tracing::warn!(
                server = self.server.name,
                "the server answered what nobody asked, or twice; dropped"
            );
            return;
        };
        let method = call.method().to_owned();
        let result = Object::of_result(response);
        if let (Some(task), "tools/call") = (result.as_ref().and_then(edit::task_of), method.as_str()) {
            self.calls.remember_task(task);
        }
        let taken_in = self.checker.taken_from_server(&method);
        self.settled.extend(call.settle(response, result.as_ref(), taken_in));
        if let (Answer::Result(result), "tools/list") = (response.answer, method.as_str()) {
            match self.checker.shown_tools(response.text, result, call.is_first_page(), &mut self.tools) {
                Ok(text) => self.tell_result(&method, &text, id),
                Err(refused) => {
                    let reason = format!("the server's list of tools is withheld: {}", refused.why);
                    self.tell_client(&reply::error(id, -32603, &reason));
                }
            }
            return;
        }
        match attempt::asked_inside(&self.server.name, response) {
            Ok(actions) if actions.is_empty() => self.tell_result(&method, response.text, id),
            Ok(actions) => {
                let target = self.checker.server_alone();
                self.check(
                    Sender::Server,
                    Asked::of_result(id),
                    response.text,
                    (actions.len(), target),
                    None,
                );
            }
            Err(reason) => self.tell_client(&reply::error(id, -32603, &reason)),
        }
    }

    /// Hands a result on, as its caller may see it.
    fn tell_result(&mut self, method: &str, text: &str, id: Id<'_>) {
        if !lists::is_the_callers(method) {
            self.tell_client(text.as_bytes());
            return;
        }
        let Ok(Message::Response(Response { answer: Answer::Result(result), .. })) =
            envelope::parse(text.as_bytes())
        else {
            self.tell_client(text.as_bytes());
            return;
        };
        match self.checker.shown(method, text, result) {
            Ok(text) => self.tell_client(text.as_bytes()),
            Err(refused) => {
                let reason = format!("what the server answers is withheld: {}", refused.why);
                self.tell_client(&reply::error(id, -32603, &reason));
            }
        }
    }

    fn server_request(&mut self, request: &Request<'_>) {
        if let Some(objection) = self.calls.objection(Sender::Server, request.id) {
            self.to_server.push(&reply::error(request.id, -32600, objection));
            return;
        }
        match method::of_request(&self.server.name, Sender::Server, request) {
            Ok(Meaning::Actions(actions)) if !actions.is_empty() => {
                self.calls.open(Sender::Server, request.id, OpenCall::waiting(request));
                let target = self.checker.target(request, &self.tools, None);
                let asked = Asked::of_request(request, self.elicits);
                self.check(Sender::Server, asked, request.text, (actions.len(), target), None);
            }
            Ok(Meaning::Nothing | Meaning::Actions(_) | Meaning::Task(_)) => {
                self.calls.open(Sender::Server, request.id, OpenCall::passing(request));
                self.tell_client(request.text.as_bytes());
            }
            Err(malformed) => {
                self.to_server.push(&reply::error(request.id, -32601, &malformed.to_string()));
            }
        }
    }
}
