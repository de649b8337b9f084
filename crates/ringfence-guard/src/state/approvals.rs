//! What people were asked and what they said. An approval is bound to one session and one
//! digest, is used once, and expires.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_audit::record::{ApprovalAnswered, ApprovalStep, Decision};
use ringfence_model::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) const APPROVALS: &str = "approvals";

type Changed = BTreeSet<(&'static str, String)>;

/// Every approval that is still of use.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Approvals {
    by_id: BTreeMap<String, ApprovalRow>,
    by_digest: BTreeMap<(String, String), String>,
    by_expiry: BTreeSet<(Timestamp, String)>,
}

/// One ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ApprovalRow {
    /// The parent session.
    pub(crate) session: String,
    /// See `canonical::action_digest`.
    pub(crate) digest: String,
    pub(crate) expires: Timestamp,
    /// One set for each rule that asked.
    pub(crate) approvers: Vec<Vec<String>>,
    /// The record that asked; its payload says what for.
    pub(crate) record: u64,
    pub(crate) answer: Answer,
}

impl ApprovalRow {
    /// Stands for the record until that is durable; nobody can answer before.
    pub(crate) const UNRECORDED: u64 = u64::MAX;
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// Nothing yet.
    Awaited,
    /// Yes, and by whom (pseudonym).
    Approved { operator: String },
    /// No, and by whom. Kept until it expires, so that asking again does not wear people down.
    Refused { operator: String },
}

impl Approvals {
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(String::as_str)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &ApprovalRow)> {
        self.by_id.iter().map(|(id, row)| (id.as_str(), row))
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&ApprovalRow> {
        self.by_id.get(id)
    }

    /// The approval for exactly this, unless it has expired.
    pub(crate) fn bound_to(
        &self,
        session: &str,
        digest: &str,
        now: Timestamp,
    ) -> Option<(&str, &ApprovalRow)> {
        let id = self.by_digest.get(&(session.to_owned(), digest.to_owned()))?;
        let row = self.by_id.get(id)?;
        (row.expires > now).then_some((id.as_str(), row))
    }

    /// How many asks of a session nobody has answered.
    pub(crate) fn awaited(&self, session: &str, now: Timestamp) -> usize {
        self.live(session, now).filter(|row| row.answer == Answer::Awaited).count()
    }

    /// Whether a session waits for a person, or may use what one said.
    pub(crate) fn any_live(&self, session: &str, now: Timestamp) -> bool {
        self.live(session, now).any(|row| !matches!(row.answer, Answer::Refused { .. }))
    }

    fn live(&self, session: &str, now: Timestamp) -> impl Iterator<Item = &ApprovalRow> {
        self.by_id.values().filter(move |row| row.session == session && row.expires > now)
    }

    /// What has expired by `now`.
    pub(crate) fn expired(&self, now: Timestamp) -> Vec<String> {
        self.by_expiry.iter().take_while(|(expires, _)| *expires <= now).map(|(_, id)| id.clone()).collect()
    }

    /// The ask's record is durable.
    pub(crate) fn recorded(&mut self, id: &str, index: u64) {
        if let Some(row) = self.by_id.get_mut(id) {
            row.record = index;
        }
    }

    pub(crate) fn restore(&mut self, id: &str, row: ApprovalRow) {
        self.by_digest.insert((row.session.clone(), row.digest.clone()), id.to_owned());
        self.by_expiry.insert((row.expires, id.to_owned()));
        self.by_id.insert(id.to_owned(), row);
    }

    /// Takes it out: it was used, or is of no use any more.
    pub(crate) fn remove(&mut self, id: &str) -> Option<ApprovalRow> {
        let row = self.by_id.remove(id)?;
        self.by_expiry.remove(&(row.expires, id.to_owned()));
        let bound = (row.session.clone(), row.digest.clone());
        if self.by_digest.get(&bound).is_some_and(|current| current == id) {
            self.by_digest.remove(&bound);
        }
        Some(row)
    }

    /// Notes the answer; false where nobody was waiting for one.
    pub(crate) fn answer(&mut self, id: &str, answer: Answer) -> bool {
        match self.by_id.get_mut(id) {
            Some(row) if row.answer == Answer::Awaited => {
                row.answer = answer;
                true
            }
            _ => false,
        }
    }

    pub(super) fn decided(&mut self, index: u64, decision: &Decision, changed: &mut Changed) {
        let Some(approval) = &decision.approval else { return };
        match approval.step {
            ApprovalStep::Asked => {
                let row = ApprovalRow {
                    session: decision.session.clone(),
                    digest: approval.digest.clone(),
                    expires: approval.expires,
                    approvers: approval.approvers.clone(),
                    record: index,
                    answer: Answer::Awaited,
                };
                let bound = (decision.session.clone(), approval.digest.clone());
                if let Some(superseded) = self.by_digest.get(&bound).cloned() {
                    self.remove(&superseded);
                    changed.insert((APPROVALS, superseded));
                }
                self.restore(&approval.id, row);
            }
            ApprovalStep::Joined => return,
            ApprovalStep::Used => drop(self.remove(&approval.id)),
        }
        changed.insert((APPROVALS, approval.id.clone()));
    }

    pub(super) fn answered(&mut self, said: &ApprovalAnswered, changed: &mut Changed) {
        let operator = match &said.operator {
            Some(operator) => operator.clone(),
            None => said.via.as_deref().unwrap_or_default().to_owned(),
        };
        match &*said.verdict {
            "approve" => drop(self.answer(&said.id, Answer::Approved { operator })),
            "deny" => drop(self.answer(&said.id, Answer::Refused { operator })),
            _ => drop(self.remove(&said.id)),
        }
        changed.insert((APPROVALS, said.id.clone()));
    }

    pub(super) fn session_ended(&mut self, session: &str, changed: &mut Changed) {
        let ids: Vec<String> =
            self.by_id.iter().filter(|(_, row)| row.session == session).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.remove(&id);
            changed.insert((APPROVALS, id));
        }
    }

    pub(super) fn forget_before(&mut self, now: Timestamp, changed: &mut Changed) {
        while let Some((expires, id)) = self.by_expiry.first().cloned() {
            if expires > now {
                return;
            }
            self.remove(&id);
            changed.insert((APPROVALS, id));
        }
    }
}
