//! Every method of MCP in every revision, both directions, and what it means for policy.
//!
//! One table, [`METHODS`], says what each is; [`meaning`] says what one message attempts. What
//! the table does not name is refused, with one exception: an unknown notification within a
//! namespace MCP has (`notifications/progress/…`). Policy could have no opinion on an unknown
//! request, because nothing is known of what it reaches: a server may well offer
//! `tools/callMany`, or run a `tools/call` that came without an id. A method that passes
//! unseen would be a way around every rule, so that "deny unless allowed" has to hold here too.

use std::borrow::Cow;

use ringfence_model::{Action, ActionKind, Arguments, BadArguments, Resource};
use serde_json::{Map, Value};

use super::envelope::{Id, Notification, Object, Params, Refused, Request};
use super::json;

/// A revision of MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// 2024-11-05
    V20241105,
    /// 2025-03-26
    V20250326,
    /// 2025-06-18
    V20250618,
    /// 2025-11-25
    V20251125,
    /// 2026-07-28
    V20260728,
}

impl Revision {
    /// Every revision, oldest first.
    pub const ALL: [Revision; 5] = [
        Revision::V20241105,
        Revision::V20250326,
        Revision::V20250618,
        Revision::V20251125,
        Revision::V20260728,
    ];

    /// As the protocol writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Revision::V20241105 => "2024-11-05",
            Revision::V20250326 => "2025-03-26",
            Revision::V20250618 => "2025-06-18",
            Revision::V20251125 => "2025-11-25",
            Revision::V20260728 => "2026-07-28",
        }
    }
}

/// Who sends a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The client: the agent's side.
    Client,
    /// The server: the tools' side.
    Server,
}

/// Whether a method waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// It has an id.
    Request,
    /// It has none.
    Notification,
}

/// What a method means for policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Handshake, discovery, liveness: it attempts nothing.
    Pass,
    /// It tells something: progress, cancellation, a change, a log line. It attempts nothing,
    /// and what it says may end in front of a model.
    Tell,
    /// `tool.call`
    CallTool,
    /// `tool.list`
    ListTools,
    /// `resource.list`
    ListResources,
    /// `resource.read` of `params.uri`
    ReadResource,
    /// `resource.read` of each URI a subscription names
    Subscribe,
    /// `prompt.list`
    ListPrompts,
    /// `prompt.get`
    GetPrompt,
    /// `prompt.get` or `resource.read`, whichever it completes
    Complete,
    /// `model.call` on the client's model
    Sample,
    /// `user.ask`
    Ask,
    /// It belongs to the call that made the task `params.taskId`
    Task,
}

/// One method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Who sends it.
    pub senders: &'static [Sender],
    /// Whether it waits for an answer.
    pub form: Form,
    /// What it means.
    pub purpose: Purpose,
    /// First and last revision that have it.
    pub revisions: (Revision, Revision),
}

const CLIENT: &[Sender] = &[Sender::Client];
const SERVER: &[Sender] = &[Sender::Server];
const BOTH: &[Sender] = &[Sender::Client, Sender::Server];
const FIRST: Revision = Revision::V20241105;
const LAST: Revision = Revision::V20260728;
/// The last revision with sessions.
const SESSIONS: Revision = Revision::V20251125;

const fn request(
    senders: &'static [Sender],
    name: &'static str,
    purpose: Purpose,
    revisions: (Revision, Revision),
) -> Method {
    Method { name, senders, form: Form::Request, purpose, revisions }
}

const fn notification(
    senders: &'static [Sender],
    name: &'static str,
    revisions: (Revision, Revision),
) -> Method {
    Method { name, senders, form: Form::Notification, purpose: Purpose::Tell, revisions }
}

