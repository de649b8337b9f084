//! A client whose requests stand alone (2026-07-28), in front of a server that is begun with
//! `initialize` (to 2025-11-25).
//!
//! The server is begun with once, with what the first request says of its client. What the server
//! asks its client while a call is open is the call's interim result, and the call, which goes on at
//! the server, is answered when it is made again (Multi Round-Trip Requests): see [`newer_asks`].
//!
//! [`newer_asks`]: super::newer_asks

use std::collections::HashMap;

use serde_json::{Value, json};

use super::newer_asks::{Asking, Asks};
use super::newer_listens::Listens;
use super::{CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, Outbox, SERVER_INFO, VERSION, Way, write};
use crate::mcp::envelope::{self, Answer, IdKey, Message, Notification, Object, Params, Request, Response};
use crate::mcp::method::{self, Revision, Sender};

/// The longest refusal to begin that is told to everyone who waits.
const MAX_REFUSAL: usize = 64 * 1024;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// One such client.
#[derive(Debug)]
pub(super) struct Newer {
    beginning: Option<Beginning>,
    /// What the server said of itself.
    server: Server,
    /// Requests of the client's that the server works on, by their id there.
    calls: HashMap<IdKey, Call>,
    asks: Asks,
    listens: Listens,
    /// Requests of our own that nobody waits for.
    own: HashMap<IdKey, ()>,
    level: Option<String>,
    /// The wire's next question, and the call that it is about.
    about: Option<(IdKey, IdKey)>,
}

#[derive(Debug)]
struct Beginning {
    id: IdKey,
    held: Vec<String>,
}

#[derive(Debug, Default)]
struct Server {
    info: Option<String>,
    capabilities: String,
    instructions: Option<String>,
    logs: bool,
}

/// One request under way.
#[derive(Debug)]
pub(super) struct Call {
    /// The client's id, as written; none while the client is to make it again.
    pub(super) id: Option<String>,
    /// Its id at the server, as written.
    pub(super) at: String,
    pub(super) method: String,
    /// The parameters that tell it from another, and the progress token that the server knows.
    pub(super) params: String,
    pub(super) token: Option<IdKey>,
    /// The token that the client knows now, as written.
    pub(super) token_now: Option<String>,
    /// What its client can be asked.
    pub(super) can: Vec<&'static str>,
    /// It wants log messages.
    logs: bool,
    pub(super) number: u64,
}

/// The server refused to begin; whoever waited has been told.
pub(super) struct NotBegun;

impl Newer {
    /// Begins: `first` is the `_meta` of a request. What is held is said once the server has begun.
    pub(super) fn begin(first: &str, held: Vec<String>, said: &mut Outbox) -> Newer {
        let meta = Object::parse(first, &[]).ok();
        let member = |name: &str| meta.as_ref().and_then(|meta| meta.member(name));
        let unknown = json!({ "name": "unknown", "version": "unknown" }).to_string();
        let params = format!(
            r#"{{"protocolVersion":"{}","capabilities":{},"clientInfo":{}}}"#,
            Revision::V20251125.as_str(),
            write::object(member(CLIENT_CAPABILITIES), &[("extensions", None)]),
            member(CLIENT_INFO).unwrap_or(&unknown),
        );
        let id = said.ask("initialize", &params);
        Newer {
            beginning: Some(Beginning { id, held }),
            server: Server::default(),
            calls: HashMap::new(),
            asks: Asks::default(),
            listens: Listens::default(),
            own: HashMap::new(),
            level: None,
            about: None,
        }
    }

    pub(super) fn client_says(&mut self, message: &Message<'_>, said: &mut Outbox) -> Way {
        match message {
            Message::Request(request) => {
                match &mut self.beginning {
                    Some(beginning) => super::hold(&mut beginning.held, request, said),
                    None => self.request(request, said),
                }
                Way::Taken
            }
            Message::Notification(notification) => {
                if notification.method == "notifications/cancelled" {
                    self.cancelled(notification, said);
                }
                Way::Taken
            }
            // The newer era has none.
            Message::Response(_) => Way::Taken,
            Message::Batch(_) => Way::On,
        }
    }

