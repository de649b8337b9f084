//! What the wrapper costs: round trips of `tools/call` to a small server, direct and through
//! `ringfence mcp` in turns, and in turns with them the disk's own flush, and a relay that does
//! nothing but flush before it passes a line on: the least that any wrapper costs here. Then the
//! memory that each wrapped server adds. Prints a table.
//!
//! `cargo bench --package ringfence --bench stdio [-- CALLS]`

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use self::measuring::{Disk, POLICY, RECORD, row};

#[path = "parts/measuring.rs"]
mod measuring;

/// What makes this program the server.
const SERVE: &str = "serve-echo";
/// What makes this program the relay: a file to flush, and the server's words follow.
const RELAY: &str = "relay";
const CALLS: usize = 2_000;
/// Calls in one turn.
const TURN: usize = 100;
/// How many wrapped servers the memory is measured over.
const SERVERS: usize = 4;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == SERVE) {
        if let Some((file, server)) = arguments
            .iter()
            .position(|argument| argument == RELAY)
            .and_then(|at| arguments.get(at + 1..).and_then(|rest| rest.split_first()))
        {
            return relay(Path::new(file), server);
        }
        return serve();
    }
    let calls = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(CALLS);
    let place = Place::new()?;
    let server = std::env::current_exe()?;
    let server = [server.to_str().context("the path of this program is text")?, SERVE];
    let measured = round_trips(&place, &server, calls)?;
    println!("{:<40}{:>10}{:>10}{:>10}", "", "p50 µs", "p90 µs", "p99 µs");
    let (direct, _) = row("round trip, direct", measured.direct);
    let (wrapped, _) = row("round trip, wrapped", measured.wrapped);
    let (relayed, _) = row("round trip, relayed", measured.relayed);
    let (flush, _) = row(&format!("write of {RECORD} B and fdatasync"), measured.flush);
    println!("{:<40}{:>10.1}", "added, p50", wrapped - direct);
    println!("{:<40}{:>10.1}", "added above the flush, p50", wrapped - direct - flush);
    println!("{:<40}{:>10.1}", "added above the relay, p50", wrapped - relayed);
    memory(&place, &server)
}

/// A data directory on the disk that the target lies on.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn new() -> Result<Place> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stdio-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("policy.yaml"), POLICY)?;
        let config = "apiVersion: ringfence/v1\nkind: Gateway\npolicies: ./policy.yaml\n";
        fs::write(folder.join("ringfence.yaml"), config)?;
        Ok(Place { folder })
    }

    fn ringfence(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.arg("--config").arg(self.folder.join("ringfence.yaml"));
        command.arg("--data").arg(self.folder.join("data"));
        command
    }

    fn wrapped(&self, name: &str, server: &[&str]) -> Result<Peer> {
        let mut command = self.ringfence();
        command.args(["mcp", "--server", name, "--"]).args(server);
        Peer::start(command)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let stopped = self.ringfence().arg("stop").stdout(Stdio::null()).status();
        if let Err(error) = stopped.and_then(|_| fs::remove_dir_all(&self.folder)) {
            eprintln!("{} is left: {error}", self.folder.display());
        }
    }
}

/// A server as its client sees it.
struct Peer {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
    line: String,
}

impl Peer {
    fn start(mut command: Command) -> Result<Peer> {
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let input = process.stdin.take().context("its input")?;
        let output = BufReader::new(process.stdout.take().context("its output")?);
        Ok(Peer { process, input, output, next: 0, line: String::new() })
    }