/// Every method. Where a revision narrowed who may send one, the wider is kept: an older peer
/// may be on the other side.
///
/// `tasks/update` and `notifications/tasks` are of the tasks extension to 2026-07-28 (SEP-2663),
/// as `tasks/get` and `tasks/cancel` are there. In that revision the server's requests travel
/// inside results (SEP-2322): [`super::edit::input_requests`] takes them out.
pub const METHODS: &[Method] = &[
    request(CLIENT, "initialize", Purpose::Pass, (FIRST, SESSIONS)),
    request(CLIENT, "server/discover", Purpose::Pass, (LAST, LAST)),
    request(BOTH, "ping", Purpose::Pass, (FIRST, SESSIONS)),
    // How much the server logs; what it logs comes as `notifications/message`.
    request(CLIENT, "logging/setLevel", Purpose::Pass, (FIRST, SESSIONS)),
    // Which folders the client's person opened; the client chooses what it answers.
    request(SERVER, "roots/list", Purpose::Pass, (FIRST, LAST)),
    request(CLIENT, "tools/call", Purpose::CallTool, (FIRST, LAST)),
    request(CLIENT, "tools/list", Purpose::ListTools, (FIRST, LAST)),
    request(CLIENT, "resources/list", Purpose::ListResources, (FIRST, LAST)),
    request(CLIENT, "resources/templates/list", Purpose::ListResources, (FIRST, LAST)),
    request(CLIENT, "resources/read", Purpose::ReadResource, (FIRST, LAST)),
    request(CLIENT, "resources/subscribe", Purpose::ReadResource, (FIRST, SESSIONS)),
    request(CLIENT, "resources/unsubscribe", Purpose::ReadResource, (FIRST, SESSIONS)),
    request(CLIENT, "subscriptions/listen", Purpose::Subscribe, (LAST, LAST)),
    request(CLIENT, "prompts/list", Purpose::ListPrompts, (FIRST, LAST)),
    request(CLIENT, "prompts/get", Purpose::GetPrompt, (FIRST, LAST)),
    request(CLIENT, "completion/complete", Purpose::Complete, (FIRST, LAST)),
    request(SERVER, "sampling/createMessage", Purpose::Sample, (FIRST, LAST)),
    request(SERVER, "elicitation/create", Purpose::Ask, (Revision::V20250618, LAST)),
    request(BOTH, "tasks/get", Purpose::Task, (SESSIONS, LAST)),
    request(BOTH, "tasks/result", Purpose::Task, (SESSIONS, SESSIONS)),
    request(BOTH, "tasks/cancel", Purpose::Task, (SESSIONS, LAST)),
    // The names of all that runs: as much as a list of tools tells.
    request(CLIENT, "tasks/list", Purpose::ListTools, (SESSIONS, SESSIONS)),
    // What runs at the client is what the server itself asked of it.
    request(SERVER, "tasks/list", Purpose::Pass, (SESSIONS, SESSIONS)),
    request(CLIENT, "tasks/update", Purpose::Task, (LAST, LAST)),
    notification(BOTH, "notifications/cancelled", (FIRST, LAST)),
    notification(BOTH, "notifications/progress", (FIRST, LAST)),
    notification(CLIENT, "notifications/initialized", (FIRST, SESSIONS)),
    notification(CLIENT, "notifications/roots/list_changed", (FIRST, SESSIONS)),
    notification(SERVER, "notifications/message", (FIRST, LAST)),
    notification(SERVER, "notifications/resources/updated", (FIRST, LAST)),
    notification(SERVER, "notifications/resources/list_changed", (FIRST, LAST)),
    notification(SERVER, "notifications/tools/list_changed", (FIRST, LAST)),
    notification(SERVER, "notifications/prompts/list_changed", (FIRST, LAST)),
    notification(SERVER, "notifications/elicitation/complete", (SESSIONS, SESSIONS)),
    notification(BOTH, "notifications/tasks/status", (SESSIONS, SESSIONS)),
    notification(SERVER, "notifications/tasks", (LAST, LAST)),
    notification(SERVER, "notifications/subscriptions/acknowledged", (LAST, LAST)),
];

