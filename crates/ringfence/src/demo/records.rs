//! What the log holds of the story, read from its files beside the monitor that writes them.

use std::path::Path;
use std::time::{Duration, Instant};

use ringfence_audit::Archive;
use serde_json::Value;

use super::facts::Decided;
use crate::fault::Fault;

/// How long a record that is written without anybody waiting for it may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// One record.
pub(super) struct Entry {
    pub(super) index: u64,
    pub(super) record: Value,
}

/// The records from an index on.
pub(super) fn since(data: &Path, from: u64) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    for leaf in Archive::open(data)?.read(from) {
        let leaf = leaf?;
        entries.push(Entry { index: leaf.index, record: serde_json::from_slice(&leaf.bytes)? });
    }
    Ok(entries)
}

/// How many records there are.
pub(super) fn size(data: &Path) -> Result<u64, Fault> {
    Ok(Archive::open(data)?.size())
}

impl Entry {
    /// Whether it decides about a call of this tool.
    pub(super) fn decides(&self, tool: &str) -> bool {
        self.word("/kind") == "decision" && self.word("/resource") == format!("mcp://erp/{tool}")
    }

    /// A member, by JSON Pointer; empty where it is not there.
    pub(super) fn word(&self, pointer: &str) -> &str {
        self.record.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The decision it holds.
    pub(super) fn decided(&self) -> Decided {
        Decided {
            decision: self.word("/decision").to_owned(),
            rule: self.word("/rule").to_owned(),
            reason: self.word("/reason").to_owned(),
            permit: self.record.get("permit").and_then(Value::as_bool).unwrap_or(false),
            used: (self.word("/approval/step") == "used").then(|| self.word("/approval/id").to_owned()),
            record: self.index,
        }
    }
}

/// Waits for the outcome of a decision: the record that says how the action ended.
pub(super) fn outcome(data: &Path, decision: u64) -> Result<String, Fault> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        for entry in since(data, decision)? {
            let of = entry.record.get("of").and_then(Value::as_u64);
            if entry.word("/kind") == "outcome" && of == Some(decision) {
                return Ok(entry.word("/result").to_owned());
            }
        }
        if Instant::now() > deadline {
            return Err(Fault::no(format!("record {decision} was followed by no outcome")));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
