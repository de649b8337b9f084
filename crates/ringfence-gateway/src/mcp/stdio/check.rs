//! The checks of one connection: from a message to a permit, or to the reply that refuses it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ringfence_guard::{Pending, Permit, Session, Target, Verdict};
use ringfence_model::{Action, ActionKind, Arguments, Integrity, Labels, Resource};
use tokio::sync::mpsc;

use super::attempt::Sending;
use super::tools::Tools;
use super::{Schema, Server, reply};
use crate::mcp::edit::ResultType;
use crate::mcp::envelope::{self, Id, IdKey, Refused, Request};
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
    said: mpsc::UnboundedSender<Vec<u8>>,
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
        said: mpsc::UnboundedSender<Vec<u8>>,
    ) -> Self {
        let name = server.name.as_str().into();
        Checker { session, server, name, notices, said }
    }

    /// Checks a message that attempts so many actions.
    pub(super) fn check(
        &self,
        sender: Sender,
        asked: Asked,
        text: &str,
        actions: usize,
        target: Target,
    ) -> impl Future<Output = Checked> + Send + use<> {
        let text: Arc<[u8]> = text.as_bytes().into();
        let session = self.session.clone();
        let server = Arc::clone(&self.name);
        let notices = self.notices.clone();
        let said = self.said.clone();
        async move {
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
                    verdict = wait(pending, &asked, &said).await;
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
}

impl Asked {
    /// Of a request.
    pub(super) fn of_request(request: &Request<'_>) -> Asked {
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

async fn wait(
    mut pending: Pending<Sending>,
    asked: &Asked,
    said: &mpsc::UnboundedSender<Vec<u8>>,
) -> Verdict<Sending> {
    let rounds = WAIT.as_secs() / PROGRESS.as_secs();
    for round in 0..rounds {
        if let Some(token) = &asked.progress {
            let line = reply::progress(token, round, rounds, pending.ticket().as_str());
            if said.send(line).is_err() {
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
