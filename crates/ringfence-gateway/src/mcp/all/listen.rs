//! A subscription to many servers at once (2026-07-28, Subscriptions): each is asked for what is
//! its own, and what they take note of is acknowledged together.

use serde_json::{Map, Value};

use super::fan::{Failure, Work, part};
use super::names::{self, Form};
use super::results::items;
use super::{All, Open, key_of};
use crate::mcp::envelope::{Object, Params, Request};
use crate::mcp::json;

/// The member of `_meta` that says which subscription a notification belongs to.
pub(super) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
/// The members of a filter that name things, and how.
const NAMING: [(&str, Form); 2] = [("resourceSubscriptions", Form::Uri), ("taskIds", Form::Name)];
/// How much is held until everybody has acknowledged.
const MAX_EARLY: usize = 64;
const MAX_EARLY_BYTES: usize = 64 * 1024;

/// A subscription.
#[derive(Debug)]
pub(super) struct Listen {
    /// The servers that take part, and whether they have acknowledged.
    servers: Vec<(usize, bool)>,
    /// There was nothing in it for any server: it stays until the client ends it.
    is_nobodys: bool,
    /// What they have acknowledged.
    taken: Map<String, Value>,
    is_acknowledged: bool,
    /// What came before all had.
    early: Vec<String>,
}

impl Listen {
    pub(super) fn ended(&mut self, which: usize) {
        self.servers.retain(|(at, _)| *at != which);
    }

    pub(super) fn unacknowledged(&self) -> Vec<usize> {
        let of = |(which, is_acknowledged): &(usize, bool)| (!is_acknowledged).then_some(*which);
        self.servers.iter().filter_map(of).collect()
    }

    pub(super) fn held(&self) -> usize {
        self.early.iter().map(String::len).sum()
    }
}

impl All {
    /// Every server is asked for what is its own.
    pub(super) fn listen(&mut self, request: &Request<'_>) {
        let id = request.id.text();
        let refuse = |why: &str| Failure::new(-32602, why);
        let Some(filter) = request.params.member("notifications") else {
            return self.say_error(id, &refuse("`params.notifications` is missing"));
        };
        let part_id = self.next_part_id();
        let mut parts = Vec::new();
        for which in self.up() {
            let own = match filter_for(self.name(which), filter) {
                Ok(Some(own)) => own,
                Ok(None) => continue,
                Err(failure) => return self.say_error(id, &failure),
            };
            match part(request, &part_id) {
                Ok(mut edits) => {
                    edits.put(filter, own);
                    parts.push((which, edits.done().into_owned()));
                }
                Err(failure) => return self.say_error(id, &failure),
            }
        }
        let servers: Vec<(usize, bool)> = parts.iter().map(|(which, _)| (*which, false)).collect();
        let is_nobodys = servers.is_empty();
        let listen =
            Listen { servers, is_nobodys, taken: Map::new(), is_acknowledged: false, early: Vec::new() };
        self.fan_out(request, &parts, Work::Listen(listen));
    }

