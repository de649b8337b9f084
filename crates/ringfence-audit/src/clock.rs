//! Time, as the log takes it: the only place that reads a clock.

use std::time::Duration;

use ringfence_model::Timestamp;

/// Where the log takes its time from.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment, which nobody can set; it goes on while the machine sleeps.
    fn elapsed(&self) -> Duration;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        // The kernel counts up from zero: neither part is ever negative.
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

/// A step of the clock that is worth a record: it is larger than this.
const STEP: i128 = 1_000_000;

/// The time records are stamped with: it never runs backwards, and notices when the clock does.
#[derive(Debug, Clone)]
pub(crate) struct Sequencer {
    /// The last stamp, in microseconds since 1970.
    last: Option<i64>,
    /// Where wall and elapsed time stood when they were last taken to agree.
    anchor: Option<(i64, Duration)>,
}

/// One stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Microseconds since 1970: what records carry.
    pub(crate) micros: i64,
    /// By how many microseconds the clock was found to have stepped, where it has.
    pub(crate) stepped: Option<i64>,
}

impl Sequencer {
    /// Goes on after `last`, the newest record's time.
    pub(crate) fn new(last: Option<Timestamp>) -> Self {
        Sequencer { last: last.map(|last| last.as_microsecond()), anchor: None }
    }

    pub(crate) fn stamp(&mut self, clock: &dyn Clock) -> Stamp {
        let (wall, elapsed) = (clock.now().as_microsecond(), clock.elapsed());
        let step = match self.anchor {
            Some((anchor_wall, anchor_elapsed)) => {
                let passed = elapsed.saturating_sub(anchor_elapsed).as_micros();
                let expected = i128::from(anchor_wall) + i128::try_from(passed).unwrap_or(i128::MAX / 2);
                i128::from(wall) - expected
            }
            // Of the time before this start only the last record tells.
            None => self.last.map_or(0, |last| (i128::from(wall) - i128::from(last)).min(0)),
        };
        let stepped = (step.abs() > STEP)
            .then(|| i64::try_from(step).unwrap_or(if step < 0 { i64::MIN } else { i64::MAX }));
        if stepped.is_some() || self.anchor.is_none() {
            self.anchor = Some((wall, elapsed));
        }
        let micros = self.last.map_or(wall, |last| wall.max(last));
        self.last = Some(micros);
        Stamp { micros, stepped }
    }
}