    fn call(&mut self) -> Result<Duration> {
        self.next += 1;
        let request = format!(
            r#"{{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"call {}"}}}}}}{}"#,
            self.next, self.next, "\n"
        );
        let start = Instant::now();
        self.input.write_all(request.as_bytes())?;
        self.line.clear();
        self.output.read_line(&mut self.line)?;
        let took = start.elapsed();
        ensure!(self.line.contains(r#""isError":false"#), "it answered {}", self.line);
        Ok(took)
    }

    fn end(self) -> Result<()> {
        let Peer { mut process, input, output, .. } = self;
        drop((input, output));
        process.wait()?;
        Ok(())
    }
}

#[derive(Default)]
struct Measured {
    direct: Vec<Duration>,
    wrapped: Vec<Duration>,
    relayed: Vec<Duration>,
    flush: Vec<Duration>,
}

fn round_trips(place: &Place, server: &[&str], calls: usize) -> Result<Measured> {
    let (program, arguments) = server.split_first().context("a server")?;
    let mut command = Command::new(program);
    command.args(arguments);
    let mut direct = Peer::start(command)?;
    let mut wrapped = place.wrapped("echo", server)?;
    let mut command = Command::new(program);
    command.arg(RELAY).arg(place.folder.join("relayed")).args(server);
    let mut relayed = Peer::start(command)?;
    let disk = Disk::new(&place.folder.join("flushes"))?;
    for _ in 0..TURN {
        direct.call()?;
        wrapped.call()?;
        relayed.call()?;
    }
    let mut measured = Measured::default();
    while measured.direct.len() < calls {
        for _ in 0..TURN {
            measured.direct.push(direct.call()?);
        }
        for _ in 0..TURN {
            measured.wrapped.push(wrapped.call()?);
        }
        for _ in 0..TURN {
            measured.relayed.push(relayed.call()?);
        }
        for turn in 0..TURN {
            measured.flush.push(disk.flush(turn)?);
        }
    }
    direct.end()?;
    wrapped.end()?;
    relayed.end()?;
    Ok(measured)
}

fn memory(place: &Place, server: &[&str]) -> Result<()> {
    let first = place.wrapped("first", server)?;
    let mut peers = vec![first];
    peers.iter_mut().try_for_each(|peer| peer.call().map(drop))?;
    let (monitor, others) = ours(place)?;
    let before =
        (pss(monitor)?, others.iter().try_fold(0, |sum, pid| Ok::<_, anyhow::Error>(sum + pss(*pid)?))?);
    for number in 0..SERVERS {
        let mut peer = place.wrapped(&format!("more-{number}"), server)?;
        for _ in 0..TURN {
            peer.call()?;
        }
        peers.push(peer);
    }
    let (_, others) = ours(place)?;
    let after =
        (pss(monitor)?, others.iter().try_fold(0, |sum, pid| Ok::<_, anyhow::Error>(sum + pss(*pid)?))?);
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / SERVERS as f64 / 1024.0;
    println!("{:<40}{:>10.2} MiB PSS", "each wrapped server, its processes", each(before.1, after.1));
    println!("{:<40}{:>10.2} MiB PSS", "each wrapped server, in the monitor", each(before.0, after.0));
    println!("{:<40}{:>10.2} MiB PSS", "the monitor, once", after.0 as f64 / 1024.0);
    peers.into_iter().try_for_each(Peer::end)
}

/// The monitor of this data directory, and every other process of ours that serves it.
fn ours(place: &Place) -> Result<(u32, Vec<u32>)> {
    let binary = fs::canonicalize(env!("CARGO_BIN_EXE_ringfence"))?;
    let data = place.folder.join("data");
    let mut monitor = None;
    let mut others = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if fs::read_link(entry.path().join("exe")).ok() != Some(binary.clone()) {
            continue;
        }
        let command = String::from_utf8_lossy(&fs::read(entry.path().join("cmdline"))?).replace('\0', " ");
        if command.split(' ').any(|word| word == "monitor") {
            if command.contains(&*data.to_string_lossy()) {
                monitor = Some(pid);
            }
        } else {
            others.push(pid);
        }
    }
    Ok((monitor.context("no monitor runs")?, others))
}

/// Proportional set size, in KiB.
fn pss(pid: u32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let Some(line) = rollup.lines().find_map(|line| line.strip_prefix("Pss:")) else {
        bail!("the kernel does not tell the memory of process {pid}");
    };
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Passes lines on, and flushes a block before each that goes to the server.
fn relay(file: &Path, server: &[String]) -> Result<()> {
    let disk = Disk::new(file)?;
    let (program, arguments) = server.split_first().context("a server")?;
    let mut command = Command::new(program);
    command.args(arguments);
    let mut server = Peer::start(command)?;
    let mut output = std::io::stdout();
    for (turn, line) in std::io::stdin().lines().enumerate() {
        disk.flush(turn % TURN)?;
        let mut line = line?;
        line.push('\n');
        server.input.write_all(line.as_bytes())?;
        server.line.clear();
        server.output.read_line(&mut server.line)?;
        output.write_all(server.line.as_bytes())?;
        output.flush()?;
    }
    server.end()
}

/// A server with one tool, `echo`.
fn serve() -> Result<()> {
    let mut output = std::io::stdout();
    for line in std::io::stdin().lines() {
        let request: serde_json::Value = serde_json::from_str(&line?)?;
        let Some(id) = request.get("id") else { continue };
        let result = match request.get("method").and_then(|method| method.as_str()) {
            Some("tools/list") => {
                let text = serde_json::json!({ "type": "string" });
                let schema = serde_json::json!({ "type": "object", "properties": { "text": text }, "required": ["text"] });
                serde_json::json!({ "tools": [{ "name": "echo", "inputSchema": schema }] })
            }
            Some("tools/call") => {
                let text = request.pointer("/params/arguments/text");
                serde_json::json!({ "content": [{ "type": "text", "text": text }], "isError": false })
            }
            Some(_) | None => serde_json::json!({}),
        };
        let mut answer = serde_json::json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
        answer.push('\n');
        output.write_all(answer.as_bytes())?;
        output.flush()?;
    }
    Ok(())
}
