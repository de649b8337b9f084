//! One bucket: what counts in it, and the changes a reservation makes. Not yet shared: whoever
//! calls holds the bucket's lock.

use ringfence_model::Timestamp;

use super::shape::{Full, Period, Shape};
use super::window::Window;

/// One counter of one owner.
#[derive(Debug)]
pub(super) struct Bucket {
    /// How much may be used, as the last who asked said.
    n: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Held: reserved and not begun, so that it counts from no moment yet.
    Sliding {
        window: Window,
        held: u128,
    },
    Calendar {
        period: Period,
        generation: u64,
        used: u128,
    },
    Session {
        used: u128,
    },
    Concurrent {
        open: u128,
    },
    Identical {
        window: Window,
    },
}

/// Where an amount counts, so that it can be found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// In a sliding window, from no moment yet.
    Held,
    /// In a sliding window, from this moment.
    At(Timestamp),
    /// In the calendar period of this generation.
    Generation(u64),
    /// In the bucket's one sum, until the bucket ends.
    Sum,
    /// In what is open, until it is not.
    Open,
    /// For good.
    Attempt,
}

/// What a reservation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) mark: Mark,
    /// What counts now, this included.
    pub(super) used: u128,
}

impl Bucket {
    pub(super) fn new(shape: &Shape) -> Self {
        let state = match *shape {
            Shape::Sliding { window, .. } => State::Sliding { window: Window::new(window), held: 0 },
            Shape::Calendar { period, .. } => State::Calendar { period, generation: 0, used: 0 },
            Shape::Session { .. } => State::Session { used: 0 },
            Shape::Concurrent { .. } => State::Concurrent { open: 0 },
            Shape::Identical { per, .. } => State::Identical { window: Window::new(per) },
        };
        Bucket { n: shape.of(), state }
    }

    /// Takes `amount` if it fits. An attempt counts even where it does not.
    pub(super) fn reserve(&mut self, shape: &Shape, amount: u64, now: Timestamp) -> Result<Room, Full> {
        self.n = shape.of();
        if let Shape::Calendar { period, .. } = shape {
            self.turn_to(*period);
        }
        self.advance(now);
        if let State::Identical { window } = &mut self.state {
            return attempt(window, self.n, now);
        }
        self.fit(amount)?;
        let amount = u128::from(amount);
        let mark = match &mut self.state {
            State::Sliding { held, .. } => {
                *held = held.saturating_add(amount);
                Mark::Held
            }
            State::Calendar { used, generation, .. } => {
                *used = used.saturating_add(amount);
                Mark::Generation(*generation)
            }
            State::Session { used } => {
                *used = used.saturating_add(amount);
                Mark::Sum
            }
            State::Concurrent { open } => {
                *open = open.saturating_add(amount);
                Mark::Open
            }
            State::Identical { .. } => Mark::Attempt,
        };
        Ok(Room { mark, used: self.used() })
    }

    /// Whether what counts already is within the limit.
    pub(super) fn look(&mut self, shape: &Shape, now: Timestamp) -> Result<(), Full> {
        self.n = shape.of();
        self.advance(now);
        self.fit(0)
    }

    /// Lets a reserved amount count from `now`; one that was reserved in a calendar period which
    /// is over is taken from the new one.
    pub(super) fn begin(
        &mut self,
        mark: Mark,
        amount: u64,
        now: Timestamp,
        period: Option<Period>,
    ) -> Result<Mark, Full> {
        match mark {
            Mark::Held => Ok(self.stamp(mark, amount, now)),
            Mark::Generation(reserved) => {
                self.turn_to(period.ok_or(Full { until: None })?);
                match self.generation() {
                    Some(current) if current == reserved => Ok(mark),
                    Some(current) => {
                        self.fit(amount)?;
                        self.count(Mark::Generation(current), amount, now);
                        Ok(Mark::Generation(current))
                    }
                    None => Ok(mark),
                }
            }
            Mark::At(_) | Mark::Sum | Mark::Open | Mark::Attempt => Ok(mark),
        }
    }

