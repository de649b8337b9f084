//! What it costs to start a confined process and to kill a tree: `cargo bench -p
//! ringfence-sandbox`. Beside it, in the same run, the same process started without.

use std::env;
use std::error::Error;
use std::io::{Read, pipe};
use std::path::Path;
use std::process::{self, ExitCode, Stdio};
use std::time::{Duration, Instant};

use ringfence_model::{Confinement, Need};
use ringfence_sandbox::{Command, KEEPER_ARGUMENT, Running, keeper_main, prepare};

const RUNS: usize = 200;

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some(KEEPER_ARGUMENT) {
        return keeper_main();
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    tell("start and end `true`, directly", || {
        let start = Instant::now();
        process::Command::new("true").stdin(Stdio::null()).status()?;
        Ok(start.elapsed())
    })?;
    tell("start and end `true`, confined", || {
        let start = Instant::now();
        confined("exec true")?.0.wait();
        Ok(start.elapsed())
    })?;
    tell("start `true`, confined, until it runs", || {
        let start = Instant::now();
        let running = confined("exec true")?.0;
        let took = start.elapsed();
        running.wait();
        Ok(took)
    })?;
    tell("kill 20 processes, until the last is reaped", || {
        let (running, mut output) =
            confined("n=0; while [ $n -lt 19 ]; do sleep 1000 & n=$((n+1)); done; echo x; exec sleep 1000")?;
        output.read_exact(&mut [0])?;
        let start = Instant::now();
        running.kill();
        running.wait();
        Ok(start.elapsed())
    })
}

fn confined(script: &str) -> Result<(Running, impl Read), Box<dyn Error>> {
    let (input, _) = pipe()?;
    let (ours, output) = pipe()?;
    let command = Command {
        program: "sh".into(),
        args: vec!["-c".into(), script.into()],
        cwd: "/".into(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        stdin: input.into(),
        stderr: output.try_clone()?.into(),
        stdout: output.into(),
    };
    let confinement = Confinement { processes: Need::Required };
    let held = prepare(command, &confinement, Path::new("/proc/self/exe"))?;
    Ok((held.release(|| true)?, ours))
}

fn tell(what: &str, mut run: impl FnMut() -> Result<Duration, Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    let mut times = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    times.sort_unstable();
    println!("{what:48} p50 {:>9.2?}  p99 {:>9.2?}", times[RUNS / 2], times[RUNS * 99 / 100]);
    Ok(())
}
