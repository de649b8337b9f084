//! The keys that payloads are encrypted under: one for each session and one for each person,
//! random, in one file that is readable by its owner alone. A key is durable before it is first
//! used. Erasing one rewrites the file without it, and with the key goes everything that was
//! encrypted under it, and the name it stood for.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use aws_lc_rs::{hmac, rand};
use ringfence_model::{Person, hex, unhex};
use serde::{Deserialize, Serialize};

use crate::disk::{read_if_there, replace, sync_dir};

/// What a stored payload names a key by. Says nothing about whose it is.
pub(crate) type KeyId = [u8; 16];

const PSEUDONYM: &[u8] = b"ringfence pseudonym v1\0";

/// One key. Gone from memory when the last payload that needs it has been handled.
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) secret: [u8; 32],
}

/// Whose key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    Session(Box<str>),
    Person(Person),
}

/// The keyring cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file system said no.
    #[error("cannot {doing} the keyring `{}`", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line in its middle is none that was written; payloads under lost keys are lost.
    #[error("line {line} of the keyring `{}` is damaged; restore the file from a backup", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// An earlier write failed, and what it left behind is not known.
    #[error("the keyring failed before; open the log again")]
    Failed,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// All keys, and their file.
pub(crate) struct Keyring {
    path: PathBuf,
    held: RwLock<Held>,
}

struct Held {
    file: Option<File>,
    length: u64,
    failed: bool,
    by_owner: HashMap<Owner, Arc<Key>>,
    by_id: HashMap<KeyId, Owner>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    id: String,
    key: String,
}

impl Keyring {
    /// Reads the file; one that is not there has no keys. A last line that was being written when
    /// the machine stopped is dropped: its key was never used.
    pub(crate) fn load(path: &Path) -> Result<Self, KeyringError> {
        let io = |doing| move |source| KeyringError::Io { doing, path: path.to_owned(), source };
        let content = read_if_there(path).map_err(io("read"))?.unwrap_or_default();
        let mut held =
            Held { file: None, length: 0, failed: false, by_owner: HashMap::new(), by_id: HashMap::new() };
        let mut broken = None;
        for (number, line) in content.split_inclusive(|byte| *byte == b'\n').enumerate() {
            match parse_line(line) {
                Some((owner, key)) => {
                    if let Some(line) = broken {
                        return Err(KeyringError::Damaged { path: path.to_owned(), line });
                    }
                    held.insert(owner, key);
                    held.length = held.length.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
                }
                None => broken = broken.or(Some(number + 1)),
            }
        }
        Ok(Keyring { path: path.to_owned(), held: RwLock::new(held) })
    }

    /// The key of a session or person, where there is one.
    pub(crate) fn find(&self, owner: &Owner) -> Option<Arc<Key>> {
        self.read().by_owner.get(owner).map(Arc::clone)
    }

    /// The key with this id, where it was not erased.
    pub(crate) fn by_id(&self, id: &KeyId) -> Option<Arc<Key>> {
        let held = self.read();
        held.by_owner.get(held.by_id.get(id)?).map(Arc::clone)
    }

    /// The name a person goes by, in hex; makes the person's key where there is none.
    pub(crate) fn pseudonym(&self, person: &Person) -> Result<String, KeyringError> {
        let owner = Owner::Person(person.clone());
        let key = match self.find(&owner) {
            Some(key) => key,
            None => self.ensure(std::slice::from_ref(&owner))?.remove(0),
        };
        Ok(hex(&key.id))
    }

    /// The person a pseudonym stands for, where it was not erased.
    pub(crate) fn person_of(&self, pseudonym: &str) -> Option<Person> {
        let id: KeyId = unhex(pseudonym)?.try_into().ok()?;
        match self.read().by_id.get(&id)? {
            Owner::Person(person) => Some(person.clone()),
            Owner::Session(_) => None,
        }
    }

