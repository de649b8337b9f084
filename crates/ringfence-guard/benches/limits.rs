//! What a limit costs an attempt: `cargo bench -p ringfence-guard --bench limits`.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use divan::Bencher;
use ringfence_guard::limits::{BucketKey, Buckets, Reserve, Shape};
use ringfence_model::Timestamp;

fn main() {
    divan::main();
}

const SECOND: Duration = Duration::from_secs(1);

/// A clock that moves 1 µs a reading, so that windows fill and empty as under load.
struct Clock(AtomicI64);

impl Clock {
    fn new() -> Clock {
        Clock(AtomicI64::new(1_700_000_000_000_000))
    }

    fn read(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.fetch_add(1, Ordering::Relaxed)).unwrap_or(Timestamp::MAX)
    }
}

fn whole(buckets: &Buckets, key: &BucketKey, shape: &Shape, now: Timestamp) -> bool {
    match buckets.reserve(key, shape, 1, now) {
        Reserve::Granted { mut reservation, .. } => {
            let began = reservation.begin(now, None).is_ok();
            reservation.settle(1, now);
            began
        }
        Reserve::Full(_) => false,
    }
}

/// Reserve, begin and settle, on a bucket of one's own.
#[divan::bench(args = ["sliding, wide", "sliding, full", "session", "concurrent"])]
fn reserve_begin_settle(bencher: Bencher<'_, '_>, name: &str) {
    let (buckets, clock) = (Buckets::new(), Clock::new());
    let key = BucketKey::new("team/searches", "spiffe://acme.example/agent/inventory/7");
    let shape = match name {
        "sliding, wide" => Shape::Sliding { n: u64::MAX, window: SECOND },
        "sliding, full" => Shape::Sliding { n: 60, window: SECOND },
        "session" => Shape::Session { n: u64::MAX },
        _ => Shape::Concurrent { n: 10 },
    };
    bencher.bench_local(|| whole(&buckets, &key, &shape, clock.read()));
}

/// The same from several threads at one bucket.
#[divan::bench(threads = [1, 2, 4])]
fn one_bucket_shared(bencher: Bencher<'_, '_>) {
    let (buckets, clock) = (Buckets::new(), Clock::new());
    let key = BucketKey::new("team/searches", "spiffe://acme.example/agent/inventory/7");
    let shape = Shape::Sliding { n: u64::MAX, window: SECOND };
    bencher.bench(|| whole(&buckets, &key, &shape, clock.read()));
}

/// A bucket among 100,000 others.
#[divan::bench]
fn among_many(bencher: Bencher<'_, '_>) {
    let (buckets, clock) = (Buckets::new(), Clock::new());
    let shape = Shape::Session { n: u64::MAX };
    let keys: Vec<BucketKey> = (0..100_000)
        .map(|i| BucketKey::new("team/searches", &format!("spiffe://acme.example/agent/{i}")))
        .collect();
    for key in &keys {
        whole(&buckets, key, &shape, clock.read());
    }
    let mut turn = keys.iter().cycle().step_by(7919);
    bencher.bench_local(|| turn.next().map(|key| whole(&buckets, key, &shape, clock.read())));
}
