//! The journal being written: where the next frame goes, and when a half may be used again.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::disk::{Disk, RealDisk, sync_dir};
use crate::frame::BLOCK;

/// What is zeroed ahead of the writer at once, so that a flush seldom has to change more than
/// data: blocks that were never written cost the file system a commit of its own.
const AHEAD: u64 = 512 << 10;

/// The journal of a running log.
pub(crate) struct JournalWriter {
    file: Arc<File>,
    half: u64,
    /// Where the next frame goes.
    at: u64,
    /// Bytes below this were written at least once.
    zeroed: u64,
    /// Bytes below this may hold frames of an earlier use.
    used: u64,
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind the last one.
    Here(u64),
    /// At the beginning of the other half, which must hold nothing that is still needed.
    Other(u64),
}

impl JournalWriter {
    /// Makes the file, with room for both halves.
    pub(crate) fn create(log: &Path, half: u64) -> io::Result<Self> {
        let path = log.join("journal");
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        file.set_len(half.saturating_mul(2))?;
        let mut journal = JournalWriter { file: Arc::new(file), half, at: 0, zeroed: 0, used: 0 };
        journal.zero_ahead(&RealDisk, 0, 0)?;
        journal.file.sync_all()?;
        sync_dir(log)?;
        Ok(journal)
    }

    /// The file, to read frames back from.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The bytes of one half.
    pub(crate) fn half(&self) -> u64 {
        self.half
    }

    /// Where a frame of this many bytes goes. It fits into a half.
    pub(crate) fn place(&self, extent: u64) -> Place {
        let end = if self.at < self.half { self.half } else { self.half.saturating_mul(2) };
        if self.at.saturating_add(extent) <= end {
            Place::Here(self.at)
        } else {
            Place::Other(if end == self.half { self.half } else { 0 })
        }
    }

    /// Writes a frame where `place` said; durable after the flush. Behind the frame itself
    /// stands one zero block, as [`crate::frame::FrameWriter::finish`] gives it.
    pub(crate) fn write(&mut self, disk: &dyn Disk, frame: &[u8], at: u64) -> io::Result<()> {
        let frame_bytes = frame.len().saturating_sub(BLOCK);
        let end = at.saturating_add(u64::try_from(frame_bytes).unwrap_or(u64::MAX));
        let limit = if at < self.half { self.half } else { self.half.saturating_mul(2) };
        if end > self.zeroed {
            self.zero_ahead(disk, at, end)?;
        }
        // INVARIANT: the block behind the newest frame is zero, or an old frame might be read on.
        let written = if end < self.used.min(limit) { frame.len() } else { frame_bytes };
        self.used = self.used.max(end);
        disk.write_at(&self.file, frame.get(..written).unwrap_or(frame), at)?;
        self.at = end;
        Ok(())
    }

    /// Makes room for a frame from `at` to `end`, and zeroes what follows it in its half.
    fn zero_ahead(&mut self, disk: &dyn Disk, at: u64, end: u64) -> io::Result<()> {
        let limit = if at < self.half { self.half } else { self.half.saturating_mul(2) };
        let upto = end.saturating_add(AHEAD).min(limit);
        match fallocate(&*self.file, FallocateFlags::empty(), at, upto - at) {
            // File systems without it allocate when the zeros are written.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        let zeros = vec![0; usize::try_from(upto - end).unwrap_or(0)];
        disk.write_at(&self.file, &zeros, end)?;
        self.zeroed = upto;
        Ok(())
    }
}
