//! What is attempted.

use std::fmt;
use std::str::FromStr;

use crate::{Arguments, Resource};

/// The kind of an action, as policies, records and the event protocol spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionKind {
    /// `tool.call`
    ToolCall,
    /// `tool.list`
    ToolList,
    /// `resource.list`
    ResourceList,
    /// `resource.read`
    ResourceRead,
    /// `prompt.list`
    PromptList,
    /// `prompt.get`
    PromptGet,
    /// `user.ask`
    UserAsk,
    /// `model.call`
    ModelCall,
    /// `http.request`
    HttpRequest,
    /// `process.exec`
    ProcessExec,
    /// `file.read`
    FileRead,
    /// `file.write`
    FileWrite,
    /// `agent.message`
    AgentMessage,
    /// `agent.delegate`
    AgentDelegate,
    /// `memory.write`
    MemoryWrite,
}

impl ActionKind {
    /// Every kind, in declaration order.
    pub const ALL: [ActionKind; 15] = [
        ActionKind::ToolCall,
        ActionKind::ToolList,
        ActionKind::ResourceList,
        ActionKind::ResourceRead,
        ActionKind::PromptList,
        ActionKind::PromptGet,
        ActionKind::UserAsk,
        ActionKind::ModelCall,
        ActionKind::HttpRequest,
        ActionKind::ProcessExec,
        ActionKind::FileRead,
        ActionKind::FileWrite,
        ActionKind::AgentMessage,
        ActionKind::AgentDelegate,
        ActionKind::MemoryWrite,
    ];

    /// The name on every wire, such as `tool.call`.
    pub fn as_str(self) -> &'static str {
        match self {
            ActionKind::ToolCall => "tool.call",
            ActionKind::ToolList => "tool.list",
            ActionKind::ResourceList => "resource.list",
            ActionKind::ResourceRead => "resource.read",
            ActionKind::PromptList => "prompt.list",
            ActionKind::PromptGet => "prompt.get",
            ActionKind::UserAsk => "user.ask",
            ActionKind::ModelCall => "model.call",
            ActionKind::HttpRequest => "http.request",
            ActionKind::ProcessExec => "process.exec",
            ActionKind::FileRead => "file.read",
            ActionKind::FileWrite => "file.write",
            ActionKind::AgentMessage => "agent.message",
            ActionKind::AgentDelegate => "agent.delegate",
            ActionKind::MemoryWrite => "memory.write",
        }
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an action")]
pub struct UnknownAction(pub String);

impl FromStr for ActionKind {
    type Err = UnknownAction;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        ActionKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| UnknownAction(name.to_owned()))
    }
}

/// One attempt by one agent in one session.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// What is attempted.
    pub kind: ActionKind,
    /// What it is attempted on.
    pub resource: Resource,
    /// With what; `{}` where the action has none.
    pub arguments: Arguments,
}
