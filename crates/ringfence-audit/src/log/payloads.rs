//! Reading what a record commits to, and erasing it.

use std::io;
use std::os::unix::fs::FileExt as _;

use ringfence_model::Person;

use super::append::{AppendError, Appended};
use super::{Entry, Log, Shared, owner_of_session};
use crate::archive::CannotRead;
use crate::frame::Frame;
use crate::keyring::{KeyringError, Owner};
use crate::leaf::{self, BadLeaf};
use crate::payload::{BadPayload, open};
use crate::reader::{Leaf, Source, from_bundle, from_frame};
use crate::segment;

/// Whose payloads to erase.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// A session's.
    Session(&'a str),
    /// All that are about a person.
    Person(&'a Person),
    /// All that are about the person with this pseudonym.
    Pseudonym(&'a str),
}

/// Payloads that were not erased, or not recorded as erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The key is still there.
    #[error("nothing was erased")]
    Keyring(#[from] KeyringError),
    /// The key is gone, and the log could not say so.
    #[error("the key was erased, but the log could not record it")]
    Record(#[source] AppendError),
}

/// A payload that cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// There is no such record.
    #[error("there is no record {index}: the log has {size}")]
    NoRecord {
        /// Which was asked for.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// The record or the payload cannot be read.
    #[error("cannot read record {index} and its payload")]
    Read {
        /// Which.
        index: u64,
        /// Why not.
        source: CannotRead,
    },
    /// The payload files cannot be read.
    #[error("cannot read the payload of record {index}")]
    Io {
        /// Which.
        index: u64,
        /// Why not.
        source: io::Error,
    },
    /// The record is none that this log wrote.
    #[error("record {index} is damaged")]
    Leaf {
        /// Which.
        index: u64,
        /// What is wrong.
        source: BadLeaf,
    },
    /// The record commits to a payload, and none is stored.
    #[error("the payload of record {index} is missing")]
    Missing {
        /// Which.
        index: u64,
    },
    /// It was erased, or is not what the record commits to.
    #[error("the payload of record {index} cannot be given")]
    Bad {
        /// Which.
        index: u64,
        /// Why not.
        source: BadPayload,
    },
}

pub(super) fn read(shared: &Shared, index: u64) -> Result<Option<Vec<u8>>, PayloadError> {
    let size = shared.size();
    if index >= size {
        return Err(PayloadError::NoRecord { index, size });
    }
    let leaves = shared.leaves(index).map_err(|source| PayloadError::Read { index, source })?;
    let Some(Leaf { bytes, .. }) = leaves.front() else {
        return Err(PayloadError::NoRecord { index, size });
    };
    let header = leaf::parse(bytes, &shared.node).map_err(|source| PayloadError::Leaf { index, source })?;
    let Some(commitment) = header.payload else { return Ok(None) };
    let stored = shared.stored_payload(index).map_err(|source| PayloadError::Io { index, source })?;
    let stored = stored.ok_or(PayloadError::Missing { index })?;
    let content = open(&shared.keyring, &stored, &commitment);
    content.map(Some).map_err(|source| PayloadError::Bad { index, source })
}

pub(super) fn erase(log: &Log, whose: Whose<'_>) -> Result<Option<Appended>, EraseError> {
    let shared = &log.handle.shared;
    let (owner, body) = match whose {
        Whose::Session(session) => (owner_of_session(session), serde_json::json!({ "session": session })),
        Whose::Person(person) => {
            let owner = Owner::Person(person.clone());
            let Some(key) = shared.keyring.find(&owner) else { return Ok(None) };
            (owner, serde_json::json!({ "person": ringfence_model::hex(&key.id) }))
        }
        Whose::Pseudonym(pseudonym) => {
            let Some(person) = shared.keyring.person_of(pseudonym) else { return Ok(None) };
            (Owner::Person(person), serde_json::json!({ "person": pseudonym }))
        }
    };
    if !shared.keyring.erase(&owner)? {
        return Ok(None);
    }
    // Recorded after the fact: the log never says erased of what is still there.
    let body = body.to_string().into_bytes();
    let entry = Entry { kind: "payload.erased", body, payload: None };
    log.append(entry).wait().map(Some).map_err(EraseError::Record)
}

impl Shared {
    /// A group as the journal has it, where it is still there; what `take` makes of it.
    fn in_journal<T>(&self, index: u64, take: impl FnOnce(&Frame<'_>) -> T) -> io::Result<Option<T>> {
        let published = self.published();
        let holds = |group: &&super::GroupPlace| (group.start..group.end).contains(&index);
        let (place, journal) = (published.groups.iter().find(holds).copied(), published.journal.clone());
        drop(published);
        let Some((place, journal)) = place.zip(journal) else { return Ok(None) };
        let mut bytes = vec![0; usize::try_from(place.bytes).unwrap_or(usize::MAX)];
        journal.read_exact_at(&mut bytes, place.at)?;
        // Laid and written over meanwhile: then it is another group, or none.
        Ok(Frame::parse(&bytes).filter(|frame| frame.start == place.start).map(|frame| take(&frame)))
    }

    fn stored_payload(&self, index: u64) -> io::Result<Option<Vec<u8>>> {
        let payload = |frame: &Frame<'_>| {
            (frame.start..)
                .zip(frame.records())
                .find(|(place, _)| *place == index)
                .map(|(_, record)| record.payload.to_vec())
        };
        match self.in_journal(index, payload)? {
            Some(stored) => Ok(stored),
            None => segment::read(&self.paths.payload, index),
        }
    }
}

impl Source for Shared {
    fn size(&self) -> u64 {
        self.published().head.size
    }

    fn leaves(&self, index: u64) -> Result<std::collections::VecDeque<Leaf>, CannotRead> {
        let path = self.paths.log.join("journal");
        let mut before = None;
        loop {
            let laid = self.published().laid;
            if index < laid {
                // The partial tile this names may be superseded before it is opened; then it is
                // wider now.
                match from_bundle(&self.paths.log, index, laid) {
                    Err(CannotRead::Missing { .. }) if before != Some(laid) => before = Some(laid),
                    other => return other,
                }
                continue;
            }
            let found = self.in_journal(index, |frame| from_frame(frame, index));
            match found.map_err(|source| CannotRead::Io { path: path.clone(), source })? {
                Some(leaves) => return Ok(leaves),
                None if self.published().laid > laid => {}
                None => {
                    let what = format_args!("record {index} is not in it");
                    return Err(CannotRead::damaged(&path, what));
                }
            }
        }
    }
}
