//! What came of an action that was allowed.

use std::time::Duration;

/// How an allowed action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// It happened, and its target reported success.
    Ok,
    /// It happened, and its target reported an error.
    Error,
    /// It was stopped while it was under way: kill, budget or deadline.
    Cut,
    /// It never began.
    NotStarted,
    /// It began, and nobody knows how it ended.
    Unknown,
}

impl OutcomeKind {
    /// As records spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            OutcomeKind::Ok => "ok",
            OutcomeKind::Error => "error",
            OutcomeKind::Cut => "cut",
            OutcomeKind::NotStarted => "not_started",
            OutcomeKind::Unknown => "unknown",
        }
    }
}

/// What was used. Every member is measured or absent; zero means measured as none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes sent to the target.
    pub bytes_out: Option<u64>,
    /// Bytes that came back.
    pub bytes_in: Option<u64>,
    /// Tokens a model read.
    pub input_tokens: Option<u64>,
    /// Tokens a model wrote.
    pub output_tokens: Option<u64>,
    /// Cost in micro-dollars.
    pub micro_usd: Option<u64>,
}

/// How it ended, in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// In one word.
    pub kind: OutcomeKind,
    /// What the target or the wire said went wrong; may quote the target.
    pub error: Option<String>,
    /// From beginning to end; absent where it never began or nobody knows.
    pub duration: Option<Duration>,
    /// What it used.
    pub usage: Usage,
}
