//! How long a decision takes, by how many rules there are: `cargo bench -p ringfence-policy`.
//!
//! Of each set up to eight rules can match an attempt, each with a condition over the arguments
//! and the session. `hot`: the attempts of 64 agents in turn, as a monitor has them. `cold`: those
//! of up to 2,000 agents all over the set, so that the caches of the processor help little. The
//! last line is what the index is for: what the largest set costs in terms of the smallest.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use ringfence_cel::{Fact, Value};
use ringfence_model::{ActionKind, Person, Resource, Ring, Subject};
use ringfence_policy::{FactId, Facts, Limit, PolicySet, Room, Source, decide};

const SIZES: [usize; 4] = [1, 1_000, 10_000, 100_000];
const MATCHING: usize = 8;
const SAMPLES: usize = 200_000;
/// Calls timed together for the mean, where the clock itself would show.
const BATCH: usize = 64;

fn main() {
    // `cargo test --benches` asks for one quick run.
    let samples = if std::env::args().any(|arg| arg == "--test") { 1_000 } else { SAMPLES };
    let clock = clock_cost();
    println!("reading the clock costs {clock:?}, taken off below");
    println!("   rules      load  hot p50   hot p99  cold p50  cold p99    1 thread/s   2 threads/s      x");
    let mut medians = Vec::new();
    // `cargo bench -p ringfence-policy -- 1000` measures that size alone, for a profiler.
    let named: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    for size in SIZES.into_iter().filter(|size| named.is_empty() || named.contains(size)) {
        let text = policy(size);
        let started = Instant::now();
        let set = match PolicySet::load(&[Source { name: "bench", text: &text }]) {
            Ok(loaded) => loaded.set,
            Err(found) => {
                eprintln!("{}", found[0]);
                return;
            }
        };
        let load = started.elapsed();
        let (cold, hot) = (attempts(size, 2_000), attempts(size, 64));
        let (cold_p50, cold_p99) = percentiles(&set, &cold, samples, clock);
        let (hot_p50, hot_p99) = percentiles(&set, &hot, samples, clock);
        let one = throughput(&set, &hot, samples, 1);
        let two = throughput(&set, &hot, samples, 2);
        medians.push(hot_p50);
        println!(
            "{size:>8} {:>7.0}ms {:>6}ns {:>7}ns {:>7}ns {:>7}ns {one:>13.0} {two:>13.0} {:>5.2}x",
            load.as_secs_f64() * 1e3,
            hot_p50.as_nanos(),
            hot_p99.as_nanos(),
            cold_p50.as_nanos(),
            cold_p99.as_nanos(),
            two / one,
        );
    }
    if let (Some(first), Some(last)) = (medians.get(1), medians.last()) {
        println!(
            "the largest set costs {:.2} times what 1,000 rules do",
            last.as_secs_f64() / first.as_secs_f64()
        );
    }
}

/// Groups of eight rules about one agent and one tool: six that allow, one that asks, one that
/// denies, each with a condition.
fn policy(size: usize) -> String {
    let mut text = String::new();
    for group in 0..size.div_ceil(MATCHING) {
        text.push_str(&format!(
            "---\napiVersion: ringfence/v1\nkind: Policy\nmetadata: {{name: p{group}}}\nlayer: team\n\
             subjects: [\"spiffe://acme.example/agent/team{group}/*\"]\nrules:\n"
        ));
        for rule in 0..MATCHING.min(size - group * MATCHING) {
            let (effect, when) = match rule {
                0 => ("allow", "args.total <= 500.0".to_owned()),
                1 => ("deny", "args.total > 500.0".to_owned()),
                2 => ("ask", "args.total > 400.0 && session.calls > 100".to_owned()),
                3 => ("deny", "args.currency != \"EUR\"".to_owned()),
                4 => ("deny", "session.labels.integrity == \"untrusted\" && args.total > 10".to_owned()),
                5 => ("deny", "session.calls > 1000".to_owned()),
                6 => ("allow", "args.currency == \"EUR\" && args.lines < 10".to_owned()),
                _ => ("deny", "args.to.startsWith(\"evil\")".to_owned()),
            };
            text.push_str(&format!(
                "  - {{id: r{rule}, effect: {effect}, actions: [tool.call], resources: [\"mcp://erp{}/order_{group}.*\"], when: '{when}'}}\n",
                group % 50,
            ));
        }
    }
    text
}

struct Attempt {
    subject: Subject,
    resource: Resource,
    args: serde_json::Value,
    labels: serde_json::Value,
}

fn attempts(size: usize, agents: usize) -> Vec<Attempt> {
    let groups = size.div_ceil(MATCHING);
    let agents = groups.min(agents);
    (0..agents)
        .map(|at| {
            let group = at * groups / agents;
            Attempt {
                subject: Subject {
                    id: format!("spiffe://acme.example/agent/team{group}/7")
                        .parse()
                        .expect("invariant: an id"),
                    sponsor: Person::new("dana@acme.example"),
                    groups: vec!["staff".to_owned()].into(),
                    ring: Ring::Three,
                    delegation: Vec::new().into(),
                },
                resource: Resource::mcp(&format!("erp{}", group % 50), &format!("order_{group}.create")),
                args: serde_json::json!({"total": 90.0, "currency": "EUR", "lines": 3, "to": "acme"}),
                labels: serde_json::json!({"integrity": "trusted", "confidentiality": "internal"}),
            }
        })
        .collect()
}

impl Facts for Attempt {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn action(&self) -> ActionKind {
        ActionKind::ToolCall
    }

    fn resource(&self) -> &Resource {
        &self.resource
    }

    fn fact(&self, fact: FactId) -> Fact<'_> {
        match fact {
            FactId::Args => Fact::Known(Value::Json(&self.args)),
            FactId::SessionCalls => Fact::Known(Value::Int(3)),
            FactId::SessionLabels => Fact::Known(Value::Json(&self.labels)),
            _ => Fact::Missing,
        }
    }

    fn limit(&self, _limit: &Limit) -> Room {
        Room::Left
    }
}

fn round(attempts: &[Attempt], at: usize) -> &Attempt {
    &attempts[at.wrapping_mul(7919) % attempts.len()]
}

fn run(set: &PolicySet, attempts: &[Attempt], range: std::ops::Range<usize>) {
    for at in range {
        black_box(decide(black_box(set), round(attempts, at)));
    }
}

fn percentiles(
    set: &PolicySet,
    attempts: &[Attempt],
    samples: usize,
    clock: Duration,
) -> (Duration, Duration) {
    run(set, attempts, 0..samples / 10);
    let mut times: Vec<Duration> = (0..samples)
        .map(|at| {
            let attempt = round(attempts, at);
            let started = Instant::now();
            black_box(decide(black_box(set), attempt));
            started.elapsed().saturating_sub(clock)
        })
        .collect();
    times.sort_unstable();
    (times[samples / 2], times[samples * 99 / 100])
}

fn throughput(set: &PolicySet, attempts: &[Attempt], samples: usize, threads: usize) -> f64 {
    let barrier = Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    run(set, attempts, thread * samples..(thread + 1) * samples);
                })
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        for worker in workers {
            worker.join().expect("invariant: a worker does not panic");
        }
        (threads * samples) as f64 / started.elapsed().as_secs_f64()
    })
}

fn clock_cost() -> Duration {
    let mut costs: Vec<Duration> = (0..1_000)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..BATCH {
                black_box(Instant::now());
            }
            started.elapsed() / u32::try_from(BATCH).expect("invariant: small")
        })
        .collect();
    costs.sort_unstable();
    costs[costs.len() / 2]
}
