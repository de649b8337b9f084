//! All buckets of a guard, found by key.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringfence_model::Timestamp;

use super::bucket::Bucket;
use super::reservation::Reservation;
use super::shape::{BucketKey, Full, Kind, Shape};

/// How many maps share the keys, so that threads seldom wait for each other to find a bucket.
const SHARDS: usize = 64;

/// All counters of a guard. Each bucket has a lock of its own; nothing is held across calls.
///
/// A key stands for one limit of one owner. Where a limit's shape changes in more than its amount,
/// the key has a second bucket, which starts empty until [`restore`](Buckets::restore) fills it.
#[derive(Debug)]
pub struct Buckets {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

type Shard = HashMap<BucketKey, Vec<Arc<Shared>>>;

/// A bucket that reservations refer to.
#[derive(Debug)]
pub(super) struct Shared {
    kind: Kind,
    bucket: Mutex<Bucket>,
}

/// What came of asking.
#[derive(Debug)]
#[must_use = "dropping a reservation gives it back"]
pub enum Reserve {
    /// It fits.
    Granted {
        /// Holds it.
        reservation: Reservation,
        /// What counts now, this included.
        used: u64,
    },
    /// It does not.
    Full(Full),
}

/// What a bucket holds, for tests and for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Snapshot {
    /// Which bucket.
    pub key: BucketKey,
    /// Everything that counts.
    pub used: u64,
    /// The part of it that is held by what has not begun, or is open.
    pub held: u64,
    /// Where time makes it stop counting: amounts by the moment from which they count, oldest
    /// first. Empty for calendars, sessions and what is open.
    pub entries: Vec<(Timestamp, u64)>,
}

impl Buckets {
    /// No bucket.
    #[expect(clippy::new_without_default, reason = "nothing that guards has a default")]
    pub fn new() -> Self {
        Buckets { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Takes `amount` of a limit, if so much is left at `now`. Whoever does not know how much will
    /// be used reserves at least 1: nothing always fits a limit that is exactly used up.
    ///
    /// A moment earlier than the latest the bucket has seen counts as that one. Many callers at
    /// once never take more than there is. For [`Shape::Identical`] this is the attempt, which
    /// counts as one whatever `amount` is.
    pub fn reserve(&self, key: &BucketKey, shape: &Shape, amount: u64, now: Timestamp) -> Reserve {
        let shared = self.find_or_make(key, shape);
        let result = shared.lock().reserve(shape, amount, now);
        match result {
            Ok(room) => Reserve::Granted {
                reservation: Reservation::new(shared, room.mark, amount),
                used: u64::try_from(room.used).unwrap_or(u64::MAX),
            },
            Err(full) => Reserve::Full(full),
        }
    }

    /// For [`Shape::Identical`]: whether the newest attempt, which was counted when it was made,
    /// was one too many. Counts nothing.
    ///
    /// # Errors
    /// More attempts count at `now` than may pass.
    pub fn look(&self, key: &BucketKey, shape: &Shape, now: Timestamp) -> Result<(), Full> {
        self.find_or_make(key, shape).lock().look(shape, now)
    }

    /// Adds what records say was used: amounts by the moment from which they count, in any order.
    /// Moments that have left the window or lie outside the calendar's period are passed over.
    pub fn restore(
        &self,
        key: &BucketKey,
        shape: &Shape,
        entries: impl IntoIterator<Item = (Timestamp, u64)>,
    ) {
        let shared = self.find_or_make(key, shape);
        let mut bucket = shared.lock();
        for (at, amount) in entries {
            bucket.restore(at, amount);
        }
    }

    /// Forgets a key at once: its session is over. What is still reserved from it settles into
    /// nothing.
    pub fn forget(&self, key: &BucketKey) {
        self.shard(key).remove(key);
    }

    /// Forgets every bucket that nobody holds and that an empty one would answer for at `now`.
    /// Meant to be called now and then: it keeps memory bounded by what is in use.
    pub fn expire(&self, now: Timestamp) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, buckets| {
                // Only under the shard's lock can a bucket be found, so one that is referred to
                // from here alone stays so.
                buckets.retain_mut(|shared| match Arc::get_mut(shared) {
                    Some(only) => {
                        let bucket = only.bucket.get_mut().unwrap_or_else(PoisonError::into_inner);
                        !bucket.is_idle(now)
                    }
                    None => true,
                });
                !buckets.is_empty()
            });
        }
    }

    /// Every bucket that counts something at `now`, by key.
    pub fn snapshot(&self, now: Timestamp) -> Vec<Snapshot> {
        let narrow = |wide: u128| u64::try_from(wide).unwrap_or(u64::MAX);
        let mut all = Vec::new();
        for shard in &self.shards {
            for (key, buckets) in &*shard.lock().unwrap_or_else(PoisonError::into_inner) {
                for shared in buckets {
                    let (used, held, entries) = shared.lock().contents(now);
                    let snapshot =
                        Snapshot { key: key.clone(), used: narrow(used), held: narrow(held), entries };
                    all.extend((used > 0).then_some(snapshot));
                }
            }
        }
        all.sort();
        all
    }

    /// How many buckets there are.
    pub fn count(&self) -> usize {
        let lock = |shard: &Mutex<Shard>| {
            shard.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum::<usize>()
        };
        self.shards.iter().map(lock).sum()
    }

    fn find_or_make(&self, key: &BucketKey, shape: &Shape) -> Arc<Shared> {
        let kind = shape.kind();
        let mut shard = self.shard(key);
        if let Some(found) = shard.get(key).and_then(|all| all.iter().find(|shared| shared.kind == kind)) {
            return Arc::clone(found);
        }
        let made = Arc::new(Shared { kind, bucket: Mutex::new(Bucket::new(shape)) });
        shard.entry(key.clone()).or_default().push(Arc::clone(&made));
        made
    }

    fn shard(&self, key: &BucketKey) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(key);
        let shard = &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or_default()];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// A lock is never poisoned half-way: what runs under it saturates and does not panic.
    pub(super) fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
