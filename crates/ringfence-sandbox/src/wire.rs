//! What goes over the control socket between the caller and its keeper: frames of a 32-bit
//! little-endian length and that many bytes, descriptors attached to a frame's first byte.
//!
//! Both ends are the same executable, so there is no version in it. The keeper's end stands
//! beside a hostile process, so the caller takes nothing it reads for granted.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use ringfence_model::Need;
use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::{Exit, Feature, Features};

/// Longest frame: more than any `execve` takes.
const MAX_FRAME: usize = 16 << 20;
/// Most descriptors with one frame: the three standard streams.
const MAX_FDS: usize = 3;

/// What to run and how to hold it. The standard streams travel beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) pid_namespace: Need,
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) cwd: PathBuf,
    pub(crate) env: Vec<(OsString, OsString)>,
}

/// What the caller says once the command is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The gate is open: run it.
    Go,
    /// Its start was noted: its process may be reaped when it ends.
    Noted,
}

/// What the keeper says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// Everything is in place. With a PID namespace, a descriptor of its first process follows.
    Held(Features),
    /// A PID namespace is required, and there is none.
    NoPidNamespace(String),
    /// Descendants cannot be held.
    NotHeld(String),
    /// The working directory cannot be entered.
    NoDirectory(i32),
    /// The command runs; a descriptor of its process follows.
    Started,
    /// It could not be executed.
    NotExecuted(i32),
    /// It ended.
    Ended(Exit),
}

impl Order {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4096);
        out.push(match self.pid_namespace {
            Need::Required => 1,
            Need::Preferred => 0,
        });
        put(&mut out, self.program.as_bytes());
        put(&mut out, self.cwd.as_os_str().as_bytes());
        put_count(&mut out, self.args.len());
        for arg in &self.args {
            put(&mut out, arg.as_bytes());
        }
        put_count(&mut out, self.env.len());
        for (name, value) in &self.env {
            put(&mut out, name.as_bytes());
            put(&mut out, value.as_bytes());
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut rest = Rest(bytes);
        let pid_namespace = match rest.byte()? {
            1 => Need::Required,
            0 => Need::Preferred,
            _ => return Err(malformed()),
        };
        let program = rest.os_string()?;
        let cwd = rest.os_string()?.into();
        let args = (0..rest.count()?).map(|_| rest.os_string()).collect::<io::Result<_>>()?;
        let env = (0..rest.count()?)
            .map(|_| Ok((rest.os_string()?, rest.os_string()?)))
            .collect::<io::Result<_>>()?;
        Ok(Order { pid_namespace, program, args, cwd, env })
    }
}

