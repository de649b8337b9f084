//! Counters that hold: how much of each limit is used, exactly, whoever asks at the same time.
//!
//! A [`Reservation`] is taken before an attempt is permitted, so that two attempts never pass on
//! the same last unit; it counts from the moment the attempt begins, and is settled to what was
//! really used. Which limits there are, who owns a bucket and when a calendar's day ends is the
//! caller's; so is the clock. Nothing here is written down: after a restart the log's charges are
//! put back with [`Buckets::restore`].

mod bucket;
mod buckets;
mod reservation;
mod shape;
mod window;

pub use buckets::{Buckets, Reserve, Snapshot};
pub use reservation::Reservation;
pub use shape::{BucketKey, Full, Period, Shape};
