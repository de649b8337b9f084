//! The caller's side: prepare, hold, release, kill, wait.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread;

use ringfence_model::Confinement;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::keeper::KEEPER_ARGUMENT;
use crate::wire::{self, Order, Report, Word};
use crate::{Command, Exit, Features, Refused};

/// Builds everything `command` is going to be held by, and stops before executing it.
///
/// `keeper` is an executable that calls [`keeper_main`](crate::keeper_main) when its first
/// argument is [`KEEPER_ARGUMENT`]; `/proc/self/exe` is the caller itself, also after its file
/// was replaced. Blocks for a few milliseconds.
///
/// # Errors
/// The kernel does not give what `confinement` requires, the working directory cannot be
/// entered, or the keeper cannot be run.
pub fn prepare(command: Command, confinement: &Confinement, keeper: &Path) -> Result<Held, Refused> {
    let Command { program, args, cwd, env, stdin, stdout, stderr } = command;
    let order = Order { pid_namespace: confinement.processes, program, args, cwd, env };
    let mut tree = Tree::start(keeper)?;
    wire::send(&tree.handle.control, &order.encode(), &[stdin.as_fd(), stdout.as_fd(), stderr.as_fd()])
        .map_err(failed("took the order"))?;
    drop((stdin, stdout, stderr));
    let (report, fds) = tree.report("built the confinement")?;
    let features = match report {
        Report::Held(features) => features,
        Report::NoPidNamespace(why) => return Err(Refused::NoPidNamespace { why }),
        Report::NotHeld(why) => return Err(Refused::NotHeld { why }),
        Report::NoDirectory(errno) => {
            let source = io::Error::from_raw_os_error(errno);
            return Err(Refused::Directory { path: order.cwd, source });
        }
        Report::Started | Report::NotExecuted(_) | Report::Ended(_) => {
            return Err(failed("built the confinement")(wire::malformed()));
        }
    };
    let init = fds.into_iter().next();
    if features.pid_namespace.holds() != init.is_some() {
        return Err(failed("built the confinement")(wire::malformed()));
    }
    let handle =
        Arc::get_mut(&mut tree.handle).expect("invariant: no handle is given out before the tree is built");
    handle.init = init;
    Ok(Held { tree, features, program: order.program.to_string_lossy().into_owned() })
}

/// A command that is held but has not been executed. Dropping it ends the keeper.
#[derive(Debug)]
#[must_use = "a held command that is dropped never runs"]
pub struct Held {
    tree: Tree,
    features: Features,
    program: String,
}

impl Held {
    /// Which features hold it.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// Asks `gate` and, if it says yes, executes the command. The gate is the last thing that
    /// happens before: what it looks at is as fresh as it can be.
    ///
    /// # Errors
    /// The gate said no, or the program cannot be executed; nothing is left of it then.
    pub fn release(mut self, gate: impl FnOnce() -> bool) -> Result<Running, Refused> {
        if !gate() {
            return Err(Refused::Gate { program: self.program });
        }
        let during = "executed the command";
        wire::send(&self.tree.handle.control, &Word::Go.encode(), &[]).map_err(failed(during))?;
        let (report, fds) = self.tree.report(during)?;
        let command = match (report, fds.into_iter().next()) {
            (Report::Started, Some(command)) => command,
            (Report::NotExecuted(errno), None) => {
                let source = io::Error::from_raw_os_error(errno);
                return Err(Refused::Exec { program: self.program, source });
            }
            _ => return Err(failed(during)(wire::malformed())),
        };
        let pid = pid_of(&command).map_err(failed(during))?;
        wire::send(&self.tree.handle.control, &Word::Noted.encode(), &[]).map_err(failed(during))?;
        Ok(Running { tree: self.tree, command, pid })
    }
}

/// A command that runs. Dropping it kills the command and all it started.
#[derive(Debug)]
#[must_use = "a running command that is dropped is killed"]
pub struct Running {
    tree: Tree,
    command: OwnedFd,
    pid: u32,
}

impl Running {
    /// The command's process id, as the caller's PID namespace counts.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks the command to end (SIGTERM to it alone). It may ignore that.
    pub fn terminate(&self) {
        signal(&self.command, Signal::TERM);
    }

    /// Kills the command and everything it started. Returns at once; [`Running::wait`] returns
    /// when all of it is gone.
    pub fn kill(&self) {
        self.tree.handle.kill();
    }

    /// Something that kills this tree from elsewhere, also while it is waited for.
    pub fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.tree.handle))
    }

    /// Waits until the command has ended and nothing of its tree is left. What the command
    /// left running when it ended is killed.
    pub fn wait(mut self) -> Exit {
        self.tree.wait()
    }
}

impl AsFd for Running {
    /// Readable (`POLLIN`) when the command has ended and nothing of its tree is left, so that
    /// [`Running::wait`] does not block.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tree.handle.keeper.as_fd()
    }
}