/// What one message attempts.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning<'a> {
    /// Nothing: it may pass. Its text may still be observed.
    Nothing,
    /// These actions, all of which have to be allowed.
    Actions(Vec<Action>),
    /// Whatever the call that made this task attempted.
    Task(Cow<'a, str>),
}

/// A message that names something and does not say it as the method has it, or a method that
/// is not let through.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Not in the table, from this side.
    #[error("`{0}` is not a method that this side sends")]
    UnknownMethod(String),
    /// A request without an id, or a notification with one.
    #[error("`{0}` has an `id` where it must not, or none where it must")]
    WrongForm(&'static str),
    /// A parameter that says what is attempted.
    #[error("`{method}` needs `params.{member}` to be {what}")]
    Parameter {
        /// The method.
        method: &'static str,
        /// The member.
        member: &'static str,
        /// What it has to be.
        what: &'static str,
    },
    /// A parameter's own members.
    #[error("`params.{member}`: {refused}")]
    Object {
        /// The member.
        member: &'static str,
        /// What is wrong with it.
        refused: Refused,
    },
    /// Its arguments.
    #[error(transparent)]
    Arguments(#[from] BadArguments),
}

/// What a request attempts on the server called `server`.
///
/// # Errors
/// The method is not one that `sender` sends as a request, or it does not say what it attempts.
pub fn of_request<'a>(
    server: &str,
    sender: Sender,
    request: &'a Request<'_>,
) -> Result<Meaning<'a>, Malformed> {
    let method =
        find(sender, &request.method).ok_or_else(|| Malformed::UnknownMethod(shown(&request.method)))?;
    match method.form {
        Form::Request => meaning(server, method, &request.params),
        Form::Notification => Err(Malformed::WrongForm(method.name)),
    }
}

/// What a notification attempts: nothing, if it is one.
///
/// # Errors
/// The method is not one that `sender` sends as a notification.
pub fn of_notification(
    sender: Sender,
    notification: &Notification<'_>,
) -> Result<Meaning<'static>, Malformed> {
    match find(sender, &notification.method) {
        Some(method) => match method.form {
            Form::Notification => Ok(Meaning::Nothing),
            Form::Request => Err(Malformed::WrongForm(method.name)),
        },
        None if in_known_namespace(&notification.method) => Ok(Meaning::Nothing),
        None => Err(Malformed::UnknownMethod(shown(&notification.method))),
    }
}

/// What the server asks of the client inside a result (2026-07-28, Multi Round-Trip Requests):
/// requests without ids of their own, by method and parameters.
///
/// # Errors
/// As [`of_request`].
pub fn of_input_request<'a>(
    server: &str,
    method: &str,
    params: &'a Params<'_>,
) -> Result<Meaning<'a>, Malformed> {
    let found = find(Sender::Server, method).ok_or_else(|| Malformed::UnknownMethod(shown(method)))?;
    match found.form {
        Form::Request => meaning(server, found, params),
        Form::Notification => Err(Malformed::WrongForm(found.name)),
    }
}

/// The revision that a request says it is of, from 2026-07-28 on.
pub fn revision<'a>(params: &Params<'a>) -> Option<Cow<'a, str>> {
    let meta = Object::parse(params.member("_meta")?, &[]).ok()?;
    meta.member("io.modelcontextprotocol/protocolVersion").and_then(json::string)
}

/// Whether a request says for itself which revision it is of, as from 2026-07-28 on each does;
/// every result names its type there.
pub fn is_stateless(params: &Params<'_>) -> bool {
    revision(params).is_some()
}

/// Whether a request that stands alone declares that its client has tasks (SEP-2663).
pub fn declares_tasks(params: &Params<'_>) -> bool {
    let inner =
        |text: Option<&str>, name: &str| Object::parse(text?, &[]).ok()?.member(name).map(str::to_owned);
    let capabilities = inner(params.member("_meta"), "io.modelcontextprotocol/clientCapabilities");
    let extensions = inner(capabilities.as_deref(), "extensions");
    inner(extensions.as_deref(), "io.modelcontextprotocol/tasks").is_some()
}

