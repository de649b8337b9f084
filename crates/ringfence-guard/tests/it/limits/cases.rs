//! One case for each promise, with numbers worked out by hand.

use std::time::Duration;

use jiff::SignedDuration;
use ringfence_guard::limits::{BucketKey, Buckets, Full, Period, Reservation, Reserve, Shape};
use ringfence_model::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).expect("in range")
}

fn key() -> BucketKey {
    BucketKey::new("team/searches", "spiffe://acme.example/agent/a")
}

/// A bucket of one shape.
struct One {
    buckets: Buckets,
    shape: Shape,
}

impl One {
    fn new(shape: Shape) -> One {
        One { buckets: Buckets::new(), shape }
    }

    fn ask(&self, amount: u64, now: Timestamp) -> Result<Reservation, Full> {
        match self.buckets.reserve(&key(), &self.shape, amount, now) {
            Reserve::Granted { reservation, .. } => Ok(reservation),
            Reserve::Full(full) => Err(full),
        }
    }

    /// Reserves, begins and settles one unit.
    fn one(&self, now: Timestamp) -> Result<(), Full> {
        let mut reservation = self.ask(1, now)?;
        reservation.begin(now, period_of(&self.shape))?;
        reservation.settle(1, now);
        Ok(())
    }

    fn used(&self, now: Timestamp) -> u64 {
        self.buckets.snapshot(now).iter().map(|snapshot| snapshot.used).sum()
    }
}

fn period_of(shape: &Shape) -> Option<Period> {
    match shape {
        Shape::Calendar { period, .. } => Some(*period),
        Shape::Sliding { .. }
        | Shape::Session { .. }
        | Shape::Concurrent { .. }
        | Shape::Identical { .. } => None,
    }
}

fn full(until: Timestamp) -> Full {
    Full { until: Some(until) }
}

const NEVER: Full = Full { until: None };

#[test]
fn a_window_slides() {
    let calls = One::new(Shape::Sliding { n: 2, window: MINUTE });
    assert_eq!(calls.one(at(0)), Ok(()));
    assert_eq!(calls.one(at(30)), Ok(()));
    assert_eq!(calls.one(at(59)), Err(full(at(60))));
    assert_eq!(calls.one(at(60)), Ok(()));
    assert_eq!(calls.one(at(60)), Err(full(at(90))));
    assert_eq!(calls.one(at(90)), Ok(()));
}

#[test]
fn a_window_counts_from_the_beginning_and_holds_until_then() {
    let calls = One::new(Shape::Sliding { n: 1, window: MINUTE });
    let mut waiting = calls.ask(1, at(0)).expect("the first fits");
    // However long it waits, its place is taken, and time alone does not free it.
    assert_eq!(calls.one(at(600)), Err(NEVER));
    waiting.begin(at(700), None).expect("a held place is there");
    waiting.settle(1, at(701));
    assert_eq!(calls.one(at(759)), Err(full(at(760))));
    assert_eq!(calls.one(at(760)), Ok(()));
}

#[test]
fn time_does_not_run_backwards() {
    let calls = One::new(Shape::Sliding { n: 1, window: MINUTE });
    assert_eq!(calls.one(at(100)), Ok(()));
    // A caller whose clock lags neither sees an emptier window nor counts from an earlier moment.
    assert_eq!(calls.one(at(30)), Err(full(at(160))));
    assert_eq!(calls.used(at(160)), 0);
    assert_eq!(calls.one(at(150)), Ok(()));
    assert_eq!(calls.one(at(219)), Err(full(at(220))));
}

#[test]
fn what_never_began_is_given_back_and_what_began_is_not() {
    let calls = One::new(Shape::Sliding { n: 1, window: MINUTE });
    drop(calls.ask(1, at(0)).expect("the first fits"));
    let mut begun = calls.ask(1, at(1)).expect("the first was given back");
    begun.begin(at(1), None).expect("a held place is there");
    drop(begun);
    assert_eq!(calls.one(at(2)), Err(full(at(61))), "it began, whatever became of it");
}