    /// Acknowledges when all have, and ends when nobody is left.
    pub(super) fn listen_on(&mut self, number: u64) {
        let Some(fan) = self.fans.get_mut(&number) else { return };
        let Work::Listen(listen) = &mut fan.work else { return };
        let is_left = listen.servers.is_empty() && !listen.is_nobodys;
        if !listen.is_acknowledged {
            if listen.servers.iter().any(|(_, is_acknowledged)| !is_acknowledged) {
                return;
            }
            if is_left && !fan.failed.is_empty() {
                let Some(fan) = self.close_fan(number) else { return };
                let failure = self.why_nobody(&fan.failed, "nobody takes the subscription");
                return self.say_error(&fan.id, &failure);
            }
            listen.is_acknowledged = true;
            let (id, taken) = (fan.id.clone(), Value::Object(std::mem::take(&mut listen.taken)));
            let early = std::mem::take(&mut listen.early);
            self.say(format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"{SUBSCRIPTION}":{id}}},"notifications":{taken}}}}}"#
            ));
            early.into_iter().for_each(|text| self.say(text));
        }
        if is_left && let Some(fan) = self.close_fan(number) {
            let id = fan.id;
            self.say(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":{{"{SUBSCRIPTION}":{id}}}}}}}"#
            ));
        }
    }

    /// The subscription that a server means by `id`, and the client's id of it.
    pub(super) fn subscription(&self, which: usize, id: &str) -> Option<(u64, String)> {
        let Open::Part(number) = self.server(which).open.get(&key_of(id)?)? else { return None };
        let fan = self.fans.get(number)?;
        matches!(fan.work, Work::Listen(_)).then(|| (*number, fan.id.clone()))
    }

    /// A server takes note of its part.
    pub(super) fn acknowledged(&mut self, number: u64, which: usize, params: &Params<'_>) {
        let name = self.name(which).to_owned();
        let Some(fan) = self.fans.get_mut(&number) else { return };
        let Work::Listen(listen) = &mut fan.work else { return };
        let Some(server) = listen.servers.iter_mut().find(|(at, _)| *at == which) else { return };
        if std::mem::replace(&mut server.1, true) {
            return;
        }
        let taken = params.member("notifications").filter(|text| text.len() <= MAX_EARLY_BYTES);
        let taken = taken.and_then(|text| serde_json::from_str(text).ok());
        take(&mut listen.taken, &name, taken.unwrap_or_default());
        self.listen_on(number);
    }

    /// What belongs to a subscription is said once that is acknowledged.
    pub(super) fn say_to_subscriber(&mut self, number: u64, text: String) {
        let Some(fan) = self.fans.get_mut(&number) else { return };
        let Work::Listen(listen) = &mut fan.work else { return };
        if listen.is_acknowledged {
            self.say(text);
        } else if listen.early.len() < MAX_EARLY
            && listen.held().saturating_add(text.len()) <= MAX_EARLY_BYTES
        {
            listen.early.push(text);
        } else {
            tracing::info!("what came before a subscription was acknowledged was dropped");
        }
    }
}

/// What of a filter is a server's own, as it calls it; none where there is nothing for it.
fn filter_for(server: &str, filter: &str) -> Result<Option<String>, Failure> {
    let bad = |why: String| Failure::new(-32602, format!("`params.notifications`: {why}"));
    let object = Object::parse(filter, &["resourceSubscriptions", "taskIds"])
        .map_err(|refused| bad(refused.to_string()))?;
    let mut kept = Vec::new();
    for (name, value) in object.members() {
        let Some((_, form)) = NAMING.iter().find(|(naming, _)| *naming == name) else {
            kept.push(format!("{}:{value}", Value::from(name)));
            continue;
        };
        if json::kind(value) != Some(b'[') {
            return Err(bad(format!("`{name}` is no list")));
        }
        let mut own = Vec::new();
        for item in items(Some(value)).map_err(|refused| bad(refused.to_string()))? {
            if json::string(item).is_none() {
                return Err(bad(format!("`{name}` has to hold strings")));
            }
            own.extend(
                names::apart(item, *form).filter(|named| named.server == server).map(|named| named.own),
            );
        }
        if !own.is_empty() {
            kept.push(format!("\"{name}\":[{}]", own.join(",")));
        }
    }
    Ok((!kept.is_empty()).then(|| format!("{{{}}}", kept.join(","))))
}

/// Adds what one server has acknowledged.
fn take(into: &mut Map<String, Value>, server: &str, taken: Map<String, Value>) {
    for (name, value) in taken {
        let form = NAMING.iter().find(|(naming, _)| *naming == name).map(|(_, form)| *form);
        match (form, value) {
            (Some(form), Value::Array(list)) => {
                let own = list.iter().filter_map(Value::as_str);
                let qualified = own.map(|own| Value::from(format!("{}{own}", form.prefix(server))));
                if let Value::Array(all) = into.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                    all.extend(qualified);
                }
            }
            (Some(_), _) => {}
            (None, value) => {
                let mine = into.entry(name).or_insert(Value::Null);
                if matches!(mine, Value::Null | Value::Bool(false)) {
                    *mine = value;
                }
            }
        }
    }
}
