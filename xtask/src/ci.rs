//! The whole check, step by step, and each step alone.
//!
//! Everything that runs our code is built in the one optimised profile `ci`, clippy included, so
//! that dependencies are built once.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::shell::Cmd;
use crate::workspace::Workspace;
use crate::{deny, docs, fuzz, tidy, tools};

const USAGE: &str = "\
usage: cargo xtask ci [--only STEP]...   every check, or those named
       cargo xtask STEP                  one of them
       cargo xtask fuzz [--seconds N]    each fuzz target for N seconds (10)

steps, in the order in which they run:";

/// One step of the check.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// As the command line spells it.
    pub name: &'static str,
    /// What it holds.
    pub purpose: &'static str,
    run: fn(&Workspace, &mut TestCounts) -> Result<()>,
}

/// Every step, cheap and telling ones first.
pub const STEPS: [Step; 10] = [
    Step { name: "tools", purpose: "what the checks need beyond Rust is there", run: |w, _| tools::run(w) },
    Step { name: "format", purpose: "the code is formatted", run: |w, _| format(w) },
    Step {
        name: "tidy",
        purpose: "imports, sizes, names, `unsafe`, claims of documents",
        run: |w, _| tidy::run(w),
    },
    Step { name: "deny", purpose: "licenses, sources and bans of dependencies", run: |w, _| deny::run(w) },
    Step { name: "clippy", purpose: "lints, warnings refused", run: |w, _| clippy(w) },
    Step { name: "tests", purpose: "every test, and what must not compile", run: tests },
    Step {
        name: "peers",
        purpose: "official MCP clients, servers and the conformance suite, with Ringfence in between",
        run: peers,
    },
    Step {
        name: "docs",
        purpose: "commands in README.md and docs/ do what they say",
        run: |w, _| docs::run(w),
    },
    Step {
        name: "fuzz",
        purpose: "each fuzz target for a short while",
        run: |w, _| fuzz::run(w, FUZZ_SECONDS),
    },
    Step { name: "demo", purpose: "`ringfence demo` plays to its end", run: |w, _| demo(w) },
];

const FUZZ_SECONDS: u32 = 10;

/// The sums of the summary lines that test binaries wrote.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct TestCounts {
    /// Test binaries that wrote a summary.
    pub binaries: u64,
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that did not run.
    pub ignored: u64,
    /// Runs of `cargo test` that failed, whatever its binaries managed to write: one that does
    /// not compile or dies counts nothing.
    pub failed_runs: u64,
}

/// Does what the command line asks.
///
/// # Errors
/// When it asks for something there is not; what a step finds is in the exit code.
pub fn run_command_line(arguments: &[String]) -> Result<ExitCode> {
    let workspace = Workspace::here()?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            for step in STEPS {
                println!("  {:<9} {}", step.name, step.purpose);
            }
            Ok(ExitCode::SUCCESS)
        }
        ["ci", rest @ ..] => Ok(run_steps(&workspace, &chosen(rest)?)),
        ["fuzz", "--seconds", seconds] => {
            let Ok(seconds) = seconds.parse() else { bail!("`{seconds}` is no number of seconds") };
            fuzz::run(&workspace, seconds)?;
            Ok(ExitCode::SUCCESS)
        }
        [name] => Ok(run_steps(&workspace, &[step(name)?])),
        [first, ..] => bail!("`{first}` takes no such arguments; `cargo xtask help` lists what there is"),
    }
}

fn chosen(words: &[&str]) -> Result<Vec<Step>> {
    if words.is_empty() {
        return Ok(STEPS.to_vec());
    }
    let mut steps = Vec::new();
    for pair in words.chunks(2) {
        let ["--only", name] = pair else { bail!("after `ci` comes `--only STEP`, any number of times") };
        steps.push(step(name)?);
    }
    Ok(steps)
}

fn step(name: &str) -> Result<Step> {
    match STEPS.into_iter().find(|step| step.name == name) {
        Some(step) => Ok(step),
        None => bail!("there is no step `{name}`; `cargo xtask help` lists them"),
    }
}

