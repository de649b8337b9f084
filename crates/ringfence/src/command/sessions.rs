//! `sessions list`.

use ringfence_monitor::protocol::Request;
use serde_json::Value;

use crate::cli::Global;
use crate::command::member;
use crate::fault::{Ending, Fault};
use crate::output::{self, Cell, Table};
use crate::reach;

pub(crate) fn list(global: &Global) -> Result<Ending, Fault> {
    // Where no monitor runs there is no session, and none is started to say so.
    let sessions = match reach::running(global)? {
        Some(mut client) => reach::ask(&mut client, &Request::SessionList)?,
        None => Value::Array(Vec::new()),
    };
    if global.json {
        output::document(&sessions)?;
        return Ok(Ending::Done);
    }
    let mut table = Table::new(&["SESSION", "AGENT", "SINCE", "CALLS", "ASSURANCE"]);
    for session in sessions.as_array().into_iter().flatten() {
        table.row(["id", "agent", "since", "calls", "assurance"].map(|key| Cell::new(member(session, key))));
    }
    table.print_or("There is no session.")?;
    Ok(Ending::Done)
}
