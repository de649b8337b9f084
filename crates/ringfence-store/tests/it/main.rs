//! The cache keeps what it was given, and what it cannot use it refuses with a reason.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ringfence_guard::store::{Covered, Row, Store};
use ringfence_model::Digest;
use ringfence_store::SqliteStore;
use rusqlite::Connection;

fn row(key: &str, body: Option<&str>) -> Row {
    Row { table: "sessions", key: key.to_owned(), body: body.map(str::to_owned) }
}

fn covered(size: u64) -> Covered {
    Covered { size, root: Digest([7; 32]) }
}

fn refusal(path: &Path) -> String {
    SqliteStore::open(path).expect_err("it is refused").what
}

#[test]
fn what_was_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.load().unwrap(), None);
    store.save(covered(3), &[row("a", Some("1")), row("b", Some("2"))]).unwrap();
    store.save(covered(5), &[row("a", None), row("b", Some("3"))]).unwrap();
    drop(store);
    let cached = SqliteStore::open(&path).unwrap().load().unwrap().unwrap();
    assert_eq!(cached.covered, covered(5));
    assert_eq!(cached.rows, [("sessions".to_owned(), "b".to_owned(), "3".to_owned())]);
}

#[test]
fn a_second_process_is_told_that_it_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut first = SqliteStore::open(&path).unwrap();
    first.save(covered(1), &[]).unwrap();
    let message = refusal(&path);
    assert!(message.contains("locked by another process"), "{message}");
}

#[test]
fn a_newer_form_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let message = refusal(&path);
    assert!(message.contains("newer version") && message.contains("form 99"), "{message}");
}

#[test]
fn what_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    fs::write(&path, "this is not a database, and it is long enough to be seen as such".repeat(40)).unwrap();
    let message = refusal(&path);
    assert!(message.contains("delete it: it is rebuilt from the log"), "{message}");
}

#[test]
fn a_read_only_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(SqliteStore::open(&path).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    // Permissions do not hold for root, so SQLite is told to read only.
    let uri = format!("file:{}?mode=ro&immutable=1", path.display());
    match SqliteStore::open(Path::new(&uri)) {
        Err(error) => assert!(error.what.contains("cannot be"), "{}", error.what),
        Ok(_) => panic!("a read-only database was taken"),
    }
}

#[test]
fn a_missing_folder_is_named() {
    let message = refusal(Path::new("/nonexistent/state.db"));
    assert!(message.contains("/nonexistent/state.db") && message.contains("folder must exist"), "{message}");
}
