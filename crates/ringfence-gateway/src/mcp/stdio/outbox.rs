//! What is to be written to one side. Bounded by whoever fills it: reading from the other side
//! stops while this is full, so that back-pressure goes from end to end.

use std::collections::VecDeque;
use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::mcp::envelope::MAX_BYTES;

/// From how many waiting bytes on the other side is no longer read.
const FULL: usize = 1 << 20;
/// From how many on this side itself is no longer read: it makes answers of ours necessary and
/// does not read them. More than what may wait here of the other side's.
const FLOODED: usize = 2 * (FULL + MAX_BYTES);

pub(super) struct Outbox<W> {
    writer: Option<W>,
    waiting: VecDeque<Vec<u8>>,
    /// How much of the first has been written.
    written: usize,
    bytes: usize,
}

impl<W: AsyncWrite + Unpin> Outbox<W> {
    pub(super) fn new(writer: W) -> Self {
        Outbox { writer: Some(writer), waiting: VecDeque::new(), written: 0, bytes: 0 }
    }

    /// Adds one message and its line end.
    pub(super) fn push(&mut self, message: &[u8]) {
        if self.writer.is_none() {
            return;
        }
        let mut line = Vec::with_capacity(message.len().saturating_add(1));
        line.extend_from_slice(message);
        line.push(b'\n');
        self.bytes = self.bytes.saturating_add(line.len());
        self.waiting.push_back(line);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= FULL
    }

    pub(super) fn is_flooded(&self) -> bool {
        self.bytes >= FLOODED
    }

    pub(super) fn is_closed(&self) -> bool {
        self.writer.is_none()
    }

    /// Nothing more is written; the other end sees the end of its input.
    pub(super) fn close(&mut self) {
        self.writer = None;
        self.waiting.clear();
        self.bytes = 0;
    }

    /// Writes some of what waits. May be dropped at any await without losing or repeating a byte.
    pub(super) async fn write(&mut self) -> io::Result<()> {
        let (Some(writer), Some(first)) = (&mut self.writer, self.waiting.front()) else {
            return Ok(());
        };
        let rest = first.get(self.written..).unwrap_or_default();
        let some = writer.write(rest).await?;
        if some == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written = self.written.saturating_add(some);
        self.bytes = self.bytes.saturating_sub(some);
        if self.written >= first.len() {
            self.waiting.pop_front();
            self.written = 0;
            if self.waiting.is_empty() {
                writer.flush().await?;
            }
        }
        Ok(())
    }
}
