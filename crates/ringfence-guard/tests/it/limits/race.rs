//! Many at once never pass a limit by one, and nothing they give back is lost.

use std::sync::Barrier;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use ringfence_guard::limits::{BucketKey, Buckets, Reserve, Shape};
use ringfence_model::Timestamp;

const THREADS: u64 = 64;
const EACH: u64 = 160;
const HOUR: Duration = Duration::from_secs(3600);

fn at(micros: u64) -> Timestamp {
    Timestamp::from_microsecond(1_700_000_000_000_000 + i64::try_from(micros).expect("small"))
        .expect("in range")
}

/// Runs `work` in all threads, each starting when all are there, with the thread's number.
fn together(work: impl Fn(u64) + Sync) {
    let barrier = Barrier::new(usize::try_from(THREADS).expect("small"));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                barrier.wait();
                work(thread);
            });
        }
    });
}

#[test]
fn ten_thousand_at_once_take_exactly_what_there_is() {
    let key = BucketKey::new("limit", "owner");
    for shape in [
        Shape::Sliding { n: 1000, window: HOUR },
        Shape::Calendar { n: 1000, period: (at(0), at(3_600_000_000)) },
        Shape::Session { n: 1000 },
        Shape::Identical { n: 1000, per: HOUR },
    ] {
        let buckets = Buckets::new();
        let granted = AtomicU64::new(0);
        together(|thread| {
            for round in 0..EACH {
                let now = at(thread * EACH + round);
                let Reserve::Granted { mut reservation, .. } = buckets.reserve(&key, &shape, 1, now) else {
                    continue;
                };
                granted.fetch_add(1, Ordering::Relaxed);
                reservation.begin(now, Some((at(0), at(3_600_000_000)))).expect("it is held");
                reservation.settle(1, now);
            }
        });
        assert_eq!(granted.into_inner(), 1000, "{shape:?}");
    }
}

#[test]
fn no_more_are_open_than_may_be() {
    let key = BucketKey::new("limit", "owner");
    let shape = Shape::Concurrent { n: 7 };
    let buckets = Buckets::new();
    let open = AtomicI64::new(0);
    let most = AtomicI64::new(0);
    together(|thread| {
        for round in 0..EACH {
            let Reserve::Granted { mut reservation, .. } = buckets.reserve(&key, &shape, 1, at(0)) else {
                thread::yield_now();
                continue;
            };
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            reservation.begin(at(0), None).expect("it is held");
            thread::yield_now();
            open.fetch_sub(1, Ordering::SeqCst);
            if (thread + round) % 3 > 0 {
                reservation.settle(1, at(0));
            }
        }
    });
    assert!(most.into_inner() <= 7);
    assert_eq!(buckets.snapshot(at(0)), []);
}

#[test]
fn amounts_add_up_whatever_is_given_back() {
    let key = BucketKey::new("limit", "owner");
    let shape = Shape::Sliding { n: 100_000, window: HOUR };
    let buckets = Buckets::new();
    let counted = AtomicU64::new(0);
    together(|thread| {
        for round in 0..EACH {
            let now = at(thread + round * 1000);
            let Reserve::Granted { mut reservation, .. } = buckets.reserve(&key, &shape, 50, now) else {
                continue;
            };
            match (thread + round) % 4 {
                0 => drop(reservation),
                1 => {
                    reservation.begin(now, None).expect("it is held");
                    reservation.settle(20, now);
                    counted.fetch_add(20, Ordering::Relaxed);
                }
                2 => {
                    reservation.begin(now, None).expect("it is held");
                    let grown = u64::from(reservation.grow(10, now, None).is_ok()) * 10;
                    drop(reservation);
                    counted.fetch_add(50 + grown, Ordering::Relaxed);
                }
                _ => {
                    reservation.settle(5, now);
                    counted.fetch_add(5, Ordering::Relaxed);
                }
            }
        }
    });
    let used: u64 = buckets.snapshot(at(0)).iter().map(|snapshot| snapshot.used).sum();
    assert_eq!(used, counted.into_inner());
    assert!(used <= 100_000);
}

#[test]
fn forgetting_idle_buckets_loses_no_count() {
    // A bucket that is found while it is being forgotten would count for nobody.
    let shape = Shape::Concurrent { n: 1 };
    let key = BucketKey::new("limit", "owner");
    let buckets = Buckets::new();
    let open = AtomicI64::new(0);
    let passed = AtomicI64::new(0);
    together(|thread| {
        for _ in 0..20 * EACH {
            if thread < 2 {
                buckets.expire(at(0));
            } else if let Reserve::Granted { reservation, .. } = buckets.reserve(&key, &shape, 1, at(0)) {
                passed.fetch_add(i64::from(open.fetch_add(1, Ordering::SeqCst) > 0), Ordering::SeqCst);
                thread::yield_now();
                open.fetch_sub(1, Ordering::SeqCst);
                drop(reservation);
            }
        }
    });
    assert_eq!(passed.into_inner(), 0, "two were open at once");
    buckets.expire(at(0));
    assert_eq!(buckets.count(), 0);
}
