//! Runs what the documents tell a reader to type, and compares what they promise to appear.
//!
//! The convention (CONTRIBUTING.md shows it): in a block fenced as `console`, a line `$ command`
//! is run, `> ` lines continue it, and what follows is its output, where `...` stands for
//! anything. It must exit 0, or as a trailing comment says: `$ command  # exits 1`. A block
//! fenced with `file=NAME` is written to that file first. The blocks of one document share a
//! working directory and a home, both fresh. `<!-- not run: reason -->` before a block leaves
//! it out, and is counted.

pub mod console;

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell::Cmd;
use crate::tools;
use crate::workspace::{SourceFile, Workspace};
use console::{Block, Step, matches, parse};

/// The longest a documented command may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(180);

/// What was done in one document.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Commands that ran and did what the document says.
    pub commands: usize,
    /// Blocks left out, with the reason given.
    pub left_out: Vec<String>,
    /// What went otherwise than written.
    pub failures: Vec<String>,
}

/// Runs README.md and every document in `docs/`.
///
/// # Errors
/// When a command does otherwise than its document says, or there is no command at all.
pub fn run(workspace: &Workspace) -> Result<()> {
    Cmd::new("cargo")
        .args(["build", "--quiet", "--locked", "--profile", "ci", "--package", "ringfence"])
        .dir(workspace.root())
        .run()?;
    let mut total = Tally::default();
    for file in workspace.files()?.iter().filter(|file| is_run(&file.path)) {
        let tally = run_document(file, &search_path(workspace)?)?;
        println!("  {}: {} commands", file.path, tally.commands);
        for reason in &tally.left_out {
            println!("    a block is not run: {reason}");
        }
        for failure in &tally.failures {
            println!("{failure}\n");
        }
        total.commands += tally.commands;
        total.failures.extend(tally.failures);
    }
    if !total.failures.is_empty() {
        bail!("{} documented commands do not do what their document says", total.failures.len());
    }
    if total.commands == 0 {
        bail!("README.md and docs/ have no ```console block with a `$ ` line; nothing was checked");
    }
    Ok(())
}

fn is_run(path: &str) -> bool {
    let document =
        path.strip_prefix("docs/").is_some_and(|rest| rest.ends_with(".md") && !rest.starts_with("adr/"));
    path == "README.md" || document
}

fn search_path(workspace: &Workspace) -> Result<OsString> {
    let mut dirs = vec![workspace.binary_dir()];
    dirs.extend(tools::program_dirs(workspace));
    dirs.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    std::env::join_paths(dirs).context("a folder in PATH has a `:` in its name")
}

/// Runs one document in a fresh home, with `path` as `PATH`.
///
/// # Errors
/// When the home cannot be made or a shell cannot start; what a command does wrong is in the
/// tally instead.
pub fn run_document(document: &SourceFile, path: &OsString) -> Result<Tally> {
    let mut tally = Tally::default();
    let blocks = match parse(&document.text) {
        Ok(blocks) => blocks,
        Err(why) => {
            tally.failures.push(format!("{}:{why}", document.path));
            return Ok(tally);
        }
    };
    let stage = Stage::new(&document.path, path)?;
    let mut cwd = stage.work.clone();
    for block in blocks {
        match block {
            Block::LeftOut { reason } => tally.left_out.push(reason),
            Block::File { name, text } => {
                let target = cwd.join(&name);
                if let Some(folder) = target.parent() {
                    fs::create_dir_all(folder).with_context(|| format!("making the folder of `{name}`"))?;
                }
                fs::write(&target, text).with_context(|| format!("writing `{name}`"))?;
            }
            Block::Console(steps) => {
                for step in steps {
                    match stage.run(&step, &mut cwd)? {
                        Ok(()) => tally.commands += 1,
                        Err(why) => tally
                            .failures
                            .push(format!("{}:{}: `{}`: {why}", document.path, step.line, step.command)),
                    }
                }
            }
        }
    }
    Ok(tally)
}

/// A home and a working directory that last as long as one document.
struct Stage {
    root: PathBuf,
    home: PathBuf,
    work: PathBuf,
    path: OsString,
}

impl Stage {
    fn new(name: &str, path: &OsString) -> Result<Stage> {
        // Short, because sockets below it have paths of at most 107 bytes.
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let root = std::env::temp_dir().join(format!("rf-{}-{name}", std::process::id()));
        let (home, work) = (root.join("home"), root.join("work"));
        for folder in [&home, &work] {
            fs::create_dir_all(folder).with_context(|| format!("making `{}`", folder.display()))?;
        }
        Ok(Stage { root, home, work, path: path.clone() })
    }

    /// Runs one command; the inner error is what the document promised and did not happen.
    fn run(&self, step: &Step, cwd: &mut PathBuf) -> Result<Result<(), String>> {
        let said = self.root.join("said");
        let went = self.root.join("cwd");
        // A file, not a pipe: what a command leaves running must not keep us waiting for its end.
        let output = fs::File::create(&said).context("making the file for a command's output")?;
        let script = format!("{}\nstatus=$?\npwd > \"$RINGFENCE_DOCS_CWD\"\nexit $status\n", step.command);
        let mut child = Command::new("bash")
            .args(["-c", &script])
            .current_dir(&*cwd)
            .env("HOME", &self.home)
            .env("PATH", &self.path)
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C.UTF-8")
            .env("RINGFENCE_DOCS_CWD", &went)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("sharing the file for a command's output")?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .context("starting `bash`")?;
        let status = wait(&mut child)?;
        let said =
            String::from_utf8_lossy(&fs::read(&said).context("reading a command's output")?).into_owned();
        if let Ok(dir) = fs::read_to_string(&went) {
            *cwd = Path::new(dir.trim_end()).to_owned();
        }
        Ok(match status {
            None => Err(format!("still runs after {} s; it wrote:\n{said}", PATIENCE.as_secs())),
            Some(code) if code != step.exits => {
                Err(format!("exits {code}, not {}; it wrote:\n{said}", step.exits))
            }
            Some(_) => match &step.output {
                Some(expected) if !matches(expected, &said) => {
                    Err(format!("wrote:\n{said}\nnot:\n{expected}"))
                }
                Some(_) | None => Ok(()),
            },
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.root) {
            eprintln!("  leaving `{}` behind: {error}", self.root.display());
        }
    }
}

/// The exit code, or none when patience ran out and the command's process group was killed.
fn wait(child: &mut Child) -> Result<Option<i32>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().context("waiting for a command")? {
            return Ok(Some(status.code().unwrap_or(-1)));
        }
        if Instant::now() > deadline {
            Cmd::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).run()?;
            child.wait().context("reaping a command that hung")?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
