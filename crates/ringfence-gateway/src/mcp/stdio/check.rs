//! The checks of one connection: from a message to a permit, or to the reply that refuses it.

use std::borrow::Cow;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ringfence_guard::{Pending, Permit, Session, Target, Verdict};
use ringfence_model::{Action, ActionKind, Arguments, Integrity, Labels, Resource};
use tokio::sync::mpsc;

use super::asking::{self, Again, Question, Questions, Said};
use super::attempt::Sending;
use super::tools::Tools;
use super::{Schema, Server, lists, reply};
use crate::mcp::edit::ResultType;
use crate::mcp::envelope::{self, Id, IdKey, Message, Refused, Request};
use crate::mcp::method::{Sender, is_stateless};

/// How long a call waits for a person before it is answered that it waits.
const WAIT: Duration = Duration::from_secs(50);
/// How often a waiting call says so.
const PROGRESS: Duration = Duration::from_secs(5);

pub(super) struct Checker {
    session: Session,
    server: Arc<Server>,
    name: Arc<str>,
    notices: mpsc::Sender<String>,
    /// Lines to the client that come while a check goes on.
    said: mpsc::UnboundedSender<Aside>,
    /// What the client is asked meanwhile.
    pub(super) questions: Questions,
}

/// A line to the client that is not an answer.
pub(super) struct Aside {
    pub(super) text: Vec<u8>,
    /// Where it is a request: its id, and that of the client's request that it is about.
    pub(super) about: Option<(IdKey, IdKey)>,
}

/// What came of a check.
pub(super) enum Checked {
    /// It may be sent.
    Forward(Forward),
    /// It may not; what whoever waits is told.
    Refuse { asked: Asked, sender: Sender, reply: Vec<u8> },
}

/// A message that may be sent, if it is still wanted and the last look holds.
pub(super) struct Forward {
    pub(super) asked: Asked,
    pub(super) sender: Sender,
    pub(super) permits: Vec<Permit<Sending>>,
}

impl Checker {
    pub(super) fn new(
        session: Session,
        server: Arc<Server>,
        notices: mpsc::Sender<String>,
        said: mpsc::UnboundedSender<Aside>,
    ) -> Self {
        let name = server.name.as_str().into();
        Checker { session, server, name, notices, said, questions: Questions::default() }
    }

    /// A request that was made again after its client was asked, if it is one.
    pub(super) fn again(&self, request: &Request<'_>) -> Option<Result<Again, &'static str>> {
        asking::again(&self.session, request)
    }

    /// Checks a message that attempts so many actions.
    pub(super) fn check(
        &self,
        sender: Sender,
        asked: Asked,
        text: &str,
        actions: usize,
        target: Target,
        answer: Option<(String, Said)>,
    ) -> impl Future<Output = Checked> + Send + use<> {
        let text: Arc<[u8]> = text.as_bytes().into();
        let session = self.session.clone();
        let server = Arc::clone(&self.name);
        let notices = self.notices.clone();
        let said = self.said.clone();
        let questions = self.questions.clone();
        async move {
            let was_asked = answer.is_some();
            if let Some((ask, said)) = answer
                && let Some(said) = said.answer()
                && let Err(error) = session.client_answers(&ask, said).await
            {
                // It has expired or was used: it is asked anew.
                tracing::debug!(ask, %error, "a client's answer does not count");
            }
            let mut permits = Vec::with_capacity(actions);
            for which in 0..actions {
                let attempt = Sending {
                    server: Arc::clone(&server),
                    sender,
                    text: Arc::clone(&text),
                    which,
                    target: target.clone(),
                };
                let mut verdict = session.check(attempt).await;
                if let Verdict::Pending(pending) = verdict {
                    let notice = notice(&server, &asked, &pending);
                    if notices.try_send(notice).is_err() {
                        tracing::debug!("nobody can be told that an answer is waited for");
                    }
                    let client_may_answer = pending.client_may_answer();
                    verdict = match asked.way {
                        asking::Way::Result if client_may_answer && !was_asked => {
                            let reply = match envelope::parse(&text) {
                                Ok(Message::Request(request)) => {
                                    asking::interim(&session, &request, &asked, &pending)
                                }
                                _ => None,
                            };
                            if let Some(reply) = reply {
                                return Checked::Refuse { asked, sender, reply: reply.into_bytes() };
                            }
                            wait(pending, &asked, &said).await
                        }
                        asking::Way::Result if client_may_answer => Verdict::Pending(pending),
                        asking::Way::Request if client_may_answer => {
                            let question = questions.ask(&asked, &pending, &said);
                            answered(&session, pending, &asked, &said, question).await
                        }
                        asking::Way::None | asking::Way::Request | asking::Way::Result => {
                            wait(pending, &asked, &said).await
                        }
                    };
                }
                let reply = match verdict {
                    Verdict::Allowed(permit) => {
                        permits.push(permit);
                        continue;
                    }
                    Verdict::Denied(denied) => reply::denied(&asked, &denied),
                    Verdict::Pending(pending) => reply::still_waiting(&asked, &pending),
                };
                return Checked::Refuse { asked, sender, reply };
            }
            Checked::Forward(Forward { asked, sender, permits })
        }
    }

    /// What is known of the target of a request; `unlisted` says why the server's tools are not.
    pub(super) fn target(&self, request: &Request<'_>, tools: &Tools, unlisted: Option<&str>) -> Target {
        let mut target = self.server_alone();
        if request.method != "tools/call" {
            return target;
        }
        let misfit = match tools.called(&request.params) {
            Some(tool) => {
                target.tool = Some(Arc::clone(&tool.tool));
                tool.misfit(request.params.member("arguments"))
            }
            None => unlisted.map(|why| format!("The tool's schema cannot be read: {why}.")),
        };
        if let Some(misfit) = misfit {
            match self.server.schema {
                Schema::Enforce => target.misfit = Some(misfit),
                Schema::Warn => {
                    tracing::warn!(server = self.server.name, misfit, "let through as configured");
                }
            }
        }
        target
    }

    /// The target of whatever names no tool.
    pub(super) fn server_alone(&self) -> Target {
        Target { server: Some(self.server.identity), ..Target::default() }
    }

    /// A list of tools as the client may see it; what it says is remembered.
    pub(super) fn shown_tools(
        &self,
        text: &str,
        result: &str,
        first_page: bool,
        tools: &mut Tools,
    ) -> Result<String, Refused> {
        tools.shown(text, result, &self.server, first_page, |tool| self.is_visible(tool))
    }

    /// The answer to a method as the client may see it.
    pub(super) fn shown<'a>(
        &self,
        method: &str,
        text: &'a str,
        result: &'a str,
    ) -> Result<Cow<'a, str>, Refused> {
        lists::shown(&self.session, &self.server.name, &self.server_alone(), method, (text, result))
    }

    fn is_visible(&self, tool: &super::tools::Listed) -> bool {
        let action = Action {
            kind: ActionKind::ToolCall,
            resource: Resource::mcp(&self.server.name, &tool.name),
            arguments: Arguments::none(),
        };
        let target = Target {
            server: Some(self.server.identity),
            tool: Some(Arc::clone(&tool.tool)),
            ..Target::default()
        };
        tool.is_usable() && self.session.visible(&action, &target)
    }

    /// The labels of what a server says in answer to a method.
    pub(super) fn taken_from_server(&self, method: &str) -> Option<Labels> {
        let foreign = Labels { integrity: Integrity::Untrusted, ..Labels::FRESH };
        matches!(method, "tools/call" | "resources/read" | "prompts/get").then_some(foreign)
    }
}