    /// Lets an amount that is held count from `now`; what counts already is left where it is.
    pub(super) fn stamp(&mut self, mark: Mark, amount: u64, now: Timestamp) -> Mark {
        match (&mut self.state, mark) {
            (State::Sliding { window, held }, Mark::Held) => {
                let at = window.advance(now);
                *held = held.saturating_sub(u128::from(amount));
                window.add(at, amount);
                Mark::At(at)
            }
            _ => mark,
        }
    }

    /// Takes `more` beside what stands at `mark`, if it fits.
    pub(super) fn grow(
        &mut self,
        mark: Mark,
        more: u64,
        now: Timestamp,
        period: Option<Period>,
    ) -> Result<Mark, Full> {
        self.advance(now);
        let mark = match mark {
            Mark::Generation(_) => {
                self.turn_to(period.ok_or(Full { until: None })?);
                self.generation().map_or(mark, Mark::Generation)
            }
            Mark::At(_) | Mark::Held | Mark::Sum | Mark::Open | Mark::Attempt => mark,
        };
        if mark == Mark::Attempt {
            return Ok(mark);
        }
        self.fit(more)?;
        Ok(self.count(mark, more, now))
    }

    /// Counts `amount` whether it fits or not, beside what stands at `mark`.
    pub(super) fn count(&mut self, mark: Mark, amount: u64, now: Timestamp) -> Mark {
        let wide = u128::from(amount);
        match (&mut self.state, mark) {
            (State::Sliding { held, .. }, Mark::Held) => *held = held.saturating_add(wide),
            (State::Sliding { window, .. }, Mark::At(_)) => {
                let at = window.advance(now);
                window.add(at, amount);
                return Mark::At(at);
            }
            (State::Calendar { used, generation, .. }, Mark::Generation(of)) if of == *generation => {
                *used = used.saturating_add(wide);
            }
            (State::Session { used }, Mark::Sum) | (State::Concurrent { open: used }, Mark::Open) => {
                *used = used.saturating_add(wide);
            }
            // An older period's excess belongs to that period, which is over; attempts are ones.
            (
                State::Sliding { .. }
                | State::Calendar { .. }
                | State::Session { .. }
                | State::Concurrent { .. }
                | State::Identical { .. },
                _,
            ) => {}
        }
        mark
    }

    /// Gives back `amount` of what stands at `mark`; what does not count any more stays gone.
    pub(super) fn give_back(&mut self, mark: Mark, amount: u64) {
        let wide = u128::from(amount);
        match (&mut self.state, mark) {
            (State::Sliding { held, .. }, Mark::Held) => *held = held.saturating_sub(wide),
            (State::Sliding { window, .. }, Mark::At(at)) => window.take_back(at, amount),
            (State::Calendar { used, generation, .. }, Mark::Generation(of)) if of == *generation => {
                *used = used.saturating_sub(wide);
            }
            (State::Session { used }, Mark::Sum) | (State::Concurrent { open: used }, Mark::Open) => {
                *used = used.saturating_sub(wide);
            }
            (
                State::Sliding { .. }
                | State::Calendar { .. }
                | State::Session { .. }
                | State::Concurrent { .. }
                | State::Identical { .. },
                _,
            ) => {}
        }
    }

    /// Puts back what a record says was used from `at` on.
    pub(super) fn restore(&mut self, at: Timestamp, amount: u64) {
        let wide = u128::from(amount);
        match &mut self.state {
            State::Sliding { window, .. } => {
                window.advance(at);
                window.add(at, amount);
            }
            State::Calendar { period: (start, end), used, .. } => {
                if (*start..*end).contains(&at) {
                    *used = used.saturating_add(wide);
                }
            }
            State::Session { used } => *used = used.saturating_add(wide),
            // Nothing that was open before a restart still is.
            State::Concurrent { .. } => {}
            State::Identical { window } => {
                window.advance(at);
                window.add(at, amount);
                window.keep_newest(attempts_kept(self.n));
            }
        }
    }

