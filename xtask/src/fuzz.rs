//! A short run of every fuzz target, from its seeds: finds what is broken at once, and proves
//! that the targets still build. Long runs are started by hand with more seconds.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::shell::Cmd;
use crate::tools;
use crate::workspace::Workspace;

/// Runs each target of `fuzz/` for `seconds`.
///
/// # Errors
/// When there is no target, one does not build, or one finds a failure (cargo-fuzz says where
/// it keeps the input).
pub fn run(workspace: &Workspace, seconds: u32) -> Result<()> {
    let cargo_fuzz = tools::ensure(workspace, &tools::CARGO_FUZZ)?;
    let folder = workspace.root().join("fuzz");
    let targets = targets(&folder.join("fuzz_targets"))?;
    // `-s none`: coverage feedback without a sanitizer, which is what a stable compiler offers.
    let command = |verb: &str| Cmd::new(&cargo_fuzz).args([verb, "-s", "none"]).dir(workspace.root());
    // cargo-fuzz has no `--locked`.
    Cmd::new("cargo")
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path", "fuzz/Cargo.toml"])
        .dir(workspace.root())
        .run_quiet()?;
    command("build").run()?;
    for target in &targets {
        let corpus = format!("fuzz/corpus/{target}");
        let seeds = format!("fuzz/seeds/{target}");
        fs::create_dir_all(workspace.root().join(&corpus)).with_context(|| format!("making `{corpus}`"))?;
        let mut inputs = vec![target.clone(), corpus];
        if workspace.root().join(&seeds).is_dir() {
            inputs.push(seeds);
        }
        let said = command("run")
            .args(&inputs)
            // One seed: what a run on one machine finds, a run on the next one finds.
            .args(["--", "-seed=1", &format!("-max_total_time={seconds}"), "-print_final_stats=1"])
            .run_quiet()?;
        let runs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        let Some(runs) = runs else { bail!("`{target}` ended well and does not say how often it ran") };
        println!("  {target}: {} inputs", runs.trim());
    }
    println!("  {} targets, {seconds} s each, nothing found", targets.len());
    Ok(())
}

fn targets(folder: &Path) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("looking for targets in `{}`", folder.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "rs") {
            targets.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    targets.sort();
    if targets.is_empty() {
        bail!("`{}` has no targets", folder.display());
    }
    Ok(targets)
}
