//! Where the fold of the log is cached between starts. A cache: deleting it loses nothing.

use ringfence_model::Digest;

/// One object of the state: which table, under which key, as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The table, such as `sessions`.
    pub table: &'static str,
    /// The key within the table.
    pub key: String,
    /// The object, or nothing where it is gone.
    pub body: Option<String>,
}

/// How far the cache has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// How many records of the log it covers.
    pub size: u64,
    /// The log's root at that size.
    pub root: Digest,
}

/// What was cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// How far it reaches.
    pub covered: Covered,
    /// Every object, as (table, key, body).
    pub rows: Vec<(String, String, String)>,
}

/// A cache of the state.
pub trait Store: Send {
    /// Everything that was saved, or nothing where nothing was.
    ///
    /// # Errors
    /// The cache is there and cannot be used; the message says why and what to do.
    fn load(&mut self) -> Result<Option<Cached>, StoreError>;

    /// Saves changes and how far they reach, all or nothing.
    ///
    /// # Errors
    /// Nothing was saved.
    fn save(&mut self, covered: Covered, changes: &[Row]) -> Result<(), StoreError>;

    /// Forgets everything.
    ///
    /// # Errors
    /// Nothing was forgotten.
    fn clear(&mut self) -> Result<(), StoreError>;
}

/// The cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    /// What was attempted and what to do.
    pub what: String,
    /// Why.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}
