//! Committing a group: order, time, hashes, the signed head, one write, one flush.

use std::sync::{Arc, TryLockError};

use ringfence_model::{Digest, Timestamp};

use super::append::{AppendError, Appended, Failure, Queued, Sealing, Slot, owners};
use super::{Durability, GroupPlace, Shared, lock};
use crate::clock::{Sequencer, Stamp};
use crate::frame::{BLOCK, Flushed, FrameWriter, Group};
use crate::hash::leaf_hash;
use crate::journal::{JournalWriter, Place};
use crate::keyring::Owner;
use crate::leaf;
use crate::merkle::Frontier;
use crate::payload::seal;

/// What whoever commits needs; one at a time has it.
pub(super) struct Committer {
    frontier: Frontier,
    sequencer: Sequencer,
    frame: FrameWriter,
    journal: JournalWriter,
}

/// The outcome of one record, still to be told.
type News = (Arc<Slot>, Result<Appended, AppendError>);

/// A record that is ready to be written.
struct Ready {
    tail: Vec<u8>,
    stored: Vec<u8>,
    /// Whoever waits for it; nobody for the log's own records.
    slot: Option<Arc<Slot>>,
}

impl Committer {
    pub(super) fn new(frontier: Frontier, last: Option<Timestamp>, journal: JournalWriter) -> Self {
        Committer { frontier, sequencer: Sequencer::new(last), frame: FrameWriter::default(), journal }
    }
}

impl Shared {
    /// Commits a group where nobody else is at it. False where somebody is, or nothing is queued.
    pub(super) fn try_commit(&self) -> bool {
        let mut committer = match self.committer.try_lock() {
            Ok(committer) => committer,
            Err(TryLockError::WouldBlock) => return false,
            Err(TryLockError::Poisoned(_)) => return self.commit(),
        };
        let news = self.commit_group(&mut committer);
        drop(committer);
        if !lock(&self.queue).is_empty() {
            self.tell_writer();
        }
        tell(news)
    }

    /// Commits a group, after whoever is at it. False where nothing is queued.
    pub(super) fn commit(&self) -> bool {
        let news = match self.committer.lock() {
            Ok(mut committer) => self.commit_group(&mut committer),
            Err(poisoned) => {
                // Somebody panicked in the middle: what is in memory cannot be trusted.
                self.fail(Failure::defect(&self.paths.log));
                self.commit_group(&mut poisoned.into_inner())
            }
        };
        tell(news)
    }

    fn commit_group(&self, committer: &mut Committer) -> Vec<News> {
        let group = self.take_group();
        if group.is_empty() {
            return Vec::new();
        }
        if let Some(failure) = self.published().failed.clone() {
            let refuse = |queued: Queued| (queued.slot, Err(AppendError::Failed(failure.clone())));
            return group.into_iter().map(refuse).collect();
        }
        let mut news = Vec::with_capacity(group.len());
        let ready = self.seal_group(group, &mut news);
        if ready.is_empty() {
            return news;
        }
        let (ready, outcome) = self.write_group(committer, ready);
        match outcome {
            Ok((start, time, leaves)) => {
                for (place, (ready, leaf)) in (start..).zip(ready.into_iter().zip(leaves)) {
                    if let Some(slot) = ready.slot {
                        news.push((slot, Ok(Appended { index: place, leaf, time })));
                    }
                }
            }
            Err(error) => {
                let slots = ready.into_iter().filter_map(|ready| ready.slot);
                news.extend(slots.map(|slot| (slot, Err(error.clone()))));
            }
        }
        news
    }

    /// Encrypts what could not be encrypted before, making the keys it needs with one flush.
    fn seal_group(&self, group: Vec<Queued>, news: &mut Vec<News>) -> Vec<Ready> {
        let needed: Vec<Owner> = group
            .iter()
            .filter_map(|queued| match &queued.payload {
                Sealing::Open(payload, _) => Some(owners(payload)),
                Sealing::Nothing | Sealing::Done(_) => None,
            })
            .flatten()
            .collect();
        let keys = self.keyring.ensure(&needed).map(drop).map_err(Arc::new);
        let mut ready = Vec::with_capacity(group.len() + 1);
        for Queued { tail, payload, slot } in group {
            let stored = match payload {
                Sealing::Nothing => Ok(Vec::new()),
                Sealing::Done(stored) => Ok(stored),
                Sealing::Open(payload, commitment) => keys.clone().and_then(|()| {
                    // They are there now, unless one was erased in between: then it is made anew.
                    let found = self.keyring.ensure(&owners(&payload)).map_err(Arc::new)?;
                    Ok(seal(&found, commitment, &payload.content))
                }),
            };
            match stored {
                Ok(stored) => ready.push(Ready { tail, stored, slot: Some(slot) }),
                Err(error) => news.push((slot, Err(AppendError::Keys(error)))),
            }
        }
        ready
    }