    pub(super) fn is_about(&mut self, question: IdKey, call: IdKey) {
        self.about = Some((question, call));
    }

    fn request(&mut self, request: &Request<'_>, said: &mut Outbox) {
        let id = request.id.text();
        if self.is_open(&request.id.key()) {
            said.tell_client(write::error(id, -32600, super::UNDER_WAY));
            return;
        }
        let revision = method::revision(&request.params);
        if revision.as_deref() != Some(Revision::V20260728.as_str()) {
            let data = json!({ "supported": [Revision::V20260728.as_str()], "requested": revision });
            let error = json!({ "code": -32022, "message": "Unsupported protocol version", "data": data });
            said.tell_client(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
            return;
        }
        if !method::is_of(Revision::V20260728, Sender::Client, &request.method) {
            let text = format!("`{}` is not a method of this revision", request.method);
            said.tell_client(write::error(id, -32601, &text));
            return;
        }
        let meta = request.params.member("_meta").and_then(|meta| Object::parse(meta, &[]).ok());
        let member = |name: &str| meta.as_ref().and_then(|meta| meta.member(name));
        match &*request.method {
            "server/discover" => said.tell_client(write::result(id, &self.server.discovered())),
            "subscriptions/listen" => self.listens.listen(request, &self.server.capabilities, said),
            method if method.starts_with("tasks/") => {
                let text = "the server's tasks are of an older revision";
                said.tell_client(write::error(id, -32601, text));
            }
            _ if request.params.member("requestState").is_some() => self.again(request, said),
            method => {
                let level = member(LOG_LEVEL);
                if let Some(level) = level.filter(|_| self.server.logs)
                    && self.level.as_deref() != Some(level)
                {
                    self.level = Some(level.to_owned());
                    let asked = said.ask("logging/setLevel", &format!(r#"{{"level":{level}}}"#));
                    self.own.insert(asked, ());
                }
                let told_apart = if Asks::may_ask(method) { salient(&request.params) } else { String::new() };
                let kept = self.calls.values().map(|call| call.params.len());
                let kept = kept.fold(told_apart.len(), usize::saturating_add);
                if self.calls.len() >= super::MAX_CALLS || kept > super::MAX_KEPT {
                    let text = "too many requests are without an answer";
                    said.tell_client(write::error(id, -32000, text));
                    return;
                }
                let token = member("progressToken");
                let at = said.id();
                let params = older(&request.params);
                said.tell_server(write::request(request, &at, &params));
                let call = Call {
                    id: Some(id.to_owned()),
                    method: method.to_owned(),
                    params: told_apart,
                    token: token.and_then(|token| envelope::Id::parse(token).map(envelope::Id::key)),
                    token_now: token.map(str::to_owned),
                    can: Asks::capabilities(member(CLIENT_CAPABILITIES)),
                    logs: level.is_some(),
                    number: said.count,
                    at,
                };
                self.calls.insert(write::key(&call.at), call);
            }
        }
    }

    /// Whether the client waits for an answer under this id.
    fn is_open(&self, id: &IdKey) -> bool {
        let mut open = self.calls.values().filter_map(|call| call.id.as_deref());
        self.listens.is_open(id) || open.any(|open| write::key(open) == *id)
    }

    /// A call is made again, with what its client has answered.
    fn again(&mut self, request: &Request<'_>, said: &mut Outbox) {
        let id = request.id.text();
        let answer = match self.asks.again(request, &salient(&request.params), &mut self.calls, said) {
            Ok(answer) => answer,
            Err(why) => {
                said.tell_client(write::error(id, -32602, why));
                return;
            }
        };
        if let Some(answer) = answer {
            said.tell_client(answer);
        }
    }

    fn cancelled(&mut self, notification: &Notification<'_>, said: &mut Outbox) {
        let Some(id) = method::cancelled(&notification.params).map(|id| id.key()) else { return };
        if self.listens.cancelled(&id, said) {
            return;
        }
        if let Some(beginning) = &mut self.beginning {
            beginning.held.retain(|held| super::id_of(held).as_ref() != Some(&id));
            return;
        }
        let is_it = |call: &Call| call.id.as_deref().is_some_and(|open| write::key(open) == id);
        let found = self.calls.iter().find(|(_, call)| is_it(call)).map(|(key, _)| key.clone());
        if let Some(call) = found.and_then(|key| self.calls.remove(&key)) {
            self.asks.forget(&write::key(&call.at), said);
            said.tell_server(write::cancelled(&call.at));
        }
    }

    pub(super) fn client_is_told(
        &mut self,
        message: &Message<'_>,
        said: &mut Outbox,
    ) -> Result<Way, NotBegun> {
        match message {
            Message::Response(response) => self.response(response, said),
            Message::Request(request) => {
                self.asked(request, said);
                Ok(Way::Taken)
            }
            Message::Notification(notification) => Ok(self.notification(notification, said)),
            Message::Batch(_) => Ok(Way::On),
        }
    }

    fn response(&mut self, response: &Response<'_>, said: &mut Outbox) -> Result<Way, NotBegun> {
        let Some(key) = response.id.map(envelope::Id::key) else { return Ok(Way::Taken) };
        if let Some(beginning) = self.beginning.take_if(|beginning| beginning.id == key) {
            return self.begun(beginning, response, said);
        }
        if self.own.remove(&key).is_some() || self.listens.response(&key, response, said) {
            return Ok(Way::Taken);
        }
        let Some(call) = self.calls.remove(&key) else { return Ok(Way::Taken) };
        match &call.id {
            Some(id) => {
                self.asks.forget(&key, said);
                said.tell_client(finished(&call.method, response, id));
            }
            // Its client is to make it again, and gets it then.
            None => self.asks.finished(call, response, said),
        }
        Ok(Way::Taken)
    }

    fn begun(
        &mut self,
        beginning: Beginning,
        response: &Response<'_>,
        said: &mut Outbox,
    ) -> Result<Way, NotBegun> {
        let Some(result) = Object::of_result(response) else {
            for held in beginning.held {
                let Ok(Message::Request(request)) = envelope::parse(held.as_bytes()) else { continue };
                let id = request.id.text();
                said.tell_client(match response.answer {
                    Answer::Error(error) if error.len() <= MAX_REFUSAL => write::readdressed(response, id),
                    Answer::Error(_) | Answer::Result(_) => {
                        write::error(id, -32603, "the server did not begin as the protocol has it")
                    }
                });
            }
            return Err(NotBegun);
        };
        let capabilities = write::object(result.member("capabilities"), &[("tasks", None)]);
        self.server = Server {
            info: result.member("serverInfo").map(str::to_owned),
            logs: Object::parse(&capabilities, &[]).is_ok_and(|offers| offers.member("logging").is_some()),
            capabilities,
            instructions: result.member("instructions").map(str::to_owned),
        };
        said.tell_server(INITIALIZED.to_owned());
        for held in beginning.held {
            if let Ok(Message::Request(request)) = envelope::parse(held.as_bytes()) {
                self.request(&request, said);
            }
        }
        Ok(Way::Taken)
    }

    /// The server asks its client.
    fn asked(&mut self, request: &Request<'_>, said: &mut Outbox) {
        let id = request.id.text();
        if request.method == "ping" {
            said.tell_server(write::result(id, "{}"));
            return;
        }
        let about = self.about.take().filter(|(question, _)| *question == request.id.key());
        let about = about.map(|(_, call)| call);
        match self.asks.ask(request, about.as_ref(), &mut self.calls, said) {
            Asking::Parked(answer) => said.tell_client(answer),
            Asking::Queued => {}
            Asking::Nobody => {
                let text = "the client can be asked only while it waits for an answer, and not this";
                said.tell_server(write::error(id, -32601, text));
            }
        }
    }

    fn notification(&mut self, notification: &Notification<'_>, said: &mut Outbox) -> Way {
        match &*notification.method {
            "notifications/progress" => {
                let token = notification.params.member("progressToken").and_then(envelope::Id::parse);
                let Some(token) = token.map(envelope::Id::key) else { return Way::Taken };
                let call = self.calls.values().find(|call| call.token.as_ref() == Some(&token));
                match call {
                    Some(Call { id: Some(_), token_now: Some(now), .. }) => {
                        let params = write::params(&notification.params, &[("progressToken", Some(now))]);
                        said.tell_client(notified(&notification.method, &params));
                        Way::Taken
                    }
                    Some(_) | None => Way::Taken,
                }
            }
            "notifications/message" => {
                if self.calls.values().any(|call| call.logs && call.id.is_some()) {
                    Way::On
                } else {
                    Way::Taken
                }
            }
            "notifications/cancelled" => {
                if let Some(id) = method::cancelled(&notification.params) {
                    self.asks.withdrawn(&id.key());
                }
                Way::Taken
            }
            "notifications/resources/updated"
            | "notifications/resources/list_changed"
            | "notifications/tools/list_changed"
            | "notifications/prompts/list_changed" => {
                self.listens.notification(notification, said);
                Way::Taken
            }
            // Of what the newer era does not have.
            _ => Way::Taken,
        }
    }
}

impl Server {
    fn discovered(&self) -> String {
        let info = self.info.as_deref().map(|info| format!(r#","_meta":{{"{SERVER_INFO}":{info}}}"#));
        let instructions = self.instructions.as_deref().map(|text| format!(r#","instructions":{text}"#));
        format!(
            r#"{{"resultType":"complete","supportedVersions":["{}"],"capabilities":{}{}{},"ttlMs":0,"cacheScope":"private"}}"#,
            Revision::V20260728.as_str(),
            self.capabilities,
            instructions.unwrap_or_default(),
            info.unwrap_or_default(),
        )
    }
}

/// Parameters as the older era has them.
fn older(params: &Params<'_>) -> String {
    let meta = params.member("_meta").and_then(|meta| Object::parse(meta, &[]).ok());
    let meta = meta.map(|meta| {
        meta.edited(&[(VERSION, None), (CLIENT_INFO, None), (CLIENT_CAPABILITIES, None), (LOG_LEVEL, None)])
    });
    let meta = meta.filter(|meta| meta != "{}");
    write::params(params, &[("_meta", meta.as_deref()), ("inputResponses", None), ("requestState", None)])
}

/// What tells a request from another of its method.
fn salient(params: &Params<'_>) -> String {
    write::params(params, &[("_meta", None), ("inputResponses", None), ("requestState", None)])
}

pub(super) fn notified(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":{},"params":{params}}}"#, Value::from(method))
}

/// An answer as the newer era has it.
pub(super) fn finished(method: &str, response: &Response<'_>, id: &str) -> String {
    let Some(result) = Object::of_result(response) else {
        return match response.answer {
            // A resource that there is not (2026-07-28, Key Changes, minor 6).
            Answer::Error(error) if method == "resources/read" && write::code(error) == Some(-32002) => {
                let error = write::object(Some(error), &[("code", Some("-32602"))]);
                format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
            }
            Answer::Error(_) | Answer::Result(_) => write::readdressed(response, id),
        };
    };
    let mut changes = Vec::new();
    if result.member("resultType").is_none() {
        changes.push(("resultType", Some(r#""complete""#)));
    }
    let is_cacheable = matches!(
        method,
        "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" | "resources/read"
    );
    if is_cacheable {
        if result.member("ttlMs").is_none() {
            changes.push(("ttlMs", Some("0")));
        }
        if result.member("cacheScope").is_none() {
            changes.push(("cacheScope", Some(r#""private""#)));
        }
    }
    write::result(id, &result.edited(&changes))
}
