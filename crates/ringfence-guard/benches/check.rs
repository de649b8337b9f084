//! Governed checks a second and how long one takes, for one caller and for 64, beside the log's
//! own append of a record of the same size on the same disk in the same run.
//!
//! `cargo bench -p ringfence-guard --bench check -- [SECONDS] [DIRECTORY]`

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringfence_audit::record::{Record, Stamped};
use ringfence_audit::{Entry, Log, Options, Payload, SystemClock};
use ringfence_guard::store::{Cached, Covered, Row, Store, StoreError};
use ringfence_guard::{
    Attempt, CannotApply, Configured, Evidence, Guard, Malformed, Opening, Session, SessionKey, Target,
    Verdict,
};
use ringfence_model::{
    Action, ActionKind, Arguments, Assurance, Obligation, Outcome, OutcomeKind, Person, Resource, Usage,
};
use ringfence_policy::{PolicySet, Source};

const POLICY: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: p}
layer: team
subjects: ["**"]
rules:
  - {id: read, effect: allow, actions: [tool.call], resources: ["mcp://erp/*"], when: args.sku.startsWith("A-")}
  - {id: large, effect: deny, actions: [tool.call], resources: ["mcp://erp/order"], when: args.total > 500}
limits:
  - {id: rate, actions: [tool.call], calls: 1000000000, per: minute}
"#;

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let seconds = given.first().and_then(|arg| arg.parse().ok()).unwrap_or(2);
    let folder = given.get(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let time = Duration::from_secs(seconds);
    println!(
        "{:<28}{:>8}{:>14}{:>12}{:>12}{:>12}",
        "", "callers", "per second", "p50 µs", "p99 µs", "max µs"
    );
    for callers in [1, 64] {
        let data = tempfile::tempdir_in(&folder).expect("the directory can be written");
        let log = Log::open(data.path(), Options::new("bench")).expect("a new log opens");
        let size = one_record();
        let (body, content) = ("x".repeat(size.0), vec![b'x'; size.1]);
        report("append, decision and payload", callers, time, |_| {
            let entry = Entry {
                kind: "decision",
                body: format!(r#"{{"x":"{body}"}}"#).into_bytes(),
                payload: Some(Payload {
                    session: "s".to_owned(),
                    persons: vec![Person::new("dana")],
                    content: content.clone(),
                }),
            };
            log.append(entry).wait().expect("the disk holds it");
        });
        log.close().expect("it closes");

        let data = tempfile::tempdir_in(&folder).expect("the directory can be written");
        let log = Log::open(data.path(), Options::new("bench")).expect("a new log opens");
        let session = session(&log);
        report("check, begin, settle", callers, time, |runtime| {
            let Verdict::Allowed(permit) = runtime.block_on(session.check(Call)) else { unreachable!() };
            let Ok((_, sent)) = permit.begin() else { unreachable!() };
            let outcome =
                Outcome { kind: OutcomeKind::Ok, error: None, duration: None, usage: Usage::default() };
            sent.settle(&outcome, None, None);
        });
        log.close().expect("it closes");
    }
}

/// How many bytes the body of a decision's record and its payload have.
fn one_record() -> (usize, usize) {
    let data = tempfile::tempdir().expect("there is room");
    let log = Log::open(data.path(), Options::new("bench")).expect("a new log opens");
    let session = session(&log);
    let runtime = runtime();
    drop(runtime.block_on(session.check(Call)));
    let found = log.read(0).flatten().find_map(|leaf| {
        let stamped = Stamped::parse(leaf.index, &leaf.bytes).ok()?;
        let payload = log.payload(leaf.index).ok()??;
        matches!(stamped.record, Record::Decision(_)).then_some((leaf.bytes.len(), payload.len()))
    });
    found.expect("the check left a record")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime needs nothing")
}

fn session(log: &Log) -> Session {
    let set = PolicySet::load(&[Source { name: "p", text: POLICY }]).expect("it loads").set;
    let opening = Opening {
        log: log.clone(),
        clock: Arc::new(SystemClock),
        secret: [7; 32],
        configured: Configured::nobody(),
        policies: set,
        observe_until: None,
        store: Box::new(Nowhere),
    };
    let (guard, _) = Guard::open(opening).expect("a new guard opens");
    let agent = "spiffe://acme.example/agent/a".parse().expect("an id");
    let evidence = Evidence::Declared { agent, sponsor: Person::new("dana") };
    let entered = guard.session(evidence, SessionKey::Credential, Assurance::Cooperative);
    runtime().block_on(entered).expect("a declared agent has a session")
}

/// Runs `work` in so many threads for a while.
fn report(name: &str, callers: usize, time: Duration, work: impl Fn(&tokio::runtime::Runtime) + Sync) {
    let all = Mutex::new(Vec::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                let runtime = runtime();
                let mut taken = Vec::new();
                while began.elapsed() < time {
                    let one = Instant::now();
                    work(&runtime);
                    taken.push(one.elapsed());
                }
                all.lock().expect("nobody panics").append(&mut taken);
            });
        }
    });
    let elapsed = began.elapsed().as_secs_f64();
    let mut taken = all.into_inner().expect("nobody panics");
    taken.sort_unstable();
    let at = |part: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a list"
        )]
        let place = (taken.len() as f64 * part) as usize;
        taken.get(place.min(taken.len().saturating_sub(1))).map_or(0.0, |one| one.as_secs_f64() * 1e6)
    };
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = taken.len() as f64 / elapsed;
    println!("{name:<28}{callers:>8}{rate:>14.0}{:>12.1}{:>12.1}{:>12.1}", at(0.5), at(0.99), at(1.0));
}

/// One call of a tool, with arguments as an agent sends them.
struct Call;

impl Attempt for Call {
    fn action(&self) -> Result<Action, Malformed> {
        let raw = r#"{"sku":"A-1041","warehouse":"berlin-2","quantity":12,"total":90.5,"note":"as agreed"}"#;
        let arguments = Arguments::parse(raw).map_err(|error| Malformed { reason: error.to_string() })?;
        Ok(Action { kind: ActionKind::ToolCall, resource: Resource::mcp("erp", "inventory"), arguments })
    }

    fn target(&self) -> Target {
        Target::default()
    }

    fn apply(&mut self, change: &Obligation) -> Result<(), CannotApply> {
        let path = match change {
            Obligation::Warn { path, .. } | Obligation::Hide { path } => path.clone(),
        };
        Err(CannotApply { path })
    }
}

/// A cache that keeps nothing: what is measured is the path of a call.
struct Nowhere;

impl Store for Nowhere {
    fn load(&mut self) -> Result<Option<Cached>, StoreError> {
        Ok(None)
    }

    fn save(&mut self, _: Covered, _: &[Row]) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
