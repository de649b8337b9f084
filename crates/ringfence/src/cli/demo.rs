//! `demo`, and the processes it plays with.

use std::path::PathBuf;

use clap::Args;

/// `demo`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Play it in this folder, which must not exist yet, and leave everything there
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Print ASCII without colours
    #[arg(long)]
    pub(crate) plain: bool,
}

/// `demo-agent`
#[derive(Debug, Args)]
pub(crate) struct DemoAgentArgs {
    /// The command of its MCP server
    #[arg(last = true, value_name = "CMD", required = true)]
    pub(crate) command: Vec<String>,
}

/// `demo-erp-server`
#[derive(Debug, Args)]
pub(crate) struct DemoErpServerArgs {
    /// Where it writes each call that reaches it
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: PathBuf,
}
