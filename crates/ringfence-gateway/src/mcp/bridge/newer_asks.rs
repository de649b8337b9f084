//! What a server of the older era asks its client while a call is open. The client of the newer era
//! gets it as the call's interim result, answers by making the call again, and is given what the
//! server has come to then.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::newer::{Call, finished};
use super::{Outbox, write};
use crate::mcp::envelope::{self, Id, IdKey, Message, Object, Request, Response};
use crate::mcp::json;

/// How many calls may wait for their clients to come back, and for how long.
const MAX_PARKED: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// How much a server may ask at once during one call, and how many bytes its questions may have: they
/// become one message.
const MAX_ASKED: usize = 64;
const MAX_QUESTIONS: usize = envelope::MAX_BYTES / 2;

/// The calls that wait for their clients.
#[derive(Debug, Default)]
pub(super) struct Asks {
    /// By what the client names to come back to them.
    parked: HashMap<String, Parked>,
}

#[derive(Debug)]
struct Parked {
    /// The call's id at the server.
    call: IdKey,
    asked: Vec<Asked>,
    since: Instant,
    /// Its client has been told, and has not come back yet.
    is_away: bool,
    /// What the server has answered meanwhile.
    finished: Option<(Call, String)>,
}

#[derive(Debug)]
struct Asked {
    /// What the client knows it by.
    name: String,
    /// The server's id, as written.
    id: String,
    method: String,
    params: String,
}

/// What becomes of what a server asks.
pub(super) enum Asking {
    /// The call is answered with it.
    Parked(String),
    /// It is told when the client comes back.
    Queued,
    /// There is nobody to ask.
    Nobody,
}

impl Asks {
    /// Whether a request of that method may be answered with a question.
    pub(super) fn may_ask(method: &str) -> bool {
        matches!(method, "tools/call" | "prompts/get" | "resources/read")
    }

