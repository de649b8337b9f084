//! Three forgeries, each made on a copy of the log, the way somebody would who may write to its
//! files: blame another agent by one changed byte, drop the newest records, put back yesterday's.

use std::fs;
use std::path::{Path, PathBuf};

use ringfence_audit::Archive;

use super::records::Entry;
use crate::fault::Fault;

/// How many of the newest records are cut off.
const CUT: u64 = 4;

/// Copies the files of a log.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Fault> {
    let attempted = || format!("copying `{}` to `{}`", from.display(), to.display());
    copy_folder(from, to).map_err(|error| Fault::from(error).while_trying(attempted()))
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Changes one byte of a record: the 7 that ends the agent's name becomes an 8. Returns the file
/// and where in it.
pub(super) fn blame_another(log: &Path, guilty: &Entry) -> Result<(PathBuf, usize), Fault> {
    let (path, mut bytes) = entries_with(log, guilty.index)?;
    let begin = place_of(log, &bytes, guilty.index)?;
    let name = b"/agent/inventory/7\"";
    let found = bytes.get(begin..).and_then(|rest| rest.windows(name.len()).position(|part| part == name));
    let at = found.map(|found| begin + found + name.len() - 2);
    let byte = at.and_then(|at| bytes.get_mut(at));
    let byte = byte.ok_or_else(|| Fault::no(format!("record {} does not name the agent", guilty.index)))?;
    *byte = b'8';
    fs::write(&path, &bytes)?;
    Ok((path, at.unwrap_or_default()))
}

/// Cuts the newest records off the file that holds them. Returns how many.
pub(super) fn cut_tail(log: &Path) -> Result<u64, Fault> {
    let size = Archive::open(log)?.size();
    let first = size.saturating_sub(CUT);
    let (path, mut bytes) = entries_with(log, first)?;
    // Each record is preceded by its length, two bytes (C2SP tlog-tiles, Log Entries).
    let end = place_of(log, &bytes, first)?.saturating_sub(2);
    bytes.truncate(end);
    fs::write(&path, &bytes)?;
    Ok(size - first)
}

/// The file below `tile/entries` that holds the record, and its bytes.
fn entries_with(log: &Path, index: u64) -> Result<(PathBuf, Vec<u8>), Fault> {
    let leaf = leaf(log, index)?;
    let mut folders = vec![log.join("tile/entries")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path)?;
            if bytes.windows(leaf.len()).any(|part| part == leaf) {
                return Ok((path, bytes));
            }
        }
    }
    Err(Fault::no(format!("record {index} stands in no file below `{}`", log.display())))
}

fn place_of(log: &Path, bytes: &[u8], index: u64) -> Result<usize, Fault> {
    let leaf = leaf(log, index)?;
    let place = bytes.windows(leaf.len()).position(|part| part == leaf);
    place.ok_or_else(|| Fault::no(format!("record {index} is not where it was")))
}

fn leaf(log: &Path, index: u64) -> Result<Vec<u8>, Fault> {
    let leaf = Archive::open(log)?.read(index).next();
    Ok(leaf.ok_or_else(|| Fault::no(format!("there is no record {index}")))??.bytes)
}
