//! What is under way between both sides, by request id.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::AbortHandle;
use ringfence_guard::{Cut, Sent, Settled};
use ringfence_model::{Labels, Outcome, OutcomeKind, Usage};

use super::check::Asked;
use crate::mcp::envelope::{Answer, Id, IdKey, Object, Request, Response};
use crate::mcp::method::Sender;

/// How many requests of one side may be without an answer.
const MAX_OPEN: usize = 10_000;
/// How many tasks of a connection are remembered.
const MAX_TASKS: usize = 10_000;
/// The longest answer that goes into the record's payload; of a longer one, its size does.
const MAX_CONTENT: usize = 1 << 20;

/// Requests without an answer, of both sides.
#[derive(Default)]
pub(super) struct Calls {
    of_client: HashMap<IdKey, OpenCall>,
    of_server: HashMap<IdKey, OpenCall>,
    tasks: HashSet<String>,
}

/// One request without an answer.
pub(super) struct OpenCall {
    method: String,
    first_page: bool,
    stage: Stage,
}

enum Stage {
    /// It attempts nothing.
    Passing,
    /// It has not been sent: its tool is looked up first.
    Waiting,
    /// It has not been sent: it is being checked.
    Checking(AbortHandle),
    /// It was sent; one for each action that it attempts.
    Begun { asked: Box<Asked>, sent: Vec<Sent>, at: Instant, bytes_out: usize },
    /// It was sent, and whoever sent it wants no answer any more. One may come all the same.
    Cancelled,
}

/// What a cancellation found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancellation {
    /// The request had not been sent and will not be.
    Unsent,
    /// The request was sent, or is not known.
    PassOn,
}

/// A request that was stopped while it was under way.
pub(super) struct Stopped {
    pub(super) asked: Asked,
    pub(super) sender: Sender,
    pub(super) cut: Cut,
}

impl OpenCall {
    pub(super) fn passing(request: &Request<'_>) -> Self {
        OpenCall::new(request, Stage::Passing)
    }

    pub(super) fn waiting(request: &Request<'_>) -> Self {
        OpenCall::new(request, Stage::Waiting)
    }

    fn new(request: &Request<'_>, stage: Stage) -> Self {
        let first_page = request.params.member("cursor").is_none();
        OpenCall { method: request.method.clone().into_owned(), first_page, stage }
    }

    /// Why it has to stop, where it has to.
    fn cut(&self) -> Option<Cut> {
        let Stage::Begun { sent, .. } = &self.stage else { return None };
        sent.iter().find_map(|sent| sent.cut().now_or_never())
    }

    pub(super) fn method(&self) -> &str {
        &self.method
    }

    /// Whether the request asked for the beginning of a list.
    pub(super) fn is_first_page(&self) -> bool {
        self.first_page
    }

    /// Notes the outcome of what the request attempted. The records are still to be written.
    pub(super) fn settle(
        &mut self,
        response: &Response<'_>,
        result: Option<&Object<'_>>,
        taken_in: Option<Labels>,
    ) -> Vec<Settled> {
        let Stage::Begun { sent, at, bytes_out, asked: _ } =
            std::mem::replace(&mut self.stage, Stage::Passing)
        else {
            return Vec::new();
        };
        let failed = match response.answer {
            Answer::Error(_) => true,
            Answer::Result(_) => result.and_then(|result| result.member("isError")) == Some("true"),
        };
        let size = |length: usize| Some(u64::try_from(length).unwrap_or(u64::MAX));
        let outcome = Outcome {
            kind: if failed { OutcomeKind::Error } else { OutcomeKind::Ok },
            error: match response.answer {
                Answer::Error(error) => Some(error.chars().take(2_000).collect()),
                Answer::Result(_) => None,
            },
            duration: Some(at.elapsed()),
            usage: Usage {
                bytes_out: size(bytes_out),
                bytes_in: size(response.text.len()),
                ..Usage::default()
            },
        };
        let content = (response.text.len() <= MAX_CONTENT).then_some(response.text.as_bytes());
        let settle = |(position, sent): (usize, Sent)| {
            sent.settle(&outcome, if position == 0 { content } else { None }, taken_in)
        };
        sent.into_iter().enumerate().map(settle).collect()
    }
}

/// It had begun and was not sent after all.
pub(super) fn never_sent(sent: Sent) {
    at_once(sent, OutcomeKind::NotStarted);
}

/// It was passed on, and nothing comes back under its id.
pub(super) fn delivered(sent: Sent) {
    at_once(sent, OutcomeKind::Ok);
}

