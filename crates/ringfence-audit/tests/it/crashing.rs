//! A writer that is killed anywhere, hundreds of times.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use ringfence_audit::{Log, Options, verify};

use crate::fixture::{NODE, data, entry, number, open, secret};

const WRITER: &str = "RINGFENCE_AUDIT_WRITER";

/// The process that is killed: appends from several threads and says what was acknowledged. Run
/// as an ordinary test it ends by itself.
#[test]
fn writer() {
    let Ok(told) = std::env::var(WRITER) else {
        let data = data();
        write_on(data.path(), 0, 5, 1000);
        assert_eq!(open(data.path()).head().size, 40);
        return;
    };
    let (seed, dir) = told.split_once(' ').unwrap();
    let seed: u64 = seed.parse().unwrap();
    let content = if seed.is_multiple_of(4) { 300_000 } else { 1000 };
    write_on(Path::new(dir), seed * 1_000_000, u64::MAX, content);
}

fn write_on(dir: &Path, base: u64, rounds: u64, content: usize) {
    let content = vec![1; content];
    for round in 0..rounds {
        let log = Log::open(dir, Options { journal_bytes: 0, ..Options::new(NODE) }).unwrap();
        let length = if round == 0 { 50 } else { 2 };
        let length = if rounds == u64::MAX { length } else { 2 };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (log, content) = (log.clone(), &content);
                scope.spawn(move || {
                    for n in 0..length {
                        let n = base + round * 1000 + n * 4 + thread;
                        let session = format!("s{}", n % 7);
                        let entry = if n.is_multiple_of(3) {
                            entry(n)
                        } else {
                            secret(n, &session, &["dana"], content)
                        };
                        let appended = log.append(entry).wait().unwrap();
                        let line = format!("ack {} {n}\n", appended.index);
                        std::io::stdout().write_all(line.as_bytes()).unwrap();
                        if n.is_multiple_of(41) {
                            log.lay().unwrap();
                        }
                    }
                });
            }
        });
        log.close().unwrap();
    }
}

/// Runs a writer, kills it after so many acknowledgements, and gives all that it had said by then.
fn killed(dir: &Path, seed: u64, after: usize) -> BTreeMap<u64, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crashing::writer", "--nocapture", "--test-threads", "1"])
        .env(WRITER, format!("{seed} {}", dir.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = BTreeMap::new();
    let mut killed = false;
    loop {
        if !killed && acknowledged.len() >= after {
            child.kill().unwrap();
            killed = true;
        }
        // What was said before the kill is still in the pipe.
        let Some(Ok(line)) = lines.next() else { break };
        if let Some((index, n)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' '))
            && let (Ok(index), Ok(n)) = (index.parse(), n.parse())
        {
            acknowledged.insert(index, n);
        }
    }
    assert!(!child.wait().unwrap().success(), "it ended by itself");
    acknowledged
}

#[test]
fn two_hundred_kills_lose_nothing_acknowledged() {
    std::thread::scope(|scope| {
        for log in 1..=8 {
            scope.spawn(move || kills(log, 25));
        }
    });
}

/// Kills the writers of one log, so many of them one after the other.
fn kills(mut seed: u64, times: usize) {
    let data = data();
    let mut before = None;
    for _ in 0..times {
        // A fixed, well-spread sequence: a failure can be run again.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let after = usize::try_from((seed >> 33) % 60).unwrap();
        let after = if after > 50 { after * 5 } else { after };
        let acknowledged = killed(data.path(), seed >> 40, after);
        let log = open(data.path());
        let size = log.head().size;
        let Some((&last, _)) = acknowledged.last_key_value() else { continue };
        assert!(last < size, "record {last} was acknowledged and the log has {size}");
        let first = *acknowledged.first_key_value().unwrap().0;
        for leaf in log.read(first) {
            let leaf = leaf.unwrap();
            if let Some(n) = acknowledged.get(&leaf.index) {
                assert_eq!(number(&leaf.bytes), Some(*n), "record {}", leaf.index);
                let content = log.payload(leaf.index).unwrap();
                assert_eq!(content.is_some(), !n.is_multiple_of(3));
            }
        }
        let checkpoint = log.checkpoint();
        log.close().unwrap();
        let verified = verify(data.path(), None, before.as_deref(), false).unwrap();
        assert_eq!(verified.size, size);
        before = Some(checkpoint);
    }
}
