//! The counters against a list of everything that happened.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;
use ringfence_guard::limits::{BucketKey, Buckets, Reservation, Reserve, Shape};
use ringfence_model::Timestamp;

const MILLI: u64 = 1000;

/// What a caller does next. Numbers pick one of what is open.
#[derive(Debug, Clone)]
enum Step {
    Wait { micros: u64 },
    Reserve { amount: u64 },
    Begin { which: usize },
    Grow { which: usize, more: u64 },
    Settle { which: usize, actual: u64 },
    Drop { which: usize },
}

fn steps(longest_wait: u64, most: u64) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..longest_wait).prop_map(|micros| Step::Wait { micros }),
        4 => (1..=most).prop_map(|amount| Step::Reserve { amount }),
        4 => (0..8usize).prop_map(|which| Step::Begin { which }),
        1 => (0..8usize, 0..=most).prop_map(|(which, more)| Step::Grow { which, more }),
        2 => (0..8usize, 0..=most * 2).prop_map(|(which, actual)| Step::Settle { which, actual }),
        1 => (0..8usize).prop_map(|which| Step::Drop { which }),
    ];
    vec(step, 1..120)
}

fn at(micros: u64) -> Timestamp {
    Timestamp::from_microsecond(1_700_000_000_000_000 + i64::try_from(micros).expect("small"))
        .expect("in range")
}

/// Everything that was ever taken: how much, from which moment on (none: held), by whom.
#[derive(Default)]
struct Naive {
    taken: Vec<Taken>,
    next: u64,
}

struct Taken {
    by: u64,
    amount: u64,
    from: Option<u64>,
}

/// Which amounts count at `now`.
type Counts = fn(&Taken, now: u64) -> bool;

impl Naive {
    fn used(&self, counts: Counts, now: u64) -> u64 {
        self.taken.iter().filter(|taken| counts(taken, now)).map(|taken| taken.amount).sum()
    }

    fn of(&mut self, by: u64) -> impl Iterator<Item = &mut Taken> {
        self.taken.iter_mut().filter(move |taken| taken.by == by)
    }

    /// Less was used than taken: off the oldest first. More: from `now` on.
    fn settle(&mut self, by: u64, actual: u64, now: u64) {
        let reserved: u64 = self.of(by).map(|taken| taken.amount).sum();
        let mut unused = reserved.saturating_sub(actual);
        for taken in self.of(by) {
            let back = taken.amount.min(unused);
            taken.amount -= back;
            unused -= back;
            taken.from = taken.from.or(Some(now));
        }
        self.taken.push(Taken { by, amount: actual.saturating_sub(reserved), from: Some(now) });
    }
}

struct Open {
    by: u64,
    begun: bool,
    reservation: Reservation,
}

/// Plays `steps` on both sides; they must agree on every answer and every sum.
fn agree(shape: Shape, counts: Counts, steps: &[Step]) -> Result<(), TestCaseError> {
    let key = BucketKey::new("limit", "owner");
    let (buckets, mut naive, mut open, mut now) =
        (Buckets::new(), Naive::default(), Vec::<Open>::new(), 0u64);
    let holds_open = matches!(shape, Shape::Concurrent { .. });
    for step in steps {
        match *step {
            Step::Wait { micros } => now += micros,
            Step::Reserve { amount } => {
                let fits = naive.used(counts, now) + amount <= shape.of();
                match buckets.reserve(&key, &shape, amount, at(now)) {
                    Reserve::Granted { reservation, used } => {
                        prop_assert!(fits, "{amount} were granted at {now}");
                        let by = naive.next;
                        naive.next += 1;
                        naive.taken.push(Taken { by, amount, from: None });
                        open.push(Open { by, begun: false, reservation });
                        prop_assert_eq!(used, naive.used(counts, now));
                    }
                    Reserve::Full(full) => {
                        prop_assert!(!fits, "{amount} were refused at {now}");
                        if let Some(until) = full.until {
                            // It says when it would fit, and not a moment too late.
                            let until = u64::try_from(until.as_microsecond() - at(0).as_microsecond())
                                .expect("later");
                            prop_assert!(until > now);
                            prop_assert!(naive.used(counts, until) + amount <= shape.of());
                            prop_assert!(naive.used(counts, until - 1) + amount > shape.of());
                        }
                    }
                }
            }
            Step::Begin { which } => {
                let Some(one) = open.get_mut(which) else { continue };
                prop_assert_eq!(one.reservation.begin(at(now), None), Ok(()));
                if !one.begun {
                    naive.of(one.by).for_each(|taken| taken.from = Some(now));
                }
                one.begun = true;
            }
            Step::Grow { which, more } => {
                let Some(one) = open.get_mut(which) else { continue };
                let fits = naive.used(counts, now) + more <= shape.of();
                prop_assert_eq!(one.reservation.grow(more, at(now), None).is_ok(), fits);
                if fits {
                    naive.taken.push(Taken { by: one.by, amount: more, from: one.begun.then_some(now) });
                }
            }
            Step::Settle { which, actual } => {
                if which >= open.len() {
                    continue;
                }
                let one = open.remove(which);
                one.reservation.settle(actual, at(now));
                naive.settle(one.by, if holds_open { 0 } else { actual }, now);
            }
            Step::Drop { which } => {
                if which >= open.len() {
                    continue;
                }
                let one = open.remove(which);
                if !one.begun || holds_open {
                    naive.of(one.by).for_each(|taken| taken.amount = 0);
                }
                drop(one);
            }
        }
        let used: u64 = buckets.snapshot(at(now)).iter().map(|snapshot| snapshot.used).sum();
        prop_assert_eq!(used, naive.used(counts, now), "after {:?} at {}", step, now);
        buckets.expire(at(now));
    }
    Ok(())
}

