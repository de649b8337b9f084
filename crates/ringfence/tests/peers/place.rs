//! A data directory with its configuration, and what runs because of it.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A variable whose value finds again whatever was started here, wherever it went.
pub(crate) const MARK: &str = "RINGFENCE_PEERS_MARK";
/// How long something that has to happen may take before the test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is tested.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_ringfence");

/// Whoever is called may do as they like, but for what a test says.
pub(crate) const OPEN: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: open}
layer: team
subjects: ["**"]
rules:
  - id: all
    effect: allow
    actions: [tool.list, tool.call, resource.list, resource.read, prompt.list, prompt.get, model.call, user.ask]
    resources: ["mcp://*", "mcp://*/**", "model://**"]
"#;

const CONFIG: &str = r#"
apiVersion: ringfence/v1
kind: Gateway
policies: ./policy.yaml
operators:
  - {id: dana@acme.example, groups: [ops], token: {file: dana.token}}
"#;

/// Who shows no token is this agent.
const ANYBODY: &str = "anonymous: \"spiffe://acme.example/peer\"\n";

pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) mark: String,
}

impl Place {
    pub(crate) fn new(policy: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ringfence.yaml"), CONFIG).unwrap();
        fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        let token = folder.path().join("dana.token");
        fs::write(&token, format!("rf_{}", "A".repeat(43))).unwrap();
        fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
        let mark = folder.path().file_name().unwrap().to_str().unwrap().to_owned();
        Place { folder, mark }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).into_os_string().into_string().unwrap()
    }

    fn words(&self) -> Vec<String> {
        vec![
            BINARY.to_owned(),
            "--config".to_owned(),
            self.path("ringfence.yaml"),
            "--data".to_owned(),
            self.path("data"),
        ]
    }

    /// The command that wraps a server.
    pub(crate) fn wrapped(&self, server: &str, command: &[String]) -> Vec<String> {
        let mut words = self.words();
        words.extend(["mcp", "--server", server, "--"].map(str::to_owned));
        words.extend_from_slice(command);
        words
    }

    /// Serves one server, which it starts, over HTTP, to whoever is on this machine.
    pub(crate) fn up(&self, server: &str, command: &[String]) -> Up {
        self.serve(server, &json!({ "command": command }))
    }

    /// Serves one server over HTTP, to whoever the configuration's lines let in.
    pub(crate) fn up_to(&self, server: &str, command: &[String], callers: &str) -> Up {
        self.up_with(&json!({ server: { "command": command } }), callers, "/servers/0/url")
    }

    /// Serves one server as the configuration has it.
    pub(crate) fn serve(&self, server: &str, upstream: &Value) -> Up {
        self.up_with(&json!({ server: upstream }), ANYBODY, "/servers/0/url")
    }

    /// Serves several, which it starts, as one.
    pub(crate) fn up_as_one(&self, servers: &[(&str, &[String])]) -> Up {
        let servers =
            servers.iter().map(|(name, command)| ((*name).to_owned(), json!({ "command": command })));
        self.up_with(&servers.collect(), ANYBODY, "/url")
    }

    fn up_with(&self, servers: &Value, callers: &str, url: &str) -> Up {
        let more = format!("listen: 127.0.0.1:0\n{callers}servers: {servers}\n");
        fs::write(self.folder.path().join("ringfence.yaml"), format!("{CONFIG}{more}")).unwrap();
        let words = self.words();
        let (program, global) = words.split_first().unwrap();
        let mut process = Command::new(program)
            .args(global)
            .args(["--json", "up"])
            .env(MARK, &self.mark)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        Up { process, url: said.pointer(url).unwrap().as_str().unwrap().to_owned() }
    }

    /// A command of the operator's.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let words = self.words();
        let (program, global) = words.split_first().unwrap();
        let mut command = Command::new(program);
        command.args(global).args(arguments).env(MARK, &self.mark);
        if matches!(arguments.first(), Some(&("approvals" | "kill" | "unkill")))
            && !arguments.contains(&"list")
        {
            command.args(["--operator-token-file", &self.path("dana.token")]);
        }
        command.output().unwrap()
    }

    /// One that has to succeed; what it says as JSON, a value for each line.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let arguments = [&["--json"], arguments].concat();
        let output = self.run(&arguments);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::Deserializer::from_str(&said).into_iter().map(Result::unwrap).collect()
    }

    /// Every record, as stored.
    pub(crate) fn records(&self) -> Vec<Value> {
        let shown = self.json(&["audit", "show", "--from", "0", "-n", "100000"]);
        shown.into_iter().map(|mut shown| shown["record"].take()).collect()
    }

    /// Ends the monitor cleanly and verifies the log; nothing is left running.
    pub(crate) fn finish(self) {
        let stopped = self.run(&["stop"]);
        assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
        self.nothing_left();
        let verified = self.run(&["audit", "verify", &self.path("data")]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }

    /// Waits until nothing that was started here runs, but for the monitor.
    pub(crate) fn nothing_left(&self) {
        let left = || -> Vec<Process> {
            let monitor = self.find_monitor();
            self.started_here().into_iter().filter(|process| Some(process.pid) != monitor).collect()
        };
        until("everything that was started has ended", || left().is_empty(), || format!("{:#?}", left()));
    }

    /// The monitor's process.
    pub(crate) fn monitor(&self) -> u32 {
        self.find_monitor().expect("a monitor runs")
    }

    fn find_monitor(&self) -> Option<u32> {
        let data = self.path("data");
        let is_it = |process: &Process| {
            let words: Vec<&str> = process.command.split(' ').collect();
            words.get(1) == Some(&"monitor") && words.contains(&&*data)
        };
        processes().into_iter().find(is_it).map(|process| process.pid)
    }

    /// Every process that has the mark, or was started by one of them or by the monitor.
    pub(crate) fn started_here(&self) -> Vec<Process> {
        let wanted = format!("{MARK}={}\0", self.mark);
        let mut ours: BTreeSet<u32> = self.find_monitor().into_iter().collect();
        let all = processes();
        for process in &all {
            // Gone meanwhile, or without memory of its own any more.
            let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
            if environment.windows(wanted.len()).any(|part| part == wanted.as_bytes()) {
                ours.insert(process.pid);
            }
        }
        loop {
            let more: Vec<u32> = all
                .iter()
                .filter(|process| ours.contains(&process.parent) && !ours.contains(&process.pid))
                .map(|process| process.pid)
                .collect();
            if more.is_empty() {
                return all.into_iter().filter(|process| ours.contains(&process.pid)).collect();
            }
            ours.extend(more);
        }
    }
}

