//! The journal's frames: one for each group that was committed, with its records, their payloads
//! and the head signed over them. This module turns groups into bytes and back, and finds which
//! frames of a journal count; it opens no file.
//!
//! A frame begins at a multiple of [`BLOCK`], so that writing one never rewrites a block that
//! holds acknowledged records. The journal is two halves; each is filled from its beginning, and
//! reused when what it holds lies in tiles. Frames of an earlier use carry smaller indices, and
//! that is how they are told apart.

use ringfence_model::Digest;

use crate::hash::sha256;

/// Frames begin at multiples of this.
pub(crate) const BLOCK: usize = 4096;

const MAGIC: &[u8; 8] = b"RFJRNL\x00\x01";
const HEADER: usize = 72;
/// Where the part that the checksum covers begins.
const SUMMED: usize = 40;
/// In the header: the group was acknowledged before it was flushed.
const ASYNC: u32 = 1;

/// Whether nothing but zeros is there, compared block by block.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    bytes.chunks(BLOCK).all(|chunk| ZEROS.starts_with(chunk))
}

/// Whether a group was flushed before it was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    Before,
    Perhaps,
}

/// Builds the bytes of one frame, in one buffer that is used again.
#[derive(Debug, Default)]
pub(crate) struct FrameWriter {
    bytes: Vec<u8>,
}

impl FrameWriter {
    /// Begins a frame, forgetting the last one.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.resize(HEADER, 0);
    }

    /// Adds a record: the parts of its leaf, and its payload as stored, empty where it has none.
    pub(crate) fn push(&mut self, leaf: [&[u8]; 2], payload: &[u8]) -> &[u8] {
        let [head, tail] = leaf;
        self.bytes.extend_from_slice(&length(head.len() + tail.len()).to_le_bytes());
        self.bytes.extend_from_slice(&length(payload.len()).to_le_bytes());
        let start = self.bytes.len();
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(tail);
        let end = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.bytes.get(start..end).expect("invariant: just written")
    }

    /// Ends the frame. Gives the bytes to write, a whole number of blocks, and one zero block
    /// behind them.
    pub(crate) fn finish(&mut self, group: &Group<'_>) -> &[u8] {
        let Group { start, count, note, flushed, half } = *group;
        self.bytes.extend_from_slice(note.as_bytes());
        let total = length(self.bytes.len());
        let flags = match flushed {
            Flushed::Before => 0,
            Flushed::Perhaps => ASYNC,
        };
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&[0; 32]);
        header.extend_from_slice(&total.to_le_bytes());
        header.extend_from_slice(&flags.to_le_bytes());
        header.extend_from_slice(&start.to_le_bytes());
        header.extend_from_slice(&count.to_le_bytes());
        header.extend_from_slice(&length(note.len()).to_le_bytes());
        header.extend_from_slice(&half.to_le_bytes());
        self.bytes.splice(..HEADER, header);
        let sum = sha256(self.bytes.get(SUMMED..).expect("invariant: a frame has a header"));
        if let Some(place) = self.bytes.get_mut(MAGIC.len()..SUMMED) {
            place.copy_from_slice(&sum.0);
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK) + BLOCK, 0);
        &self.bytes
    }
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("invariant: groups are bounded far below 4 GiB")
}

/// What a frame says of its group beside the records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group<'a> {
    /// The index of its first record.
    pub(crate) start: u64,
    pub(crate) count: u32,
    /// The head signed over it.
    pub(crate) note: &'a str,
    pub(crate) flushed: Flushed,
    /// The bytes of one half of the journal.
    pub(crate) half: u64,
}

/// A frame as found: its checksum holds and its lengths fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// The index of its first record.
    pub(crate) start: u64,
    pub(crate) count: u32,
    /// The head signed over it, as text, not yet checked.
    pub(crate) note: &'a str,
    pub(crate) flushed: Flushed,
    /// The blocks it takes, in bytes.
    pub(crate) extent: usize,
    /// The bytes of one half of the journal it was written to.
    pub(crate) half: u64,
    records: &'a [u8],
}

/// One record of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameRecord<'a> {
    pub(crate) leaf: &'a [u8],
    /// Empty where the record has none.
    pub(crate) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the beginning of `bytes`; `None` where there is none, or not whole.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Frame<'a>> {
        let mut header = Fields(bytes);
        if header.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let sum: [u8; 32] = header.take(32)?.try_into().ok()?;
        let total = usize::try_from(header.u32()?).ok()?;
        let flushed = if header.u32()? & ASYNC == 0 { Flushed::Before } else { Flushed::Perhaps };
        let (start, count) = (header.u64()?, header.u32()?);
        let note_length = usize::try_from(header.u32()?).ok()?;
        let half = header.u64()?;
        let whole = bytes.get(..total)?;
        if sha256(whole.get(SUMMED..)?) != Digest(sum) {
            return None;
        }
        let (records, note) =
            whole.get(HEADER..)?.split_at_checked(total.checked_sub(HEADER + note_length)?)?;
        let note = std::str::from_utf8(note).ok()?;
        let extent = total.next_multiple_of(BLOCK);
        if !is_zero(bytes.get(total..extent)?) {
            return None;
        }
        let frame = Frame { start, count, note, flushed, extent, half, records };
        // Its records must fill it exactly, or it is none of ours.
        let mut rest = Fields(records);
        for _ in 0..count {
            frame_record(&mut rest)?;
        }
        (rest.0.is_empty() && count > 0 && start.checked_add(u64::from(count)).is_some()).then_some(frame)
    }

    /// The index after its last record.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(u64::from(self.count))
    }

    /// Its records, in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = FrameRecord<'a>> + use<'a> {
        let mut rest = Fields(self.records);
        std::iter::from_fn(move || frame_record(&mut rest))
    }
}