    /// What a client with these capabilities can be asked.
    pub(super) fn capabilities(text: Option<&str>) -> Vec<&'static str> {
        let Some(offered) = text.and_then(|text| Object::parse(text, &[]).ok()) else { return Vec::new() };
        let asked = [
            ("elicitation", "elicitation/create"),
            ("sampling", "sampling/createMessage"),
            ("roots", "roots/list"),
        ];
        asked
            .into_iter()
            .filter(|(name, _)| offered.member(name).is_some())
            .map(|(_, method)| method)
            .collect()
    }

    /// The server asks. Where it is not known for which call, it is the newest whose client can be
    /// asked.
    pub(super) fn ask(
        &mut self,
        request: &Request<'_>,
        about: Option<&IdKey>,
        calls: &mut HashMap<IdKey, Call>,
        said: &mut Outbox,
    ) -> Asking {
        let able = |call: &&mut Call| {
            Asks::may_ask(&call.method) && call.can.iter().any(|method| request.method == *method)
        };
        let call = match about {
            Some(about) => calls.get_mut(about).filter(able),
            None => calls.values_mut().filter(able).max_by_key(|call| (call.id.is_some(), call.number)),
        };
        let Some(call) = call else { return Asking::Nobody };
        let key = write::key(&call.at);
        let asked = Asked {
            name: format!("ask-{}", said.count),
            id: request.id.text().to_owned(),
            method: request.method.clone().into_owned(),
            params: request.params.text().unwrap_or("{}").to_owned(),
        };
        said.count = said.count.saturating_add(1);
        let kept = self.kept();
        let known = self.parked.iter_mut().find(|(_, parked)| parked.call == key);
        if asked.params.len().saturating_add(kept) > super::MAX_KEPT {
            return Asking::Nobody;
        }
        if let Some((handle, parked)) = known {
            if parked.asked.len() >= MAX_ASKED
                || parked.bytes().saturating_add(asked.params.len()) > MAX_QUESTIONS
            {
                return Asking::Nobody;
            }
            parked.asked.push(asked);
            let Some(id) = call.id.take() else { return Asking::Queued };
            parked.is_away = true;
            parked.since = Instant::now();
            return Asking::Parked(input_required(&id, handle, &parked.asked));
        }
        let Some(id) = call.id.take() else { return Asking::Nobody };
        self.make_room(calls, said);
        // Not to be guessed by whoever else speaks over this wire.
        let [one, two] = [RandomState::new().hash_one(&id), RandomState::new().hash_one(&key)];
        let handle = format!("{}-{one:016x}{two:016x}", said.prefix);
        let asked = vec![asked];
        let answer = input_required(&id, &handle, &asked);
        let parked = Parked { call: key, asked, since: Instant::now(), is_away: true, finished: None };
        self.parked.insert(handle, parked);
        Asking::Parked(answer)
    }

    /// How many bytes are kept for clients that are to come back.
    fn kept(&self) -> usize {
        self.parked.values().map(Parked::bytes).fold(0, usize::saturating_add)
    }

    /// Whoever has not come back in time does not come back.
    fn make_room(&mut self, calls: &mut HashMap<IdKey, Call>, said: &mut Outbox) {
        let mut gone: Vec<String> = self
            .parked
            .iter()
            .filter(|(_, parked)| parked.is_away && parked.since.elapsed() > PATIENCE)
            .map(|(handle, _)| handle.clone())
            .collect();
        if gone.is_empty() && self.parked.len() >= MAX_PARKED {
            let oldest = self.parked.iter().min_by_key(|(_, parked)| parked.since);
            gone.extend(oldest.map(|(handle, _)| handle.clone()));
        }
        for handle in gone {
            let Some(mut parked) = self.parked.remove(&handle) else { continue };
            parked.unanswered(said);
            if let Some(call) = calls.remove(&parked.call) {
                said.tell_server(write::cancelled(&call.at));
            }
        }
    }

    /// A client comes back to a call. What it is answered at once, where there is something.
    pub(super) fn again(
        &mut self,
        request: &Request<'_>,
        salient: &str,
        calls: &mut HashMap<IdKey, Call>,
        said: &mut Outbox,
    ) -> Result<Option<String>, &'static str> {
        const UNKNOWN: &str = "`params.requestState` is of no request that waits here";
        let id = request.id.text();
        let handle = request.params.member("requestState").and_then(json::string).ok_or(UNKNOWN)?;
        let parked = self.parked.get_mut(&*handle).filter(|parked| parked.is_away).ok_or(UNKNOWN)?;
        let call = match &parked.finished {
            Some((call, _)) => call,
            None => calls.get(&parked.call).ok_or(UNKNOWN)?,
        };
        if call.method != request.method || !write::is_same(&call.params, salient) {
            return Err("`params.requestState` is of another request");
        }
        let answers = match request.params.member("inputResponses") {
            None | Some("null") => None,
            Some(text) => {
                let answers = Object::parse(text, &[]);
                Some(answers.map_err(|_| "`params.inputResponses` has to be an object")?)
            }
        };
        parked.asked.retain(|asked| {
            let Some(answer) = answers.as_ref().and_then(|answers| answers.member(&asked.name)) else {
                return true;
            };
            said.tell_server(write::result(&asked.id, answer));
            false
        });
        if !parked.asked.is_empty() && parked.finished.is_none() {
            parked.since = Instant::now();
            return Ok(Some(input_required(id, &handle, &parked.asked)));
        }
        if parked.finished.is_some() {
            let parked = self.parked.remove(&*handle);
            return Ok(parked
                .and_then(|parked| parked.finished)
                .and_then(|(call, text)| readdressed(&call, &text, id)));
        }
        let meta = request.params.member("_meta").and_then(|meta| Object::parse(meta, &[]).ok());
        let call = calls.get_mut(&parked.call).ok_or(UNKNOWN)?;
        call.token_now = meta.and_then(|meta| meta.member("progressToken")).map(str::to_owned);
        call.id = Some(id.to_owned());
        parked.is_away = false;
        Ok(None)
    }

    /// The server has answered a call whose client is away.
    pub(super) fn finished(&mut self, call: Call, response: &Response<'_>, said: &mut Outbox) {
        let key = write::key(&call.at);
        let kept = self.kept();
        if let Some(parked) = self.parked.values_mut().find(|parked| parked.call == key) {
            parked.unanswered(said);
            let text = if response.text.len().saturating_add(kept) > super::MAX_KEPT {
                write::error(&call.at, -32603, "the answer was too long to be kept until it was asked for")
            } else {
                response.text.to_owned()
            };
            parked.finished = Some((call, text));
        }
    }

    /// The server does not want to know any more.
    pub(super) fn withdrawn(&mut self, id: &IdKey) {
        for parked in self.parked.values_mut() {
            parked.asked.retain(|asked| Id::parse(&asked.id).map(Id::key).as_ref() != Some(id));
        }
    }

    /// A call is over: nobody comes back to it.
    pub(super) fn forget(&mut self, call: &IdKey, said: &mut Outbox) {
        let is_over = |parked: &Parked| parked.call == *call && parked.finished.is_none();
        for (_, mut parked) in self.parked.extract_if(|_, parked| is_over(parked)) {
            parked.unanswered(said);
        }
    }
}

impl Parked {
    fn bytes(&self) -> usize {
        let asked = self.asked.iter().map(|asked| asked.params.len());
        let finished = self.finished.as_ref().map_or(0, |(_, text)| text.len());
        asked.fold(finished, usize::saturating_add)
    }

    /// Nobody answers what is still asked. A server that hears nothing would keep its question open.
    fn unanswered(&mut self, said: &mut Outbox) {
        for asked in self.asked.drain(..) {
            said.tell_server(write::error(&asked.id, -32603, "the client did not answer"));
        }
    }
}

fn input_required(id: &str, handle: &str, asked: &[Asked]) -> String {
    let requests: Vec<String> = asked
        .iter()
        .map(|Asked { name, method, params, .. }| {
            let (name, method) = (Value::from(name.as_str()), Value::from(method.as_str()));
            format!(r#"{name}:{{"method":{method},"params":{params}}}"#)
        })
        .collect();
    let handle = json!(handle);
    let result = format!(
        r#"{{"resultType":"input_required","inputRequests":{{{}}},"requestState":{handle}}}"#,
        requests.join(",")
    );
    write::result(id, &result)
}

fn readdressed(call: &Call, text: &str, id: &str) -> Option<String> {
    match envelope::parse(text.as_bytes()) {
        Ok(Message::Response(response)) => Some(finished(&call.method, &response, id)),
        _ => None,
    }
}
