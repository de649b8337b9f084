//! The `ringfence` binary: command line, configuration, wiring. What is decided, recorded and
//! enforced is decided, recorded and enforced by the crates below; here it is said what is wanted
//! and shown what came of it.
//!
//! Exit codes: 0 done, 1 the answer is no, 2 used wrongly or cannot run. Nothing that goes wrong
//! by itself, a panic included, is a 1: scripts take that for an answer.

mod cli;
mod command;
mod config;
mod demo;
mod fault;
mod operator;
mod output;
mod place;
mod policy_files;
mod reach;
mod text_file;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::fault::Ending;

/// This program's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    // The same executable holds confined processes; that part may not start a thread first.
    if std::env::args_os().nth(1).is_some_and(|first| first == ringfence_sandbox::KEEPER_ARGUMENT) {
        return ringfence_sandbox::keeper_main();
    }
    std::panic::catch_unwind(run).unwrap_or(ExitCode::from(Ending::CANNOT_RUN))
}

fn run() -> ExitCode {
    // Ends the process itself for `--help`, `--version` (0) and mistakes (2).
    let cli = Cli::parse();
    output::begin(&cli.global);
    match command::run(&cli) {
        Ok(ending) => ending.code(),
        Err(fault) => {
            output::fault::show(&fault, cli.global.json);
            fault.ending().code()
        }
    }
}