/// Whether a revision has a request of that name.
pub fn is_of(revision: Revision, sender: Sender, name: &str) -> bool {
    find(sender, name).is_some_and(|method| {
        let (first, last) = method.revisions;
        method.form == Form::Request && first <= revision && revision <= last
    })
}

/// The id that a `notifications/cancelled` names.
pub fn cancelled<'a>(params: &Params<'a>) -> Option<Id<'a>> {
    Id::parse(params.member("requestId")?)
}

fn find(sender: Sender, name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name && method.senders.contains(&sender))
}

/// `notifications/` and a first segment that some method in the table has, and more.
fn in_known_namespace(name: &str) -> bool {
    let namespace = |name: &str| {
        let rest = name.strip_prefix("notifications/")?;
        Some(rest.split_once('/').map_or(rest, |(first, _)| first).to_owned())
    };
    // A name of its own, such as `notifications/cancelled`, is exact: from the other side it
    // is as unknown as any.
    let Some(mine) = namespace(name) else { return false };
    name.matches('/').count() > 1
        && METHODS.iter().all(|method| method.name != name)
        && METHODS.iter().any(|method| namespace(method.name).is_some_and(|theirs| theirs == mine))
}

fn meaning<'a>(server: &str, method: &Method, params: &'a Params<'_>) -> Result<Meaning<'a>, Malformed> {
    let text = |member| text(method.name, params, member);
    let one = |kind, resource, arguments| Ok(Meaning::Actions(vec![Action { kind, resource, arguments }]));
    let whole = |kind| one(kind, Resource::mcp_server(server), Arguments::none());
    match method.purpose {
        Purpose::Pass | Purpose::Tell => Ok(Meaning::Nothing),
        Purpose::CallTool => {
            one(ActionKind::ToolCall, Resource::mcp(server, &text("name")?), arguments(params)?)
        }
        Purpose::ListTools => whole(ActionKind::ToolList),
        Purpose::ListResources => whole(ActionKind::ResourceList),
        Purpose::ListPrompts => whole(ActionKind::PromptList),
        Purpose::ReadResource => {
            one(ActionKind::ResourceRead, Resource::mcp(server, &text("uri")?), Arguments::none())
        }
        Purpose::GetPrompt => {
            one(ActionKind::PromptGet, Resource::mcp(server, &text("name")?), arguments(params)?)
        }
        Purpose::Subscribe => subscribed(server, method.name, params),
        Purpose::Complete => completed(server, method.name, params),
        Purpose::Sample => one(
            ActionKind::ModelCall,
            Resource::model("client", &hinted_model(params)?),
            Arguments::parse(&without(params, &["messages", "systemPrompt", "tools", "_meta"]))?,
        ),
        Purpose::Ask => one(
            ActionKind::UserAsk,
            Resource::mcp_server(server),
            Arguments::parse(&without(params, &["_meta"]))?,
        ),
        Purpose::Task => Ok(Meaning::Task(text("taskId")?)),
    }
}

/// The arguments as sent, to the byte. `null` is kept: a schema will say what it thinks of it.
fn arguments(params: &Params<'_>) -> Result<Arguments, Malformed> {
    match params.member("arguments") {
        Some(text) => Ok(Arguments::parse(text)?),
        None => Ok(Arguments::none()),
    }
}

