//! A client that begins with `initialize` (to 2025-11-25), in front of a server whose requests
//! stand alone (2026-07-28).
//!
//! What the client said of itself once is said with each request. What the server asks in a result
//! (Multi Round-Trip Requests) the client is asked in requests, and the call is made again with what
//! it answers.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::older_listens::Listens;
use super::{CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, Outbox, SERVER_INFO, VERSION, Way, offers, write};
use crate::mcp::edit::{self, InputRequest};
use crate::mcp::envelope::{self, Answer, IdKey, Message, Notification, Object, Params, Request, Response};
use crate::mcp::json;
use crate::mcp::method::{self, Revision};

/// How often one call may ask its client for more.
const MAX_ROUNDS: u32 = 32;
/// How many things at a time.
const MAX_ASKED: usize = 64;

/// One such client.
#[derive(Debug)]
pub(super) struct Older {
    /// What each request says of the client.
    info: Option<String>,
    capabilities: String,
    level: Option<String>,
    /// Calls that may ask for more, by their id at the server.
    calls: HashMap<IdKey, Call>,
    /// What the client is asked, by the id it is asked under.
    asked: HashMap<IdKey, Asked>,
    listens: Listens,
}

#[derive(Debug)]
struct Asked {
    /// The id, as written.
    id: String,
    /// The call's id at the server.
    call: IdKey,
    /// The server's name for it.
    name: String,
}

#[derive(Debug)]
struct Call {
    /// The client's id, as written.
    id: String,
    /// Its id at the server, as written: each round has one of its own.
    at: String,
    /// The request, whole.
    text: String,
    rounds: u32,
    /// What the server wants to hear again.
    state: Option<String>,
    /// What the client has answered, and how many answers are outstanding.
    answers: Vec<(String, String)>,
    outstanding: usize,
}

impl Call {
    fn bytes(&self) -> usize {
        let answers = self.answers.iter().map(|(name, answer)| name.len().saturating_add(answer.len()));
        let kept = self.text.len().saturating_add(self.state.as_ref().map_or(0, String::len));
        answers.fold(kept, usize::saturating_add)
    }
}

/// The `_meta` of requests: what a client said of itself in `initialize`.
pub(super) fn meta(opening: &Request<'_>, level: Option<&str>) -> String {
    let capabilities = capabilities(opening);
    said_of(None, opening.params.member("clientInfo"), &capabilities, level)
}

fn capabilities(opening: &Request<'_>) -> String {
    // Tasks are another thing in each era.
    write::object(opening.params.member("capabilities"), &[("tasks", None)])
}

fn said_of(meta: Option<&str>, info: Option<&str>, capabilities: &str, level: Option<&str>) -> String {
    let version = json!(Revision::V20260728.as_str()).to_string();
    let mut changes = vec![(VERSION, Some(version.as_str())), (CLIENT_CAPABILITIES, Some(capabilities))];
    changes.extend(info.map(|info| (CLIENT_INFO, Some(info))));
    changes.extend(level.map(|level| (LOG_LEVEL, Some(level))));
    write::object(meta, &changes)
}

