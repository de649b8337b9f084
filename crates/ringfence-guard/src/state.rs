//! What the guard knows, as a fold of the log: the same records give the same state, whoever
//! reads them and whenever. The running guard keeps its own quicker forms of some of it; a start
//! builds those from here.

mod activity;
mod approvals;
mod registry;

use std::collections::BTreeSet;

use ringfence_audit::record::{Record, Stamped};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use activity::{Activity, Entry, SessionRow, WindowKey};
pub(crate) use approvals::{Answer, ApprovalRow, Approvals};
pub use registry::Standing;
pub(crate) use registry::{AgentRow, Latch, OperatorRow, Registry};

use crate::store::Row;

/// Everything, after some number of records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// Agents, operators, latches, trusted projects.
    pub(crate) registry: Registry,
    /// What people were asked.
    pub(crate) approvals: Approvals,
    /// Sessions, limits, open permits.
    pub(crate) activity: Activity,
    changed: BTreeSet<(&'static str, String)>,
}

/// A cached object that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the cached state has an unreadable object `{key}` in `{table}`; delete the database, it is rebuilt from the log"
)]
pub struct BadRow {
    table: String,
    key: String,
    #[source]
    source: Option<serde_json::Error>,
}

impl State {
    /// Takes one record, which stands at `index`.
    pub fn apply(&mut self, index: u64, leaf: &Stamped) {
        let at = leaf.time;
        match &leaf.record {
            Record::Decision(decision) => {
                self.approvals.decided(index, decision, &mut self.changed);
                self.activity.decided(index, at, decision, &mut self.changed);
            }
            Record::Outcome(outcome) => self.activity.settled(at, outcome, &mut self.changed),
            Record::Observed(seen) => self.activity.observed(at, seen, &mut self.changed),
            Record::SessionStarted(started) => self.activity.session_started(at, started, &mut self.changed),
            Record::SessionEnded(ended) => {
                self.activity.session_ended(&ended.session, &mut self.changed);
                self.approvals.session_ended(&ended.session, &mut self.changed);
            }
            Record::ApprovalAnswered(answer) => self.approvals.answered(answer, &mut self.changed),
            Record::AgentChanged(agent) => self.registry.agent_changed(agent, &mut self.changed),
            Record::OperatorAdded(operator) => self.registry.operator_added(operator, &mut self.changed),
            Record::LatchSet(latch) => self.registry.latch_set(latch, at, &mut self.changed),
            Record::LatchLifted(latch) => self.registry.latch_lifted(latch, &mut self.changed),
            Record::ProjectTrusted(project) => self.registry.project_trusted(project, &mut self.changed),
            Record::LoginChanged(_)
            | Record::PolicyLoaded(_)
            | Record::Monitor(_)
            | Record::ClockStepped(_)
            | Record::PayloadErased(_) => {}
        }
        self.activity.forget_before(at, &mut self.changed);
        self.approvals.forget_before(at, &mut self.changed);
    }

    /// The objects that changed since this was last asked, as rows for the cache.
    pub fn take_changes(&mut self) -> Vec<Row> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .map(|(table, key)| {
                let body = self.row(table, &key);
                Row { table, key, body }
            })
            .collect()
    }

    /// These were not saved after all: they are asked for again.
    pub(crate) fn changed_again(&mut self, rows: &[Row]) {
        self.changed.extend(rows.iter().map(|row| (row.table, row.key.clone())));
    }

    /// Every object, as the cache would hold it: two states are the same when these are.
    pub fn rows(&self) -> Vec<(String, String, String)> {
        let mut rows = Vec::new();
        let mut table = |name: &str, keys: Vec<String>| {
            for key in keys {
                if let Some(body) = self.row(name, &key) {
                    rows.push((name.to_owned(), key, body));
                }
            }
        };
        table(registry::AGENTS, self.registry.agents.keys().cloned().collect());
        table(registry::OPERATORS, self.registry.operators.keys().cloned().collect());
        table(registry::LATCHES, self.registry.latches.keys().cloned().collect());
        table(registry::PROJECTS, self.registry.projects.keys().cloned().collect());
        table(approvals::APPROVALS, self.approvals.ids().map(str::to_owned).collect());
        table(activity::SESSIONS, self.activity.sessions.keys().cloned().collect());
        table(activity::WINDOWS, self.activity.windows.keys().map(WindowKey::to_text).collect());
        table(activity::PERMITS, self.activity.open.keys().map(u64::to_string).collect());
        rows
    }

    fn row(&self, table: &str, key: &str) -> Option<String> {
        match table {
            registry::AGENTS => text(self.registry.agents.get(key)),
            registry::OPERATORS => text(self.registry.operators.get(key)),
            registry::LATCHES => text(self.registry.latches.get(key)),
            registry::PROJECTS => text(self.registry.projects.get(key)),
            approvals::APPROVALS => text(self.approvals.by_id(key)),
            activity::SESSIONS => text(self.activity.sessions.get(key)),
            activity::WINDOWS => text(WindowKey::parse(key).and_then(|key| self.activity.windows.get(&key))),
            activity::PERMITS => text(key.parse().ok().and_then(|index: u64| self.activity.open.get(&index))),
            _ => None,
        }
    }

    /// Builds the state back from what a cache held.
    ///
    /// # Errors
    /// An object that is not of this version's shape.
    pub fn from_rows(rows: &[(String, String, String)]) -> Result<State, BadRow> {
        let mut state = State::default();
        for (table, key, body) in rows {
            let bad = |source| BadRow { table: table.clone(), key: key.clone(), source };
            match table.as_str() {
                registry::AGENTS => {
                    drop(state.registry.agents.insert(key.clone(), object(body).map_err(bad)?));
                }
                registry::OPERATORS => {
                    drop(state.registry.operators.insert(key.clone(), object(body).map_err(bad)?));
                }
                registry::LATCHES => {
                    drop(state.registry.latches.insert(key.clone(), object(body).map_err(bad)?));
                }
                registry::PROJECTS => {
                    drop(state.registry.projects.insert(key.clone(), object(body).map_err(bad)?));
                }
                approvals::APPROVALS => state.approvals.restore(key, object(body).map_err(bad)?),
                activity::SESSIONS => {
                    drop(state.activity.sessions.insert(key.clone(), object(body).map_err(bad)?));
                }
                activity::WINDOWS => {
                    let window = WindowKey::parse(key).ok_or_else(|| bad(None))?;
                    state.activity.windows.insert(window, object(body).map_err(bad)?);
                }
                activity::PERMITS => {
                    let index = key.parse().map_err(|_| bad(None))?;
                    state.activity.open.insert(index, object(body).map_err(bad)?);
                }
                _ => return Err(bad(None)),
            }
        }
        state.activity.index();
        Ok(state)
    }
}

fn text<T: Serialize>(object: Option<&T>) -> Option<String> {
    object.map(|object| serde_json::to_string(object).expect("invariant: rows are plain data with text keys"))
}

fn object<T: DeserializeOwned>(body: &str) -> Result<T, Option<serde_json::Error>> {
    serde_json::from_str(body).map_err(Some)
}