/// `ringfence up` at work.
pub(crate) struct Up {
    process: Child,
    pub(crate) url: String,
}

impl Up {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it in order.
    pub(crate) fn end(mut self) {
        signal(self.process.id(), "TERM");
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // After a failure, too.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A process that runs.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    parent: u32,
    command: String,
}

/// Every process that has not ended.
pub(crate) fn processes() -> Vec<Process> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // Behind the name, which may hold anything: the state and the parent.
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let mut fields = rest.split_ascii_whitespace();
        let (Some(state), Some(Ok(parent))) = (fields.next(), fields.next().map(str::parse)) else {
            continue;
        };
        if state == "Z" || state == "X" {
            continue;
        }
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        found.push(Process { pid, parent, command: String::from_utf8_lossy(&command).replace('\0', " ") });
    }
    found
}

impl Drop for Place {
    fn drop(&mut self) {
        // After a failure, too: no test leaves a monitor behind.
        drop(self.run(&["stop"]));
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "{name} to {pid}");
}

/// Waits for something that other processes do.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: {}", otherwise());
        // tidy: allow(sleeping-test): other processes end without telling; this only looks again, up to a deadline.
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn until_there(path: &str) {
    let path = PathBuf::from(path);
    until("a file appears", || path.exists(), || path.display().to_string());
}
