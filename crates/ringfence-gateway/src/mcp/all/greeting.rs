//! What all servers say of themselves, as if one said it: `initialize` of the revisions with
//! sessions, `server/discover` of 2026-07-28.

use serde_json::{Map, Value, json};

use super::fan::{Caching, Failure, Work, part};
use super::{All, MAX_HELD, Server, State};
use crate::mcp::envelope::{Object, Request};
use crate::mcp::json;
use crate::mcp::method::Revision;

/// The longest that one server may say of itself.
const MAX_HELLO: usize = 64 * 1024;

/// The greeting under way.
#[derive(Debug)]
pub(super) struct Greeting {
    kind: Kind,
    heard: Vec<(usize, Hello)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Initialize,
    Discover,
}

/// What one server says of itself.
#[derive(Debug)]
struct Hello {
    /// One, or those it supports.
    versions: Vec<String>,
    /// An object, as written.
    capabilities: String,
    instructions: Option<String>,
    caching: Caching,
}

impl Greeting {
    /// Takes what one server says. `held` is what is held in all.
    pub(super) fn take(&mut self, which: usize, result: &str, held: usize) -> Result<(), Failure> {
        if held.saturating_add(result.len()) > MAX_HELD {
            return Err(Failure::new(-32603, "too much is under way"));
        }
        let hello = hello(self.kind, result).map_err(|why| Failure::new(-32603, why))?;
        self.heard.push((which, hello));
        Ok(())
    }

    pub(super) fn held(&self) -> usize {
        let held = |hello: &Hello| {
            hello.capabilities.len().saturating_add(hello.instructions.as_ref().map_or(0, String::len))
        };
        self.heard.iter().map(|(_, hello)| held(hello)).sum()
    }
}

impl All {
    /// `initialize` and `server/discover` go to every server that is there.
    pub(super) fn greet(&mut self, request: &Request<'_>) {
        let kind = if request.method == "initialize" { Kind::Initialize } else { Kind::Discover };
        if kind == Kind::Initialize && self.is_greeted {
            let failure = Failure::new(-32600, "this session has been initialized");
            return self.say_error(request.id.text(), &failure);
        }
        let id = self.next_part_id();
        let text = match part(request, &id) {
            Ok(edits) => edits.done().into_owned(),
            Err(failure) => return self.say_error(request.id.text(), &failure),
        };
        if kind == Kind::Initialize {
            self.is_greeted = true;
        }
        let parts: Vec<(usize, String)> = self.up().into_iter().map(|which| (which, text.clone())).collect();
        self.fan_out(request, &parts, Work::Greeting(Greeting { kind, heard: Vec::new() }));
    }

    /// Everybody has answered who will.
    pub(super) fn greeted(&mut self, id: &str, greeting: Greeting, mut failed: Vec<(usize, Failure)>) {
        let Greeting { kind, mut heard } = greeting;
        heard.sort_by_key(|(which, _)| *which);
        if kind == Kind::Discover {
            failed.extend(leave_out_of(&mut heard));
        }
        if kind == Kind::Initialize {
            for (which, failure) in &failed {
                self.leave(*which, &format!("it was not initialized: {}", failure.message));
            }
        }
        if heard.is_empty() {
            let failure = self.why_nobody(&failed, &self.why_none_is_there());
            self.is_greeted &= kind != Kind::Initialize;
            return self.say_error(id, &failure);
        }
        let mut capabilities = Value::Object(Map::new());
        let mut instructions = Vec::new();
        let mut caching = Caching::LONGEST;
        for (which, hello) in &heard {
            let own: Map<String, Value> = serde_json::from_str(&hello.capabilities)
                .expect("invariant: it was read as an object when it was taken");
            let own = Value::Object(own);
            unite(&mut capabilities, &own);
            if let (Some(server), Value::Object(own)) = (self.servers.get_mut(*which), own) {
                server.capabilities = Some(own);
            }
            if let Some(said) = &hello.instructions {
                instructions.push(format!("# {}\n\n{said}", self.name(*which)));
            }
            caching = caching.and(hello.caching);
        }
        if !failed.is_empty() {
            // It may be back when it is asked again.
            caching = Caching { ttl: 0, ..caching };
        }
        let own = json!({ "name": "ringfence", "version": env!("CARGO_PKG_VERSION") });
        let instructions = match instructions.as_slice() {
            [] => String::new(),
            said => format!(",\"instructions\":{}", Value::from(said.join("\n\n"))),
        };
        let result = match kind {
            Kind::Initialize => {
                let lowest = heard.iter().filter_map(|(_, hello)| hello.versions.first()).min();
                let version = Value::from(lowest.map(String::as_str).unwrap_or_default());
                format!(r#""protocolVersion":{version},"capabilities":{capabilities},"serverInfo":{own}"#)
            }
            Kind::Discover => {
                let versions = Value::from(common(&heard));
                format!(
                    r#""resultType":"complete","supportedVersions":{versions},"capabilities":{capabilities},"_meta":{{"io.modelcontextprotocol/serverInfo":{own}}},{}"#,
                    caching.members()
                )
            }
        };
        self.answer(id, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{{result}{instructions}}}}}"#));
    }

    /// Which servers may have something, by what they said of themselves: `tools`, or a path such
    /// as `tasks/list`.
    pub(super) fn offering(&self, capability: &str) -> Vec<usize> {
        let offers = |server: &Server| {
            let Some(capabilities) = &server.capabilities else { return true };
            let mut parts = capability.split('/');
            let mut at = parts.next().and_then(|first| capabilities.get(first));
            for part in parts {
                at = at.and_then(|at| at.get(part));
            }
            at.is_some_and(|at| !matches!(at, Value::Null | Value::Bool(false)))
        };
        self.up().into_iter().filter(|which| offers(self.server(*which))).collect()
    }

    fn why_none_is_there(&self) -> String {
        let told = self.servers.iter().filter_map(|server| match &server.state {
            State::Up => None,
            State::Out(why) | State::Coming(why) => Some(format!("{}: {why}", server.name)),
        });
        let told: Vec<String> = told.collect();
        if told.is_empty() { "there is no server".to_owned() } else { told.join("; ") }
    }
}