#[test]
fn what_was_reserved_becomes_what_was_used() {
    let tokens = One::new(Shape::Sliding { n: 1000, window: MINUTE });
    let mut call = tokens.ask(800, at(0)).expect("enough is left");
    call.begin(at(0), None).expect("a held amount is there");
    assert!(tokens.ask(300, at(1)).is_err());
    call.settle(500, at(2));
    assert_eq!(tokens.used(at(2)), 500);
    let mut call = tokens.ask(300, at(3)).expect("300 were given back");
    call.begin(at(3), None).expect("a held amount is there");
    call.settle(900, at(10));
    assert_eq!(tokens.used(at(10)), 1400, "more than there was: it shows");
    assert_eq!(tokens.ask(1, at(11)).map(drop), Err(full(at(60))));
    // At 60 the first 500 leave, at 63 the 300, at 70 the 600 that came on top.
    assert_eq!(tokens.used(at(60)), 900);
    assert_eq!(tokens.used(at(63)), 600);
    assert_eq!(tokens.used(at(70)), 0);
}

#[test]
fn something_that_runs_may_grow_as_far_as_the_limit() {
    let tokens = One::new(Shape::Sliding { n: 100, window: MINUTE });
    let mut call = tokens.ask(40, at(0)).expect("enough is left");
    call.begin(at(0), None).expect("a held amount is there");
    assert_eq!(call.grow(50, at(20), None), Ok(()));
    assert_eq!(call.grow(11, at(30), None), Err(full(at(60))));
    assert_eq!(tokens.used(at(30)), 90, "a refusal takes nothing");
    assert_eq!(call.grow(10, at(30), None), Ok(()));
    // The first 40 have left by then.
    assert_eq!(call.grow(40, at(60), None), Ok(()));
    call.settle(120, at(61));
    // 140 were taken, 120 used: the 20 come off the oldest, which has left already.
    assert_eq!(tokens.used(at(61)), 100);
    assert_eq!(tokens.used(at(80)), 50);
}

#[test]
fn a_stream_metered_for_long_is_charged_in_full() {
    let tokens = One::new(Shape::Sliding { n: 10_000, window: Duration::from_secs(100_000) });
    let mut stream = tokens.ask(1, at(0)).expect("enough is left");
    stream.begin(at(0), None).expect("a held amount is there");
    for second in 1..=2000 {
        assert_eq!(stream.grow(2, at(second), None), Ok(()));
    }
    assert_eq!(tokens.used(at(2000)), 4001);
    stream.settle(4500, at(2001));
    assert_eq!(tokens.used(at(2001)), 4500, "nothing that was charged is charged again");
    let mut stream = tokens.ask(1, at(2001)).expect("enough is left");
    stream.begin(at(2001), None).expect("a held amount is there");
    for second in 2002..=2401 {
        assert_eq!(stream.grow(2, at(second), None), Ok(()));
    }
    stream.settle(0, at(2402));
    let kept = tokens.used(at(2402)) - 4500;
    assert!(kept < 801, "much of it is given back");
    assert!(kept.is_multiple_of(2) && kept > 0, "what grew long ago is not");
}

#[test]
fn a_calendar_starts_anew_with_each_period() {
    let day = |n: i64| Shape::Calendar { n: 2, period: (at(n * 86_400), at((n + 1) * 86_400)) };
    let mut calls = One::new(day(0));
    assert_eq!(calls.one(at(10)), Ok(()));
    let mut over_midnight = calls.ask(1, at(86_390)).expect("the second fits");
    assert_eq!(calls.one(at(86_399)), Err(full(at(86_400))));
    calls.shape = day(1);
    assert_eq!(calls.one(at(86_400)), Ok(()));
    // Reserved yesterday, begun today: it counts today.
    assert_eq!(over_midnight.begin(at(86_401), period_of(&day(1))), Ok(()));
    assert_eq!(calls.one(at(86_402)), Err(full(at(2 * 86_400))));
    over_midnight.settle(1, at(86_500));
    assert_eq!(calls.used(at(86_500)), 2);
}

#[test]
fn what_finds_the_new_period_full_does_not_begin() {
    let day = |n: i64| Shape::Calendar { n: 1, period: (at(n * 86_400), at((n + 1) * 86_400)) };
    let mut calls = One::new(day(0));
    let mut late = calls.ask(1, at(86_399)).expect("the first fits");
    calls.shape = day(1);
    let mut early = calls.ask(1, at(86_400)).expect("the first of the day fits");
    assert_eq!(late.begin(at(86_401), period_of(&day(1))), Err(full(at(2 * 86_400))));
    assert_eq!(late.begin(at(86_402), None), Err(NEVER), "a calendar needs its period");
    drop(late);
    early.begin(at(86_403), period_of(&day(1))).expect("a held place is there");
    early.settle(1, at(86_404));
    assert_eq!(calls.used(at(86_404)), 1, "what is dropped takes nothing off the new day");
}