fn frame_record<'a>(rest: &mut Fields<'a>) -> Option<FrameRecord<'a>> {
    let leaf = usize::try_from(rest.u32()?).ok()?;
    let payload = usize::try_from(rest.u32()?).ok()?;
    Some(FrameRecord { leaf: rest.take(leaf)?, payload: rest.take(payload)? })
}

/// What is left of bytes that are read field by field.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }
}

/// What a journal holds.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    /// The frames that count, oldest first, each beginning where the one before it ends.
    pub(crate) frames: Vec<(u64, Frame<'a>)>,
    /// Where bytes stand that look like a group that was never finished.
    pub(crate) torn: Option<u64>,
}

/// A journal that no crash can have left like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// A group is broken, and a later one is whole.
    #[error(
        "the group at byte {at} that should begin with record {index} is damaged: a later group is whole"
    )]
    Hole {
        /// The byte of the journal.
        at: u64,
        /// The record the damaged group begins with.
        index: u64,
    },
    /// The halves do not follow one another.
    #[error("records {from} to {to} are missing from it")]
    Gap {
        /// The first record that is missing.
        from: u64,
        /// The first record after the gap.
        to: u64,
    },
    /// The file is not as long as it was made.
    #[error("it has {found} bytes instead of {expected}")]
    Length {
        /// As made.
        expected: u64,
        /// As found.
        found: u64,
    },
}

/// Finds the frames that count in a journal of `length` bytes, beside tiles that hold `laid`
/// records. Each half may be given without the zeros at its end.
///
/// # Errors
/// A journal that no crash can have left like this.
pub(crate) fn scan<'a>(halves: [&'a [u8]; 2], length: u64, laid: u64) -> Result<Contents<'a>, Damaged> {
    let [first, second] = halves;
    let mut runs = [run(first, 0), run(second, length / 2)];
    let whole = runs.iter().flat_map(|run| run.frames.iter().map(|(_, frame)| frame).chain(&run.loose));
    if let Some(half) = whole.map(|frame| frame.half).find(|half| half.checked_mul(2) != Some(length)) {
        return Err(Damaged::Length { expected: half.saturating_mul(2), found: length });
    }
    runs.sort_by_key(|run| run.frames.first().map(|(_, frame)| frame.start));
    let [mut older, newer] = runs;
    if let (Some((_, last)), Some((_, next))) = (older.frames.last(), newer.frames.first())
        && last.end() != next.start
    {
        return Err(Damaged::Gap { from: last.end(), to: next.start });
    }
    let reached = newer.frames.last().map_or(0, |(_, frame)| frame.end()).max(laid);
    // Behind a broken place, a frame of an earlier use is smaller than what is reached.
    for run in [&older, &newer] {
        let later = |frame: &Frame<'_>| frame.start >= reached && frame.flushed == Flushed::Before;
        if run.loose.iter().any(later) {
            return Err(Damaged::Hole { at: run.broken, index: reached });
        }
    }
    let torn = newer.torn.or(older.torn);
    older.frames.extend(newer.frames);
    if let Some((_, frame)) = older.frames.first().filter(|(_, frame)| frame.start > laid) {
        return Err(Damaged::Gap { from: laid, to: frame.start });
    }
    Ok(Contents { frames: older.frames, torn })
}

/// One half's frames from its beginning, and what lies behind them.
struct Run<'a> {
    frames: Vec<(u64, Frame<'a>)>,
    /// The first place without one.
    broken: u64,
    /// Whole frames behind that place.
    loose: Vec<Frame<'a>>,
    torn: Option<u64>,
}

fn run(half: &[u8], base: u64) -> Run<'_> {
    let place = |at: usize| base.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
    let mut found = Run { frames: Vec::new(), broken: 0, loose: Vec::new(), torn: None };
    let mut at = 0;
    while let Some(frame) = half.get(at..).and_then(Frame::parse) {
        if found.frames.last().is_some_and(|(_, last): &(u64, Frame<'_>)| last.end() != frame.start) {
            break;
        }
        found.frames.push((place(at), frame));
        at += frame.extent;
    }
    // INVARIANT: the writer keeps the block behind the newest frame zero.
    let rest = half.get(at..).unwrap_or_default();
    let begun = !is_zero(rest.get(..BLOCK).unwrap_or(rest));
    found.torn = begun.then_some(place(at));
    found.broken = place(at);
    found.loose = whole_frames(rest).collect();
    found
}

/// Every whole frame that begins at a block.
fn whole_frames(bytes: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
            if let Some(frame) = Frame::parse(rest) {
                at += frame.extent;
                return Some(frame);
            }
            at += BLOCK;
        }
    })
}
