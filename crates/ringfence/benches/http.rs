//! What the gateway costs over HTTP, with policy, limits and a durable log: `tools/call` with bodies
//! of 1 KiB to a small server over Streamable HTTP, direct and through `ringfence up` in turns, and
//! in turns with them the disk's own flush. First at a fixed rate, then as fast as it goes, with the
//! gateway's own processor time; then the memory that idle sessions take. Prints a table.
//!
//! `cargo bench --package ringfence --bench http [-- SECONDS [SESSIONS]]`

use std::convert::Infallible;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use self::measuring::{Disk, FLUSHES, POLICY, RECORD, row};

#[path = "parts/measuring.rs"]
mod measuring;

/// Calls in a second, at the fixed rate.
const RATE: u64 = 1_000;
/// How long one turn takes.
const TURN: Duration = Duration::from_secs(1);
/// How many call at once, as fast as it goes.
const CALLERS: usize = 32;
/// Sessions of one agent, at most.
const OF_ONE: usize = 60;

fn main() -> Result<()> {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let seconds = numbers.first().copied().unwrap_or(10);
    let sessions = numbers.get(1).copied().unwrap_or(10_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(seconds, usize::try_from(sessions)?))
}

async fn measure(seconds: u64, sessions: usize) -> Result<()> {
    let upstream = serve().await?;
    let agents = sessions.div_ceil(OF_ONE).max(1);
    let gateway = Gateway::start(upstream, agents)?;
    let direct = Party::at(&format!("http://{upstream}/mcp"), None).await?;
    let through = Party::at(&gateway.url(), Some(token(0))).await?;
    let disk = Disk::new(&gateway.folder.join("flushes"))?;

    let (mut slow, mut fast, mut flushes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..seconds {
        fast.extend(at_rate(&direct).await?);
        slow.extend(at_rate(&through).await?);
        for turn in 0..FLUSHES {
            flushes.push(disk.flush(turn)?);
        }
    }
    println!("{:<40}{:>10}{:>10}{:>10}", format!("{RATE} calls/s, 1 KiB"), "p50 µs", "p90 µs", "p99 µs");
    let (direct_50, direct_99) = row("direct", fast);
    let (through_50, through_99) = row("through the gateway", slow);
    let (flush_50, flush_99) = row(&format!("write of {RECORD} B and fdatasync"), flushes);
    println!("{:<40}{:>10.1}{:>20.1}", "added", through_50 - direct_50, through_99 - direct_99);
    println!(
        "{:<40}{:>10.1}{:>20.1}",
        "added above the flush",
        through_50 - direct_50 - flush_50,
        through_99 - direct_99 - flush_99
    );

    let (mut calls, mut processor, mut alone) = (0, Duration::ZERO, 0);
    for _ in 0..seconds.div_ceil(2) {
        alone += saturated(&direct).await?;
        let before = gateway.processor()?;
        calls += saturated(&through).await?;
        processor += gateway.processor()?.saturating_sub(before);
    }
    let share = calls as f64 / alone as f64 * 100.0;
    println!("as fast as it goes, {CALLERS} callers");
    let a_second = |calls: u64| calls as f64 / seconds.div_ceil(2) as f64;
    println!("{:<40}{:>10.0} calls/s", "direct", a_second(alone));
    println!("{:<40}{:>10.0} calls/s, {share:.0} % of direct", "through the gateway", a_second(calls));
    println!(
        "{:<40}{:>10.1} µs a call",
        "the gateway's processor time",
        processor.as_secs_f64() * 1e6 / calls as f64
    );

    let before = gateway.memory()?;
    let mut held = Vec::with_capacity(sessions);
    for number in 0..sessions {
        let party = Party {
            client: through.client.clone(),
            ..Party::at(&gateway.url(), Some(token(number / OF_ONE))).await?
        };
        held.push(party);
    }
    let taken = gateway.memory()?.saturating_sub(before);
    println!(
        "{:<40}{:>10.1} MB, {:.1} KiB each",
        format!("{sessions} idle sessions"),
        taken as f64 / 1e6,
        taken as f64 / 1024.0 / sessions as f64
    );
    Ok(())
}

/// A call every so often, whether those before are answered or not: from when it is made until its
/// answer. (From when it was due, the timer's own millisecond would be measured.)
async fn at_rate(party: &Party) -> Result<Vec<Duration>> {
    let every = Duration::from_secs(1) / u32::try_from(RATE)?;
    let (tell, mut told) = mpsc::unbounded_channel();
    let begin = Instant::now();
    let mut due = begin;
    while due < begin + TURN {
        tokio::time::sleep_until(due.into()).await;
        let (party, tell) = (party.clone(), tell.clone());
        tokio::spawn(async move {
            let made = Instant::now();
            let called = party.call().await;
            tell.send(called.map(|()| made.elapsed())).ok();
        });
        due += every;
    }
    drop(tell);
    let mut times = Vec::new();
    while let Some(time) = told.recv().await {
        times.push(time?);
    }
    Ok(times)
}

async fn saturated(party: &Party) -> Result<u64> {
    let until = Instant::now() + TURN;
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let party = party.clone();
            tokio::spawn(async move {
                let mut calls = 0;
                while Instant::now() < until {
                    party.call().await?;
                    calls += 1;
                }
                anyhow::Ok(calls)
            })
        })
        .collect();
    let mut calls = 0;
    for caller in callers {
        calls += caller.await??;
    }
    Ok(calls)
}