#[test]
fn a_caller_from_the_day_before_does_not_turn_the_calendar_back() {
    let day = |n: i64| Shape::Calendar { n: 1, period: (at(n * 86_400), at((n + 1) * 86_400)) };
    let mut calls = One::new(day(1));
    assert_eq!(calls.one(at(86_400)), Ok(()));
    calls.shape = day(0);
    assert!(calls.one(at(86_399)).is_err());
    calls.shape = day(1);
    assert!(calls.one(at(86_401)).is_err());
}

#[test]
fn a_period_that_is_laid_otherwise_keeps_what_is_used() {
    let mut calls = One::new(Shape::Calendar { n: 1, period: (at(0), at(86_400)) });
    assert_eq!(calls.one(at(10)), Ok(()));
    // Another time zone: an hour later, or an hour earlier.
    for start in [3600, -3600] {
        calls.shape = Shape::Calendar { n: 1, period: (at(start), at(start + 86_400)) };
        assert!(calls.one(at(5000)).is_err());
    }
}

#[test]
fn a_day_of_23_hours_is_whatever_the_caller_says() {
    // 2026-03-29 in Berlin: from 23:00 UTC to 22:00 UTC.
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").expect("the zone is bundled");
    let day = jiff::civil::date(2026, 3, 29);
    let midnight = |day: jiff::civil::Date| day.to_zoned(zone.clone()).expect("a midnight").timestamp();
    let (start, end) = (midnight(day), midnight(day.tomorrow().expect("a day after")));
    assert_eq!(end.duration_since(start), SignedDuration::from_hours(23));
    let calls = One::new(Shape::Calendar { n: 1, period: (start, end) });
    assert_eq!(calls.one(start), Ok(()));
    assert_eq!(calls.one(end - SignedDuration::from_nanos(1)), Err(full(end)));
}

#[test]
fn a_session_never_forgets_until_it_is_over() {
    let calls = One::new(Shape::Session { n: 1 });
    assert_eq!(calls.one(at(0)), Ok(()));
    assert_eq!(calls.one(at(1_000_000_000)), Err(NEVER));
    calls.buckets.expire(at(1_000_000_000));
    assert_eq!(calls.one(at(1_000_000_001)), Err(NEVER));
    calls.buckets.forget(&key());
    assert_eq!(calls.one(at(1_000_000_002)), Ok(()));
}

#[test]
fn what_is_open_is_free_again_when_it_ends() {
    let open = One::new(Shape::Concurrent { n: 2 });
    let mut first = open.ask(1, at(0)).expect("the first fits");
    let mut second = open.ask(1, at(0)).expect("the second fits");
    assert_eq!(open.ask(1, at(0)).map(drop), Err(NEVER));
    first.begin(at(1), None).expect("its place is there");
    second.begin(at(1), None).expect("its place is there");
    first.settle(1, at(2));
    let third = open.ask(1, at(2)).expect("the first is over");
    drop(second);
    let fourth = open.ask(1, at(2)).expect("the second is over, if unsettled");
    assert!(open.ask(1, at(3)).is_err());
    drop((third, fourth));
    assert_eq!(open.used(at(3)), 0);
}

#[test]
fn five_pass_and_the_sixth_does_not() {
    let same = One::new(Shape::Identical { n: 5, per: MINUTE });
    for second in 0..5 {
        // Given back or not makes no difference: an attempt was made.
        assert!(same.ask(1, at(second)).is_ok());
    }
    assert_eq!(same.ask(1, at(5)).map(drop), Err(full(at(61))));
    // Refused attempts count too, so hammering keeps it shut.
    for second in 6..200 {
        assert!(same.ask(1, at(second)).is_err(), "at {second}");
    }
    assert_eq!(same.ask(1, at(254)).map(drop), Err(full(at(256))));
    assert!(same.ask(1, at(400)).is_ok());
}

#[test]
fn nothing_passes_a_limit_of_nothing() {
    let period = (at(0), at(10));
    for shape in [
        Shape::Sliding { n: 0, window: MINUTE },
        Shape::Calendar { n: 0, period },
        Shape::Session { n: 0 },
        Shape::Concurrent { n: 0 },
        Shape::Identical { n: 0, per: MINUTE },
    ] {
        assert_eq!(One::new(shape).ask(1, at(0)).map(drop), Err(NEVER), "{shape:?}");
    }
}

#[test]
fn more_than_a_limit_ever_allows_is_refused_for_good() {
    let window = One::new(Shape::Sliding { n: 10, window: MINUTE });
    assert_eq!(window.ask(11, at(0)).map(drop), Err(NEVER));
    assert_eq!(window.ask(u64::MAX, at(0)).map(drop), Err(NEVER));
}

