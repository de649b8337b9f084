//! `auth …`: how the gateway is logged in to servers.

use clap::{Args, Subcommand};

use super::OperatorArgs;

/// `auth …`
#[derive(Debug, Subcommand)]
pub(crate) enum AuthCommand {
    /// Log in to a server over HTTP for an agent, in a browser
    ///
    /// Example: ringfence auth login github --agent spiffe://acme.example/agent/a
    Login(LoginArgs),
    /// Show every login
    ///
    /// Example: ringfence auth list
    List,
    /// Forget a login
    ///
    /// Example: ringfence auth logout github --agent spiffe://acme.example/agent/a
    Logout(OneLogin),
}

/// `auth login`
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    #[command(flatten)]
    pub(crate) what: OneLogin,
    /// A scope to ask for, in place of what the server says; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) scope: Vec<String>,
    /// Where the browser comes back to on this machine [default: a free port]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub(crate) port: u16,
}

/// One agent at one server.
#[derive(Debug, Args)]
pub(crate) struct OneLogin {
    /// The server's name in the configuration
    pub(crate) server: String,
    /// The agent's SPIFFE ID [default: the only one that the configuration names]
    #[arg(long, value_name = "ID")]
    pub(crate) agent: Option<String>,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}
