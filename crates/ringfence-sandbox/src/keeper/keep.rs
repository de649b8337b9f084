//! Keeping the command: wait for the word, execute it, reap what dies, say how it ended.
//!
//! Runs as the first process of the namespace, whose return ends everything in it, or in the
//! keeper itself where there is none.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus, pidfd_open, wait};

use crate::Exit;
use crate::kernel;
use crate::wire::{self, Order, Report, Word};

/// The command's standard streams. Held until it is executed and not a moment longer, or
/// whoever reads their other ends would never see them close.
pub(super) struct Streams {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Streams {
    pub(super) fn from_fds(fds: Vec<OwnedFd>) -> io::Result<Self> {
        let [stdin, stdout, stderr] = <[OwnedFd; 3]>::try_from(fds).map_err(|_| wire::malformed())?;
        Ok(Streams { stdin, stdout, stderr })
    }
}

/// Returns when the command has ended or the caller is gone.
pub(super) fn keep(control: &OwnedFd, order: Order, streams: Streams) -> io::Result<()> {
    let children = kernel::child_signals()?;
    if heard(control)? != Some(Word::Go) {
        return Ok(());
    }
    let command = match execute(order, streams) {
        Ok(command) => command,
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
            return wire::send(control, &Report::NotExecuted(errno).encode(), &[]);
        }
    };
    let process = pidfd_open(command, PidfdFlags::empty())?;
    wire::send(control, &Report::Started.encode(), &[process.as_fd()])?;
    drop(process);
    // Once reaped, a process has no number left that the caller could read.
    if heard(control)? != Some(Word::Noted) {
        return Ok(());
    }
    loop {
        if let Some(exit) = reap(command)? {
            return wire::send(control, &Report::Ended(exit).encode(), &[]);
        }
        let mut fds = [PollFd::new(&children, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let [child, caller] = fds.map(|fd| !fd.revents().is_empty());
        if caller {
            return Ok(()); // there is no further word: it has closed the socket
        }
        if child {
            kernel::clear(&children)?;
        }
    }
}

fn heard(control: &OwnedFd) -> io::Result<Option<Word>> {
    wire::receive(control)?.map(|(payload, _)| Word::decode(&payload)).transpose()
}

fn execute(order: Order, streams: Streams) -> io::Result<Pid> {
    let Order { program, args, env, .. } = order;
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(env)
        .stdin(Stdio::from(streams.stdin))
        .stdout(Stdio::from(streams.stdout))
        .stderr(Stdio::from(streams.stderr));
    kernel::start_afresh(&mut command);
    let child = command.spawn()?;
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| Errno::SRCH.into())
}

/// Reaps all that has ended; the exit of `command` once it is among them.
fn reap(command: Pid) -> io::Result<Option<Exit>> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == command => return Ok(exit(status)),
            Ok(Some(_)) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn exit(status: WaitStatus) -> Option<Exit> {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Some(Exit::Code(code)),
        (None, Some(signal)) => Some(Exit::Signal(signal)),
        (None, None) => None,
    }
}