/// What a check needs of the message to answer it.
pub(super) struct Asked {
    id: String,
    pub(super) key: IdKey,
    pub(super) method: String,
    name: Option<String>,
    pub(super) result_type: ResultType,
    /// Whether it is a server's result that asks for something, rather than a request.
    pub(super) is_response: bool,
    progress: Option<String>,
    /// How the client can be asked about it.
    way: asking::Way,
}

impl Asked {
    /// Of a request; `elicits` says whether the client of this session can be asked by requests.
    pub(super) fn of_request(request: &Request<'_>, elicits: bool) -> Asked {
        let string = |text: &str| serde_json::from_str::<String>(text).ok();
        let progress = || {
            let meta = envelope::Object::parse(request.params.member("_meta")?, &[]).ok()?;
            meta.member("progressToken").map(str::to_owned)
        };
        let stateless = is_stateless(&request.params);
        Asked {
            id: request.id.text().to_owned(),
            key: request.id.key(),
            name: request.params.member("name").or(request.params.member("uri")).and_then(string),
            result_type: if stateless { ResultType::Complete } else { ResultType::Unsaid },
            is_response: false,
            progress: progress(),
            way: match (stateless, elicits) {
                (true, _) => asking::by_result(request),
                (false, true) => asking::Way::Request,
                (false, false) => asking::Way::None,
            },
            method: request.method.clone().into_owned(),
        }
    }

    /// Of a response, to the request `id`, that asks for something.
    pub(super) fn of_result(id: Id<'_>) -> Asked {
        Asked {
            id: id.text().to_owned(),
            key: id.key(),
            name: None,
            result_type: ResultType::Complete,
            is_response: true,
            progress: None,
            way: asking::Way::None,
            method: "inputRequests".to_owned(),
        }
    }

    pub(super) fn id(&self) -> Id<'_> {
        Id::parse(&self.id).expect("invariant: it was read as an id before")
    }
}

fn notice(server: &str, asked: &Asked, pending: &Pending<Sending>) -> String {
    let what = asked.name.as_deref().unwrap_or(&asked.method);
    let id = pending.ticket().as_str();
    format!("`{what}` on `{server}` waits for a person: ringfence approvals approve {id}")
}

/// Waits for a person, or for what the client says to a question.
async fn answered(
    session: &Session,
    pending: Pending<Sending>,
    asked: &Asked,
    said: &mpsc::UnboundedSender<Aside>,
    mut question: Question,
) -> Verdict<Sending> {
    let ask = pending.ticket().as_str().to_owned();
    let mut waiting = pin!(wait(pending, asked, said));
    let heard = tokio::select! {
        verdict = &mut waiting => return verdict,
        heard = question.answer() => heard,
    };
    if let Some(answer) = heard.answer()
        && let Err(error) = session.client_answers(&ask, answer).await
    {
        tracing::warn!(ask, %error, "a client's answer does not count");
    }
    waiting.await
}

async fn wait(
    mut pending: Pending<Sending>,
    asked: &Asked,
    said: &mpsc::UnboundedSender<Aside>,
) -> Verdict<Sending> {
    let rounds = WAIT.as_secs() / PROGRESS.as_secs();
    for round in 0..rounds {
        if let Some(token) = &asked.progress {
            let line = reply::progress(token, round, rounds, pending.ticket().as_str());
            if said.send(Aside { text: line, about: None }).is_err() {
                tracing::debug!("the connection ended while an answer was waited for");
            }
        }
        match pending.wait(PROGRESS).await {
            Verdict::Pending(still) => pending = still,
            verdict => return verdict,
        }
    }
    Verdict::Pending(pending)
}
