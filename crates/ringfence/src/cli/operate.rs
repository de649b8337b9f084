//! What operators do: agents, approvals, kills, sessions, trust.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Whose word it is.
#[derive(Debug, Args)]
pub(crate) struct OperatorArgs {
    /// The file with the operator's token [default: operator.token in the configuration directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_token_file: Option<PathBuf>,
}

/// `agent …`
#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Register an agent and print its token, once
    ///
    /// Example: ringfence agent add spiffe://acme.example/agent/a --sponsor dana@acme.example
    Add {
        /// The agent's SPIFFE ID
        id: String,
        /// Who answers for it
        #[arg(long, value_name = "NAME")]
        sponsor: String,
        /// A group it is a member of; may be given several times
        #[arg(long, value_name = "NAME")]
        group: Vec<String>,
        #[command(flatten)]
        operator: OperatorArgs,
    },
    /// Show every registered agent
    ///
    /// Example: ringfence agent list
    List,
    /// Refuse an agent until it is resumed
    ///
    /// Example: ringfence agent suspend spiffe://acme.example/agent/a
    Suspend(OneAgent),
    /// Let a suspended agent go on
    ///
    /// Example: ringfence agent resume spiffe://acme.example/agent/a
    Resume(OneAgent),
    /// Refuse an agent for good
    ///
    /// Example: ringfence agent revoke spiffe://acme.example/agent/a
    Revoke(OneAgent),
    /// Issue a new token and print it, once; the old one ends
    ///
    /// Example: ringfence agent token spiffe://acme.example/agent/a --grace 5m
    Token {
        #[command(flatten)]
        agent: OneAgent,
        /// How long the old tokens stay good, such as 30s, 5m or 1h
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = seconds)]
        grace: u32,
    },
}

/// One registered agent.
#[derive(Debug, Args)]
pub(crate) struct OneAgent {
    /// The agent's SPIFFE ID
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// `approvals …`
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// Show what waits for a person
    ///
    /// Example: ringfence approvals list
    List {
        #[command(flatten)]
        operator: OperatorArgs,
    },
    /// Let exactly this happen, once
    ///
    /// Example: ringfence approvals approve a-4
    Approve(OneApproval),
    /// Refuse it
    ///
    /// Example: ringfence approvals deny a-4
    Deny(OneApproval),
}

/// One ask.
#[derive(Debug, Args)]
pub(crate) struct OneApproval {
    /// Its id, as `approvals list` shows it
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// `kill`
#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    #[command(flatten)]
    pub(crate) what: KillWhat,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// What to kill.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct KillWhat {
    /// One agent
    #[arg(long, value_name = "ID")]
    pub(crate) agent: Option<String>,
    /// One session
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Everything one person answers for
    #[arg(long, value_name = "NAME")]
    pub(crate) sponsor: Option<String>,
    /// One tool
    #[arg(long, value_name = "SERVER/TOOL")]
    pub(crate) tool: Option<String>,
    /// Everything
    #[arg(long)]
    pub(crate) all: bool,
    /// Kill nothing; show the kills in force
    #[arg(long)]
    pub(crate) list: bool,
}

/// `unkill`
#[derive(Debug, Args)]
pub(crate) struct UnkillArgs {
    /// The kill, as `kill --list` shows it
    pub(crate) latch: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// `sessions …`
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// Show the running sessions
    ///
    /// Example: ringfence sessions list
    List,
}

/// `trust`
#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// The configuration of a project
    #[arg(default_value = "ringfence.yaml")]
    pub(crate) file: PathBuf,
    /// Take the trust back
    #[arg(long)]
    pub(crate) revoke: bool,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// A number with `s`, `m` or `h`, as seconds.
fn seconds(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is no time; write a number with s, m or h, such as 5m");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok()).ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}