    /// Gives the records as written (with the log's own among them), and what became of them:
    /// the index of the first, their time, their leaf hashes.
    #[expect(clippy::type_complexity, reason = "used once, and spelled out above")]
    fn write_group(
        &self,
        committer: &mut Committer,
        ready: Vec<Ready>,
    ) -> (Vec<Ready>, Result<(u64, Timestamp, Vec<Digest>), AppendError>) {
        let before = committer.sequencer.clone();
        let stamp = committer.sequencer.stamp(&*self.clock);
        let (text, time) = match (leaf::stamp(stamp.micros), Timestamp::from_microsecond(stamp.micros)) {
            (Ok(text), Ok(time)) => (text, time),
            _ => {
                committer.sequencer = before;
                return (ready, Err(AppendError::Time(leaf::OutOfRange)));
            }
        };
        let ready = match self.step_record(stamp) {
            Some(record) => std::iter::once(record).chain(ready).collect(),
            None => ready,
        };
        let start = committer.frontier.size();
        committer.frame.clear();
        let mut leaves = Vec::with_capacity(ready.len());
        for record in &ready {
            let leaf = committer.frame.push([text.as_bytes(), &record.tail], &record.stored);
            let hash = leaf_hash(leaf);
            committer.frontier.push(hash);
            leaves.push(hash);
        }
        match self.flush_group(committer, start, time) {
            Ok(()) => (ready, Ok((start, time, leaves))),
            Err(failure) => {
                // What a failed write or flush has left behind nobody can know: the end.
                self.fail(failure.clone());
                (ready, Err(AppendError::Failed(failure)))
            }
        }
    }

    /// The record that the clock has stepped.
    fn step_record(&self, stamp: Stamp) -> Option<Ready> {
        let body = format!(r#"{{"by_us":{}}}"#, stamp.stepped?);
        let tail = leaf::tail(&self.node, "clock.stepped", None, body.as_bytes())
            .expect("invariant: the log's own records are JSON objects");
        Some(Ready { tail, stored: Vec::new(), slot: None })
    }

    fn flush_group(&self, committer: &mut Committer, start: u64, time: Timestamp) -> Result<(), Failure> {
        let path = self.paths.log.join("journal");
        let failure = |doing| {
            let path = path.clone();
            move |source| Failure { doing, path, source: Arc::new(source) }
        };
        let (size, root) = (committer.frontier.size(), committer.frontier.root());
        let note = self.key.sign(size, &root);
        let journal = &mut committer.journal;
        let frame = committer.frame.finish(&Group {
            start,
            count: u32::try_from(size - start).expect("invariant: groups are small"),
            note: &note,
            flushed: match self.durability {
                Durability::Sync => Flushed::Before,
                Durability::DangerAsync => Flushed::Perhaps,
            },
            half: journal.half(),
        });
        let bytes = u64::try_from(frame.len() - BLOCK).unwrap_or(u64::MAX);
        let at = match journal.place(bytes) {
            Place::Here(at) => at,
            Place::Other(at) => {
                self.wait_for_half(at)?;
                at
            }
        };
        journal.write(&*self.disk, frame, at).map_err(failure("write"))?;
        let durable = match self.durability {
            Durability::Sync => {
                self.disk.flush(journal.file()).map_err(failure("flush"))?;
                true
            }
            Durability::DangerAsync => false,
        };
        let mut published = self.published();
        published.head.size = size;
        published.head.root = root;
        published.head.time = Some(time);
        if durable {
            published.head.durable = size;
        }
        published.note = note.into();
        published.journal = Some(Arc::clone(journal.file()));
        published.groups.push_back(GroupPlace { start, end: size, at, bytes });
        if published.groups.len() == 1 {
            self.moved.notify_all(); // whoever lays tiles was idle
        }
        Ok(())
    }

    /// Waits until nothing in the half that begins at `at` is needed any more.
    fn wait_for_half(&self, at: u64) -> Result<(), Failure> {
        let mut published = self.published();
        published.wanted = true;
        self.moved.notify_all();
        let half = at..at.saturating_add(self.half);
        while published.groups.iter().any(|group| half.contains(&group.at)) {
            if let Some(failure) = &published.failed {
                return Err(failure.clone());
            }
            published = self.moved.wait(published).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        Ok(())
    }
}

/// Tells everybody their outcome. False where there was nobody.
fn tell(news: Vec<News>) -> bool {
    let any = !news.is_empty();
    for (slot, outcome) in news {
        slot.complete(outcome);
    }
    any
}