fn at_once(sent: Sent, kind: OutcomeKind) {
    let outcome = Outcome { kind, error: None, duration: None, usage: Usage::default() };
    sent.settle(&outcome, None, None);
}

impl Calls {
    fn side(&mut self, sender: Sender) -> &mut HashMap<IdKey, OpenCall> {
        match sender {
            Sender::Client => &mut self.of_client,
            Sender::Server => &mut self.of_server,
        }
    }

    /// Whether the client waits for an answer.
    pub(super) fn any_awaited(&self) -> bool {
        self.of_client.values().any(|call| !matches!(call.stage, Stage::Cancelled))
    }

    /// Why a request with this id cannot be taken now, where it cannot.
    pub(super) fn objection(&mut self, sender: Sender, id: Id<'_>) -> Option<&'static str> {
        let side = self.side(sender);
        match side.get(&id.key()) {
            Some(OpenCall { stage: Stage::Cancelled, .. }) => None,
            Some(_) => Some("a request with this id is under way"),
            None if side.len() >= MAX_OPEN => {
                side.retain(|_, call| !matches!(call.stage, Stage::Cancelled));
                (side.len() >= MAX_OPEN).then_some("too many requests are without an answer")
            }
            None => None,
        }
    }

    pub(super) fn open(&mut self, sender: Sender, id: Id<'_>, call: OpenCall) {
        self.side(sender).insert(id.key(), call);
    }

    /// It is checked now, unless it was cancelled before.
    pub(super) fn checking(&mut self, sender: Sender, id: &IdKey, check: AbortHandle) {
        match self.side(sender).get_mut(id) {
            Some(call) => call.stage = Stage::Checking(check),
            None => check.abort(),
        }
    }

    /// It is sent now.
    pub(super) fn begun(&mut self, sender: Sender, asked: Asked, sent: Vec<Sent>, bytes_out: usize) {
        if let Some(call) = self.side(sender).get_mut(&asked.key) {
            call.stage = Stage::Begun { asked: Box::new(asked), sent, at: Instant::now(), bytes_out };
        }
    }

    pub(super) fn close(&mut self, sender: Sender, id: &IdKey) {
        self.side(sender).remove(id);
    }

    /// The request of `sender` that the other side has answered now.
    pub(super) fn answered(&mut self, sender: Sender, id: Id<'_>) -> Option<OpenCall> {
        let side = self.side(sender);
        match side.get(&id.key())?.stage {
            // Answered before it was sent: made up.
            Stage::Waiting | Stage::Checking(_) => None,
            Stage::Passing | Stage::Begun { .. } | Stage::Cancelled => side.remove(&id.key()),
        }
    }

    /// `sender` wants no answer any more. What has not been sent is taken back; of what has, the
    /// outcome is unknown, since its server owes no answer (Utilities, Cancellation).
    pub(super) fn cancel(&mut self, sender: Sender, id: Id<'_>) -> Cancellation {
        let side = self.side(sender);
        let Some(call) = side.get_mut(&id.key()) else { return Cancellation::PassOn };
        match &call.stage {
            Stage::Waiting => {}
            Stage::Checking(check) => check.abort(),
            Stage::Passing | Stage::Begun { .. } | Stage::Cancelled => {
                // Dropped: unknown.
                call.stage = Stage::Cancelled;
                return Cancellation::PassOn;
            }
        }
        side.remove(&id.key());
        Cancellation::Unsent
    }

    /// Takes out what a kill has just stopped. Whatever is still answered to it is dropped.
    pub(super) fn stop(&mut self) -> Vec<Stopped> {
        let mut stopped = Vec::new();
        for sender in [Sender::Client, Sender::Server] {
            for (_, call) in self.side(sender).extract_if(|_, call| call.cut().is_some()) {
                let Some(cut) = call.cut() else { continue };
                let Stage::Begun { asked, sent, at, bytes_out } = call.stage else { continue };
                let outcome = Outcome {
                    kind: OutcomeKind::Cut,
                    error: Some(cut.reason.clone()),
                    duration: Some(at.elapsed()),
                    usage: Usage { bytes_out: u64::try_from(bytes_out).ok(), ..Usage::default() },
                };
                for sent in sent {
                    sent.settle(&outcome, None, None);
                }
                stopped.push(Stopped { asked: *asked, sender, cut });
            }
        }
        stopped
    }

    pub(super) fn remember_task(&mut self, task: String) {
        if self.tasks.len() < MAX_TASKS {
            self.tasks.insert(task);
        }
    }

    pub(super) fn made_task(&self, task: &str) -> bool {
        self.tasks.contains(task)
    }
}
