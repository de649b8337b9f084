//! What one attempt holds of one limit.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use ringfence_model::Timestamp;

use super::bucket::Mark;
use super::buckets::Shared;
use super::shape::{Full, Period};

/// How many moments of growth can still be given back. What grew before them stays counted: a
/// stream that is metered for hours holds bounded memory.
const MAX_GROWN: usize = 256;

/// An amount that nobody else can take.
///
/// Dropped before it has begun it is given back. Dropped after, it stays counted as it was
/// reserved, because nobody knows that less was used; only what is limited in how much is open
/// at once is free again.
#[must_use = "dropping a reservation gives it back"]
pub struct Reservation {
    bucket: Arc<Shared>,
    first: Part,
    grown: VecDeque<Part>,
    /// The sum of growth that is not in `grown` any more.
    fixed: u64,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    mark: Mark,
    amount: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reserved,
    Begun,
    Settled,
}

impl Reservation {
    pub(super) fn new(bucket: Arc<Shared>, mark: Mark, amount: u64) -> Self {
        Reservation {
            bucket,
            first: Part { mark, amount },
            grown: VecDeque::new(),
            fixed: 0,
            stage: Stage::Reserved,
        }
    }

    /// It counts from `now`. `period` is the calendar's at `now`, and is looked at for calendars
    /// alone: what was reserved in a period that is over is reserved anew in this one. A second
    /// time changes nothing.
    ///
    /// # Errors
    /// When the new period has not enough left, or a calendar was given no period; nothing has
    /// begun then.
    pub fn begin(&mut self, now: Timestamp, period: Option<Period>) -> Result<(), Full> {
        if self.stage != Stage::Reserved {
            return Ok(());
        }
        let mut bucket = self.bucket.lock();
        for part in std::iter::once(&mut self.first).chain(&mut self.grown) {
            part.mark = bucket.begin(part.mark, part.amount, now, period)?;
        }
        self.stage = Stage::Begun;
        Ok(())
    }

    /// Takes `more`, which counts from `now`; `period` as for [`begin`](Reservation::begin).
    ///
    /// # Errors
    /// When there is not enough left; what was held before is held on.
    pub fn grow(&mut self, more: u64, now: Timestamp, period: Option<Period>) -> Result<(), Full> {
        let newest = self.newest();
        let mark = self.bucket.lock().grow(newest.mark, more, now, period)?;
        if mark == newest.mark {
            let part = self.grown.back_mut().unwrap_or(&mut self.first);
            part.amount = part.amount.saturating_add(more);
            return Ok(());
        }
        self.grown.push_back(Part { mark, amount: more });
        if self.grown.len() > MAX_GROWN
            && let Some(oldest) = self.grown.pop_front()
        {
            self.fixed = self.fixed.saturating_add(oldest.amount);
        }
        Ok(())
    }

    /// Replaces what was reserved by what was used. More than was reserved counts from `now`, even
    /// beyond the limit: the next attempt is refused then. A unit of what is limited in how much is
    /// open at once is free again whatever `actual` is, and attempts stay counted.
    pub fn settle(mut self, actual: u64, now: Timestamp) {
        self.stage = Stage::Settled;
        let newest = self.newest();
        let mut bucket = self.bucket.lock();
        let reserved = self.parts().fold(self.fixed, |sum, part| sum.saturating_add(part.amount));
        let mut unused = match newest.mark {
            Mark::Open => reserved,
            Mark::Held | Mark::At(_) | Mark::Generation(_) | Mark::Sum | Mark::Attempt => {
                reserved.saturating_sub(actual)
            }
        };
        // The oldest first: it would have stopped counting first.
        for part in self.parts() {
            let mark = bucket.stamp(part.mark, part.amount, now);
            let back = part.amount.min(unused);
            bucket.give_back(mark, back);
            unused -= back;
        }
        let excess = actual.saturating_sub(reserved);
        if excess > 0 && newest.mark != Mark::Open {
            let mark = bucket.stamp(newest.mark, 0, now);
            bucket.count(mark, excess, now);
        }
    }

    fn parts(&self) -> impl Iterator<Item = Part> {
        std::iter::once(self.first).chain(self.grown.iter().copied())
    }

    fn newest(&self) -> Part {
        self.grown.back().copied().unwrap_or(self.first)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut bucket = self.bucket.lock();
        for part in self.parts() {
            match (self.stage, part.mark) {
                (Stage::Reserved, _) | (Stage::Begun, Mark::Open) => bucket.give_back(part.mark, part.amount),
                (Stage::Begun | Stage::Settled, _) => {}
            }
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("stage", &self.stage)
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}
