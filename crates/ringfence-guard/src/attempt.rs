//! What front ends bring to the guard: a value that would cause an effect if it were let go.

use std::sync::Arc;

use ringfence_model::{Action, Digest, Obligation};

/// One attempt to cause an effect: the bytes of an MCP call, a model request, a launch. The
/// guard derives the action from the very value it keeps, so that what was checked is what is
/// sent.
pub trait Attempt: Send + 'static {
    /// What this would do.
    ///
    /// # Errors
    /// The value cannot be read as an action; that is a denial.
    fn action(&self) -> Result<Action, Malformed>;

    /// What is known of the target besides its name.
    fn target(&self) -> Target;

    /// Changes the value as a decision demands.
    ///
    /// # Errors
    /// The change cannot be made; that is a denial.
    fn apply(&mut self, change: &Obligation) -> Result<(), CannotApply>;
}

/// What a front end knows of the target of an attempt.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// What tells this server from another of the same name, such as the digest of its command
    /// line; approvals are bound to it.
    pub server: Option<Digest>,
    /// The tool, where its server has declared it.
    pub tool: Option<Arc<Tool>>,
    /// Why the arguments do not fit what the target declares, in words for a model. Present:
    /// the attempt is denied.
    pub misfit: Option<String>,
    /// What a model call is known to use beforehand.
    pub usage: ringfence_model::Usage,
}

/// A tool as its server declared it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// SHA-256 of the tool object's bytes.
    pub hash: Digest,
    /// Its annotations, where the server is trusted to describe its own tools.
    pub annotations: Option<serde_json::Value>,
}

/// A value that is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// One plain sentence.
    pub reason: String,
}

/// A change that a decision demands and that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what the decision demands at `{path}` cannot be done")]
pub struct CannotApply {
    /// JSON Pointer to what should have been changed.
    pub path: String,
}
