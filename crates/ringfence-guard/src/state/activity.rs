//! Sessions, what their limits were charged, and which permits have no outcome yet.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_audit::record::{Charge, ChargeSpan, Decision, Labels, Observed, Outcome, SessionStarted};
use ringfence_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::session::{labels_of, record_labels};

pub(super) const SESSIONS: &str = "sessions";
pub(super) const WINDOWS: &str = "windows";
pub(super) const PERMITS: &str = "permits";

type Changed = BTreeSet<(&'static str, String)>;

/// What is going on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Activity {
    /// By id.
    pub(crate) sessions: BTreeMap<String, SessionRow>,
    /// What each limit's buckets hold.
    pub(crate) windows: BTreeMap<WindowKey, Vec<Entry>>,
    /// Permits without an outcome, by the index of their record.
    pub(crate) open: BTreeMap<u64, OpenPermit>,
    /// Windows by the moment their oldest entry stops counting.
    ending: BTreeSet<(Timestamp, WindowKey)>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionRow {
    pub(crate) subject: String,
    /// Pseudonym.
    pub(crate) sponsor: String,
    /// Keyed hash.
    pub(crate) credential: String,
    pub(crate) assurance: String,
    pub(crate) created: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) calls: u64,
    pub(crate) tokens: u64,
    pub(crate) micro_usd: u64,
    pub(crate) labels: Labels,
}

/// Which bucket of which limit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WindowKey {
    pub(crate) limit: String,
    pub(crate) bucket: String,
}

impl WindowKey {
    pub(crate) fn to_text(&self) -> String {
        format!("{}#{}", self.bucket, self.limit)
    }

    pub(crate) fn parse(text: &str) -> Option<WindowKey> {
        let (bucket, limit) = text.split_once('#')?;
        Some(WindowKey { limit: limit.to_owned(), bucket: bucket.to_owned() })
    }
}

/// One charge that still counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// From when on it counts.
    pub(crate) at: Timestamp,
    /// Until when, where time ends it.
    pub(crate) until: Option<Timestamp>,
    pub(crate) amount: u64,
    /// The session, where its end ends it.
    pub(crate) session: Option<String>,
}

/// A permit without an outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenPermit {
    pub(crate) session: String,
    pub(crate) at: Timestamp,
    pub(crate) charges: Vec<Charge>,
}

impl Activity {
    pub(super) fn session_started(&mut self, at: Timestamp, started: &SessionStarted, changed: &mut Changed) {
        let row = SessionRow {
            subject: started.subject.clone(),
            sponsor: started.sponsor.clone(),
            credential: started.credential.clone(),
            assurance: started.assurance.clone().into_owned(),
            created: at,
            last: at,
            calls: 0,
            tokens: 0,
            micro_usd: 0,
            labels: Labels { integrity: "trusted".into(), confidentiality: "internal".into() },
        };
        self.sessions.insert(started.session.clone(), row);
        changed.insert((SESSIONS, started.session.clone()));
    }

    pub(super) fn session_ended(&mut self, session: &str, changed: &mut Changed) {
        self.sessions.remove(session);
        changed.insert((SESSIONS, session.to_owned()));
        let held: Vec<WindowKey> = self
            .windows
            .iter()
            .filter(|(_, entries)| entries.iter().any(|e| e.session.as_deref() == Some(session)))
            .map(|(key, _)| key.clone())
            .collect();
        for key in held {
            self.keep(&key, |entry| entry.session.as_deref() != Some(session), changed);
        }
    }

    pub(super) fn decided(&mut self, index: u64, at: Timestamp, decision: &Decision, changed: &mut Changed) {
        if let Some(session) = self.sessions.get_mut(&decision.session) {
            session.last = at;
            if decision.permit {
                session.calls = session.calls.saturating_add(1);
            }
            changed.insert((SESSIONS, decision.session.clone()));
        }
        if !decision.permit {
            // Attempts that count although they were denied begin and end here.
            for charge in &decision.charges {
                self.charge(charge, charge.amount, at, &decision.session, changed);
            }
            return;
        }
        let open = OpenPermit { session: decision.session.clone(), at, charges: decision.charges.clone() };
        self.open.insert(index, open);
        changed.insert((PERMITS, index.to_string()));
    }

