//! Server-sent events (HTML Standard, section 9.2) with bounded memory: what a server over
//! Streamable HTTP answers with when it has more than one thing to say.

use crate::mcp::envelope::{Refused, Why};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// What it says; its lines joined by line feeds. None for an event that says nothing.
    pub data: Option<String>,
    /// Its kind; none for `message`.
    pub kind: Option<String>,
    /// What a client that comes back names to hear what came after it.
    pub id: Option<String>,
    /// After how many milliseconds to come back.
    pub retry: Option<u64>,
}

/// Cuts what is pushed into events. Holds at most one event's bound and one push, and looks at each
/// byte once, however they arrive.
#[derive(Debug)]
pub struct Events {
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// How far there is certainly no line end.
    searched: usize,
    bound: usize,
    event: Event,
    /// Bytes of the event that is being put together.
    size: usize,
    /// Nothing has been read yet: a byte order mark may come.
    at_start: bool,
    /// The last line ended with a carriage return: a line feed may come that belongs to it.
    after_return: bool,
}

impl Events {
    /// Events of at most `bound` bytes.
    pub fn new(bound: usize) -> Self {
        Events {
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            bound,
            event: Event::default(),
            size: 0,
            at_start: true,
            after_return: false,
        }
    }

    /// Whether nothing is held of an event that is not whole.
    pub fn is_empty(&self) -> bool {
        self.size == 0 && self.start >= self.buffer.len()
    }

    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched = self.searched.saturating_sub(self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event.
    ///
    /// # Errors
    /// It is longer than the bound or not UTF-8: the stream is of no use from here on.
    pub fn next_event(&mut self) -> Result<Option<Event>, Refused> {
        loop {
            if self.after_return
                && let Some(byte) = self.buffer.get(self.start)
            {
                self.after_return = false;
                if *byte == b'\n' {
                    self.start = self.start.saturating_add(1);
                    self.searched = self.searched.max(self.start);
                }
            }
            let unread = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(found) = unread.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.searched = self.buffer.len();
                if self.size.saturating_add(self.searched.saturating_sub(self.start)) > self.bound {
                    return Err(Why::TooLong { bound: self.bound }.into());
                }
                return Ok(None);
            };
            let end = self.searched.saturating_add(found);
            let line = self.buffer.get(self.start..end).unwrap_or_default();
            self.after_return = self.buffer.get(end) == Some(&b'\r');
            self.start = end.saturating_add(1);
            self.searched = self.start;
            // As it came, so that it counts the same before its end is there.
            self.size = self.size.saturating_add(line.len());
            if self.size > self.bound {
                return Err(Why::TooLong { bound: self.bound }.into());
            }
            let line = str::from_utf8(line).map_err(|error| Why::NotUtf8 { at: error.valid_up_to() })?;
            let line = if self.at_start { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
            self.at_start = false;
            if !line.is_empty() {
                self.event.take(line);
                continue;
            }
            self.size = 0;
            let event = std::mem::take(&mut self.event);
            if event != Event::default() {
                return Ok(Some(event));
            }
        }
    }
}

impl Event {
    fn take(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "event" => self.kind = Some(value.to_owned()),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" => self.retry = value.parse().ok(),
            // A comment, or a field of tomorrow.
            _ => {}
        }
    }
}
