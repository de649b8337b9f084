//! What happened, for machines: `ringfence demo --json`.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

/// The whole story. It is written only when all of it went as it should.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    /// The agent's SPIFFE ID.
    pub(super) agent: String,
    /// The agent's process.
    pub(super) agent_pid: u32,
    /// The MCP server, by its own name.
    pub(super) server: String,
    /// The revision of MCP that agent and server agreed on.
    pub(super) mcp_revision: String,
    /// The tools that the agent was shown.
    pub(super) tools: Vec<String>,
    /// What the agent attempted, in order.
    pub(super) calls: Vec<Call>,
    /// What the server's own journal holds.
    pub(super) server_journal: Vec<Value>,
    /// The log.
    pub(super) log: LogFacts,
    /// What was done to copies of the log, and what the verifier said.
    pub(super) forgeries: Vec<Forgery>,
    /// Where everything was left, if it was.
    pub(super) kept: Option<PathBuf>,
    /// From the first process to the last verdict, in milliseconds.
    pub(super) took_ms: u64,
    /// Commands to go on with.
    pub(super) next: Vec<String>,
}

/// One call that the agent made.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Call {
    pub(super) tool: String,
    pub(super) arguments: Value,
    /// What was decided first.
    pub(super) first: Decided,
    /// What a person was asked and said, where one was.
    pub(super) approval: Option<Approval>,
    /// What was decided in the end.
    pub(super) last: Decided,
    /// Whether the agent was given an error.
    pub(super) is_error: bool,
    /// What the agent was told.
    pub(super) answer: String,
    /// How many calls the server's journal held afterwards.
    pub(super) server_calls: usize,
}

/// One decision, from its record in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Decided {
    pub(super) decision: String,
    pub(super) rule: String,
    pub(super) reason: String,
    /// Whether a permit was given.
    pub(super) permit: bool,
    /// The approval that the permit used up, where it did.
    pub(super) used: Option<String>,
    pub(super) record: u64,
}

/// What a person was asked.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Approval {
    pub(super) id: String,
    pub(super) operator: String,
    /// `approve` or `deny`.
    pub(super) verdict: String,
}

/// What the verifier said of the log.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LogFacts {
    pub(super) records: u64,
    pub(super) root: String,
    /// The size of the head that was kept elsewhere.
    pub(super) head_kept: u64,
}

/// One copy that was tampered with.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Forgery {
    /// What was done.
    pub(super) done: String,
    /// The verifier's exit code.
    pub(super) exit: i32,
    /// The verifier's words.
    pub(super) verdict: String,
}
