//! The data directory: what lies where in it, and whose it is.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A data directory: the log, keys, database and socket of one monitor. Readable by its owner
/// alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir(PathBuf);

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It cannot be made or read.
    #[error("the data directory {0} cannot be used; it must be a folder that its owner can read and write")]
    Unusable(PathBuf, #[source] io::Error),
    /// Others may read it.
    #[error("the data directory {0} is open to others (mode {1:03o}); take that away with `chmod 700 {0}`")]
    Open(PathBuf, u32),
    /// It is somebody else's.
    #[error("the data directory {0} belongs to another user")]
    Foreign(PathBuf),
    /// The system gave no randomness.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    /// A file in it is not what it should be.
    #[error(
        "{0} does not hold 32 bytes; put the file back from a backup, or delete it: what it was for (limits and sessions, or logins) then begins anew"
    )]
    BadSecret(PathBuf),
}

const SECRET_BYTES: usize = 32;

impl DataDir {
    /// Takes a directory, and makes it where there is none.
    ///
    /// # Errors
    /// It cannot be made, is another user's, or is open to others.
    pub fn prepare(path: &Path) -> Result<DataDir, DataError> {
        let unusable = |error| DataError::Unusable(path.to_owned(), error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let found = fs::metadata(&path).map_err(unusable)?;
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(DataError::Foreign(path));
        }
        if found.mode() & 0o077 != 0 {
            return Err(DataError::Open(path, found.mode() & 0o777));
        }
        Ok(DataDir(path))
    }

    /// A directory that exists already.
    ///
    /// # Errors
    /// There is none.
    pub fn existing(path: &Path) -> Result<DataDir, DataError> {
        let path = path.canonicalize().map_err(|error| DataError::Unusable(path.to_owned(), error))?;
        Ok(DataDir(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The log.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The cache of the state.
    pub fn database(&self) -> PathBuf {
        self.0.join("state.db")
    }

    /// Where clients reach the monitor.
    pub fn socket(&self) -> PathBuf {
        self.0.join("monitor.sock")
    }

    /// What the monitor has to say when nobody looks.
    pub fn messages(&self) -> PathBuf {
        self.0.join("monitor.log")
    }

    /// Held by the monitor as long as it lives.
    pub fn lock(&self) -> PathBuf {
        self.0.join("monitor.lock")
    }

    /// 32 secret bytes that bucket and credential names are keyed with; made on first use.
    pub(crate) fn secret(&self) -> Result<[u8; SECRET_BYTES], DataError> {
        self.secret_named("guard.key")
    }

    /// 32 secret bytes that logins elsewhere are encrypted with; made on first use.
    pub(crate) fn login_secret(&self) -> Result<[u8; SECRET_BYTES], DataError> {
        self.secret_named("logins.key")
    }

    /// The tokens of logins elsewhere, encrypted.
    pub(crate) fn logins(&self) -> PathBuf {
        self.0.join("logins")
    }

    fn secret_named(&self, name: &str) -> Result<[u8; SECRET_BYTES], DataError> {
        let folder = self.0.join("keys");
        let path = folder.join(name);
        let unusable = |error| DataError::Unusable(path.clone(), error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(unusable)?;
        match fs::File::open(&path) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                Read::take(&mut file, 64).read_to_end(&mut bytes).map_err(unusable)?;
                bytes.try_into().map_err(|_| DataError::BadSecret(path.clone()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut secret = [0; SECRET_BYTES];
                aws_lc_rs::rand::fill(&mut secret).map_err(|_| DataError::NoRandomness)?;
                let new = folder.join(format!("{name}.new"));
                let mut file = fs::OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&new)
                    .map_err(unusable)?;
                file.write_all(&secret).and_then(|()| file.sync_all()).map_err(unusable)?;
                fs::rename(&new, &path).map_err(unusable)?;
                fs::File::open(&folder).and_then(|folder| folder.sync_all()).map_err(unusable)?;
                Ok(secret)
            }
            Err(error) => Err(unusable(error)),
        }
    }
}
