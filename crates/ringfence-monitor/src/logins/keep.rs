//! Tokens at rest: a file for each agent and server, encrypted (AES-256-GCM) under a key of the
//! data directory's. A file's name is a keyed hash of whose it is, and stands in what is
//! authenticated, so that one put in another's place is not taken.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use ringfence_identity::oauth::Grant;
use ringfence_model::hex;
use zeroize::Zeroizing;

use super::Whose;

const NONCE: usize = 12;
const TAG: usize = 16;

/// The folder with them.
pub(super) struct Keep {
    folder: PathBuf,
    key: RandomizedNonceKey,
    names: hmac::Key,
}

/// A token cannot be kept, or what was kept cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    /// The file system said no.
    #[error("a login cannot be kept in {0}")]
    Io(PathBuf, #[source] io::Error),
    /// Changed, or encrypted under another key.
    #[error("the login in {0} cannot be read; delete the file and log in again")]
    Damaged(PathBuf),
}

impl Keep {
    pub(super) fn new(folder: PathBuf, secret: &[u8; 32]) -> Keep {
        let derived = |purpose: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), purpose);
        let key = RandomizedNonceKey::new(&AES_256_GCM, derived(b"ringfence logins v1 content").as_ref())
            .expect("invariant: HMAC-SHA-256 gives 32 bytes, as many as the cipher wants");
        let names = hmac::Key::new(hmac::HMAC_SHA256, derived(b"ringfence logins v1 names").as_ref());
        Keep { folder, key, names }
    }

    /// What is kept, where something is.
    pub(super) fn load(&self, whose: &Whose) -> Result<Option<Grant>, NotKept> {
        let name = self.name(whose);
        match self.read(&name)? {
            Some((owner, grant)) if owner == *whose => Ok(Some(grant)),
            Some(_) => Err(NotKept::Damaged(self.folder.join(name))),
            None => Ok(None),
        }
    }

    /// Keeps it, durably, in place of what was there.
    pub(super) fn store(&self, whose: &Whose, grant: &Grant) -> Result<(), NotKept> {
        let name = self.name(whose);
        let path = self.folder.join(&name);
        let grant = grant.to_bytes();
        // As long as it gets, so that no copy of what is in clear is left behind.
        let whole = [whose.agent.len(), whose.server.len(), grant.len(), 2, TAG].iter().sum();
        let mut content = Zeroizing::new(Vec::with_capacity(whole));
        for part in [whose.agent.as_bytes(), b"\n", whose.server.as_bytes(), b"\n", &grant] {
            content.extend_from_slice(part);
        }
        let failed = |error| NotKept::Io(path.clone(), error);
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut *content)
            .map_err(|_| failed(io::Error::other("it cannot be encrypted")))?;
        let stored = [nonce.as_ref().as_slice(), content.as_slice()].concat();
        self.replace(&path, &stored).map_err(failed)
    }

    /// Forgets it; whether there was one.
    pub(super) fn forget(&self, whose: &Whose) -> Result<bool, NotKept> {
        let path = self.folder.join(self.name(whose));
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(NotKept::Io(path, error)),
        }
    }

    /// Everything that is kept and can be read.
    pub(super) fn all(&self) -> Result<Vec<(Whose, Grant)>, NotKept> {
        let failed = |error| NotKept::Io(self.folder.clone(), error);
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            match self.read(&name) {
                Ok(found) => all.extend(found),
                Err(error) => tracing::warn!(%error, "a login is left out"),
            }
        }
        all.sort_by(|(one, _), (two, _)| one.cmp(two));
        Ok(all)
    }

    fn name(&self, whose: &Whose) -> String {
        let tag = hmac::sign(&self.names, format!("{}\n{}", whose.agent, whose.server).as_bytes());
        hex(tag.as_ref())
    }

    fn read(&self, name: &str) -> Result<Option<(Whose, Grant)>, NotKept> {
        let path = self.folder.join(name);
        let mut stored = match fs::read(&path) {
            // It is decrypted where it is.
            Ok(stored) => Zeroizing::new(stored),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(NotKept::Io(path, error)),
        };
        self.opened(name, &mut stored).map(Some).ok_or(NotKept::Damaged(path))
    }

    fn opened(&self, name: &str, stored: &mut [u8]) -> Option<(Whose, Grant)> {
        let (nonce, sealed) = stored.split_at_mut_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.key.open_in_place(nonce, Aad::from(name.as_bytes()), sealed).ok()?;
        let opened = Zeroizing::new(opened.to_vec());
        let mut parts = opened.splitn(3, |byte| *byte == b'\n');
        let mut word = || parts.next().and_then(|part| str::from_utf8(part).ok()).map(str::to_owned);
        let (agent, server) = (word()?, word()?);
        Some((Whose { agent, server }, Grant::from_bytes(parts.next()?)?))
    }

    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let beside = path.with_extension("new");
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        fs::File::open(&self.folder)?.sync_all()
    }
}
