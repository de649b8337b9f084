//! Asking the agent's own client (`approvers: [client]`), in the protocol's own way: elicitation
//! where a session has it (2025-06-18 to 2025-11-25), an interim result with a sealed state where
//! requests stand alone (2026-07-28, Multi Round-Trip Requests).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ringfence_guard::{Answered, Attempt as _, Pending, Session};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::attempt::Sending;
use super::check::{Aside, Asked};
use crate::mcp::envelope::{Answer, Id, IdKey, Object, Params, Request, Response};
use crate::mcp::json;

/// What a state of ours begins with; whatever begins otherwise is a server's.
const STATE: &str = "ringfence-ask.";
/// Our name for the question.
const NAME: &str = "ringfence";
/// How much of what the client had said to the server before may be kept in a state.
const MAX_KEPT: usize = 64 * 1024;
/// How much of the arguments is shown.
const MAX_SHOWN: usize = 1_000;

/// How a client can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It cannot.
    None,
    /// By a request.
    Request,
    /// By an interim result.
    Result,
}

/// What a client said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Yes,
    No,
    /// It closed the question.
    Nothing,
}

/// A request made again by a client that was asked.
pub(super) struct Again {
    pub(super) ask: String,
    pub(super) said: Said,
    /// The request as its server would have got it without the question.
    pub(super) text: String,
}

/// Questions under way as requests to the client.
#[derive(Clone, Default)]
pub(super) struct Questions(Arc<Mutex<HashMap<IdKey, oneshot::Sender<Said>>>>);

impl Questions {
    /// A question: its id, the line that asks it, and where the answer comes.
    /// Asks.
    pub(super) fn ask(
        &self,
        asked: &Asked,
        pending: &Pending<Sending>,
        asides: &mpsc::UnboundedSender<Aside>,
    ) -> Question {
        let id = json!(format!("ringfence-ask-{}", pending.ticket().as_str())).to_string();
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"elicitation/create","params":{}}}"#,
            question(asked, pending)
        );
        let key = Id::parse(&id).map(Id::key).expect("invariant: a string is an id");
        let (tell, told) = oneshot::channel();
        self.lock().insert(key.clone(), tell);
        let about = Some((key.clone(), asked.key.clone()));
        // Where the connection has ended nobody answers.
        asides.send(Aside { text: text.into_bytes(), about }).ok();
        Question { id, key, told, questions: self.clone(), asides: asides.clone() }
    }

    /// Whether a response of the client's answers a question.
    pub(super) fn answered(&self, response: &Response<'_>) -> bool {
        let Some(tell) = response.id.and_then(|id| self.lock().remove(&id.key())) else { return false };
        let said = match response.answer {
            Answer::Result(result) => said(result),
            Answer::Error(_) => Said::Nothing,
        };
        // Nobody waits where the call was cancelled meanwhile.
        tell.send(said).ok();
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IdKey, oneshot::Sender<Said>>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question under way. Dropped before it is answered, its client is told not to answer it.
pub(super) struct Question {
    id: String,
    key: IdKey,
    told: oneshot::Receiver<Said>,
    questions: Questions,
    asides: mpsc::UnboundedSender<Aside>,
}

impl Question {
    /// What the client says.
    pub(super) async fn answer(&mut self) -> Said {
        (&mut self.told).await.unwrap_or(Said::Nothing)
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if self.questions.lock().remove(&self.key).is_some() {
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{}}}}}"#,
                self.id
            );
            // Nobody is left to be told where the connection has ended.
            self.asides.send(Aside { text: text.into_bytes(), about: None }).ok();
        }
    }
}

impl Said {
    /// As the guard takes it; none where nothing was said.
    pub(super) fn answer(self) -> Option<Answered> {
        match self {
            Said::Yes => Some(Answered::Approved("client".to_owned())),
            Said::No => Some(Answered::Refused("client".to_owned())),
            Said::Nothing => None,
        }
    }
}

/// How the client of a request that stands alone can be asked.
pub(super) fn by_result(request: &Request<'_>) -> Way {
    let is_asked = matches!(&*request.method, "tools/call" | "prompts/get" | "resources/read");
    let meta = request.params.member("_meta").and_then(|meta| Object::parse(meta, &[]).ok());
    let capabilities = meta.and_then(|meta| meta.member("io.modelcontextprotocol/clientCapabilities"));
    if is_asked && capabilities.is_some_and(elicits) { Way::Result } else { Way::None }
}