/// Every URI that is subscribed to is read; lists that changed and tasks are told to whoever
/// could ask for them.
fn subscribed<'a>(server: &str, method: &'static str, params: &Params<'_>) -> Result<Meaning<'a>, Malformed> {
    let bad = |member, what| Malformed::Parameter { method, member, what };
    let filter = params.member("notifications").ok_or(bad("notifications", "an object"))?;
    let filter = Object::parse(filter, &["resourceSubscriptions"])
        .map_err(|refused| Malformed::Object { member: "notifications", refused })?;
    let member = "notifications.resourceSubscriptions";
    let uris = match filter.member("resourceSubscriptions") {
        Some(list) => json::items(list).map_err(|_| bad(member, "a list of URIs"))?,
        None => Vec::new(),
    };
    if uris.is_empty() {
        return Ok(Meaning::Nothing);
    }
    let actions = uris
        .into_iter()
        .map(|uri| {
            let uri = json::string(uri).ok_or(bad(member, "a list of URIs"))?;
            Ok(Action {
                kind: ActionKind::ResourceRead,
                resource: Resource::mcp(server, &uri),
                arguments: Arguments::none(),
            })
        })
        .collect::<Result<_, Malformed>>()?;
    Ok(Meaning::Actions(actions))
}

/// Completing tells the server what a person has typed: the argument under way and those
/// before it. They are given in the shape that the prompt itself would be given.
fn completed<'a>(server: &str, method: &'static str, params: &Params<'_>) -> Result<Meaning<'a>, Malformed> {
    let bad = |member, what| Malformed::Parameter { method, member, what };
    let object = |member: &'static str, text| {
        Object::parse(text, &["type", "name", "uri", "value", "arguments"])
            .map_err(|refused| Malformed::Object { member, refused })
    };
    let what = "a `ref/prompt` with its `name` or a `ref/resource` with its `uri`";
    let reference = object("ref", params.member("ref").ok_or(bad("ref", what))?)?;
    let part = |name| reference.member(name).and_then(json::string);
    let (kind, name) = match part("type").as_deref() {
        Some("ref/prompt") => (ActionKind::PromptGet, part("name")),
        Some("ref/resource") => (ActionKind::ResourceRead, part("uri")),
        Some(_) | None => return Err(bad("ref", what)),
    };
    let resource = Resource::mcp(server, &name.ok_or(bad("ref", what))?);

    let mut given = Map::new();
    if let Some(context) = params.member("context")
        && let Some(before) = object("context", context)?.member("arguments")
    {
        let before = Arguments::parse(before)?;
        given = before.value().as_object().ok_or(bad("context.arguments", "an object"))?.clone();
    }
    let what = "an object with a `name` and a `value`";
    let argument = object("argument", params.member("argument").ok_or(bad("argument", what))?)?;
    let part = |name| argument.member(name).and_then(json::string).ok_or(bad("argument", what));
    given.insert(part("name")?.into_owned(), Value::String(part("value")?.into_owned()));
    let arguments = Arguments::parse(&Value::Object(given).to_string())?;
    Ok(Meaning::Actions(vec![Action { kind, resource, arguments }]))
}

/// The first model a server hints at; a hint binds nobody, so that `default` stands for none.
fn hinted_model(params: &Params<'_>) -> Result<String, Malformed> {
    let member = "modelPreferences";
    let Some(preferences) = params.member(member).filter(|text| *text != "null") else {
        return Ok("default".to_owned());
    };
    let preferences = Arguments::parse(preferences)?;
    let hint = preferences.value().pointer("/hints/0/name").and_then(Value::as_str);
    Ok(hint.filter(|name| !name.is_empty()).unwrap_or("default").to_owned())
}

/// The parameters without some of them, each value as written.
fn without(params: &Params<'_>, left_out: &[&str]) -> String {
    let changes: Vec<(&str, Option<&str>)> = left_out.iter().map(|name| (*name, None)).collect();
    match params {
        Params::Absent => "{}".to_owned(),
        Params::Object(object) => object.edited(&changes),
    }
}

fn text<'a>(
    method: &'static str,
    params: &'a Params<'_>,
    member: &'static str,
) -> Result<Cow<'a, str>, Malformed> {
    params.member(member).and_then(json::string).filter(|text| !text.is_empty()).ok_or(Malformed::Parameter {
        method,
        member,
        what: "a string that is not empty",
    })
}

fn shown(method: &str) -> String {
    method.chars().take(120).collect()
}
