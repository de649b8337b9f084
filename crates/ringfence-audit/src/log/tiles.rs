//! The log's two threads: one commits for those who do not wait in a thread of their own, one
//! lays tiles. And the end of both.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::append::Failure;
use super::{Durability, Shared, lock};
use crate::disk::sync_dir;
use crate::frame::Frame;
use crate::lay::Layer;

/// Tiles are laid after this many quiet spans' time, however much comes.
const PATIENCE: u32 = 10;

/// Tiles that cannot be laid.
#[derive(Debug, thiserror::Error)]
#[error("the log has stopped; what was acknowledged is in its journal, open it again")]
pub struct TilesError(#[from] Failure);

/// A log that could not be ended cleanly. What was acknowledged is in its journal.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// It had stopped before, or tiles could not be laid.
    #[error("the log could not be closed cleanly; what was acknowledged is in its journal")]
    Failed(#[source] Failure),
    /// The journal could not be removed.
    #[error("cannot remove the journal")]
    Journal(#[source] io::Error),
}

pub(super) fn start(shared: &Arc<Shared>, layer: Layer) -> io::Result<Vec<JoinHandle<()>>> {
    let (writer, tiles) = (Arc::clone(shared), Arc::clone(shared));
    let writer = thread::Builder::new()
        .name("ringfence-log".to_owned())
        .spawn(move || writer.guarded(|| writer.write_on()))?;
    let tiles = thread::Builder::new()
        .name("ringfence-tiles".to_owned())
        .spawn(move || tiles.guarded(|| tiles.lay_on(layer)));
    match tiles {
        Ok(tiles) => Ok(vec![writer, tiles]),
        Err(error) => {
            shared.close_queue();
            writer.join().ok();
            Err(error)
        }
    }
}

impl Shared {
    /// A panic in a thread must not leave others waiting for it.
    fn guarded(&self, run: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            self.fail(Failure::defect(&self.paths.log));
        }
    }

    /// Commits whatever is queued, until the end.
    fn write_on(&self) {
        loop {
            let mut queue = lock(&self.queue);
            while !queue.told && !queue.closed {
                queue.asleep = true;
                queue = match queue.due.map(|due| due.saturating_duration_since(Instant::now())) {
                    None => self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner),
                    Some(Duration::ZERO) => break,
                    Some(left) => {
                        self.bell.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0
                    }
                };
            }
            queue.asleep = false;
            queue.told = false;
            queue.due = None;
            let last = queue.closed;
            drop(queue);
            while self.commit() {}
            if last {
                return;
            }
        }
    }

    /// Lays tiles whenever it is time, until the end or a failure.
    fn lay_on(&self, mut layer: Layer) {
        loop {
            let stopping = match self.wait_for_work() {
                Work::Lay => false,
                Work::Last => true,
                Work::Over => return,
            };
            if let Err(failure) = self.lay_once(&mut layer) {
                self.fail(failure);
                return;
            }
            if stopping {
                return;
            }
        }
    }

    fn wait_for_work(&self) -> Work {
        let mut published = self.published();
        let mut seen = published.head.size;
        let mut spans = 0;
        loop {
            if published.failed.is_some() {
                return Work::Over;
            }
            if published.stopping {
                return Work::Last;
            }
            if published.wanted {
                return Work::Lay;
            }
            if published.groups.is_empty() {
                published = self.moved.wait(published).unwrap_or_else(PoisonError::into_inner);
                seen = published.head.size;
                spans = 0;
                continue;
            }
            let (next, timeout) =
                self.moved.wait_timeout(published, self.quiet).unwrap_or_else(PoisonError::into_inner);
            published = next;
            if timeout.timed_out() {
                spans += 1;
                if published.head.size == seen || spans >= PATIENCE {
                    return Work::Lay;
                }
                seen = published.head.size;
            }
        }
    }

    fn lay_once(&self, layer: &mut Layer) -> Result<(), Failure> {
        let mut published = self.published();
        published.wanted = false;
        let (size, note) = (published.head.size, Arc::clone(&published.note));
        let (groups, journal) = (published.groups.clone(), published.journal.clone());
        drop(published);
        if let Some(journal) = journal.filter(|_| !groups.is_empty()) {
            let path = || self.paths.log.join("journal");
            if self.durability == Durability::DangerAsync {
                // Tiles never get ahead of the journal, whatever the machine does.
                self.disk.flush(&journal).map_err(|source| Failure {
                    doing: "flush",
                    path: path(),
                    source: Arc::new(source),
                })?;
            }
            let mut bytes = Vec::new();
            for group in &groups {
                bytes.resize(usize::try_from(group.bytes).unwrap_or(usize::MAX), 0);
                journal.read_exact_at(&mut bytes, group.at).map_err(|source| Failure {
                    doing: "read",
                    path: path(),
                    source: Arc::new(source),
                })?;
                let frame = Frame::parse(&bytes).filter(|frame| frame.start == group.start);
                let frame = frame.ok_or_else(|| Failure {
                    doing: "read back what was written to",
                    path: path(),
                    source: Arc::new(io::Error::other(format!(
                        "the group of record {} has changed",
                        group.start
                    ))),
                })?;
                for record in frame.records() {
                    layer.push(record).map_err(from_lay)?;
                }
            }
            layer.finish(&note).map_err(from_lay)?;
        }
        let mut published = self.published();
        published.laid = size;
        published.head.durable = published.head.durable.max(size);
        while published.groups.front().is_some_and(|group| group.end <= size) {
            published.groups.pop_front();
        }
        self.moved.notify_all();
        Ok(())
    }

    /// Waits until everything committed so far lies in tiles.
    pub(super) fn lay(&self) -> Result<(), TilesError> {
        let mut published = self.published();
        let size = published.head.size;
        while published.laid < size {
            if let Some(failure) = &published.failed {
                return Err(failure.clone().into());
            }
            published.wanted = true;
            self.moved.notify_all();
            published = self.moved.wait(published).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn close_queue(&self) {
        let mut queue = lock(&self.queue);
        queue.closed = true;
        drop(queue);
        self.bell.notify_all();
    }

    /// The end: everything queued is committed, every tile laid, the journal removed.
    pub(super) fn end(&self, threads: Vec<JoinHandle<()>>) -> Result<(), CloseError> {
        self.close_queue();
        // By now the queue only shrinks; when it is empty here, no group is under way either.
        while self.commit() {}
        let mut threads = threads.into_iter();
        if let Some(writer) = threads.next() {
            join(writer);
        }
        self.published().stopping = true;
        self.moved.notify_all();
        threads.for_each(join);
        let failed = self.published().failed.clone();
        let result = match failed {
            Some(failure) => Err(CloseError::Failed(failure)),
            None => self.remove_journal().map_err(CloseError::Journal),
        };
        // Handles may outlive this; the directory is free all the same.
        rustix::fs::flock(&self.lock, rustix::fs::FlockOperation::Unlock).ok();
        result
    }

    fn remove_journal(&self) -> io::Result<()> {
        match fs::remove_file(self.paths.log.join("journal")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
        sync_dir(&self.paths.log)
    }
}

enum Work {
    Lay,
    /// Lay what is there, and end.
    Last,
    Over,
}

fn from_lay(error: crate::lay::LayError) -> Failure {
    let (path, source) = error.into_parts();
    Failure { doing: "write", path, source: Arc::new(source) }
}

fn join(thread: JoinHandle<()>) {
    // The last handle may be dropped by a thread of the log itself, in a callback.
    if thread.thread().id() != thread::current().id() {
        // A panic there has been printed; the log says that it failed where that matters.
        thread.join().ok();
    }
}
