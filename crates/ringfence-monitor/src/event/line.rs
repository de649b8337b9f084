//! The events, as they stand on a line.

use ringfence_model::{Action, ActionKind, Arguments, Resource, Usage};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One event and what it belongs to.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) session: String,
    pub(super) agent: Option<String>,
    pub(super) kind: Kind,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Kind {
    /// Something that may or may not happen.
    Attempt { action: Action, usage: Option<Usage> },
    /// A server's tools.
    ToolList { server: String, tools: Vec<Box<RawValue>>, content: Box<RawValue> },
    /// What came of a call.
    ToolResult { call: String, content: Box<RawValue>, is_error: bool },
    /// What was said, by whom.
    Said { by: Speaker, content: Box<RawValue> },
    /// A person's answer to an ask.
    Approval { call: String, approve: bool, operator_token: String },
    /// The session is over.
    SessionEnd,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    System,
    User,
    Model,
    /// The agent, to the outside.
    Output,
}

impl Speaker {
    pub(super) fn event(self) -> &'static str {
        match self {
            Speaker::System => "system_input",
            Speaker::User => "user_input",
            Speaker::Model => "model_output",
            Speaker::Output => "output",
        }
    }
}

/// A line that is no event, with the id where that much could be read.
#[derive(Debug)]
pub(super) struct NotAnEvent {
    pub(super) id: Option<Value>,
    pub(super) error: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: String,
    session: String,
    agent: Option<String>,
    event: String,
    server: Option<String>,
    tools: Option<Box<RawValue>>,
    tool: Option<String>,
    arguments: Option<Box<RawValue>>,
    call: Option<String>,
    content: Option<Box<RawValue>>,
    is_error: Option<bool>,
    provider: Option<String>,
    model: Option<String>,
    usage: Option<RawUsage>,
    verdict: Option<String>,
    operator_token: Option<String>,
    action: Option<String>,
    resource: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    /// Micro-dollars.
    usd: Option<u64>,
}

impl Event {
    /// Reads a line.
    pub(super) fn parse(line: &[u8], default_agent: Option<&str>) -> Result<Event, NotAnEvent> {
        let raw: Raw = serde_json::from_slice(line).map_err(|error| {
            let id = serde_json::from_slice::<Value>(line).ok().and_then(|value| value.get("id").cloned());
            NotAnEvent { id, error: format!("not an event: {error}") }
        })?;
        let id = raw.id.clone();
        let session = raw.session.clone();
        let agent = raw.agent.clone().or_else(|| default_agent.map(str::to_owned));
        let kind = raw.kind().map_err(|error| NotAnEvent { id: Some(Value::String(id.clone())), error })?;
        Ok(Event { id, session, agent, kind })
    }
}

impl Raw {
    fn kind(self) -> Result<Kind, String> {
        let event = self.event.clone();
        let need = |what: &str| format!("`{event}` needs `{what}`");
        match event.as_str() {
            "tool_call" => {
                let server = self.server.ok_or_else(|| need("server"))?;
                let tool = self.tool.ok_or_else(|| need("tool"))?;
                let arguments = arguments(self.arguments)?;
                let resource = Resource::mcp(&server, &tool);
                let action = Action { kind: ActionKind::ToolCall, resource, arguments };
                Ok(Kind::Attempt { action, usage: None })
            }
            "model_call" => {
                let provider = self.provider.ok_or_else(|| need("provider"))?;
                let model = self.model.ok_or_else(|| need("model"))?;
                let usage = self.usage.map(|usage| Usage {
                    input_tokens: usage.input_tokens,
                    output_tokens: usage.output_tokens,
                    micro_usd: usage.usd,
                    ..Usage::default()
                });
                let resource = Resource::model(&provider, &model);
                let action =
                    Action { kind: ActionKind::ModelCall, resource, arguments: arguments(self.arguments)? };
                Ok(Kind::Attempt { action, usage })
            }
            "action" => {
                let kind: ActionKind = self
                    .action
                    .ok_or_else(|| need("action"))?
                    .parse()
                    .map_err(|error: ringfence_model::UnknownAction| error.to_string())?;
                let resource: Resource = self
                    .resource
                    .ok_or_else(|| need("resource"))?
                    .parse()
                    .map_err(|error: ringfence_model::BadResource| error.to_string())?;
                let action = Action { kind, resource, arguments: arguments(self.arguments)? };
                Ok(Kind::Attempt { action, usage: None })
            }
            "tool_list" => {
                let server = self.server.ok_or_else(|| need("server"))?;
                let content = self.tools.ok_or_else(|| need("tools"))?;
                let tools =
                    serde_json::from_str(content.get()).map_err(|_| "`tools` is not a list".to_owned())?;
                Ok(Kind::ToolList { server, tools, content })
            }
            "tool_result" => Ok(Kind::ToolResult {
                call: self.call.ok_or_else(|| need("call"))?,
                content: self.content.ok_or_else(|| need("content"))?,
                is_error: self.is_error.unwrap_or(false),
            }),
            "approval" => Ok(Kind::Approval {
                call: self.call.ok_or_else(|| need("call"))?,
                approve: match self.verdict.ok_or_else(|| need("verdict"))?.as_str() {
                    "approve" => true,
                    "deny" => false,
                    other => return Err(format!("`verdict` is `approve` or `deny`, not `{other}`")),
                },
                operator_token: self.operator_token.ok_or_else(|| need("operator_token"))?,
            }),
            "session_end" => Ok(Kind::SessionEnd),
            "system_input" | "user_input" | "model_output" | "output" => {
                let by = match event.as_str() {
                    "system_input" => Speaker::System,
                    "user_input" => Speaker::User,
                    "model_output" => Speaker::Model,
                    _ => Speaker::Output,
                };
                Ok(Kind::Said { by, content: self.content.ok_or_else(|| need("content"))? })
            }
            other => Err(format!("`{other}` is not an event")),
        }
    }
}

fn arguments(raw: Option<Box<RawValue>>) -> Result<Arguments, String> {
    match raw {
        None => Ok(Arguments::none()),
        Some(raw) => Arguments::parse(raw.get()).map_err(|error| error.to_string()),
    }
}
