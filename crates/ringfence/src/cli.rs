//! What can be typed. Nothing is decided here: each command reads its arguments and acts in a
//! module of its own.

mod audit;
mod auth;
mod demo;
mod operate;
mod policy;
mod run;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub(crate) use audit::{AuditCommand, EraseWhat, ShowArgs, VerifyArgs};
pub(crate) use auth::{AuthCommand, LoginArgs, OneLogin};
pub(crate) use demo::{DemoAgentArgs, DemoArgs, DemoErpServerArgs};
pub(crate) use operate::{
    AgentCommand, ApprovalsCommand, KillArgs, OperatorArgs, SessionsCommand, TrustArgs, UnkillArgs,
};
pub(crate) use policy::{ExplainArgs, PolicyCommand, PolicyFilesArgs, SchemaCommand};
pub(crate) use run::{DecideArgs, InitArgs, McpArgs, MonitorArgs};

/// A reference monitor for AI agents: decides what an agent does before it happens, and proves it afterwards.
#[derive(Debug, Parser)]
#[command(
    name = "ringfence",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 the answer is no (denied, not verified), 2 used wrongly or cannot run."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The configuration [default: ~/.config/ringfence/ringfence.yaml, then a trusted ./ringfence.yaml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data directory: log, keys, state and socket of one monitor [default: ~/.local/state/ringfence]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to colour; NO_COLOR is heeded
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", hide_possible_values = true)]
    pub(crate) color: Colour,
    /// Say more on standard error; twice for still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What to say on standard error: error, warn, info, debug, trace
    #[arg(long, global = true, value_enum, value_name = "LEVEL", hide_possible_values = true)]
    pub(crate) log: Option<LogLevel>,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much the program says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// What failed.
    Error,
    /// What should be looked at.
    Warn,
    /// What happens.
    Info,
    /// How.
    Debug,
    /// Everything.
    Trace,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Play a governed session end to end, with nothing to configure
    ///
    /// Example: ringfence demo
    Demo(DemoArgs),
    /// Write a configuration and policies to begin with
    ///
    /// Example: ringfence init
    Init(InitArgs),
    /// Wrap one MCP server that speaks over standard input and output
    ///
    /// Example: ringfence mcp --profile read-only -- npx -y @modelcontextprotocol/server-memory
    Mcp(McpArgs),
    /// Serve the configured MCP servers over HTTP, in the foreground, until it is told to end
    ///
    /// Example: ringfence up
    Up,
    /// Decide events from standard input, one JSON object a line
    ///
    /// Example: ringfence decide --policies ./policies < events.jsonl
    Decide(DecideArgs),
    /// Check, test and explain policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print the JSON Schema of a kind of file, for editors
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Read, prove and verify the log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Register agents and issue their tokens
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Log the gateway in to servers over HTTP
    #[command(subcommand)]
    Auth(AuthCommand),
    /// Answer what waits for a person
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Stop an agent, a session, a tool or everything, until it is lifted
    ///
    /// Example: ringfence kill --session s-17 --reason "sends mail to strangers"
    Kill(KillArgs),
    /// Lift a kill
    ///
    /// Example: ringfence unkill k-3 --reason "the prompt was mended"
    Unkill(UnkillArgs),
    /// Show what runs
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Let ./ringfence.yaml count, exactly as it is now
    ///
    /// Example: ringfence trust
    Trust(TrustArgs),
    /// Say what is governed, what is not, and what is missing
    ///
    /// Example: ringfence doctor
    Doctor,
    /// Show the monitor of the data directory
    ///
    /// Example: ringfence status
    Status,
    /// Let the monitor of the data directory read its configuration and policies again
    ///
    /// What is under way goes on; what is asked from here on is decided anew.
    ///
    /// Example: ringfence reload
    Reload,
    /// End the monitor of the data directory, and with it every wrapped server
    ///
    /// Example: ringfence stop
    Stop,
    /// Print a completion script for a shell
    ///
    /// Example: ringfence completions bash > ~/.local/share/bash-completion/completions/ringfence
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// The monitor process; started by the other commands.
    #[command(hide = true)]
    Monitor(MonitorArgs),
    /// The demo's agent; started by `demo`.
    #[command(hide = true)]
    DemoAgent(DemoAgentArgs),
    /// The demo's MCP server; started by its agent.
    #[command(hide = true)]
    DemoErpServer(DemoErpServerArgs),
}
