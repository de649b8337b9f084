//! `audit show`: the records, as people read them.

use std::time::Duration;

use ringfence_audit::Archive;
use ringfence_monitor::client::Client;
use ringfence_monitor::protocol::{Request, Secret};
use serde_json::{Value, json};

use crate::cli::{Global, ShowArgs};
use crate::command::member;
use crate::fault::{Ending, Fault};
use crate::output::{self, paint, plain};
use crate::{operator, reach};

/// How often new records are looked for.
const EVERY: Duration = Duration::from_millis(200);
/// How many records are asked for at once.
const BATCH: u64 = 500;

/// Where records are read from.
enum From {
    Monitor { client: Client, operator: Option<Secret> },
    Files(Archive),
}

pub(crate) fn run(global: &Global, asked: &ShowArgs) -> Result<Ending, Fault> {
    let mut from = open(global, asked)?;
    let size = from.size()?;
    let mut next = asked.from.unwrap_or_else(|| size.saturating_sub(asked.number));
    let mut left = asked.number;
    loop {
        let batch = if asked.follow { BATCH } else { left.min(BATCH) };
        let read = if batch == 0 { Ok(Vec::new()) } else { from.records(next, batch) };
        let records = match read {
            // The monitor ended: the files have what it wrote, and the next one has the rest.
            Err(_) if asked.follow && matches!(from, From::Monitor { .. }) => {
                from = open(global, asked)?;
                continue;
            }
            read => read?,
        };
        for entry in &records {
            show(global, entry)?;
            next = entry.get("index").and_then(Value::as_u64).map_or(next, |index| index.saturating_add(1));
        }
        left = left.saturating_sub(u64::try_from(records.len()).unwrap_or(u64::MAX));
        match (records.is_empty(), asked.follow) {
            (true, false) => return Ok(Ending::Done),
            (true, true) => {
                std::thread::sleep(EVERY);
                if let From::Files(_) = from {
                    from = open(global, asked)?;
                }
            }
            (false, _) => {}
        }
    }
}

fn open(global: &Global, asked: &ShowArgs) -> Result<From, Fault> {
    if asked.payloads {
        let mut client = reach::operated(global)?;
        let operator = Some(operator::token(&mut client, &asked.operator)?);
        return Ok(From::Monitor { client, operator });
    }
    match reach::running(global)? {
        Some(client) => Ok(From::Monitor { client, operator: None }),
        None => Ok(From::Files(Archive::open(&reach::data_place(global)?)?)),
    }
}

impl From {
    fn size(&mut self) -> Result<u64, Fault> {
        match self {
            From::Monitor { client, .. } => {
                let status = reach::ask(client, &Request::Status)?;
                Ok(status.get("records").and_then(Value::as_u64).unwrap_or(0))
            }
            From::Files(archive) => Ok(archive.size()),
        }
    }

    /// At most `limit` entries of `index`, `record` and, for operators, `payload`.
    fn records(&mut self, next: u64, limit: u64) -> Result<Vec<Value>, Fault> {
        match self {
            From::Monitor { client, operator } => {
                let request = Request::Records { operator: operator.clone(), from: Some(next), limit };
                let mut answer = reach::ask(client, &request)?;
                match answer.get_mut("records").map(Value::take) {
                    Some(Value::Array(records)) => Ok(records),
                    Some(_) | None => Err(Fault::cannot("the monitor answered without records")),
                }
            }
            From::Files(archive) => {
                let mut records = Vec::new();
                for leaf in archive.read(next).take(usize::try_from(limit).unwrap_or(usize::MAX)) {
                    let leaf = leaf?;
                    let record: Value = serde_json::from_slice(&leaf.bytes)
                        .unwrap_or_else(|_| json!("not a record that can be read"));
                    records.push(json!({ "index": leaf.index, "record": record }));
                }
                Ok(records)
            }
        }
    }
}

fn show(global: &Global, entry: &Value) -> Result<(), Fault> {
    if global.json {
        return output::json_line(entry);
    }
    let record = entry.get("record").unwrap_or(&Value::Null);
    let kind = member(record, "kind");
    let index = member(entry, "index");
    let time = member(record, "time");
    let what = match kind.as_str() {
        "decision" => decision(record),
        "outcome" => {
            let duration = record.get("duration_us").and_then(Value::as_u64);
            let took = duration.map(|micros| format!(" after {}.{:03} ms", micros / 1000, micros % 1000));
            format!(
                "outcome of {}: {}{}",
                member(record, "of"),
                plain(&member(record, "result")),
                took.unwrap_or_default()
            )
        }
        _ => other(record, &kind),
    };
    output::line(format_args!("{index:>6}  {}  {what}", paint::faint(plain(&time))))?;
    match entry.get("payload") {
        Some(payload) => output::line(format_args!("        {}", plain(&payload.to_string()))),
        None => Ok(()),
    }
}

fn decision(record: &Value) -> String {
    let word = member(record, "decision");
    let style = paint::of_decision(&word);
    let observed = record.get("observing").and_then(Value::as_bool) == Some(true);
    format!(
        "{style}{:<5}{style:#}  {}  {}  {}  by {}: {}{}",
        plain(&word),
        plain(&member(record, "subject")),
        plain(&member(record, "action")),
        plain(&member(record, "resource")),
        plain(&member(record, "rule")),
        plain(&member(record, "reason")),
        if observed { " (observed only)" } else { "" },
    )
}

/// The members that the writer did not stamp.
fn other(record: &Value, kind: &str) -> String {
    let mut said = plain(kind).into_owned();
    for (key, value) in record.as_object().into_iter().flatten() {
        if ["v", "time", "node", "kind", "payload", "labels"].contains(&key.as_str()) {
            continue;
        }
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        said.push_str(&format!("  {}={}", plain(key), plain(&value)));
    }
    said
}
