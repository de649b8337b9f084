//! `kill` and `unkill`.

use ringfence_monitor::protocol::{KillScope, Request};
use serde_json::Value;

use crate::cli::{Global, KillArgs, UnkillArgs};
use crate::command::member;
use crate::fault::{Ending, Fault};
use crate::output::{self, Cell, Table, paint, plain};
use crate::{operator, reach};

pub(crate) fn kill(global: &Global, asked: &KillArgs) -> Result<Ending, Fault> {
    let mut client = reach::operated(global)?;
    let Some(scope) = scope(asked) else {
        let latches = reach::ask(&mut client, &Request::KillList)?;
        list(global, &latches)?;
        return Ok(Ending::Done);
    };
    let request = Request::Kill {
        operator: operator::token(&mut client, &asked.operator)?,
        scope,
        reason: asked.reason.clone(),
    };
    let receipt = reach::ask(&mut client, &request)?;
    if global.json {
        output::document(&receipt)?;
        return Ok(Ending::Done);
    }
    output::line(format_args!("{} {}", paint::bad("killed:"), plain(&member(&receipt, "latch"))))?;
    output::line(format_args!(
        "denied after {} ms, durable after {} ms, as record {}; {} asks were withdrawn",
        millis(&receipt, "denied_after_us"),
        millis(&receipt, "durable_after_us"),
        member(&receipt, "record"),
        member(&receipt, "asks_voided"),
    ))?;
    output::line(format_args!("lift it with: ringfence unkill {}", plain(&member(&receipt, "latch"))))?;
    Ok(Ending::Done)
}

pub(crate) fn unkill(global: &Global, asked: &UnkillArgs) -> Result<Ending, Fault> {
    let mut client = reach::operated(global)?;
    let request = Request::Unkill {
        operator: operator::token(&mut client, &asked.operator)?,
        latch: asked.latch.clone(),
        reason: asked.reason.clone(),
    };
    let lifted = reach::ask(&mut client, &request)?;
    if global.json {
        output::document(&lifted)?;
    } else {
        output::line(format_args!("{} is lifted", plain(&asked.latch)))?;
    }
    Ok(Ending::Done)
}

fn scope(asked: &KillArgs) -> Option<KillScope> {
    let what = &asked.what;
    let named = [
        what.agent.clone().map(KillScope::Agent),
        what.session.clone().map(KillScope::Session),
        what.sponsor.clone().map(KillScope::Sponsor),
        what.tool.clone().map(KillScope::Tool),
        what.all.then_some(KillScope::All),
    ];
    named.into_iter().flatten().next()
}

fn list(global: &Global, latches: &Value) -> Result<(), Fault> {
    if global.json {
        return output::document(latches);
    }
    let mut table = Table::new(&["KILL", "COVERS", "SINCE", "OPERATOR"]);
    for latch in latches.as_array().into_iter().flatten() {
        let covers = match latch.get("scope").and_then(Value::as_object).and_then(|scope| scope.iter().next())
        {
            Some((kind, Value::String(what))) => format!("{kind} {what}"),
            Some((kind, _)) if kind == "all" => "everything".to_owned(),
            Some(_) | None => member(latch, "scope"),
        };
        table.row([
            Cell::new(member(latch, "latch")),
            Cell::new(covers),
            Cell::new(member(latch, "since")),
            Cell::new(member(latch, "operator")),
        ]);
    }
    table.print_or("Nothing is killed.")
}

fn millis(receipt: &Value, key: &str) -> String {
    match receipt.get(key).and_then(Value::as_u64) {
        Some(micros) => format!("{}.{:02}", micros / 1000, micros % 1000 / 10),
        None => "?".to_owned(),
    }
}