fn hello(kind: Kind, result: &str) -> Result<Hello, String> {
    if result.len() > MAX_HELLO {
        return Err(format!("what it says of itself is longer than {MAX_HELLO} bytes"));
    }
    let weighty =
        ["protocolVersion", "supportedVersions", "capabilities", "instructions", "ttlMs", "cacheScope"];
    let object = Object::parse(result, &weighty).map_err(|refused| refused.to_string())?;
    let is_known = |version: &String| Revision::ALL.iter().any(|known| known.as_str() == version.as_str());
    let versions: Vec<String> = match kind {
        Kind::Initialize => {
            let version = object.member("protocolVersion").and_then(json::string);
            version.into_iter().map(std::borrow::Cow::into_owned).collect()
        }
        Kind::Discover => {
            let versions = object.member("supportedVersions").unwrap_or_default();
            serde_json::from_str(versions).map_err(|_| "it does not say which revisions it supports")?
        }
    };
    let versions: Vec<String> = versions.into_iter().filter(is_known).collect();
    if versions.is_empty() {
        return Err("it speaks no revision of the protocol that is known here".to_owned());
    }
    let is_object = |text: &&str| serde_json::from_str::<Map<String, Value>>(text).is_ok();
    let capabilities = object.member("capabilities").filter(is_object);
    Ok(Hello {
        versions,
        capabilities: capabilities.ok_or("it does not say what it can do")?.to_owned(),
        instructions: object.member("instructions").and_then(json::string).map(std::borrow::Cow::into_owned),
        caching: Caching::of(&object),
    })
}

/// The revisions that all support, in the order of the first.
fn common(heard: &[(usize, Hello)]) -> Vec<String> {
    let Some((_, first)) = heard.first() else { return Vec::new() };
    let supported = |version: &&String| heard.iter().all(|(_, hello)| hello.versions.contains(version));
    first.versions.iter().filter(supported).cloned().collect()
}

/// Takes out whoever shares no revision with those before it.
fn leave_out_of(heard: &mut Vec<(usize, Hello)>) -> Vec<(usize, Failure)> {
    let mut kept = Vec::new();
    let mut failed = Vec::new();
    for one in heard.drain(..) {
        kept.push(one);
        if common(&kept).is_empty()
            && let Some((which, _)) = kept.pop()
        {
            failed.push((which, Failure::new(-32603, "it supports no revision that the others do")));
        }
    }
    *heard = kept;
    failed
}

/// What one or the other can do.
fn unite(into: &mut Value, other: &Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (name, value) in other {
                match into.get_mut(name) {
                    Some(mine) => unite(mine, value),
                    None => {
                        into.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (into @ (Value::Null | Value::Bool(false)), other) if !other.is_null() => *into = other.clone(),
        _ => {}
    }
}
