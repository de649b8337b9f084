//! `completions`: what a shell needs to complete commands.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::fault::{Ending, Fault};

pub(crate) fn run(shell: Shell) -> Result<Ending, Fault> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ringfence", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Ending::Done)
}
