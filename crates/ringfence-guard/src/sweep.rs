//! What has had its time is let go of: sessions that nobody holds, asks that nobody answered,
//! counters that count nothing.

use ringfence_audit::record::{ApprovalAnswered, Record};
use ringfence_model::Timestamp;

use crate::guard::{Guard, Inner};
use crate::session::is_long_ago;
use crate::state::{Answer, ApprovalRow};

impl Guard {
    /// Lets go of what has had its time. Meant to be called every few seconds: it keeps memory
    /// bounded by what is in use, and decides nothing.
    pub fn sweep(&self) {
        let now = self.inner.now();
        self.inner.drop_expired_asks(now);
        self.inner.end_idle_sessions(now);
        self.inner.forget_dormant(now);
        self.inner.buckets.expire(now);
    }

    /// How many counters are in memory.
    pub fn counters(&self) -> usize {
        self.inner.buckets.count() + self.inner.dormant_buckets.lock().len()
    }
}

impl Inner {
    fn drop_expired_asks(&self, now: Timestamp) {
        let mut approvals = self.approvals.lock();
        let mut dropped = false;
        for id in approvals.expired(now) {
            // One whose record is on its way is dropped the next time.
            if approvals.by_id(&id).is_some_and(|row| row.record == ApprovalRow::UNRECORDED) {
                continue;
            }
            let Some(row) = approvals.remove(&id) else { continue };
            dropped = true;
            if row.answer == Answer::Awaited {
                // The fold has dropped it by its time already; this tells the reader.
                let said = ApprovalAnswered { id, verdict: "expired".into(), operator: None, via: None };
                self.queue(Record::ApprovalAnswered(said));
            }
        }
        drop(approvals);
        if dropped {
            self.answered();
        }
    }

    fn end_idle_sessions(&self, now: Timestamp) {
        let mut running = self.sessions.lock();
        // Only under this lock can a session be found, so one that nobody holds stays so.
        running.retain(|_, session| {
            let over = session.live().ended || self.is_over(session, now);
            if over {
                self.ended(session, "idle");
            }
            !over
        });
        let mut dormant = self.dormant.lock();
        dormant.retain(|_, (id, row)| {
            let over = is_long_ago(row.last, now) && !self.approvals.lock().any_live(id, now);
            if over {
                self.close(id, "idle");
                self.dormant_buckets
                    .lock()
                    .retain(|_, entries| entries.iter().all(|entry| entry.session.as_deref() != Some(&**id)));
            }
            !over
        });
    }

    fn forget_dormant(&self, now: Timestamp) {
        self.dormant_buckets.lock().retain(|_, entries| {
            entries.retain(|entry| entry.until.is_none_or(|until| until > now));
            !entries.is_empty()
        });
    }
}
