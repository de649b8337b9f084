//! What recording costs, beside the disk's own flush in the same run. Prints a table.
//!
//! `cargo bench -p ringfence-audit`; `RINGFENCE_BENCH_DIR` names the directory to measure in,
//! which should be on the disk that logs are to lie on.
#![allow(clippy::unwrap_used, reason = "a bench's way to fail")]

use std::fs::File;
use std::future::Future;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use ringfence_audit::{Append, Entry, Log, Options, Payload, verify};
use tempfile::TempDir;

fn main() {
    let parent = std::env::var("RINGFENCE_BENCH_DIR").unwrap_or_else(|_| ".".to_owned());
    let fresh = || tempfile::tempdir_in(&parent).unwrap();
    println!("{:<52} {:>12} {:>12} {:>12}", "", "p50", "p99", "per second");

    // The flush itself and one caller, in turns, so that both see the same disk.
    let rounds = 4;
    let (mut direct, mut alone) = (Vec::new(), Vec::new());
    let (flushed, data) = (fresh(), fresh());
    let log = Log::open(data.path(), Options::new("bench")).unwrap();
    let file = journal_like(flushed.path());
    let mut at = 0;
    for _ in 0..rounds {
        for _ in 0..500 {
            let start = Instant::now();
            file.write_all_at(&[7; 4096], at).unwrap();
            rustix::fs::fdatasync(&file).unwrap();
            direct.push(start.elapsed());
            at = (at + 4096) % (16 << 20);
        }
        for _ in 0..500 {
            let entry = record();
            let start = Instant::now();
            log.append(entry).wait().unwrap();
            alone.push(start.elapsed());
        }
    }
    latency("the disk: write and fdatasync of one block", &mut direct);
    latency("one caller, 600 bytes", &mut alone);
    log.close().unwrap();

    for (callers, payload) in [(64, false), (1024, false), (64, true)] {
        let data = fresh();
        let name = format!("{callers} threads{}", if payload { ", 1 KiB payloads" } else { "" });
        threads(&name, data.path(), callers, payload);
    }
    for tasks in [64, 1024] {
        let data = fresh();
        awaiting(&format!("{tasks} tasks on two threads"), data.path(), tasks);
    }
    let data = fresh();
    fill(&data, 500_000);
    let start = Instant::now();
    let verified = verify(data.path(), None, None, false).unwrap();
    rate("verify", verified.size, start.elapsed());
}

/// A file like the log's journal: every block of it was written before.
fn journal_like(dir: &Path) -> File {
    let path = dir.join("direct");
    let file = File::create_new(path).unwrap();
    file.write_all_at(&vec![0; 16 << 20], 0).unwrap();
    file.sync_all().unwrap();
    file
}

/// A record of about 600 bytes.
fn record() -> Entry {
    let body =
        format!(r#"{{"subject":"spiffe://acme.example/agent/inventory/7","reason":"{}"}}"#, "x".repeat(440));
    Entry { kind: "decision", body: body.into_bytes(), payload: None }
}

fn secret(session: usize) -> Entry {
    let payload = Payload { session: format!("s{session}"), persons: Vec::new(), content: vec![7; 1024] };
    Entry { payload: Some(payload), ..record() }
}

const SPAN: Duration = Duration::from_secs(3);

fn threads(name: &str, data: &Path, callers: usize, payload: bool) {
    let log = Log::open(data, Options::new("bench")).unwrap();
    let times = Mutex::new(Vec::new());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for caller in 0..callers {
            let (log, times) = (&log, &times);
            scope.spawn(move || {
                let mut own = Vec::new();
                while start.elapsed() < SPAN {
                    let entry = if payload { secret(caller % 32) } else { record() };
                    let begin = Instant::now();
                    log.append(entry).wait().unwrap();
                    own.push(begin.elapsed());
                }
                times.lock().unwrap().extend(own);
            });
        }
    });
    let elapsed = start.elapsed();
    let mut times = times.into_inner().unwrap();
    percentiles(name, &mut times, elapsed);
    log.close().unwrap();
}

/// One of many tasks: appends again and again.
struct Task {
    pending: Mutex<Option<Append>>,
    ready: mpsc::Sender<Arc<Task>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let ready = self.ready.clone();
        ready.send(self).ok();
    }
}

fn awaiting(name: &str, data: &Path, tasks: usize) {
    let log = Log::open(data, Options::new("bench")).unwrap();
    let done = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (log, done) = (&log, &done);
            scope.spawn(move || {
                let (ready, woken) = mpsc::channel();
                for _ in 0..tasks / 2 {
                    let pending = Mutex::new(Some(log.append(record())));
                    ready.send(Arc::new(Task { pending, ready: ready.clone() })).unwrap();
                }
                while start.elapsed() < SPAN {
                    let Ok(task) = woken.recv() else { break };
                    let waker = Waker::from(Arc::clone(&task));
                    let mut context = Context::from_waker(&waker);
                    let mut pending = task.pending.lock().unwrap();
                    while let Some(append) = pending.as_mut() {
                        match Pin::new(append).poll(&mut context) {
                            Poll::Pending => break,
                            Poll::Ready(outcome) => {
                                outcome.unwrap();
                                done.fetch_add(1, Ordering::Relaxed);
                                *pending = Some(log.append(record()));
                            }
                        }
                    }
                }
            });
        }
    });
    rate(name, done.into_inner(), start.elapsed());
    log.close().unwrap();
}

fn fill(data: &TempDir, records: u64) {
    let log = Log::open(data.path(), Options::new("bench")).unwrap();
    for _ in 0..records {
        drop(log.append(record()));
    }
    log.close().unwrap();
}

fn latency(name: &str, times: &mut [Duration]) {
    let total = times.iter().sum();
    percentiles(name, times, total);
}

fn percentiles(name: &str, times: &mut [Duration], elapsed: Duration) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    let rate = per_second(u64::try_from(times.len()).unwrap(), elapsed);
    println!("{name:<52} {:>12.1?} {:>12.1?} {rate:>12}", at(50), at(99));
}

fn rate(name: &str, count: u64, elapsed: Duration) {
    println!("{name:<52} {:>12} {:>12} {:>12}", "", "", per_second(count, elapsed));
}

fn per_second(count: u64, elapsed: Duration) -> u64 {
    let nanos = u64::try_from(elapsed.as_nanos()).unwrap().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / u128::from(nanos)).unwrap()
}
