//! `approvals …`: what waits for a person, and the person's answer.

use ringfence_monitor::protocol::Request;
use serde_json::Value;

use crate::cli::{ApprovalsCommand, Global};
use crate::command::member;
use crate::fault::{Ending, Fault};
use crate::output::{self, paint, plain};
use crate::{operator, reach};

/// How much of one value is shown.
const MAX_SHOWN: usize = 4_000;

pub(crate) fn run(global: &Global, command: &ApprovalsCommand) -> Result<Ending, Fault> {
    let mut client = reach::operated(global)?;
    match command {
        ApprovalsCommand::List { operator } => {
            let request = Request::ApprovalList { operator: operator::token_if_any(operator)? };
            let asks = reach::ask(&mut client, &request)?;
            list(global, &asks)?;
        }
        ApprovalsCommand::Approve(one) | ApprovalsCommand::Deny(one) => {
            let approve = matches!(command, ApprovalsCommand::Approve(_));
            let request = Request::ApprovalAnswer {
                operator: operator::token(&mut client, &one.operator)?,
                id: one.id.clone(),
                approve,
            };
            let answered = reach::ask(&mut client, &request)?;
            if global.json {
                output::document(&answered)?;
            } else if approve {
                output::line(format_args!(
                    "{} is {}: it may happen once",
                    plain(&one.id),
                    paint::good("approved")
                ))?;
            } else {
                output::line(format_args!("{} is {}", plain(&one.id), paint::bad("denied")))?;
            }
        }
    }
    Ok(Ending::Done)
}

fn list(global: &Global, asks: &Value) -> Result<(), Fault> {
    if global.json {
        return output::document(asks);
    }
    let asks = asks.as_array().map(Vec::as_slice).unwrap_or_default();
    if asks.is_empty() {
        return output::line("Nothing waits for a person.");
    }
    for (place, ask) in asks.iter().enumerate() {
        if place > 0 {
            output::line("")?;
        }
        show(ask)?;
    }
    Ok(())
}

fn show(ask: &Value) -> Result<(), Fault> {
    let state = member(ask, "state");
    let by = member(ask, "by");
    let shown = match (state.as_str(), by.as_str()) {
        ("awaited", _) => paint::waiting("waits".to_owned()),
        ("approved", by) => paint::good(format!("approved by {}", plain(by))),
        (_, by) => paint::bad(format!("denied by {}", plain(by))),
    };
    output::line(format_args!("{}  {shown}", paint::strong(plain(&member(ask, "id")))))?;
    for (label, key) in
        [("session", "session"), ("approvers", "approvers"), ("until", "expires"), ("record", "record")]
    {
        let value = member(ask, key);
        if !value.is_empty() {
            output::line(format_args!("  {label:<10}{}", plain(&value)))?;
        }
    }
    match ask.get("asked") {
        Some(Value::Object(what)) => {
            for (key, value) in what {
                let text = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                output::line(format_args!("  {:<10}{}", plain(key), shortened(&plain(&text))))?;
            }
            Ok(())
        }
        Some(Value::Null) | None => output::line("  what is asked is shown to operators only"),
        Some(other) => output::line(format_args!("  {}", plain(&other.to_string()))),
    }
}

/// Whoever approves has to know that there is more.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((cut, _)) => {
            let more = text.chars().count().saturating_sub(MAX_SHOWN);
            format!("{}… ({more} characters more; --json shows all)", text.get(..cut).unwrap_or(""))
        }
        None => text.to_owned(),
    }
}