    pub(super) fn settled(&mut self, at: Timestamp, outcome: &Outcome, changed: &mut Changed) {
        let Some(open) = self.open.remove(&outcome.of) else { return };
        changed.insert((PERMITS, outcome.of.to_string()));
        // An action that began counts from then; of one whose end nobody saw, from the end of
        // not knowing, which is never too early.
        let began = outcome.started.unwrap_or(at);
        for (position, charge) in open.charges.iter().enumerate() {
            let amount = outcome.charged.get(position).copied().unwrap_or(charge.amount);
            let span = outcome.spans.get(position).copied().unwrap_or(charge.span);
            self.charge(&Charge { span, ..charge.clone() }, amount, began, &open.session, changed);
        }
        if let Some(session) = self.sessions.get_mut(&open.session) {
            session.last = at;
            let used = &outcome.usage;
            let tokens = used.input_tokens.unwrap_or(0).saturating_add(used.output_tokens.unwrap_or(0));
            session.tokens = session.tokens.saturating_add(tokens);
            session.micro_usd = session.micro_usd.saturating_add(used.micro_usd.unwrap_or(0));
            session.labels = joined(&session.labels, &outcome.labels);
            changed.insert((SESSIONS, open.session));
        }
    }

    pub(super) fn observed(&mut self, at: Timestamp, seen: &Observed, changed: &mut Changed) {
        if let Some(session) = self.sessions.get_mut(&seen.session) {
            session.last = at;
            session.labels = joined(&session.labels, &seen.labels);
            changed.insert((SESSIONS, seen.session.clone()));
        }
    }

    fn charge(&mut self, charge: &Charge, amount: u64, at: Timestamp, session: &str, changed: &mut Changed) {
        let (until, session) = match charge.span {
            ChargeSpan::SlidesUs(us) => (Some(after(at, us)), None),
            ChargeSpan::Until(end) => (Some(end), None),
            ChargeSpan::Session(_) if self.sessions.contains_key(session) => (None, Some(session.to_owned())),
            // The session ended before, and what it used with it.
            ChargeSpan::Session(_) => return,
            // Open actions count while they are open, and this one is not any more.
            ChargeSpan::Open(_) => return,
        };
        if amount == 0 {
            return;
        }
        let key = WindowKey { limit: charge.limit.clone(), bucket: charge.bucket.clone() };
        let entries = self.windows.entry(key.clone()).or_default();
        if let Some(until) = until {
            if let Some(first) = first_end(entries) {
                self.ending.remove(&(first, key.clone()));
            }
            let place = entries.partition_point(|entry| entry.until.is_some_and(|end| end <= until));
            entries.insert(place, Entry { at, until: Some(until), amount, session });
            if let Some(first) = first_end(entries) {
                self.ending.insert((first, key.clone()));
            }
        } else if let Some(total) = entries.iter_mut().find(|e| e.until.is_none() && e.session == session) {
            // A session's total is one number, however long the session.
            total.amount = total.amount.saturating_add(amount);
        } else {
            entries.push(Entry { at, until: None, amount, session });
        }
        changed.insert((WINDOWS, key.to_text()));
    }

    /// Drops what has stopped counting by `now`.
    pub(super) fn forget_before(&mut self, now: Timestamp, changed: &mut Changed) {
        while let Some((end, key)) = self.ending.first().cloned() {
            if end > now {
                return;
            }
            self.keep(&key, |entry| entry.until.is_none_or(|until| until > now), changed);
        }
    }

    fn keep(&mut self, key: &WindowKey, stays: impl Fn(&Entry) -> bool, changed: &mut Changed) {
        let Some(entries) = self.windows.get_mut(key) else { return };
        if let Some(first) = first_end(entries) {
            self.ending.remove(&(first, key.clone()));
        }
        entries.retain(stays);
        match first_end(entries) {
            Some(first) => drop(self.ending.insert((first, key.clone()))),
            None if entries.is_empty() => drop(self.windows.remove(key)),
            None => {}
        }
        changed.insert((WINDOWS, key.to_text()));
    }

    /// Rebuilds what is derived, after rows were put in one by one.
    pub(crate) fn index(&mut self) {
        self.ending = self
            .windows
            .iter()
            .filter_map(|(key, entries)| first_end(entries).map(|end| (end, key.clone())))
            .collect();
    }
}

/// Records of one session may come in another order than they were made in: labels only rise.
fn joined(before: &Labels, after: &Labels) -> Labels {
    record_labels(labels_of(before).join(labels_of(after)))
}

// INVARIANT: entries stand in the order in which they end, endless ones last.
fn first_end(entries: &[Entry]) -> Option<Timestamp> {
    entries.first().and_then(|entry| entry.until)
}

/// A moment so many microseconds later, or the end of time.
fn after(at: Timestamp, us: u64) -> Timestamp {
    i64::try_from(us)
        .ok()
        .and_then(|us| at.checked_add(jiff::SignedDuration::from_micros(us)).ok())
        .unwrap_or(Timestamp::MAX)
}