impl Older {
    /// Begins, where `discovered` is what a server of the newer era says of itself.
    pub(super) fn begin(opening: &Request<'_>, discovered: &str, said: &mut Outbox) -> Option<Older> {
        let discovered = Object::parse(discovered, &[]).ok().filter(offers)?;
        let asked = opening.params.member("protocolVersion").and_then(json::string);
        let known = Revision::ALL.iter().find(|known| asked.as_deref() == Some(known.as_str()));
        let spoken = known.filter(|known| **known < Revision::V20260728).unwrap_or(&Revision::V20251125);
        let info =
            discovered.member("_meta").and_then(|meta| Object::parse(meta, &[]).ok()?.member(SERVER_INFO));
        let unknown = json!({ "name": "unknown", "version": "unknown" }).to_string();
        let offered = write::object(discovered.member("capabilities"), &[("extensions", None)]);
        let mut result = format!(
            r#"{{"protocolVersion":"{}","capabilities":{offered},"serverInfo":{}"#,
            spoken.as_str(),
            info.unwrap_or(&unknown)
        );
        if let Some(instructions) = discovered.member("instructions") {
            result.push_str(&format!(r#","instructions":{instructions}"#));
        }
        result.push('}');
        said.tell_client(write::result(opening.id.text(), &result));
        Some(Older {
            info: opening.params.member("clientInfo").map(str::to_owned),
            capabilities: capabilities(opening),
            level: None,
            calls: HashMap::new(),
            asked: HashMap::new(),
            listens: Listens::of(&offered),
        })
    }

    pub(super) fn client_says(&mut self, message: &Message<'_>, said: &mut Outbox) -> Way {
        match message {
            Message::Request(request) => self.request(request, said),
            Message::Notification(notification) => self.notification(notification, said),
            Message::Response(response) => {
                self.heard(response, said);
                Way::Taken
            }
            Message::Batch(_) => Way::On,
        }
    }

    fn request(&mut self, request: &Request<'_>, said: &mut Outbox) -> Way {
        let id = request.id.text();
        let key = request.id.key();
        if self.calls.values().any(|call| write::key(&call.id) == key) || self.listens.is_asked(&key) {
            said.tell_client(write::error(id, -32600, super::UNDER_WAY));
            return Way::Taken;
        }
        if said.is_ours(id) {
            said.tell_client(write::error(id, -32600, "an id that begins so is not the client's to use"));
            return Way::Taken;
        }
        match &*request.method {
            "ping" => said.tell_client(write::result(id, "{}")),
            "initialize" => said.tell_client(write::error(id, -32600, "the session has begun already")),
            "logging/setLevel" => match request.params.member("level") {
                Some(level) if json::string(level).is_some() => {
                    self.level = Some(level.to_owned());
                    said.tell_client(write::result(id, "{}"));
                }
                Some(_) | None => {
                    said.tell_client(write::error(id, -32602, "`params.level` has to be a level's name"));
                }
            },
            "resources/subscribe" | "resources/unsubscribe" => {
                let meta = self.meta(None);
                self.listens.request(request, &meta, said);
            }
            method => {
                if matches!(method, "tools/call" | "prompts/get" | "resources/read") {
                    let kept = self.calls.values().map(Call::bytes);
                    let kept = kept.fold(request.text.len(), usize::saturating_add);
                    if self.calls.len() >= super::MAX_CALLS || kept > super::MAX_KEPT {
                        let text = "too many requests are without an answer";
                        said.tell_client(write::error(id, -32000, text));
                        return Way::Taken;
                    }
                    let call = Call {
                        id: id.to_owned(),
                        at: id.to_owned(),
                        text: request.text.to_owned(),
                        rounds: 0,
                        state: None,
                        answers: Vec::new(),
                        outstanding: 0,
                    };
                    self.calls.insert(request.id.key(), call);
                }
                let params = self.alone(&request.params, &[]);
                said.tell_server(write::request(request, id, &params));
            }
        }
        Way::Taken
    }

    fn notification(&mut self, notification: &Notification<'_>, said: &mut Outbox) -> Way {
        match &*notification.method {
            "notifications/initialized" => {
                let meta = self.meta(None);
                self.listens.begin(&meta, said);
                Way::Taken
            }
            // Which of these there are the server does not ask about on its own.
            "notifications/roots/list_changed" | "notifications/progress" => Way::Taken,
            "notifications/cancelled" => {
                let Some(id) = method::cancelled(&notification.params).map(|id| id.key()) else {
                    return Way::On;
                };
                let found = self.calls.iter().find(|(_, call)| write::key(&call.id) == id);
                let Some(key) = found.map(|(key, _)| key.clone()) else { return Way::On };
                self.forget_asked(&key, said);
                // While its client is asked, the server has nothing under way.
                if let Some(call) = self.calls.remove(&key).filter(|call| call.outstanding == 0) {
                    said.tell_server(write::cancelled(&call.at));
                }
                Way::Taken
            }
            _ => Way::On,
        }
    }

    fn meta(&self, meta: Option<&str>) -> String {
        said_of(meta, self.info.as_deref(), &self.capabilities, self.level.as_deref())
    }

    /// Parameters as those of a request that stands alone.
    fn alone(&self, params: &Params<'_>, more: &[(&str, Option<&str>)]) -> String {
        let meta = self.meta(params.member("_meta"));
        let mut changes = vec![("_meta", Some(meta.as_str()))];
        changes.extend_from_slice(more);
        write::params(params, &changes)
    }

    /// What the client answers to what it was asked.
    fn heard(&mut self, response: &Response<'_>, said: &mut Outbox) {
        let asked = response.id.and_then(|id| self.asked.remove(&id.key()));
        let Some(Asked { call: key, name, .. }) = asked else { return };
        let Some(call) = self.calls.get_mut(&key) else { return };
        match response.answer {
            Answer::Result(result) => {
                call.answers.push((name, result.to_owned()));
                call.outstanding = call.outstanding.saturating_sub(1);
                if call.outstanding == 0 {
                    self.go_on(&key, said);
                }
            }
            Answer::Error(error) => {
                // There is no way to tell the server so.
                let id = call.id.clone();
                self.forget_asked(&key, said);
                self.calls.remove(&key);
                let shown: String = error.chars().take(300).collect();
                let text = format!("the client did not answer what the server asked: {shown}");
                said.tell_client(write::error(&id, -32603, &text));
            }
        }
    }

    /// Makes a call again, with what the client has answered.
    fn go_on(&mut self, key: &IdKey, said: &mut Outbox) {
        let Some(mut call) = self.calls.remove(key) else { return };
        let text = std::mem::take(&mut call.text);
        let Ok(Message::Request(request)) = envelope::parse(text.as_bytes()) else { return };
        let answers: Vec<String> =
            call.answers.drain(..).map(|(name, answer)| format!("{}:{answer}", Value::from(name))).collect();
        let answers = format!("{{{}}}", answers.join(","));
        let more = [
            ("inputResponses", (answers.len() > 2).then_some(answers.as_str())),
            ("requestState", call.state.as_deref()),
        ];
        let params = self.alone(&request.params, &more);
        let id = said.id();
        said.tell_server(write::request(&request, &id, &params));
        self.calls.insert(write::key(&id), Call { at: id, text, ..call });
    }

    /// The client is not asked any more what a call asked of it.
    fn forget_asked(&mut self, key: &IdKey, said: &mut Outbox) {
        for (_, asked) in self.asked.extract_if(|_, asked| asked.call == *key) {
            said.tell_client(write::cancelled(&asked.id));
        }
    }

    pub(super) fn client_is_told(&mut self, message: &Message<'_>, said: &mut Outbox) -> Way {
        match message {
            Message::Response(response) => self.response(response, said),
            Message::Notification(notification) => self.listens.notification(notification, said),
            Message::Request(request) => {
                let text = "a server of this revision asks its client in results";
                said.tell_server(write::error(request.id.text(), -32601, text));
                Way::Taken
            }
            Message::Batch(_) => Way::On,
        }
    }

    fn response(&mut self, response: &Response<'_>, said: &mut Outbox) -> Way {
        let Some(id) = response.id else { return Way::On };
        if self.listens.response(response, said) == Way::Taken {
            return Way::Taken;
        }
        let key = id.key();
        if let Some(result) = Object::of_result(response)
            && result.member("resultType").and_then(json::string).as_deref() == Some("input_required")
        {
            self.input_required((id.text(), &key), &result, said);
            return Way::Taken;
        }
        let call = self.calls.remove(&key);
        if call.is_none() && said.is_ours(id.text()) {
            // Of a call that its client has given up.
            return Way::Taken;
        }
        let id = call.as_ref().map_or(id.text(), |call| call.id.as_str());
        said.tell_client(match Object::of_result(response) {
            Some(result) => {
                let left_out = [("resultType", None), ("ttlMs", None), ("cacheScope", None)];
                write::result(id, &result.edited(&left_out))
            }
            None => write::readdressed(response, id),
        });
        Way::Taken
    }

    /// The server wants to know something of the client before it answers.
    fn input_required(&mut self, (id, key): (&str, &IdKey), result: &Object<'_>, said: &mut Outbox) {
        let Some(call) = self.calls.get_mut(key) else {
            if !said.is_ours(id) {
                let text = "the server asks its client where it must not";
                said.tell_client(write::error(id, -32603, text));
            }
            return;
        };
        call.rounds = call.rounds.saturating_add(1);
        let asked = edit::input_requests(result.text()).unwrap_or_default();
        let kept = self.calls.values().map(Call::bytes).fold(result.text().len(), usize::saturating_add);
        let Some(call) = self.calls.get_mut(key) else { return };
        if call.rounds > MAX_ROUNDS || asked.len() > MAX_ASKED || kept > super::MAX_KEPT {
            let id = call.id.clone();
            self.calls.remove(key);
            said.tell_client(write::error(&id, -32603, "the server asks its client for too much"));
            return;
        }
        call.state = result.member("requestState").map(str::to_owned);
        call.outstanding = asked.len();
        for InputRequest { key: name, method, params } in asked {
            let id = said.id();
            let params = params.text().unwrap_or("{}");
            let method = Value::from(&*method);
            said.tell_client(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method},"params":{params}}}"#));
            self.asked.insert(write::key(&id), Asked { id, call: key.clone(), name });
        }
        if self.calls.get(key).is_some_and(|call| call.outstanding == 0) {
            self.go_on(key, said);
        }
    }
}
