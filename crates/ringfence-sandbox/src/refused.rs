//! Why a process was not started.

use std::io;
use std::path::PathBuf;

/// The command was not run. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The keeper executable could not be started.
    #[error("cannot start the keeper `{}`", path.display())]
    Keeper {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel makes no PID namespace, and one was required.
    #[error("a PID namespace is required and there is none: {why}")]
    NoPidNamespace {
        /// What the kernel lacks and what to do.
        why: String,
    },
    /// Without a PID namespace nothing else can hold the descendants either.
    #[error("descendants cannot be held: {why}")]
    NotHeld {
        /// What is missing.
        why: String,
    },
    /// The working directory cannot be entered.
    #[error("cannot enter the working directory `{}`", path.display())]
    Directory {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The gate said no; the command was never executed.
    #[error("`{program}` was stopped at the gate, before it was executed")]
    Gate {
        /// The program.
        program: String,
    },
    /// The program cannot be executed.
    #[error("cannot execute `{program}`")]
    Exec {
        /// The program.
        program: String,
        /// What the system said: not found, not executable, arguments too long.
        source: io::Error,
    },
    /// The keeper ended, or said something it should not, before the command ran.
    #[error("the keeper failed while it {during}")]
    KeeperFailed {
        /// What it was doing.
        during: &'static str,
        /// What the system said.
        source: io::Error,
    },
}
