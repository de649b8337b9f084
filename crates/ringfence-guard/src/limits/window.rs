//! What was used within the last stretch of time, in bounded memory.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::SignedDuration;
use ringfence_model::Timestamp;

/// How many moments a window tells apart. More of them share slots, each of which counts until
/// the latest of its moments has left the window.
const MAX_SLOTS: usize = 1024;

/// How fine the shared slots are: an amount may count longer than it should by at most this part
/// of the window, never shorter.
const CELLS: i128 = 512;

/// Amounts by the moment from which they count. Sums in 128 bits, so that none overflows.
#[derive(Debug)]
pub(super) struct Window {
    length: SignedDuration,
    /// Ascending stamps. INVARIANT: a slot holds every amount whose moment is after the previous
    /// slot's stamp and not after its own.
    slots: VecDeque<Slot>,
    /// The sum over `slots`.
    total: u128,
    /// The latest moment seen: time does not run backwards here.
    latest: Timestamp,
    /// The stamp of the newest slot that has left.
    gone: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    stamp: Timestamp,
    amount: u128,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Window {
            length: SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX),
            slots: VecDeque::new(),
            total: 0,
            latest: Timestamp::MIN,
            gone: Timestamp::MIN,
        }
    }

    /// Moves to `now`, or stays where a later moment has been seen, and lets go of what has left
    /// the window. Gives the moment it is at.
    pub(super) fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.latest = self.latest.max(now);
        while let Some(oldest) = self.slots.front() {
            if self.latest.duration_since(oldest.stamp) < self.length {
                break;
            }
            self.total = self.total.saturating_sub(oldest.amount);
            self.gone = oldest.stamp;
            self.slots.pop_front();
        }
        self.latest
    }

    /// What counts at the moment it is at.
    pub(super) fn total(&self) -> u128 {
        self.total
    }

    /// Counts `amount` from `at` on. Moments that have left already are not counted.
    pub(super) fn add(&mut self, at: Timestamp, amount: u64) {
        if amount == 0 || self.latest.duration_since(at) >= self.length {
            return;
        }
        let amount = u128::from(amount);
        self.total = self.total.saturating_add(amount);
        let place = self.slots.partition_point(|slot| slot.stamp < at);
        match self.slots.get_mut(place) {
            Some(slot) if slot.stamp == at => slot.amount = slot.amount.saturating_add(amount),
            Some(_) | None => self.slots.insert(place, Slot { stamp: at, amount }),
        }
        if self.slots.len() > MAX_SLOTS {
            self.share_slots();
        }
    }

    /// Takes back part of what was added at `at`, unless it has left already.
    pub(super) fn take_back(&mut self, at: Timestamp, amount: u64) {
        if at <= self.gone {
            return;
        }
        let place = self.slots.partition_point(|slot| slot.stamp < at);
        if let Some(slot) = self.slots.get_mut(place) {
            let taken = slot.amount.min(u128::from(amount));
            slot.amount -= taken;
            self.total = self.total.saturating_sub(taken);
        }
    }

    /// Lets go of the oldest amounts beyond `most`: they are as good as counted.
    pub(super) fn keep_newest(&mut self, most: u128) {
        while let Some(oldest) = self.slots.front_mut() {
            let excess = self.total.saturating_sub(most);
            if excess == 0 {
                return;
            }
            let dropped = oldest.amount.min(excess);
            oldest.amount -= dropped;
            self.total = self.total.saturating_sub(dropped);
            if oldest.amount == 0 {
                self.gone = oldest.stamp;
                self.slots.pop_front();
            }
        }
    }

    /// The moment by which at least `amount` of what counts now has left; none where less counts,
    /// or where that moment is beyond time.
    pub(super) fn leaves(&self, amount: u128) -> Option<Timestamp> {
        let mut left = 0u128;
        let slot = self.slots.iter().find(|slot| {
            left = left.saturating_add(slot.amount);
            left >= amount
        })?;
        slot.stamp.checked_add(self.length).ok()
    }

    /// Amounts with their moments, oldest first.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Timestamp, u64)> {
        self.slots
            .iter()
            .filter(|slot| slot.amount > 0)
            .map(|slot| (slot.stamp, u64::try_from(slot.amount).unwrap_or(u64::MAX)))
    }

    /// Drops empty slots; where there are still too many, those of one cell of a fixed grid
    /// become one, at the latest of their stamps.
    fn share_slots(&mut self) {
        self.slots.retain(|slot| slot.amount > 0);
        if self.slots.len() <= MAX_SLOTS {
            return;
        }
        let cell = (self.length.as_nanos() / CELLS).max(1);
        let cell_of = |slot: &Slot| slot.stamp.as_nanosecond().div_euclid(cell);
        let mut shared: VecDeque<Slot> = VecDeque::with_capacity(MAX_SLOTS + 1);
        for slot in self.slots.drain(..) {
            match shared.back_mut() {
                Some(last) if cell_of(last) == cell_of(&slot) => {
                    last.stamp = slot.stamp;
                    last.amount = last.amount.saturating_add(slot.amount);
                }
                Some(_) | None => shared.push_back(slot),
            }
        }
        self.slots = shared;
    }
}
