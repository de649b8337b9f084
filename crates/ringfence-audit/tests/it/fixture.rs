//! A log to test with.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use ringfence_audit::{Clock, Entry, Log, Options, Payload};
use ringfence_model::{Person, Timestamp};
use tempfile::TempDir;

pub(crate) const NODE: &str = "node-1";

/// A directory that is removed afterwards; in memory where that is possible, since what is tested
/// is what stands in files, not how long the disk takes.
pub(crate) fn data() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

pub(crate) fn open(data: &Path) -> Log {
    Log::open(data, options()).unwrap()
}

/// The usual options, but that tiles are laid only where a test says so, and a small journal.
pub(crate) fn options() -> Options {
    Options { quiet: Duration::from_secs(3600), journal_bytes: 0, ..Options::new(NODE) }
}

/// A record that says which one it is.
pub(crate) fn entry(n: u64) -> Entry {
    Entry { kind: "test", body: format!(r#"{{"n":{n}}}"#).into_bytes(), payload: None }
}

pub(crate) fn secret(n: u64, session: &str, persons: &[&str], content: &[u8]) -> Entry {
    let persons = persons.iter().map(|name| Person::new(name)).collect();
    let payload = Payload { session: session.to_owned(), persons, content: content.to_vec() };
    Entry { payload: Some(payload), ..entry(n) }
}

/// The `n` of a record that `entry` made.
pub(crate) fn number(leaf: &[u8]) -> Option<u64> {
    let leaf: serde_json::Value = serde_json::from_slice(leaf).unwrap();
    leaf["n"].as_u64()
}

/// Appends `count` records, one after the other, and closes the log.
pub(crate) fn filled(data: &Path, count: u64) {
    let log = open(data);
    let appends: Vec<_> = (0..count).map(|n| log.append(entry(n))).collect();
    appends.into_iter().for_each(|append| {
        append.wait().unwrap();
    });
    log.close().unwrap();
}

/// A clock that shows what it is told.
pub(crate) struct SetClock(pub(crate) Mutex<(Timestamp, Duration)>);

impl SetClock {
    pub(crate) fn at(now: &str) -> Self {
        SetClock(Mutex::new((now.parse().unwrap(), Duration::from_secs(1000))))
    }

    /// Time passes, and the time of day is moved besides.
    pub(crate) fn pass(&self, elapsed: Duration, step_millis: i64) {
        let mut clock = self.0.lock().unwrap();
        let moved = i64::try_from(elapsed.as_millis()).unwrap() + step_millis;
        clock.0 = Timestamp::from_millisecond(clock.0.as_millisecond() + moved).unwrap();
        clock.1 += elapsed;
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }
    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

/// A copy of a whole data directory.
pub(crate) fn copy(data: &Path) -> TempDir {
    let copy = self::data();
    copy_into(data, copy.path());
    copy
}

fn copy_into(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy_into(&file.path(), &target);
        } else {
            std::fs::copy(file.path(), target).unwrap();
        }
    }
}

/// Every file below a directory.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        for file in std::fs::read_dir(&dir).unwrap() {
            let file = file.unwrap();
            let target = if file.file_type().unwrap().is_dir() { &mut todo } else { &mut found };
            target.push(file.path());
        }
    }
    found.sort();
    found
}

/// An error with everything below it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let below = error.source().map(|source| format!(": {}", chain(source))).unwrap_or_default();
    format!("{error}{below}")
}

/// What a file holds, without zeros at its end.
pub(crate) fn content(path: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(path).unwrap();
    trim(&mut bytes);
    bytes
}

/// Cuts zeros off the end, block by block first: most of a journal was never written.
fn trim(bytes: &mut Vec<u8>) {
    const ZEROS: [u8; 4096] = [0; 4096];
    while bytes.ends_with(&ZEROS) {
        bytes.truncate(bytes.len() - ZEROS.len());
    }
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
}

/// Everything in a data directory, to be put back as often as wanted.
#[derive(PartialEq)]
pub(crate) struct Snapshot(Vec<(PathBuf, Vec<u8>, Option<u64>)>);

impl Snapshot {
    pub(crate) fn of(data: &Path) -> Self {
        let files = files(data).into_iter().filter_map(|path| {
            // A superseded tile may be swept away while this reads.
            let mut bytes = std::fs::read(&path).ok()?;
            let length = path.ends_with("log/journal").then(|| u64::try_from(bytes.len()).unwrap());
            if length.is_some() {
                trim(&mut bytes);
            }
            Some((path.strip_prefix(data).unwrap().to_owned(), bytes, length))
        });
        Snapshot(files.collect())
    }

    /// The bytes of one file, without zeros at its end.
    pub(crate) fn file(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.0.iter_mut().find(|(path, ..)| path == Path::new(name)).unwrap().1
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(path, ..)| path != Path::new(name));
    }

    pub(crate) fn put(&self, data: &Path) {
        for dir in std::fs::read_dir(data).unwrap() {
            std::fs::remove_dir_all(dir.unwrap().path()).unwrap();
        }
        for (path, bytes, length) in &self.0 {
            let path = data.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            if let Some(length) = length {
                std::fs::File::options().write(true).open(&path).unwrap().set_len(*length).unwrap();
            }
        }
    }
}
