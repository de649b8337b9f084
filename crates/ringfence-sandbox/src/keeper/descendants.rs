//! Holding descendants without a namespace: the keeper adopts every orphan below it, and in
//! the end kills until nothing is left.
//!
//! This is weaker than a namespace, and [`Features`](crate::Features) says so: a descendant of
//! the same user may kill the keeper. What it cannot do is outrun it: all are stopped before
//! any is killed, and none may raise its privileges out of the keeper's reach.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal, set_child_subreaper, wait,
};
use rustix::thread::set_no_new_privs;

use crate::kernel;

/// How often new ones are stopped before what is known is killed all the same.
const STOPPING_PASSES: usize = 32;
/// How long to wait for a child to end before looking again.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Makes this process the parent of every orphan below it.
pub(super) fn adopt() -> io::Result<()> {
    processes()?; // a missing /proc would blind `kill_all`
    // A set-user-ID program below would be another user's, whom the keeper cannot kill.
    set_no_new_privs(true)?;
    set_child_subreaper(Some(getpid()))?;
    Ok(())
}

/// Kills all descendants and reaps them.
pub(super) fn kill_all() -> io::Result<()> {
    let children = kernel::child_signals()?;
    loop {
        if reap()? {
            return Ok(());
        }
        for victim in stopped()? {
            match pidfd_send_signal(&victim, Signal::KILL) {
                Ok(()) | Err(_) => {} // it has ended
            }
        }
        match poll(&mut [PollFd::new(&children, PollFlags::IN)], Some(&PAUSE)) {
            Ok(_) => kernel::clear(&children)?,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Reaps what has ended; true where no child is left, and so no descendant: an orphan would
/// be a child.
fn reap() -> io::Result<bool> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Ok(false),
            Err(Errno::CHILD) => return Ok(true),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Stops descendants until a look finds none that was not stopped before: what is stopped
/// cannot fork.
fn stopped() -> io::Result<Vec<OwnedFd>> {
    let mut known = HashSet::new();
    let mut victims = Vec::new();
    for _ in 0..STOPPING_PASSES {
        let mut found = false;
        for (pid, started) in descendants(&processes()?) {
            if !known.insert((pid, started)) {
                continue;
            }
            found = true;
            let Some(process) = open(pid, started) else { continue };
            match pidfd_send_signal(&process, Signal::STOP) {
                Ok(()) | Err(_) => victims.push(process),
            }
        }
        if !found {
            break;
        }
    }
    Ok(victims)
}

/// Opens exactly the process that was seen: its number may be another's by now.
fn open(pid: i32, started: u64) -> Option<OwnedFd> {
    let process = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    (stat(pid)?.started == started).then_some(process)
}

/// What `/proc/<pid>/stat` says of one process (`proc_pid_stat(5)`).
struct Stat {
    parent: i32,
    started: u64,
}

fn processes() -> io::Result<HashMap<i32, Stat>> {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        if let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok())
            && let Some(stat) = stat(pid)
        {
            all.insert(pid, stat);
        }
    }
    if !all.contains_key(&getpid().as_raw_nonzero().get()) {
        return Err(io::Error::other("`/proc` does not show this process"));
    }
    Ok(all)
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may contain some itself, and anything else.
    let after_name = text.iter().rposition(|byte| *byte == b')')?.checked_add(1)?;
    let fields = str::from_utf8(text.get(after_name..)?).ok()?;
    let mut fields = fields.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?; // field 4
    let started = fields.nth(17)?.parse().ok()?; // field 22
    Some(Stat { parent, started })
}

fn descendants(all: &HashMap<i32, Stat>) -> Vec<(i32, u64)> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for (pid, stat) in all {
        children.entry(stat.parent).or_default().push(*pid);
    }
    let mut found = Vec::new();
    let mut pending = vec![getpid().as_raw_nonzero().get()];
    while let Some(parent) = pending.pop() {
        // Taken out, so that a table read while it changed cannot make this run in a circle.
        for pid in children.remove(&parent).unwrap_or_default() {
            if let Some(stat) = all.get(&pid) {
                found.push((pid, stat.started));
            }
            pending.push(pid);
        }
    }
    found
}