    /// The keys of all of them, in order; makes those that are not there yet, with one flush.
    pub(crate) fn ensure(&self, owners: &[Owner]) -> Result<Vec<Arc<Key>>, KeyringError> {
        let mut held = self.write();
        let mut fresh: Vec<(Owner, Key)> = Vec::new();
        for owner in owners {
            let known = held.by_owner.contains_key(owner) || fresh.iter().any(|(made, _)| made == owner);
            if !known {
                fresh.push((owner.clone(), make(owner)?));
            }
        }
        if !fresh.is_empty() {
            if held.failed {
                return Err(KeyringError::Failed);
            }
            let lines: Vec<u8> = fresh.iter().flat_map(|(owner, key)| line(owner, key)).collect();
            if let Err(source) = held.append(&self.path, &lines) {
                held.failed = true;
                return Err(KeyringError::Io { doing: "write", path: self.path.clone(), source });
            }
            for (owner, key) in fresh {
                held.insert(owner, key);
            }
        }
        let found = owners.iter().map(|owner| held.by_owner.get(owner).map(Arc::clone));
        Ok(found.collect::<Option<_>>().expect("invariant: each was there or has just been made"))
    }

    /// Removes a key from memory and file. False where there was none.
    pub(crate) fn erase(&self, owner: &Owner) -> Result<bool, KeyringError> {
        let mut held = self.write();
        if held.failed {
            return Err(KeyringError::Failed);
        }
        let Some(key) = held.by_owner.get(owner).map(Arc::clone) else { return Ok(false) };
        let kept: Vec<u8> = held
            .by_owner
            .iter()
            .filter(|(other, _)| *other != owner)
            .flat_map(|(owner, key)| line(owner, key))
            .collect();
        let result = self.rewrite(&mut held, &kept);
        if let Err(source) = result {
            // Old or new file: both are whole, and reading it again tells which.
            held.failed = true;
            return Err(KeyringError::Io { doing: "rewrite", path: self.path.clone(), source });
        }
        held.by_owner.remove(owner);
        held.by_id.remove(&key.id);
        Ok(true)
    }

    fn rewrite(&self, held: &mut Held, kept: &[u8]) -> io::Result<()> {
        let old = OpenOptions::new().write(true).open(&self.path)?;
        let old_length = old.metadata()?.len();
        replace(&self.path, kept, 0o600)?;
        held.file = None;
        held.length = u64::try_from(kept.len()).unwrap_or(u64::MAX);
        // The old file has no name any more; its blocks should not keep the key either.
        let zeros = vec![0; usize::try_from(old_length).unwrap_or(0)];
        old.write_all_at(&zeros, 0)?;
        old.sync_all()
    }

    // A panic while a lock is held would leave maps that are still whole: each insertion is one.
    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn insert(&mut self, owner: Owner, key: Key) {
        self.by_id.insert(key.id, owner.clone());
        self.by_owner.insert(owner, Arc::new(key));
    }

    fn append(&mut self, path: &Path, lines: &[u8]) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
                // Whatever a crash left behind the last whole line.
                file.set_len(self.length)?;
                if let Some(parent) = path.parent() {
                    sync_dir(parent)?;
                }
                file
            }
        };
        file.write_all(lines)?;
        file.sync_all()?;
        self.length = self.length.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        self.file = Some(file);
        Ok(())
    }
}

fn make(owner: &Owner) -> Result<Key, KeyringError> {
    let secret = random()?;
    let id = match owner {
        Owner::Session(_) => random()?,
        Owner::Person(person) => pseudonym(&secret, person),
    };
    Ok(Key { id, secret })
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], KeyringError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| KeyringError::Random)?;
    Ok(bytes)
}

fn pseudonym(secret: &[u8; 32], person: &Person) -> KeyId {
    let mut input = PSEUDONYM.to_vec();
    input.extend_from_slice(person.as_str().as_bytes());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &input);
    tag.as_ref().first_chunk().copied().expect("invariant: a tag has 32 bytes")
}

fn line(owner: &Owner, key: &Key) -> Vec<u8> {
    let (session, person) = match owner {
        Owner::Session(name) => (Some(name.to_string()), None),
        Owner::Person(person) => (None, Some(person.as_str().to_owned())),
    };
    let line = Line { session, person, id: hex(&key.id), key: hex(&key.secret) };
    let mut text = serde_json::to_vec(&line).expect("invariant: strings serialise into memory");
    text.push(b'\n');
    text
}

fn parse_line(line: &[u8]) -> Option<(Owner, Key)> {
    let line: Line = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
    let owner = match (line.session, line.person) {
        (Some(session), None) => Owner::Session(session.into()),
        (None, Some(person)) => Owner::Person(Person::new(&person)),
        _ => return None,
    };
    let id = unhex(&line.id)?.try_into().ok()?;
    let secret = unhex(&line.key)?.try_into().ok()?;
    Some((owner, Key { id, secret }))
}