/// Runs the steps, all of them whatever happens, and ends with a summary whose last line is what
/// the test binaries themselves counted.
fn run_steps(workspace: &Workspace, steps: &[Step]) -> ExitCode {
    let mut counts = TestCounts::default();
    let mut results: Vec<(Step, Duration, Option<String>)> = Vec::new();
    for step in steps {
        println!("\n==> {}: {}", step.name, step.purpose);
        let start = Instant::now();
        let failure = (step.run)(workspace, &mut counts).err().map(|error| format!("{error:#}"));
        let took = start.elapsed();
        if let Some(why) = &failure {
            println!("error: {why}");
        }
        println!("<== {} {} in {:.1} s", step.name, verdict(failure.is_some()), took.as_secs_f64());
        results.push((*step, took, failure));
    }
    println!("\nsummary");
    for (step, took, failure) in &results {
        println!("  {:<9} {:<6} {:>7.1} s", step.name, verdict(failure.is_some()), took.as_secs_f64());
    }
    let failed: Vec<&str> =
        results.iter().filter(|(_, _, failure)| failure.is_some()).map(|(step, _, _)| step.name).collect();
    for name in &failed {
        println!("{name} failed; alone: cargo xtask ci --only {name}");
    }
    if steps.iter().any(|step| step.name == "tests") {
        println!("{}", counts.summary());
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn verdict(failed: bool) -> &'static str {
    if failed { "FAILED" } else { "ok" }
}

impl TestCounts {
    /// Adds a test binary's summary line; any other line changes nothing.
    pub fn read(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        self.binaries += 1;
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// One line in the form of a test binary's own.
    pub fn summary(&self) -> String {
        let result =
            if self.failed_runs == 0 && self.failed == 0 && self.passed > 0 { "ok" } else { "FAILED" };
        format!(
            "test result: {result}. {} passed; {} failed; {} ignored; over {} test binaries",
            self.passed, self.failed, self.ignored, self.binaries
        )
    }
}

fn format(workspace: &Workspace) -> Result<()> {
    Cmd::new("cargo").args(["fmt", "--all", "--check"]).dir(workspace.root()).run()?;
    for manifest in ["fuzz/Cargo.toml", tools::RUST_PEER] {
        Cmd::new("cargo")
            .args(["fmt", "--manifest-path", manifest, "--check"])
            .dir(workspace.root())
            .run()?;
    }
    Ok(())
}

fn clippy(workspace: &Workspace) -> Result<()> {
    Cmd::new("cargo")
        .args(["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--profile", "ci"])
        .args(["--features", "ringfence/peers"])
        .args(["--", "-D", "warnings"])
        .dir(workspace.root())
        .run()
}

/// Tests that need more than Rust. The feature builds them, and a missing peer fails them.
fn peers(workspace: &Workspace, counts: &mut TestCounts) -> Result<()> {
    tools::ensure_peers(workspace)?;
    let run = Cmd::new("cargo")
        .args(["test", "--locked", "--profile", "ci", "--package", "ringfence"])
        .args(["--features", "peers", "--test", "peers"])
        .dir(workspace.root())
        .env("RINGFENCE_PEERS", workspace.tools_dir())
        .run_watched(|line| counts.read(line));
    counts.failed_runs += u64::from(run.is_err());
    run
}

/// As `cargo test` does it by itself: examples are built as the programs they are, since tests
/// run them, and the documentation's examples are among the tests.
fn tests(workspace: &Workspace, counts: &mut TestCounts) -> Result<()> {
    let run = Cmd::new("cargo")
        .args(["test", "--locked", "--workspace", "--profile", "ci", "--no-fail-fast"])
        .dir(workspace.root())
        .env("INSTA_UPDATE", "no")
        .env("INSTA_FORCE_PASS", "0")
        .run_watched(|line| counts.read(line));
    counts.failed_runs += u64::from(run.is_err());
    run
}

/// The demonstration ends well and shows something; what it shows is its own tests' business.
fn demo(workspace: &Workspace) -> Result<()> {
    Cmd::new("cargo")
        .args(["build", "--quiet", "--locked", "--profile", "ci", "--package", "ringfence"])
        .dir(workspace.root())
        .run()?;
    let mut lines = 0u32;
    Cmd::new(workspace.binary_dir().join("ringfence"))
        .arg("demo")
        .run_watched(|line| lines += u32::from(!line.trim().is_empty()))?;
    if lines == 0 {
        bail!("`ringfence demo` exits 0 and shows nothing");
    }
    Ok(())
}
