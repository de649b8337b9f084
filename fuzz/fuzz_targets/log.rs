//! A file of the log replaced by anything: never verified as something other than it was.

#![no_main]

use std::cell::OnceCell;
use std::fs;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use ringfence_audit::{Entry, Log, Options, Verified, verify};
use tempfile::TempDir;

/// A log of a few records, closed: no journal.
struct Whole {
    folder: TempDir,
    key: String,
    verified: Verified,
    /// Files that may be replaced, with what they hold.
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
}

thread_local! {
    static WHOLE: OnceCell<Whole> = const { OnceCell::new() };
}

fn whole() -> Whole {
    let folder = tempfile::tempdir().expect("a folder for the log");
    let log = Log::open(folder.path(), Options::new("fuzz")).expect("a new log opens");
    for number in 0..5 {
        let body = format!(r#"{{"number":{number}}}"#);
        let entry = Entry { kind: "fuzz", body: body.into_bytes(), payload: None };
        log.append(entry).wait().expect("it is appended");
    }
    let key = log.vkey().to_owned();
    log.close().expect("it closes");
    let verified = verify(folder.path(), Some(&key), None, false).expect("a whole log verifies");
    let log = folder.path().join("log");
    let mut files = vec![(log.join("journal"), None)];
    let mut folders = vec![log];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is a folder") {
            let path = entry.expect("it has entries").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).expect("it is a file");
                files.push((path, Some(bytes)));
            }
        }
    }
    files.sort();
    Whole { folder, key, verified, files }
}

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    WHOLE.with(|cell| {
        let whole = cell.get_or_init(whole);
        let (path, before) = &whole.files[usize::from(*which) % whole.files.len()];
        fs::write(path, bytes).expect("a file can be replaced");
        if let Ok(verified) = verify(whole.folder.path(), Some(&whole.key), None, false) {
            assert_eq!((verified.size, verified.root), (whole.verified.size, whole.verified.root));
        }
        match before {
            Some(before) => fs::write(path, before),
            None => fs::remove_file(path),
        }
        .expect("and put back");
    });
});
