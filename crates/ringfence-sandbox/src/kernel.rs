//! The system calls that neither the standard library nor `rustix` makes safe, and nothing else.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process;
use std::ptr;

use rustix::process::Pid;

/// Which side of a [`fork_into`] this is.
pub(crate) enum Side {
    /// The caller, with the child's id as the caller's PID namespace counts.
    Parent(Pid),
    /// The new process.
    Child,
}

/// Forks into the new namespaces named by `flags` (`CLONE_NEW*`). Unlike `unshare` it leaves
/// the caller as it was when it fails, and afterwards.
///
/// # Safety
/// The process must have one thread: a child of a process with several would start with
/// whatever locks the other threads held.
pub(crate) unsafe fn fork_into(flags: libc::c_int) -> io::Result<Side> {
    let flags = libc::c_long::from(flags | libc::SIGCHLD);
    let none: libc::c_long = 0;
    // SAFETY: without CLONE_VM and with a null stack this is fork: the child continues on a
    // copy of this stack. No pointer is passed. One thread, by this function's contract.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::try_from(pid).ok().and_then(Pid::from_raw).map_or(Side::Child, Side::Parent))
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: libc::c_uint) -> io::Result<()> {
    close_range(first, 0)
}

fn close_range(first: libc::c_uint, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: no pointer is passed. Callers run before anything owns the descriptors
    // (the keeper's first step) or just before `exec`, and then only mark them.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives every signal its default disposition: what was ignored stays ignored across `exec`,
/// so a caller under `nohup` would pass that on.
pub(crate) fn default_signals() {
    /// The kernel's `struct sigaction` (the C library's `sigaction` refuses the signals that
    /// it keeps for itself). All zero is SIG_DFL, no flags, an empty mask.
    const DEFAULT: [u64; 4] = [0; 4];
    const SIGNALS: libc::c_long = 64;
    for signal in 1..=SIGNALS {
        // SAFETY: the kernel reads at most 32 bytes from DEFAULT, all it has, and writes
        // nothing; the default disposition runs no code of ours. The result is not looked at:
        // only SIGKILL and SIGSTOP refuse, and they are never ignored.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, DEFAULT.as_ptr(), ptr::null::<u64>(), SIGNALS / 8)
        };
    }
}

/// Blocks every signal and returns a descriptor that is readable when a child changed state.
pub(crate) fn child_signals() -> io::Result<OwnedFd> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut child = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset and sigemptyset initialise the sets they are given before anything
    // reads them; signalfd returns a descriptor nobody else owns.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::sigemptyset(child.as_mut_ptr());
        libc::sigaddset(child.as_mut_ptr(), libc::SIGCHLD);
        if libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = libc::signalfd(-1, child.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Empties a descriptor from [`child_signals`].
pub(crate) fn clear(signals: &OwnedFd) -> io::Result<()> {
    let mut seen = [0; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(signals, &mut seen) {
        // Signals of one kind do not queue, so that one read takes them all.
        Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Lets the command start afresh: a session of its own, default signals, an empty mask, and
/// no descriptor but its standard streams.
pub(crate) fn start_afresh(command: &mut process::Command) {
    let fresh = || {
        rustix::process::setsid()?;
        default_signals();
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set before sigprocmask reads it.
        let masked = unsafe {
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut())
        };
        if masked != 0 {
            return Err(io::Error::last_os_error());
        }
        close_range(3, libc::CLOSE_RANGE_CLOEXEC)
    };
    // SAFETY: the closure makes system calls only; it allocates nothing and takes no lock, so
    // it may run between fork and exec.
    unsafe { command.pre_exec(fresh) };
}
