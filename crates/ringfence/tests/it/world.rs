//! A home, a working directory and a data directory of a test's own. Whatever monitor was started
//! on them is ended with it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A token, and the same one's form in a file.
pub(crate) const DANA: &str = "rf_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
pub(crate) const ERIN: &str = "rf_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";

pub(crate) struct World {
    folder: TempDir,
}

/// What a command printed, and its exit code.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    pub(crate) fn new() -> World {
        let folder = TempDir::new().unwrap();
        for part in ["home", "here"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        World { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The working directory.
    pub(crate) fn here(&self) -> PathBuf {
        self.path("here")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Writes a file into the working directory.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.here().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A file that only its owner can read.
    pub(crate) fn write_secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The binary, without a data directory named.
    pub(crate) fn bare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command
            .args(args)
            .current_dir(self.here())
            .env_clear()
            .env("HOME", self.path("home"))
            .env("PATH", std::env::var_os("PATH").unwrap())
            .stdin(Stdio::null());
        command
    }

    /// The binary, with this world's data directory.
    pub(crate) fn ringfence(&self, args: &[&str]) -> Command {
        let mut command = self.bare(&[]);
        command.arg("--data").arg(self.data()).args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.ran(&self.ringfence(args).output().unwrap())
    }

    pub(crate) fn run_with(&self, args: &[&str], input: &[u8]) -> Ran {
        self.fed(self.ringfence(args), input)
    }

    pub(crate) fn fed(&self, mut command: Command, input: &[u8]) -> Ran {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut to_child = child.stdin.take().unwrap();
        let ran = std::thread::scope(|scope| {
            // It may end before it has read everything.
            scope.spawn(move || drop(to_child.write_all(input)));
            child.wait_with_output().unwrap()
        });
        self.ran(&ran)
    }

    /// Output with this world's own paths and numbers taken out.
    pub(crate) fn ran(&self, output: &Output) -> Ran {
        let clean = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let folder = self.folder.path().canonicalize().unwrap();
            text.replace(folder.to_str().unwrap(), "[W]").replace(self.folder.path().to_str().unwrap(), "[W]")
        };
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: clean(&output.stdout),
            err: clean(&output.stderr),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for data in [self.data(), self.path("home").join(".local/state/ringfence")] {
            if data.join("monitor.sock").exists() {
                drop(self.bare(&["stop", "--data", data.to_str().unwrap()]).output());
            }
        }
    }
}

impl Ran {
    /// Everything, for snapshots.
    pub(crate) fn shown(&self) -> String {
        format!("exit {}\n--- out\n{}--- err\n{}", self.code, self.out, self.err)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.shown()))
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{}", self.shown());
        self
    }
}

pub(crate) fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// A configuration with one operator, whose token lies in `dana.token`.
pub(crate) fn with_operator(world: &World) -> (PathBuf, PathBuf) {
    let token = world.write_secret("ops/dana.token", DANA);
    let config = world.write(
        "ops/ops.yaml",
        "apiVersion: ringfence/v1\nkind: Gateway\noperators:\n  - {id: dana@acme.example, token: {file: dana.token}}\n",
    );
    (config, token)
}
