//! What the tests run and wait on. Nothing here sleeps: a tree is gone when the pipe that all
//! of it holds is at its end, and a deadline turns a hang into a failure.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ringfence_model::{Confinement, Need};
use ringfence_sandbox::{Command, Held, Refused, Running, prepare};

const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) const PREFERRED: Confinement = Confinement { processes: Need::Preferred };
pub(crate) const REQUIRED: Confinement = Confinement { processes: Need::Required };

/// The `confine` example, where everybody may execute it.
pub(crate) fn confine() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        let built = std::env::current_exe().expect("the test's own path");
        let built =
            built.parent().and_then(Path::parent).expect("target/<profile>/deps").join("examples/confine");
        forget_earlier_copies();
        let copy = std::env::temp_dir().join(format!("ringfence-confine-{}", process::id()));
        fs::copy(&built, &copy)
            .expect("the example `confine`, which `cargo test -p ringfence-sandbox` builds");
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("permissions");
        copy
    })
}

/// Removes what test runs that have ended left.
fn forget_earlier_copies() {
    for entry in fs::read_dir(std::env::temp_dir()).expect("temporary folder").flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix("ringfence-confine-"));
        if let Some(owner) = owner
            && !Path::new("/proc").join(owner).exists()
        {
            fs::remove_file(entry.path()).ok(); // another test run may do the same
        }
    }
}

/// A shell script with the caller's ends of its pipes.
pub(crate) struct Script {
    pub(crate) command: Command,
    pub(crate) stdin: PipeWriter,
    pub(crate) stdout: PipeReader,
}

pub(crate) fn program(program: &str, args: &[&str]) -> Script {
    // Before anything forks: a child that held the copy open for writing would keep it from
    // being executed.
    confine();
    let (stdin, ours_in) = pipe().expect("pipe");
    let (ours_out, stdout) = pipe().expect("pipe");
    let command = Command {
        program: program.into(),
        args: args.iter().map(Into::into).collect(),
        cwd: "/".into(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        stderr: stdout.try_clone().expect("dup").into(),
        stdin: stdin.into(),
        stdout: stdout.into(),
    };
    Script { command, stdin: ours_in, stdout: ours_out }
}

pub(crate) fn script(text: &str) -> Script {
    program("sh", &["-c", text])
}

pub(crate) fn hold(command: Command) -> Result<Held, Refused> {
    prepare(command, &PREFERRED, confine())
}

pub(crate) fn run(command: Command) -> Running {
    hold(command).expect("held").release(|| true).expect("released")
}

/// All that is read until the last holder of the other end is gone.
pub(crate) fn until_all_are_gone(mut pipe: impl Read + Send + 'static) -> String {
    let (done, told) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        pipe.read_to_end(&mut text).expect("read");
        done.send(String::from_utf8_lossy(&text).into_owned())
    });
    told.recv_timeout(DEADLINE).expect("somebody still holds the pipe")
}

/// Reads until a line says `word`; then gives the pipe back.
pub(crate) fn until_it_says<R: Read + Send + 'static>(word: &'static str, pipe: R) -> BufReader<R> {
    let (done, told) = mpsc::channel();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = String::new();
        while line.trim() != word {
            line.clear();
            assert_ne!(pipe.read_line(&mut line).expect("read"), 0, "it ended without `{word}`");
        }
        done.send(pipe)
    });
    told.recv_timeout(DEADLINE).expect("it does not say the word")
}

/// What a monitor finds itself in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// As whoever runs the tests.
    Here,
    /// As a user without any privilege.
    Nobody,
    /// Where no further namespace may be made.
    NoNamespaces,
}

pub(crate) const PLACES: [Place; 3] = [Place::Here, Place::Nobody, Place::NoNamespaces];

/// A monitor in a process of its own, holding `script`.
pub(crate) struct Monitor {
    pub(crate) process: Child,
}

pub(crate) fn monitor(place: Place, options: &[&str], script: &str) -> Monitor {
    let confined = |mut command: process::Command| {
        command.args(options).args(["--", "sh", "-c", script]);
        command
    };
    let mut command = match place {
        Place::Here => confined(process::Command::new(confine())),
        Place::Nobody => {
            let mut command = confined(process::Command::new(confine()));
            if rustix::process::geteuid().is_root() {
                command.uid(65534).gid(65534);
            }
            command
        }
        Place::NoNamespaces => {
            let mut unshare = process::Command::new("unshare");
            unshare.args(["--user", "--map-root-user", "sh", "-c"]).arg(
                "echo 0 > /proc/sys/user/max_user_namespaces && \
                 echo 0 > /proc/sys/user/max_pid_namespaces && exec \"$0\" \"$@\"",
            );
            confined({
                unshare.arg(confine());
                unshare
            })
        }
    };
    let process = command
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the monitor starts");
    Monitor { process }
}

impl Monitor {
    /// Waits until the script says `ready`, then SIGKILLs the monitor, and waits for the last
    /// of the tree.
    pub(crate) fn dies_when_ready(mut self) {
        let stdout = until_it_says("ready", self.process.stdout.take().expect("piped"));
        self.process.kill().expect("SIGKILL");
        self.process.wait().expect("reaped");
        until_all_are_gone(stdout);
    }

    /// Waits until the script says `ready`, lets it end, and waits for the last of the tree.
    pub(crate) fn ends_when_ready(mut self) {
        let stdout = until_it_says("ready", self.process.stdout.take().expect("piped"));
        let mut stdin = self.process.stdin.take().expect("piped");
        stdin.write_all(b"end\n").expect("it reads");
        until_all_are_gone(stdout);
        assert!(self.process.wait().expect("reaped").success());
    }

    /// Exit code, standard output and standard error.
    pub(crate) fn output(mut self) -> (Option<i32>, String, String) {
        drop(self.process.stdin.take());
        let stdout = until_all_are_gone(self.process.stdout.take().expect("piped"));
        let stderr = until_all_are_gone(self.process.stderr.take().expect("piped"));
        (self.process.wait().expect("reaped").code(), stdout, stderr)
    }
}
