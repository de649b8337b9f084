//! Reading files that a person named: regular ones, of bounded size, in UTF-8.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("`{}` cannot be read", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error("`{}` is no regular file", .0.display())]
    NotAFile(PathBuf),
    #[error("`{}` is larger than {at_most} bytes", path.display())]
    TooLarge { path: PathBuf, at_most: u64 },
    #[error("`{}` is not UTF-8", .0.display())]
    NotText(PathBuf),
}

/// Reads it whole.
pub(crate) fn read(path: &Path, at_most: u64) -> Result<String, Unreadable> {
    let unreadable = |error| Unreadable::Read(path.to_owned(), error);
    // Asked before it is opened: opening a pipe would wait for a writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Unreadable::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(at_most.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > at_most {
        return Err(Unreadable::TooLarge { path: path.to_owned(), at_most });
    }
    String::from_utf8(bytes).map_err(|_| Unreadable::NotText(path.to_owned()))
}
