//! Lines of a byte stream with bounded memory: how MCP frames messages on standard streams.
//!
//! Peers differ in what they take for the end of a line: some read a bare carriage return as
//! one (Python's text streams do), and JSON allows it as space between tokens. A message that
//! holds one would be three to such a peer, the middle one never looked at. So it is refused.

use super::envelope::{Refused, Why};

/// How much room is kept where nothing is held.
const KEPT: usize = 64 * 1024;

/// Cuts what is pushed into lines. Holds at most one line's bound and one push.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// How far there is certainly no line end.
    searched: usize,
    bound: usize,
    /// Inside a line that was too long already, and was told so.
    skipping: bool,
}

impl Lines {
    /// Lines of at most `bound` bytes.
    pub fn new(bound: usize) -> Self {
        Lines { buffer: Vec::new(), start: 0, searched: 0, bound, skipping: false }
    }

    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched = self.searched.saturating_sub(self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, without its line feed; a carriage return before that is still
    /// there, so that what is sent on is what came.
    ///
    /// # Errors
    /// The line is longer than the bound (told once, then skipped to its end), or holds a
    /// carriage return elsewhere than at its end.
    pub fn next_line(&mut self) -> Option<Result<&[u8], Refused>> {
        loop {
            let unread = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(found) = unread.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                if self.start >= self.searched && self.buffer.capacity() > KEPT {
                    // What was long once is not to be held by whoever is idle since.
                    self.buffer = Vec::new();
                    (self.start, self.searched) = (0, 0);
                }
                if self.searched.saturating_sub(self.start) <= self.bound {
                    return None;
                }
                self.start = self.searched; // forgotten at the next push
                if self.skipping {
                    return None;
                }
                self.skipping = true;
                return Some(Err(Why::TooLong { bound: self.bound }.into()));
            };
            let end = self.searched.saturating_add(found);
            let line = self.start..end;
            self.start = end.saturating_add(1);
            self.searched = self.start;
            if self.skipping {
                self.skipping = false;
                continue;
            }
            if line.len() > self.bound {
                return Some(Err(Why::TooLong { bound: self.bound }.into()));
            }
            return Some(checked(self.buffer.get(line).unwrap_or_default()));
        }
    }

    /// What is left at the end of the stream: a last line that has no line feed.
    ///
    /// # Errors
    /// As [`Lines::next_line`].
    pub fn last_line(&mut self) -> Option<Result<&[u8], Refused>> {
        let line = self.start..self.buffer.len();
        self.start = self.buffer.len();
        self.searched = self.start;
        if line.is_empty() || self.skipping {
            return None;
        }
        Some(checked(self.buffer.get(line).unwrap_or_default()))
    }
}

fn checked(line: &[u8]) -> Result<&[u8], Refused> {
    let inside = line.strip_suffix(b"\r").unwrap_or(line);
    if inside.contains(&b'\r') {
        return Err(Why::CarriageReturn.into());
    }
    Ok(line)
}