#[test]
fn sums_do_not_wrap() {
    for shape in [
        Shape::Sliding { n: u64::MAX, window: MINUTE },
        Shape::Session { n: u64::MAX },
        Shape::Concurrent { n: u64::MAX },
    ] {
        let limit = One::new(shape);
        let mut all = limit.ask(u64::MAX, at(0)).expect("exactly all");
        assert!(limit.ask(1, at(0)).is_err(), "{shape:?}");
        assert!(all.grow(u64::MAX, at(0), None).is_err(), "{shape:?}");
        all.begin(at(0), None).expect("it is held");
        all.settle(u64::MAX, at(0));
        let again = limit.ask(1, at(0)).is_ok();
        assert_eq!(again, matches!(shape, Shape::Concurrent { .. }), "{shape:?}");
    }
}

#[test]
fn a_lowered_limit_holds_at_once() {
    let mut calls = One::new(Shape::Sliding { n: 3, window: MINUTE });
    for _ in 0..3 {
        assert_eq!(calls.one(at(0)), Ok(()));
    }
    calls.shape = Shape::Sliding { n: 2, window: MINUTE };
    assert!(calls.one(at(1)).is_err());
    calls.shape = Shape::Sliding { n: 4, window: MINUTE };
    assert_eq!(calls.one(at(1)), Ok(()));
}

#[test]
fn owners_and_limits_have_buckets_of_their_own() {
    let buckets = Buckets::new();
    let shape = Shape::Session { n: 1 };
    for (limit, owner) in [("a", "b c"), ("a b", "c"), ("a", "b"), ("a b c", "")] {
        let reserve = buckets.reserve(&BucketKey::new(limit, owner), &shape, 1, at(0));
        let Reserve::Granted { mut reservation, used } = reserve else {
            panic!("`{limit}` of `{owner}` is shared")
        };
        assert_eq!(used, 1);
        reservation.begin(at(0), None).expect("it is held");
        reservation.settle(1, at(0));
    }
    assert_eq!(buckets.count(), 4);
}

#[test]
fn idle_buckets_go_and_others_stay() {
    let buckets = Buckets::new();
    let shapes = [
        Shape::Sliding { n: 9, window: MINUTE },
        Shape::Calendar { n: 9, period: (at(0), at(60)) },
        Shape::Identical { n: 9, per: MINUTE },
    ];
    let mut held = Vec::new();
    for (owner, shape) in ["a", "b", "c"].iter().zip(&shapes) {
        let key = BucketKey::new("limit", owner);
        let Reserve::Granted { mut reservation, .. } = buckets.reserve(&key, shape, 1, at(0)) else {
            panic!("nothing is used")
        };
        reservation.begin(at(0), period_of(shape)).expect("it is held");
        held.push(reservation);
    }
    buckets.expire(at(600));
    assert_eq!(buckets.count(), 3, "what is held is kept");
    for reservation in held {
        reservation.settle(1, at(30));
    }
    buckets.expire(at(59));
    assert_eq!(buckets.count(), 3, "what counts is kept");
    buckets.expire(at(60));
    assert_eq!(buckets.count(), 0);
}

#[test]
fn what_a_log_tells_is_what_there_was() {
    let shapes = [
        Shape::Sliding { n: 9, window: MINUTE },
        Shape::Calendar { n: 9, period: (at(0), at(600)) },
        Shape::Session { n: 9 },
        Shape::Identical { n: 9, per: MINUTE },
    ];
    for shape in shapes {
        let before = One::new(shape);
        for second in [-5, 3, 3, 40, 61] {
            assert_eq!(before.one(at(second)), Ok(()));
        }
        let after = One::new(shape);
        let outside = matches!(shape, Shape::Calendar { .. }).then_some((at(-700), 5));
        after.buckets.restore(
            &key(),
            &shape,
            [-5, 61, 3, 3, 40].map(|s| (at(s), 1)).into_iter().chain(outside),
        );
        let mut expected = before.buckets.snapshot(at(61));
        if matches!(shape, Shape::Calendar { .. }) {
            // A live bucket is told the period; records are told apart by their moments.
            expected[0].used -= 1;
        }
        assert_eq!(after.buckets.snapshot(at(61)), expected, "{shape:?}");
    }
    let open = One::new(Shape::Concurrent { n: 1 });
    open.buckets.restore(&key(), &open.shape, [(at(0), 1)]);
    assert_eq!(open.one(at(1)), Ok(()), "nothing is open after a restart");
}
