//! The commands: one module each, one function from arguments to how it ended.

mod agent;
mod approvals;
mod audit;
mod audit_show;
mod auth;
mod completions;
mod decide;
mod doctor;
mod init;
mod kill;
pub(crate) mod mcp;
pub(crate) mod monitor;
mod policy;
mod policy_explain;
mod server_name;
mod sessions;
mod status;
mod trust;
mod up;

use serde_json::Value;

use crate::cli::{Cli, Command, PolicyCommand, SchemaCommand, SessionsCommand};
use crate::demo;
use crate::fault::{Ending, Fault};

/// Runs what was typed.
pub(crate) fn run(cli: &Cli) -> Result<Ending, Fault> {
    let global = &cli.global;
    match &cli.command {
        Command::Policy(PolicyCommand::Check(files)) => policy::check(global, files),
        Command::Policy(PolicyCommand::Test(files)) => policy::test(global, files),
        Command::Policy(PolicyCommand::Explain(attempt)) => policy_explain::run(global, attempt),
        Command::Policy(PolicyCommand::Functions) => policy::functions(global),
        Command::Schema(SchemaCommand::Policy) => policy::schema(),
        Command::Completions { shell } => completions::run(*shell),
        Command::Demo(args) => demo::run(global, args),
        Command::DemoAgent(args) => demo::agent::run(&args.command),
        Command::DemoErpServer(args) => demo::erp::run(&args.journal),
        Command::Init(asked) => init::run(global, asked),
        Command::Mcp(asked) => mcp::run(global, asked),
        Command::Up => up::run(global),
        Command::Decide(asked) => decide::run(global, asked),
        Command::Audit(command) => audit::run(global, command),
        Command::Agent(command) => agent::run(global, command),
        Command::Auth(command) => auth::run(global, command),
        Command::Approvals(command) => approvals::run(global, command),
        Command::Kill(asked) => kill::kill(global, asked),
        Command::Unkill(asked) => kill::unkill(global, asked),
        Command::Sessions(SessionsCommand::List) => sessions::list(global),
        Command::Trust(asked) => trust::run(global, asked),
        Command::Status => status::status(global),
        Command::Reload => status::reload(global),
        Command::Stop => status::stop(global),
        Command::Monitor(asked) => monitor::run(global, asked),
        Command::Doctor => doctor::run(global),
    }
}

/// A member of an answer as text: lists as their words, what is absent as nothing.
fn member(answer: &Value, key: &str) -> String {
    fn text(value: &Value) -> String {
        match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
        }
    }
    answer.get(key).map(text).unwrap_or_default()
}
