//! A PID namespace, with a mount namespace and a `/proc` of its own where the kernel gives them.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process;

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, Gid, Pid, PidfdFlags, Signal, Uid, WaitOptions, getegid, geteuid, pidfd_open,
    set_dumpable_behavior, set_parent_process_death_signal, waitpid,
};

use super::keep::{self, Streams};
use crate::Feature;
use crate::kernel::{self, Side};
use crate::wire::Order;

/// What came of the attempt.
pub(super) enum Entered {
    /// A first process holds the namespace and waits for the caller's word.
    Init(Init),
    /// The kernel gives none; the order comes back.
    Refused { why: String, order: Order, streams: Streams },
}

/// The first process of the namespace, seen from outside.
pub(super) struct Init {
    pub(super) pid: Pid,
    pub(super) process: OwnedFd,
    pub(super) own_proc: Feature,
}

/// With or without a user namespace around it.
#[derive(Clone, Copy)]
enum Way {
    /// As somebody with CAP_SYS_ADMIN.
    Privileged,
    /// As anybody: in a user namespace that maps the caller, as known outside, to itself.
    User(Uid, Gid),
}

/// Makes the namespaces and starts their first process, which keeps the command.
pub(super) fn enter(control: &OwnedFd, order: Order, streams: Streams) -> io::Result<Entered> {
    let mut refusal = String::new();
    for way in [Way::Privileged, Way::User(geteuid(), getegid())] {
        let (answer, reply) = pipe_with(PipeFlags::CLOEXEC)?;
        let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS;
        let flags = match way {
            Way::Privileged => flags,
            Way::User(..) => flags | libc::CLONE_NEWUSER,
        };
        // SAFETY: the keeper has one thread, which `hold` checked.
        match unsafe { kernel::fork_into(flags) } {
            Ok(Side::Child) => {
                drop(answer);
                // Leaves without the parent's destructors: the kernel ends the namespace here.
                process::exit(i32::from(first_process(way, control, order, streams, reply).is_err()));
            }
            Ok(Side::Parent(pid)) => {
                drop(reply);
                match accept(pid, answer)? {
                    Ok(init) => return Ok(Entered::Init(init)),
                    Err(why) => refusal = why,
                }
            }
            Err(error) => refusal = explain(&error),
        }
    }
    Ok(Entered::Refused { why: refusal, order, streams })
}

/// Reads what the first process says of itself: `+` and nothing where it has its own `/proc`,
/// `+` and a sentence where it has not, `-` and a sentence where it gave up.
fn accept(pid: Pid, answer: OwnedFd) -> io::Result<Result<Init, String>> {
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let mut said = String::new();
    fs::File::from(answer).read_to_string(&mut said)?;
    match said.strip_prefix('+') {
        Some("") => Ok(Ok(Init { pid, process, own_proc: Feature::Holds })),
        Some(why) => Ok(Ok(Init { pid, process, own_proc: Feature::Missing(why.to_owned()) })),
        None => {
            waitpid(Some(pid), WaitOptions::empty())?;
            let why = said.strip_prefix('-').unwrap_or("its first process ended at once");
            Ok(Err(why.to_owned()))
        }
    }
}

fn first_process(
    way: Way,
    control: &OwnedFd,
    order: Order,
    streams: Streams,
    reply: OwnedFd,
) -> io::Result<()> {
    let mut reply = fs::File::from(reply);
    // The keeper has one thread, so that this is bound to its end and not to some thread's.
    // It is the second of two: the control socket ends this process as well.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if let Way::User(user, group) = way
        && let Err(error) = map(user, group)
    {
        return write!(
            reply,
            "-a user namespace was made, but its user cannot be mapped: {}",
            explain(&error)
        );
    }
    let own_proc = match mount_proc() {
        Ok(()) => String::new(),
        Err(error) => format!("`/proc` cannot be mounted anew: {error}; a container often forbids it"),
    };
    // Its memory and descriptors are closed to whatever runs below it as the same user. Not
    // sooner: the files that map a user belong to root once this is set.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    write!(reply, "+{own_proc}")?;
    drop(reply);
    keep::keep(control, order, streams)
}

/// Maps the user and group to themselves, which anybody may (`user_namespaces(7)`). The
/// command keeps who it is and gains nothing.
fn map(user: Uid, group: Gid) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1", user = user.as_raw()))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1", group = group.as_raw()))
}

/// Mounts a `/proc` that shows this namespace. Mounts made outside still arrive here; none
/// made here leaves.
fn mount_proc() -> io::Result<()> {
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    mount("proc", "/proc", "proc", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)?;
    Ok(())
}

/// Why the kernel gives no namespace, and what a person can do about it.
fn explain(error: &io::Error) -> String {
    let limit = |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).ok();
    let is = |name: &str, value: &str| limit(name).is_some_and(|text| text.trim() == value);
    let (cause, remedy) = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::USERS | Errno::DQUOT) => (
            "the limit on namespaces is reached",
            "raise `user.max_user_namespaces`, `user.max_pid_namespaces` and `user.max_mnt_namespaces` with sysctl",
        ),
        Some(Errno::INVAL | Errno::NOSYS) => {
            ("the kernel was built without them", "use one with CONFIG_PID_NS and CONFIG_USER_NS")
        }
        _ if is("user/max_user_namespaces", "0") => {
            ("user namespaces are switched off", "set `user.max_user_namespaces` above 0 with sysctl")
        }
        _ if is("kernel/unprivileged_userns_clone", "0") => {
            ("users may make no namespaces", "set `kernel.unprivileged_userns_clone` to 1 with sysctl")
        }
        _ if is("kernel/apparmor_restrict_unprivileged_userns", "1") => (
            "AppArmor restricts user namespaces",
            "give this executable a profile that allows `userns`, or set \
             `kernel.apparmor_restrict_unprivileged_userns` to 0 with sysctl",
        ),
        _ => (
            "the system forbids them",
            "in a container, allow `clone` with new namespaces in its seccomp profile, or give it CAP_SYS_ADMIN",
        ),
    };
    format!("{cause} ({error}); {remedy}")
}
