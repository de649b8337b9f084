//! The guard's [`Store`](ringfence_guard::store::Store) over SQLite. A cache of a fold of the
//! log: what cannot be used is refused with a reason, and deleting the file loses nothing.

mod sqlite;

pub use sqlite::SqliteStore;
