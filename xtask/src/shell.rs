//! Running programs: shown before they run, their failure an error that names them.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A program with its arguments, not yet run.
#[derive(Debug, Clone)]
pub struct Cmd {
    program: OsString,
    arguments: Vec<OsString>,
    dir: Option<PathBuf>,
    env: Vec<(OsString, OsString)>,
}

impl Cmd {
    /// `program`, looked up in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Cmd {
        Cmd { program: program.as_ref().to_owned(), arguments: Vec::new(), dir: None, env: Vec::new() }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Cmd {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(self, argument: impl AsRef<OsStr>) -> Cmd {
        self.args([argument])
    }

    /// Runs it in `dir`.
    #[must_use]
    pub fn dir(mut self, dir: &Path) -> Cmd {
        self.dir = Some(dir.to_owned());
        self
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Cmd {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it with this process's standard streams.
    ///
    /// # Errors
    /// When it cannot start or does not exit 0.
    pub fn run(&self) -> Result<()> {
        println!("  $ {self}");
        let status = self.command().status().with_context(|| format!("starting `{self}`"))?;
        if !status.success() {
            bail!("`{self}` failed: {status}");
        }
        Ok(())
    }

    /// Runs it, showing each line of its standard output as it comes and handing it to `line`.
    ///
    /// # Errors
    /// When it cannot start or does not exit 0.
    pub fn run_watched(&self, mut line: impl FnMut(&str)) -> Result<()> {
        println!("  $ {self}");
        let mut child =
            self.command().stdout(Stdio::piped()).spawn().with_context(|| format!("starting `{self}`"))?;
        let stdout = child.stdout.take().context("the child's standard output was not piped")?;
        let mut reader = BufReader::new(stdout);
        let mut buffer = Vec::new();
        while reader.read_until(b'\n', &mut buffer)? > 0 {
            std::io::stdout().write_all(&buffer)?;
            line(String::from_utf8_lossy(&buffer).trim_end());
            buffer.clear();
        }
        let status = child.wait().with_context(|| format!("waiting for `{self}`"))?;
        if !status.success() {
            bail!("`{self}` failed: {status}");
        }
        Ok(())
    }

    /// Runs it silently and gives its standard output.
    ///
    /// # Errors
    /// When it cannot start, does not exit 0, or writes something that is not UTF-8.
    pub fn read(&self) -> Result<String> {
        let output = self
            .command()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .with_context(|| format!("starting `{self}`"))?;
        if !output.status.success() {
            bail!(
                "`{self}` failed: {}\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        String::from_utf8(output.stdout).with_context(|| format!("reading what `{self}` wrote"))
    }

    /// Shows it, runs it silently and gives what it wrote to standard error.
    ///
    /// # Errors
    /// When it cannot start or does not exit 0; the message ends with the last it wrote.
    pub fn run_quiet(&self) -> Result<String> {
        println!("  $ {self}");
        let output =
            self.command().stdin(Stdio::null()).output().with_context(|| format!("starting `{self}`"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            let lines: Vec<&str> = said.lines().collect();
            let end = lines.get(lines.len().saturating_sub(80)..).unwrap_or_default();
            bail!("`{self}` failed: {}\n{}", output.status, end.join("\n"));
        }
        Ok(said)
    }

    /// Whether it starts and exits 0, its output thrown away.
    pub fn succeeds(&self) -> bool {
        self.command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }
}

impl std::fmt::Display for Cmd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.program.to_string_lossy())?;
        for argument in &self.arguments {
            write!(f, " {}", argument.to_string_lossy())?;
        }
        Ok(())
    }
}