/// A client with a session.
#[derive(Clone)]
struct Party {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    token: Option<String>,
    session: String,
    next: Arc<AtomicU64>,
    text: Arc<str>,
}

impl Party {
    async fn at(url: &str, token: Option<String>) -> Result<Party> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        let mut party = Party {
            client: Client::builder(TokioExecutor::new()).build(tcp),
            url: url.to_owned(),
            token,
            session: String::new(),
            next: Arc::new(AtomicU64::new(1)),
            text: "x".repeat(900).into(),
        };
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}});
        let (session, _) = party.post(hello.to_string()).await?;
        party.session = session.context("a session")?;
        party.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned()).await?;
        Ok(party)
    }

    async fn call(&self) -> Result<()> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{id} {}"}}}}}}"#,
            self.text
        );
        let (_, answer) = self.post(body).await?;
        ensure!(answer.windows(15).any(|part| part == br#""isError":false"#), "it answered {answer:?}");
        Ok(())
    }

    async fn post(&self, body: String) -> Result<(Option<String>, Bytes)> {
        let mut request = Request::post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !self.session.is_empty() {
            request = request.header("mcp-session-id", &self.session);
        }
        let answer = self.client.request(request.body(Full::new(body.into()))?).await?;
        ensure!(answer.status().is_success(), "it answered {}", answer.status());
        let session =
            answer.headers().get("mcp-session-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        Ok((session, answer.into_body().collect().await?.to_bytes()))
    }
}

/// The server: answers at once.
async fn serve() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).ok();
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer)),
            );
        }
    });
    Ok(address)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::ACCEPTED;
    if request.method() != "POST" {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return Ok(response);
    }
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let result = match asked["method"].as_str() {
        Some("initialize") => {
            response.headers_mut().insert("mcp-session-id", hyper::header::HeaderValue::from_static("s"));
            json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "b", "version": "1"}})
        }
        Some("tools/list") => {
            json!({"tools": [{"name": "echo", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}]})
        }
        Some("tools/call") => {
            json!({"content": [{"type": "text", "text": asked["params"]["arguments"]["text"]}], "isError": false})
        }
        _ => return Ok(response),
    };
    *response.status_mut() = StatusCode::OK;
    response
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    *response.body_mut() = json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string().into();
    Ok(response)
}

/// `ringfence up`, on a data directory on the disk that the target lies on.
struct Gateway {
    process: Child,
    folder: PathBuf,
    address: String,
}

fn token(agent: usize) -> String {
    use base64::Engine as _;
    let mut bytes = [0u8; 32];
    for (place, byte) in bytes.iter_mut().zip(agent.to_be_bytes()) {
        *place = byte;
    }
    format!("rf_{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

impl Gateway {
    fn start(upstream: SocketAddr, agents: usize) -> Result<Gateway> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("http-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("policy.yaml"), POLICY)?;
        let mut config = format!(
            "apiVersion: ringfence/v1\nkind: Gateway\nlisten: 127.0.0.1:0\npolicies: ./policy.yaml\nservers:\n  b: {{url: \"http://{upstream}/mcp\"}}\nagents:\n"
        );
        for agent in 0..agents {
            let file = format!("agent-{agent}.token");
            fs::write(folder.join(&file), token(agent))?;
            config.push_str(&format!(
                "  - {{id: \"spiffe://bench.example/{agent}\", sponsor: dana, token: {{file: {file}}}}}\n"
            ));
        }
        fs::write(folder.join("ringfence.yaml"), config)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.arg("--config").arg(folder.join("ringfence.yaml")).arg("--data").arg(folder.join("data"));
        let mut process = command.args(["--json", "up"]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("its output")?).read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line)?;
        let address = said["listen"].as_str().context("an address")?.to_owned();
        Ok(Gateway { process, folder, address })
    }

    fn url(&self) -> String {
        format!("http://{}/mcp/b", self.address)
    }

    /// User and system time so far.
    fn processor(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let (_, after) = stat.rsplit_once(')').context("stat")?;
        let ticks: u64 =
            after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        // USER_HZ is 100 on every Linux of today.
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Bytes that are its own: what it shares with others is not counted.
    fn memory(&self) -> Result<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id()))?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:")).context("Pss")?;
        let kib: u64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
        Ok(kib * 1024)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.wait().map(drop));
        if let Err(error) = ended.and_then(|()| fs::remove_dir_all(&self.folder)) {
            eprintln!("{} is left: {error}", self.folder.display());
        }
    }
}
