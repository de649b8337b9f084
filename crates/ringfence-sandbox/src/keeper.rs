//! The keeper's side: what `<keeper> __hold` runs, in a process with one thread.
//!
//! It reads its order from the control socket, which is its standard input, makes the
//! namespaces, and leaves their first process to keep the command ([`keep`]). Itself it stays
//! outside, where the command cannot reach it: it kills that first process when the caller is
//! gone, and ends when that process has ended, which is when the whole tree has.

use std::env;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use ringfence_model::Need;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{
    DumpableBehavior, Signal, WaitOptions, pidfd_send_signal, set_dumpable_behavior, setsid, waitpid,
};

use crate::kernel;
use crate::wire::{self, Order, Report};
use crate::{Feature, Features};

mod descendants;
mod keep;
mod namespace;

use keep::Streams;
use namespace::Init;

/// The argument under which an executable has to call [`keeper_main`].
pub const KEEPER_ARGUMENT: &str = "__hold";

/// What a keeper executable runs, before anything else and before it starts a thread. Its
/// standard input is a socket from [`prepare`](crate::prepare); the exit code means nothing to
/// anybody but a person who ran it by hand.
pub fn keeper_main() -> ExitCode {
    match hold() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("`{KEEPER_ARGUMENT}` is run by ringfence itself, not by hand: {error}");
            ExitCode::from(2)
        }
    }
}

fn hold() -> io::Result<()> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("it has several threads already"));
    }
    kernel::close_from(3)?;
    // What was ignored stays ignored across `exec`; an ignored SIGCHLD would lose exit codes.
    kernel::default_signals();
    match setsid() {
        Ok(_) | Err(_) => {} // an error means that it leads a group already, and that does as well
    }
    let control = fcntl_dupfd_cloexec(io::stdin(), 3)?;
    let Some((payload, fds)) = wire::receive(&control)? else { return Ok(()) };
    let order = Order::decode(&payload)?;
    let streams = Streams::from_fds(fds)?;

    if let Err(error) = env::set_current_dir(&order.cwd) {
        return report(&control, &Report::NoDirectory(error.raw_os_error().unwrap_or(0)));
    }
    match namespace::enter(&control, order, streams)? {
        namespace::Entered::Init(init) => guard(&control, &init),
        namespace::Entered::Refused { why, order, streams } => match order.pid_namespace {
            Need::Required => report(&control, &Report::NoPidNamespace(why)),
            Need::Preferred => hold_descendants(&control, why, order, streams),
        },
    }
}

/// Watches over the namespace from outside until it is gone.
fn guard(control: &OwnedFd, init: &Init) -> io::Result<()> {
    env::set_current_dir("/")?; // the command's folder is the command's to hold, not ours
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let features = Features { pid_namespace: Feature::Holds, own_proc: init.own_proc.clone() };
    wire::send(control, &Report::Held(features).encode(), &[init.process.as_fd()])?;
    loop {
        // The socket is asked for nothing: a hang-up is always told.
        let mut fds = [PollFd::new(&init.process, PollFlags::IN), PollFd::new(control, PollFlags::empty())];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let [ended, gone] = fds.map(|fd| !fd.revents().is_empty());
        if gone {
            pidfd_send_signal(&init.process, Signal::KILL)?;
        }
        if gone || ended {
            waitpid(Some(init.pid), WaitOptions::empty())?;
            return Ok(());
        }
    }
}

/// Without a namespace: becomes the parent of every orphan below it, and keeps the command
/// itself.
fn hold_descendants(control: &OwnedFd, why: String, order: Order, streams: Streams) -> io::Result<()> {
    if let Err(error) = descendants::adopt() {
        return report(
            control,
            &Report::NotHeld(format!("{why}; and the keeper cannot adopt them: {error}")),
        );
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let own_proc = Feature::Missing("it needs a PID namespace".to_owned());
    let features = Features { pid_namespace: Feature::Missing(why), own_proc };
    report(control, &Report::Held(features))?;
    let kept = keep::keep(control, order, streams);
    descendants::kill_all()?;
    kept
}

fn report(control: &OwnedFd, report: &Report) -> io::Result<()> {
    wire::send(control, &report.encode(), &[])
}
