//! `policy` and `schema`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `policy …`
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Load policies as a monitor would, and say everything that is wrong with them
    ///
    /// Example: ringfence policy check ./policies
    Check(PolicyFilesArgs),
    /// Run the tests that policies carry, against the whole set
    ///
    /// Example: ringfence policy test ./policies
    Test(PolicyFilesArgs),
    /// Show each rule considered for one attempt, what it read, and why it applied or not
    ///
    /// Example: ringfence policy explain --subject spiffe://acme.example/agent/a --action tool.call
    ///   --resource mcp://erp/inventory.get ./policies
    #[command(verbatim_doc_comment)]
    Explain(ExplainArgs),
    /// List what conditions may name and call
    ///
    /// Example: ringfence policy functions
    Functions,
}

/// Which policies.
#[derive(Debug, Args)]
pub(crate) struct PolicyFilesArgs {
    /// Files, or folders of *.yaml and *.yml
    #[arg(value_name = "PATH", required_unless_present = "profile")]
    pub(crate) paths: Vec<PathBuf>,
    /// A policy that is built in; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Vec<String>,
}

/// `policy explain`
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The agent's SPIFFE ID
    #[arg(long, value_name = "ID")]
    pub(crate) subject: String,
    /// The action, such as tool.call
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: String,
    /// The resource's URI, such as mcp://server/tool
    #[arg(long, value_name = "URI")]
    pub(crate) resource: String,
    /// The arguments
    #[arg(long, value_name = "JSON")]
    pub(crate) args: Option<String>,
    /// What a trusted server says of the tool
    #[arg(long, value_name = "JSON")]
    pub(crate) annotations: Option<String>,
    /// A group the agent is a member of; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Vec<String>,
    /// Who answers for the agent
    #[arg(long, value_name = "NAME", default_value = "nobody@example.org")]
    pub(crate) sponsor: String,
    /// When it is attempted, as RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) now: Option<jiff::Timestamp>,
    #[command(flatten)]
    pub(crate) files: PolicyFilesArgs,
}

/// `schema …`
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// The schema of policy documents
    ///
    /// Example: ringfence schema policy > policy.schema.json
    Policy,
}
