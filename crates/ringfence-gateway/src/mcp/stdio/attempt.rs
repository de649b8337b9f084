//! A message that attempts something, as the guard holds it: the bytes themselves.

use std::sync::Arc;

use ringfence_guard::{Attempt, CannotApply, Malformed, Target};
use ringfence_model::{Action, Obligation};

use crate::mcp::edit;
use crate::mcp::envelope::{self, Answer, Message, Response};
use crate::mcp::method::{self, Meaning, Sender};

/// One message on its way, and which of the actions it attempts this is about. Almost every
/// message attempts one; a subscription attempts one for each resource it names.
#[derive(Debug, Clone)]
pub(super) struct Sending {
    pub(super) server: Arc<str>,
    pub(super) sender: Sender,
    pub(super) text: Arc<[u8]>,
    pub(super) which: usize,
    pub(super) target: Target,
}

impl Attempt for Sending {
    /// Read from the bytes that are sent, every time.
    fn action(&self) -> Result<Action, Malformed> {
        let malformed = |error: &dyn std::error::Error| Malformed { reason: error.to_string() };
        let message = envelope::parse(&self.text).map_err(|refused| malformed(&refused))?;
        let actions = match &message {
            Message::Request(request) => {
                match method::of_request(&self.server, self.sender, request).map_err(|e| malformed(&e))? {
                    Meaning::Actions(actions) => actions,
                    Meaning::Nothing | Meaning::Task(_) => Vec::new(),
                }
            }
            Message::Response(response) => {
                asked_inside(&self.server, response).map_err(|reason| Malformed { reason })?
            }
            Message::Notification(_) | Message::Batch(_) => Vec::new(),
        };
        actions
            .into_iter()
            .nth(self.which)
            .ok_or_else(|| Malformed { reason: "the message attempts nothing".to_owned() })
    }

    fn target(&self) -> Target {
        self.target.clone()
    }

    fn apply(&mut self, change: &Obligation) -> Result<(), CannotApply> {
        match change {
            Obligation::Warn { .. } => Ok(()),
            Obligation::Hide { path } => Err(CannotApply { path: path.clone() }),
        }
    }
}

/// What a server asks of the client inside a result (2026-07-28, Multi Round-Trip Requests).
pub(super) fn asked_inside(server: &str, response: &Response<'_>) -> Result<Vec<Action>, String> {
    let Answer::Result(result) = response.answer else { return Ok(Vec::new()) };
    let mut actions = Vec::new();
    for asked in edit::input_requests(result).map_err(|refused| refused.to_string())? {
        let meaning = method::of_input_request(server, &asked.method, &asked.params);
        match meaning.map_err(|malformed| malformed.to_string())? {
            Meaning::Actions(more) => actions.extend(more),
            Meaning::Nothing | Meaning::Task(_) => {}
        }
    }
    Ok(actions)
}
