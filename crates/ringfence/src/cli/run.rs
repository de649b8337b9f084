//! What governs: `init`, `mcp`, `decide`, and the monitor itself.

use std::path::PathBuf;

use clap::Args;

/// `init`
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Write to the user's configuration directory instead of the current folder
    #[arg(long)]
    pub(crate) user: bool,
}

/// `mcp`
#[derive(Debug, Args)]
pub(crate) struct McpArgs {
    /// The server's name in policies [default: from the command]
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Option<String>,
    /// A policy that is built in, where there is no configuration
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Decide and record without enforcing, for this run
    #[arg(long)]
    pub(crate) observe: bool,
    /// Who the caller is, where agents are registered
    #[arg(long, value_name = "ID", requires = "token_file")]
    pub(crate) agent: Option<String>,
    /// The file with that agent's token
    #[arg(long, value_name = "FILE", requires = "agent")]
    pub(crate) token_file: Option<PathBuf>,
    /// The server's command [default: as the configuration has it for --server]
    #[arg(last = true, value_name = "CMD", required_unless_present = "server")]
    pub(crate) command: Vec<String>,
}

/// `decide`
#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// The policies: a file, or a folder of *.yaml and *.yml
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) policies: Vec<PathBuf>,
    /// Decide only: no sessions, no limits, no log
    #[arg(long)]
    pub(crate) stateless: bool,
    /// The agent of events that name none
    #[arg(long, value_name = "ID")]
    pub(crate) agent: Option<String>,
}

/// `monitor`
#[derive(Debug, Args)]
pub(crate) struct MonitorArgs {
    /// The configuration is a project's own and counts only as far as it is trusted
    #[arg(long)]
    pub(crate) project: bool,
    /// There is no configuration
    #[arg(long)]
    pub(crate) no_config: bool,
    /// End after so many seconds without a client
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) idle: u64,
}
