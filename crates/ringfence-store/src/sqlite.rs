//! One file, two tables: the state's objects, and how far of the log they reach.

use std::path::{Path, PathBuf};

use ringfence_guard::store::{Cached, Covered, Row, Store, StoreError};
use ringfence_model::Digest;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

/// Which form of the tables this version reads and writes.
const VERSION: i64 = 1;

/// The cache in a file. One process has it open at a time.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    database: Connection,
}

impl SqliteStore {
    /// Opens the database, and makes it where there is none.
    ///
    /// # Errors
    /// It cannot be opened or written, another process has it, or a newer version made it.
    pub fn open(path: &Path) -> Result<SqliteStore, StoreError> {
        let fail = |error: rusqlite::Error| explain(path, error);
        let database = Connection::open(path).map_err(fail)?;
        database.busy_timeout(std::time::Duration::ZERO).map_err(fail)?;
        // Nobody else may write while this process lives, and a torn write is rolled back. How
        // fresh the cache is does not matter, so it never waits for the disk.
        database
            .execute_batch(
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = NORMAL;",
            )
            .map_err(fail)?;
        let version: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
        if version > VERSION {
            return Err(StoreError {
                what: format!(
                    "the database {} was made by a newer version of Ringfence (form {version}, this one knows {VERSION}); use that version, or delete the database: it is rebuilt from the log",
                    path.display()
                ),
                source: None,
            });
        }
        database
            .execute_batch(&format!(
                "BEGIN IMMEDIATE;
                 CREATE TABLE IF NOT EXISTS covered (only INTEGER PRIMARY KEY CHECK (only = 1), size INTEGER NOT NULL, root TEXT NOT NULL) STRICT;
                 CREATE TABLE IF NOT EXISTS object (kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;
                 PRAGMA user_version = {VERSION};
                 COMMIT;"
            ))
            .map_err(fail)?;
        Ok(SqliteStore { path: path.to_owned(), database })
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<Option<Cached>, StoreError> {
        let fail = |error| explain(&self.path, error);
        let covered = self
            .database
            .query_row("SELECT size, root FROM covered", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(fail)?;
        let Some((size, root)): Option<(i64, String)> = covered else { return Ok(None) };
        let damaged = || StoreError {
            what: format!(
                "the database {} is damaged; delete it: it is rebuilt from the log",
                self.path.display()
            ),
            source: None,
        };
        let size = u64::try_from(size).map_err(|_| damaged())?;
        let root: Digest = root.parse().map_err(|_| damaged())?;
        let mut objects = self.database.prepare("SELECT kind, key, body FROM object").map_err(fail)?;
        let rows = objects
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .and_then(Iterator::collect)
            .map_err(fail)?;
        Ok(Some(Cached { covered: Covered { size, root }, rows }))
    }

    fn save(&mut self, covered: Covered, changes: &[Row]) -> Result<(), StoreError> {
        let path = self.path.clone();
        let fail = |error| explain(&path, error);
        let transaction = self.database.transaction().map_err(fail)?;
        {
            let mut put = transaction
                .prepare_cached("INSERT INTO object (kind, key, body) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET body = ?3")
                .map_err(fail)?;
            let mut remove = transaction
                .prepare_cached("DELETE FROM object WHERE kind = ?1 AND key = ?2")
                .map_err(fail)?;
            for change in changes {
                match &change.body {
                    Some(body) => put.execute(params![change.table, change.key, body]).map_err(fail)?,
                    None => remove.execute(params![change.table, change.key]).map_err(fail)?,
                };
            }
        }
        let size = i64::try_from(covered.size).unwrap_or(i64::MAX);
        transaction
            .execute(
                "INSERT INTO covered (only, size, root) VALUES (1, ?1, ?2) ON CONFLICT DO UPDATE SET size = ?1, root = ?2",
                params![size, covered.root.to_string()],
            )
            .map_err(fail)?;
        transaction.commit().map_err(fail)
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.database
            .execute_batch("BEGIN IMMEDIATE; DELETE FROM object; DELETE FROM covered; COMMIT;")
            .map_err(|error| explain(&self.path, error))
    }
}

/// Says what is wrong with the database and what to do about it.
fn explain(path: &Path, error: rusqlite::Error) -> StoreError {
    let shown = path.display();
    let what = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!(
                "the database {shown} is locked by another process; end that process, or name another folder with --data"
            )
        }
        Some(ErrorCode::ReadOnly) => {
            format!(
                "the database {shown} cannot be written; give its owner write permission on it and on its folder"
            )
        }
        Some(ErrorCode::CannotOpen) => {
            format!(
                "the database {shown} cannot be opened; its folder must exist and be readable and writable"
            )
        }
        Some(ErrorCode::DiskFull) => format!("the disk that holds the database {shown} is full"),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            format!("{shown} is damaged or no database; delete it: it is rebuilt from the log")
        }
        _ => format!("the database {shown} cannot be used"),
    };
    StoreError { what, source: Some(Box::new(error)) }
}