/// Kills one tree. Harmless once the tree is gone: it names processes, not numbers.
#[derive(Debug, Clone)]
pub struct Killer(Arc<Handle>);

impl Killer {
    /// As [`Running::kill`].
    pub fn kill(&self) {
        self.0.kill();
    }
}

/// The keeper and all below it. Dropping it kills and reaps.
#[derive(Debug)]
struct Tree {
    handle: Arc<Handle>,
    /// Taken by whoever reaps it: `reap`, or a thread where `drop` must not wait.
    keeper: Option<Child>,
}

/// What it takes to kill a tree.
#[derive(Debug)]
struct Handle {
    control: OwnedFd,
    keeper: OwnedFd,
    /// The first process of the PID namespace, where there is one.
    init: Option<OwnedFd>,
}

impl Handle {
    /// Killing the namespace's first process kills all in it. Without a namespace the keeper
    /// does it when the control socket closes; it is woken in case somebody has stopped it.
    fn kill(&self) {
        if let Some(init) = &self.init {
            signal(init, Signal::KILL);
        }
        match shutdown(&self.control, Shutdown::Write) {
            Ok(()) | Err(_) => {} // not connected any more: the keeper has ended
        }
        signal(&self.keeper, Signal::CONT);
    }
}

impl Tree {
    fn start(keeper: &Path) -> Result<Self, Refused> {
        let cannot = |source| Refused::Keeper { path: PathBuf::from(keeper), source };
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(|errno| cannot(errno.into()))?;
        let mut child = std::process::Command::new(keeper)
            .arg(KEEPER_ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(cannot)?;
        match pidfd_of(&child) {
            Ok(keeper) => Ok(Tree {
                handle: Arc::new(Handle { control: ours, keeper, init: None }),
                keeper: Some(child),
            }),
            Err(errno) => {
                drop(ours); // the keeper ends when its socket closes
                child.wait().map_err(cannot)?;
                Err(cannot(errno.into()))
            }
        }
    }

    fn report(&mut self, during: &'static str) -> Result<(Report, Vec<OwnedFd>), Refused> {
        let frame = wire::receive(&self.handle.control).map_err(failed(during))?;
        let Some((payload, fds)) = frame else {
            return Err(failed(during)(io::Error::other("it ended without a word")));
        };
        Ok((Report::decode(&payload).map_err(failed(during))?, fds))
    }

    fn wait(&mut self) -> Exit {
        let mut exit = Exit::Killed;
        // An unreadable frame ends this as a closed socket does: the keeper is waited for.
        while let Ok(Some((payload, _))) = wire::receive(&self.handle.control) {
            if let Ok(Report::Ended(ended)) = Report::decode(&payload) {
                exit = ended;
            }
        }
        readable(&self.handle.keeper, None);
        self.reap();
        exit
    }

    /// Takes the ended keeper's status, and makes sure of the namespace should somebody have
    /// killed the keeper alone.
    fn reap(&mut self) {
        if let Some(init) = &self.handle.init {
            signal(init, Signal::KILL);
            readable(init, None);
        }
        if let Some(mut keeper) = self.keeper.take() {
            match keeper.wait() {
                Ok(_) | Err(_) => {} // its status says nothing; an error means it was reaped already
            }
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if self.keeper.is_none() {
            return;
        }
        self.handle.kill();
        if readable(&self.handle.keeper, Some(Timespec { tv_sec: 1, tv_nsec: 0 })) {
            self.reap();
            return;
        }
        // Something in it cannot die yet (a process deep in a device or a dead file server).
        // Whoever drops must not hang with it.
        if let Some(mut keeper) = self.keeper.take() {
            match thread::Builder::new().name("reap".to_owned()).spawn(move || keeper.wait()) {
                Ok(_) | Err(_) => {} // without a thread it stays a zombie until the caller ends
            }
        }
    }
}

/// Waits until `fd` is readable; false where `limit` passed first.
fn readable(fd: &OwnedFd, limit: Option<Timespec>) -> bool {
    loop {
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], limit.as_ref()) {
            Ok(count) => return count > 0,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

fn signal(process: &OwnedFd, signal: Signal) {
    match pidfd_send_signal(process, signal) {
        Ok(()) | Err(_) => {} // it has ended
    }
}

fn pidfd_of(child: &Child) -> Result<OwnedFd, Errno> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    pidfd_open(pid, PidfdFlags::empty())
}

/// The number of the process behind `pidfd`, in this process's own PID namespace.
fn pid_of(pidfd: &OwnedFd) -> io::Result<u32> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    info.lines()
        .find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
        .ok_or_else(|| io::Error::other("`/proc/self/fdinfo` names no process"))
}

fn failed(during: &'static str) -> impl FnOnce(io::Error) -> Refused {
    move |source| Refused::KeeperFailed { during, source }
}