const WINDOW: u64 = 10 * MILLI;

fn in_window(taken: &Taken, now: u64) -> bool {
    taken.from.is_none_or(|from| now - from < WINDOW)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_sliding_window_is_exact(n in 1..40u64, steps in steps(4 * MILLI, 12)) {
        agree(Shape::Sliding { n, window: Duration::from_micros(WINDOW) }, in_window, &steps)?;
    }

    #[test]
    fn a_session_is_exact(n in 1..200u64, steps in steps(4 * MILLI, 12)) {
        agree(Shape::Session { n }, |_, _| true, &steps)?;
    }

    #[test]
    fn what_is_open_is_exact(n in 1..20u64, steps in steps(4 * MILLI, 5)) {
        agree(Shape::Concurrent { n }, |_, _| true, &steps)?;
    }

    #[test]
    fn a_calendar_is_exact(n in 1..12u64, moves in vec((0..3 * MILLI, 1..4u64, 0..4 * MILLI), 1..80)) {
        // Periods of unequal lengths, as months are.
        let bounds: Vec<u64> = (0..100u64).map(|i| i * 10 * MILLI + (i % 3) * 2 * MILLI).collect();
        let period = |now: u64| {
            let after = bounds.partition_point(|bound| *bound <= now);
            (at(bounds[after - 1]), at(bounds[after]))
        };
        let key = BucketKey::new("limit", "owner");
        let (buckets, mut now, mut begun) = (Buckets::new(), 0, Vec::<(Timestamp, u64)>::new());
        for (wait, amount, delay) in moves {
            now += wait;
            let within = |moment: u64, begun: &[(Timestamp, u64)]| -> u64 {
                let (start, end) = period(moment);
                begun.iter().filter(|(from, _)| (start..end).contains(from)).map(|(_, amount)| amount).sum()
            };
            let fits = within(now, &begun) + amount <= n;
            let shape = Shape::Calendar { n, period: period(now) };
            let reserve = buckets.reserve(&key, &shape, amount, at(now));
            prop_assert_eq!(matches!(reserve, Reserve::Granted { .. }), fits);
            let Reserve::Granted { mut reservation, .. } = reserve else { continue };
            now += delay;
            let fits = within(now, &begun) + amount <= n;
            prop_assert_eq!(reservation.begin(at(now), Some(period(now))).is_ok(), fits);
            if fits {
                reservation.settle(amount, at(now));
                begun.push((at(now), amount));
            }
        }
    }

    #[test]
    fn attempts_are_exact(n in 0..8u64, waits in vec(0..6 * MILLI, 1..80)) {
        let key = BucketKey::new("limit", "owner");
        let shape = Shape::Identical { n, per: Duration::from_micros(WINDOW) };
        let (buckets, mut now, mut attempts) = (Buckets::new(), 0u64, Vec::<u64>::new());
        for wait in waits {
            now += wait;
            let before = attempts.iter().filter(|attempt| now - **attempt < WINDOW).count() as u64;
            attempts.push(now);
            match buckets.reserve(&key, &shape, 1, at(now)) {
                Reserve::Granted { reservation, used } => {
                    prop_assert!(before < n);
                    prop_assert_eq!(used, before + 1);
                    drop(reservation);
                }
                Reserve::Full(_) => prop_assert!(before >= n),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_large_window_is_never_passed_and_hardly_stricter(
        n in 1500..4000u64,
        waits in vec((0..40u64, 1..3u64), 6000..8000),
    ) {
        let key = BucketKey::new("limit", "owner");
        let shape = Shape::Sliding { n, window: Duration::from_micros(WINDOW) };
        // Moments with the sum of everything up to then.
        let (buckets, mut now, mut begun) = (Buckets::new(), 0u64, Vec::<(u64, u64)>::new());
        let used = |begun: &[(u64, u64)], now: u64, length: u64| -> u64 {
            let sum = |upto: usize| upto.checked_sub(1).map_or(0, |last| begun[last].1);
            sum(begun.len()) - sum(begun.partition_point(|(from, _)| now - from >= length))
        };
        let mut refused = 0;
        for (wait, amount) in waits {
            now += wait / 8;
            match buckets.reserve(&key, &shape, amount, at(now)) {
                Reserve::Granted { mut reservation, .. } => {
                    prop_assert!(used(&begun, now, WINDOW) + amount <= n, "more than {n} at {now}");
                    prop_assert_eq!(reservation.begin(at(now), None), Ok(()));
                    reservation.settle(amount, at(now));
                    let before = begun.last().map_or(0, |(_, sum)| *sum);
                    begun.push((now, before + amount));
                }
                Reserve::Full(_) => {
                    refused += 1;
                    // An amount counts longer than it should by at most a 512th of the window.
                    let longest = WINDOW + WINDOW / 512 + 1;
                    prop_assert!(used(&begun, now, longest) + amount > n, "too strict at {now}");
                }
            }
        }
        prop_assert!(refused > 0);
        let entries: usize = buckets.snapshot(at(now)).iter().map(|snapshot| snapshot.entries.len()).sum();
        prop_assert!(entries <= 1024, "{entries} slots");
    }
}