impl Word {
    pub(crate) fn encode(self) -> [u8; 1] {
        match self {
            Word::Go => [b'g'],
            Word::Noted => [b'n'],
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> io::Result<Self> {
        match bytes {
            [b'g'] => Ok(Word::Go),
            [b'n'] => Ok(Word::Noted),
            _ => Err(malformed()),
        }
    }
}

impl Report {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Report::Held(features) => {
                out.push(1);
                put_feature(&mut out, &features.pid_namespace);
                put_feature(&mut out, &features.own_proc);
            }
            Report::NoPidNamespace(why) => {
                out.push(2);
                put(&mut out, why.as_bytes());
            }
            Report::NotHeld(why) => {
                out.push(3);
                put(&mut out, why.as_bytes());
            }
            Report::NoDirectory(errno) => put_number(&mut out, 4, *errno),
            Report::Started => out.push(5),
            Report::NotExecuted(errno) => put_number(&mut out, 6, *errno),
            Report::Ended(Exit::Code(code)) => put_number(&mut out, 7, *code),
            Report::Ended(Exit::Signal(signal)) => put_number(&mut out, 8, *signal),
            Report::Ended(Exit::Killed) => out.push(9),
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut rest = Rest(bytes);
        Ok(match rest.byte()? {
            1 => Report::Held(Features { pid_namespace: rest.feature()?, own_proc: rest.feature()? }),
            2 => Report::NoPidNamespace(rest.text()?),
            3 => Report::NotHeld(rest.text()?),
            4 => Report::NoDirectory(rest.number()?),
            5 => Report::Started,
            6 => Report::NotExecuted(rest.number()?),
            7 => Report::Ended(Exit::Code(rest.number()?)),
            8 => Report::Ended(Exit::Signal(rest.number()?)),
            9 => Report::Ended(Exit::Killed),
            _ => return Err(malformed()),
        })
    }
}

/// Sends one frame with its descriptors.
pub(crate) fn send(socket: impl AsFd, payload: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(|_| malformed())?.to_le_bytes();
    let mut frame = Vec::with_capacity(payload.len().saturating_add(4));
    frame.extend_from_slice(&length);
    frame.extend_from_slice(payload);
    let mut sent = 0;
    while let Some(rest) = frame.get(sent..).filter(|rest| !rest.is_empty()) {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if sent == 0 && !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(malformed());
        }
        match sendmsg(socket.as_fd(), &[IoSlice::new(rest)], &mut ancillary, SendFlags::NOSIGNAL) {
            Ok(count) => sent = sent.saturating_add(count),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Receives one frame; `None` where the other side has closed.
pub(crate) fn receive(socket: impl AsFd) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut fds = Vec::new();
    let mut length = [0; 4];
    if !fill(socket.as_fd(), &mut length, &mut fds)? {
        return Ok(None);
    }
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| malformed())?;
    if length > MAX_FRAME {
        return Err(malformed());
    }
    let mut payload = vec![0; length];
    if length > 0 && !fill(socket.as_fd(), &mut payload, &mut fds)? {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((payload, fds)))
}

/// Fills `buffer`; false where the other side closed before its first byte.
fn fill(socket: BorrowedFd<'_>, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<bool> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(socket, &mut [IoSliceMut::new(rest)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
        let count = match received {
            Ok(message) => message.bytes,
            Err(Errno::INTR) => continue,
            Err(Errno::CONNRESET) => 0,
            Err(errno) => return Err(errno.into()),
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                fds.extend(received);
            }
        }
        if count == 0 {
            return if filled == 0 { Ok(false) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        filled = filled.saturating_add(count);
    }
    Ok(true)
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// A count too large for its field makes a frame that [`send`] refuses.
fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_number(out: &mut Vec<u8>, kind: u8, number: i32) {
    out.push(kind);
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_feature(out: &mut Vec<u8>, feature: &Feature) {
    match feature {
        Feature::Holds => out.push(1),
        Feature::Missing(why) => {
            out.push(0);
            put(out, why.as_bytes());
        }
    }
}

/// What is left to read of a frame.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> io::Result<u8> {
        self.take(1)?.first().copied().ok_or_else(malformed)
    }

    fn four(&mut self) -> io::Result<[u8; 4]> {
        self.take(4)?.try_into().map_err(|_| malformed())
    }

    fn count(&mut self) -> io::Result<usize> {
        usize::try_from(u32::from_le_bytes(self.four()?)).map_err(|_| malformed())
    }

    fn number(&mut self) -> io::Result<i32> {
        Ok(i32::from_le_bytes(self.four()?))
    }

    fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let count = self.count()?;
        self.take(count)
    }

    fn os_string(&mut self) -> io::Result<OsString> {
        Ok(OsStr::from_bytes(self.bytes()?).to_owned())
    }

    fn text(&mut self) -> io::Result<String> {
        String::from_utf8(self.os_string()?.into_vec()).map_err(|_| malformed())
    }

    fn feature(&mut self) -> io::Result<Feature> {
        match self.byte()? {
            1 => Ok(Feature::Holds),
            0 => Ok(Feature::Missing(self.text()?)),
            _ => Err(malformed()),
        }
    }
}

pub(crate) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a malformed frame on the control socket")
}