    /// Whether it may be forgotten at `now`: an empty one in its place would answer the same.
    pub(super) fn is_idle(&mut self, now: Timestamp) -> bool {
        self.advance(now);
        match &self.state {
            State::Sliding { window, held } => *held == 0 && window.total() == 0,
            State::Calendar { period: (_, end), used, .. } => *used == 0 || *end <= now,
            State::Session { used } => *used == 0,
            State::Concurrent { open } => *open == 0,
            State::Identical { window } => window.total() == 0,
        }
    }

    /// What counts, what of it is held, and the moments of the rest.
    pub(super) fn contents(&mut self, now: Timestamp) -> (u128, u128, Vec<(Timestamp, u64)>) {
        self.advance(now);
        let (held, entries) = match &self.state {
            State::Sliding { window, held } => (*held, window.entries().collect()),
            State::Identical { window } => (0, window.entries().collect()),
            State::Concurrent { open } => (*open, Vec::new()),
            State::Calendar { .. } | State::Session { .. } => (0, Vec::new()),
        };
        (self.used(), held, entries)
    }

    fn used(&self) -> u128 {
        match &self.state {
            State::Sliding { window, held } => window.total().saturating_add(*held),
            State::Calendar { used, .. } | State::Session { used } | State::Concurrent { open: used } => {
                *used
            }
            State::Identical { window } => window.total(),
        }
    }

    fn generation(&self) -> Option<u64> {
        match &self.state {
            State::Calendar { generation, .. } => Some(*generation),
            State::Sliding { .. }
            | State::Session { .. }
            | State::Concurrent { .. }
            | State::Identical { .. } => None,
        }
    }

    fn advance(&mut self, now: Timestamp) {
        if let State::Sliding { window, .. } | State::Identical { window } = &mut self.state {
            window.advance(now);
        }
    }

    /// Whether `amount` fits beside what counts.
    fn fit(&self, amount: u64) -> Result<(), Full> {
        let of = u128::from(self.n);
        let wanted = self.used().saturating_add(u128::from(amount));
        let excess = wanted.saturating_sub(of);
        if excess == 0 {
            return Ok(());
        }
        if amount > self.n {
            return Err(Full { until: None });
        }
        Err(Full {
            until: match &self.state {
                State::Sliding { window, .. } => window.leaves(excess),
                State::Calendar { period: (_, end), .. } => Some(*end),
                State::Session { .. } | State::Concurrent { .. } | State::Identical { .. } => None,
            },
        })
    }

    /// Turns a calendar to `period`: one that begins after the current one ended starts empty,
    /// one that is over is not turned back to, and one that overlaps (the time zone was changed)
    /// takes over what is used.
    fn turn_to(&mut self, (start, end): Period) {
        if let State::Calendar { period, generation, used } = &mut self.state {
            if start >= period.1 {
                *generation = generation.saturating_add(1);
                *used = 0;
                *period = (start, end);
            } else if end > period.0 {
                *period = (start, end);
            }
        }
    }
}

/// Counts an attempt, and says whether it passes.
fn attempt(window: &mut Window, n: u64, now: Timestamp) -> Result<Room, Full> {
    let passes = window.total() < u128::from(n);
    let at = window.advance(now);
    window.add(at, 1);
    window.keep_newest(attempts_kept(n));
    let used = window.total();
    if passes {
        return Ok(Room { mark: Mark::Attempt, used });
    }
    let excess = used.saturating_sub(u128::from(n)).saturating_add(1);
    Err(Full { until: if n == 0 { None } else { window.leaves(excess) } })
}

/// Whether the next attempt passes depends on the newest `n` alone; some more are kept for a
/// limit that is raised.
fn attempts_kept(n: u64) -> u128 {
    u128::from(n.max(1024))
}
