//! What the benches of the binary share: the policy that is in force, the disk that all of it is
//! held against, and how times are shown.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Bytes that a call's record and payload come to, about.
pub(crate) const RECORD: usize = 4_096;
/// How many flushes there is room for.
pub(crate) const FLUSHES: usize = 200;

pub(crate) const POLICY: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: bench}
layer: team
subjects: ["**"]
rules:
  - {id: list, effect: allow, actions: [tool.list], resources: ["mcp://*"]}
  - {id: call, effect: allow, actions: [tool.call], resources: ["mcp://*/echo"], when: args.text.size() < 1000}
limits:
  - {id: many, actions: [tool.call], resources: ["mcp://*/*"], calls: 100000000, per: 1h, by: agent}
"#;

/// Shows three percentiles, in microseconds; the first and the last.
pub(crate) fn row(what: &str, mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |percent: usize| {
        let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(place).copied().unwrap_or_default().as_secs_f64() * 1e6
    };
    println!("{what:<40}{:>10.1}{:>10.1}{:>10.1}", at(50), at(90), at(99));
    (at(50), at(99))
}

/// The disk below the log: what it takes for a write like that of one call's record, into room
/// made beforehand.
pub(crate) struct Disk {
    file: File,
    bytes: Vec<u8>,
}

impl Disk {
    pub(crate) fn new(path: &Path) -> Result<Disk> {
        let file = File::options().create(true).truncate(true).write(true).open(path)?;
        file.write_all_at(&vec![0; FLUSHES * RECORD], 0)?;
        file.sync_all()?;
        Ok(Disk { file, bytes: vec![7; RECORD] })
    }

    pub(crate) fn flush(&self, turn: usize) -> Result<Duration> {
        let start = Instant::now();
        self.file.write_all_at(&self.bytes, u64::try_from(turn % FLUSHES * RECORD)?)?;
        self.file.sync_data()?;
        Ok(start.elapsed())
    }
}
