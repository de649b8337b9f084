//! `confine [--required] -- PROGRAM [ARGUMENT…]`: runs one program confined and passes its
//! exit code on. Prints the features that hold it, and its process id, to standard error.

use std::env;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use ringfence_model::{Confinement, Need};
use ringfence_sandbox::{Command, Exit, KEEPER_ARGUMENT, keeper_main, prepare};

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some(KEEPER_ARGUMENT) {
        return keeper_main();
    }
    match run() {
        Ok(Exit::Code(code)) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Ok(exit) => {
            eprintln!("{exit}");
            ExitCode::from(128)
        }
        Err(error) => {
            eprintln!("{error}{}", error.source().map(|source| format!(": {source}")).unwrap_or_default());
            ExitCode::from(125)
        }
    }
}

fn run() -> Result<Exit, Box<dyn std::error::Error>> {
    let mut args = env::args_os().skip(1).peekable();
    let processes = match args.next_if(|arg| arg == "--required") {
        Some(_) => Need::Required,
        None => Need::Preferred,
    };
    let mut args = args.skip_while(|arg| arg == "--");
    let command = Command {
        program: args.next().ok_or("name a program after `--`")?,
        args: args.collect(),
        cwd: env::current_dir()?,
        env: env::vars_os().collect(),
        stdin: io::stdin().as_fd().try_clone_to_owned()?,
        stdout: io::stdout().as_fd().try_clone_to_owned()?,
        stderr: io::stderr().as_fd().try_clone_to_owned()?,
    };
    let held = prepare(command, &Confinement { processes }, Path::new("/proc/self/exe"))?;
    eprintln!("{:?}", held.features());
    let running = held.release(|| true)?;
    eprintln!("pid {}", running.pid());
    Ok(running.wait())
}