/// Whether capabilities have elicitation by forms.
pub(super) fn elicits(capabilities: &str) -> bool {
    let capabilities = Object::parse(capabilities, &[]).ok();
    let elicitation = capabilities.and_then(|capabilities| capabilities.member("elicitation"));
    let Some(elicitation) = elicitation.and_then(|text| Object::parse(text, &[]).ok()) else { return false };
    // Without modes it is the form (2025-06-18).
    elicitation.members().next().is_none() || elicitation.member("form").is_some()
}

/// The interim result that asks the client; none where the request cannot be kept in a state.
pub(super) fn interim(
    session: &Session,
    request: &Request<'_>,
    asked: &Asked,
    pending: &Pending<Sending>,
) -> Option<String> {
    let kept = |name: &str| request.params.member(name).map(str::to_owned);
    let (state, responses) = (kept("requestState"), kept("inputResponses"));
    let size = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    if size(&state).saturating_add(size(&responses)) > MAX_KEPT {
        return None;
    }
    // It is of use as long as the ask is, which expires.
    let sealed = json!([pending.ticket().as_str(), salient(request), state, responses]);
    let state = format!("{STATE}{}", session.seal(&sealed.to_string()));
    Some(format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"resultType":"input_required","inputRequests":{{"{NAME}":{{"method":"elicitation/create","params":{}}}}},"requestState":{}}}}}"#,
        request.id.text(),
        question(asked, pending),
        json!(state),
    ))
}

/// A request made again after its client was asked; none where it is no such request.
///
/// An error where its state was not given out for this; why, in words for a model.
pub(super) fn again(session: &Session, request: &Request<'_>) -> Option<Result<Again, &'static str>> {
    let sealed = request.params.member("requestState").and_then(json::string)?;
    let sealed = sealed.strip_prefix(STATE)?.to_owned();
    Some(unsealed(session, request, &sealed))
}

fn unsealed(session: &Session, request: &Request<'_>, sealed: &str) -> Result<Again, &'static str> {
    type Sealed = (String, String, Option<String>, Option<String>);
    let (ask, bound_to, state, responses): Sealed = session
        .unseal(sealed)
        .and_then(|text| serde_json::from_str(&text).ok())
        .ok_or("`requestState` is not as it was given out")?;
    if bound_to != salient(request) {
        return Err("`requestState` was given out for another request");
    }
    let answers = request.params.member("inputResponses");
    let answer = answers.and_then(|text| Object::parse(text, &[]).ok()?.member(NAME));
    let changes = [("requestState", state.as_deref()), ("inputResponses", responses.as_deref())];
    let params = match &request.params {
        Params::Object(object) => object.edited(&changes),
        Params::Absent => "{}".to_owned(),
    };
    let text = match Object::parse(request.text, &[]) {
        Ok(object) => object.edited(&[("params", Some(&params))]),
        Err(_) => return Err("the request cannot be read"),
    };
    Ok(Again { ask, said: answer.map_or(Said::Nothing, said), text })
}

/// What tells a request from another: the digest of its method and parameters.
fn salient(request: &Request<'_>) -> String {
    let params = match &request.params {
        Params::Object(object) => {
            object.edited(&[("_meta", None), ("requestState", None), ("inputResponses", None)])
        }
        Params::Absent => "{}".to_owned(),
    };
    // As written or as another writer would have it.
    let value: Value = serde_json::from_str(&params).unwrap_or_default();
    let text = format!("{} {value}", request.method);
    ringfence_guard::sha256(text.as_bytes()).to_string()
}

fn said(result: &str) -> Said {
    let action = Object::parse(result, &[]).ok().and_then(|result| result.member("action"));
    match action.and_then(json::string).as_deref() {
        Some("accept") => Said::Yes,
        Some("decline") => Said::No,
        Some(_) | None => Said::Nothing,
    }
}

/// What the person at the client reads: what is attempted, with what, and why it is asked.
fn question(asked: &Asked, pending: &Pending<Sending>) -> Value {
    let action = pending.attempt().action();
    let (what, arguments) = match &action {
        Ok(action) => (format!("{} on {}", action.kind.as_str(), action.resource), action.arguments.raw()),
        Err(_) => (asked.method.clone(), "{}"),
    };
    let mut shown: String = arguments.chars().take(MAX_SHOWN).collect();
    if shown.len() < arguments.len() {
        shown.push('…');
    }
    let message = format!(
        "Ringfence asks whether this may be done: {what}, with {shown}. {} ({})",
        pending.decision().reason(),
        pending.decision().rule(),
    );
    json!({
        "mode": "form",
        "message": message,
        "requestedSchema": { "type": "object", "properties": {} },
    })
}
