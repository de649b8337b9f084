//! `agent …`: who may act at all.

use ringfence_monitor::protocol::Request;
use serde_json::Value;

use crate::cli::{AgentCommand, Global};
use crate::command::member;
use crate::fault::{Ending, Fault};
use crate::output::{self, Cell, Table, paint, plain};
use crate::{operator, reach};

pub(crate) fn run(global: &Global, command: &AgentCommand) -> Result<Ending, Fault> {
    let mut client = reach::operated(global)?;
    match command {
        AgentCommand::Add { id, sponsor, group, operator } => {
            let request = Request::AgentAdd {
                operator: operator::token(&mut client, operator)?,
                id: id.clone(),
                sponsor: sponsor.clone(),
                groups: group.clone(),
            };
            let added = reach::ask(&mut client, &request)?;
            issued(global, &added)?;
        }
        AgentCommand::List => list(global, &reach::ask(&mut client, &Request::AgentList)?)?,
        AgentCommand::Suspend(agent) | AgentCommand::Resume(agent) | AgentCommand::Revoke(agent) => {
            let standing = match command {
                AgentCommand::Suspend(_) => "suspended",
                AgentCommand::Revoke(_) => "revoked",
                AgentCommand::Resume(_)
                | AgentCommand::Add { .. }
                | AgentCommand::List
                | AgentCommand::Token { .. } => "active",
            };
            let request = Request::AgentStanding {
                operator: operator::token(&mut client, &agent.operator)?,
                id: agent.id.clone(),
                standing: standing.to_owned(),
            };
            let changed = reach::ask(&mut client, &request)?;
            if global.json {
                output::document(&changed)?;
            } else {
                output::line(format_args!("{} is {standing}", plain(&agent.id)))?;
            }
        }
        AgentCommand::Token { agent, grace } => {
            let request = Request::AgentToken {
                operator: operator::token(&mut client, &agent.operator)?,
                id: agent.id.clone(),
                grace_seconds: *grace,
            };
            let rotated = reach::ask(&mut client, &request)?;
            issued(global, &rotated)?;
        }
    }
    Ok(Ending::Done)
}

/// The token alone goes to standard output, so that it can be written to a file.
fn issued(global: &Global, answer: &Value) -> Result<(), Fault> {
    if global.json {
        return output::document(answer);
    }
    output::aside(format_args!(
        "{} the token of {}; it is shown this once, and only its digest is kept",
        paint::good("note:"),
        plain(&member(answer, "agent")),
    ));
    output::line(member(answer, "token"))
}

fn list(global: &Global, agents: &Value) -> Result<(), Fault> {
    if global.json {
        return output::document(agents);
    }
    let mut table = Table::new(&["AGENT", "STANDING", "SPONSOR", "GROUPS", "TOKENS", "REGISTERED IN"]);
    for agent in agents.as_array().into_iter().flatten() {
        table.row(
            ["id", "standing", "sponsor", "groups", "tokens", "registered_in"]
                .map(|key| Cell::new(member(agent, key))),
        );
    }
    table.print_or("No agent is registered: local callers act as spiffe://local/<user>/<program>.")
}
