//! `cargo xtask`: see `xtask::ci` for the steps.

use std::process::ExitCode;

use xtask::ci;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match ci::run_command_line(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
