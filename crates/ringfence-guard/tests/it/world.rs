//! A guard over a real log and a real database, with a clock that shows what it is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringfence_audit::record::{Decision, Monitor, Outcome, Record, Stamped};
use ringfence_audit::{Clock, Disk, Log, Options, RealDisk};
use ringfence_guard::store::{Cached, Covered, Row, Store, StoreError};
use ringfence_guard::{
    Attempt, CacheError, CacheKeeper, CannotApply, Configured, Evidence, Guard, Malformed, OpenError,
    Opening, Operator, Pending, Permit, Sent, Session, SessionKey, State, Target, Tool, Verdict,
};
use ringfence_model::{
    Action, ActionKind, Arguments, Assurance, Digest, Obligation, OutcomeKind, Person, Resource, Timestamp,
    Usage,
};
use ringfence_policy::{PolicySet, Source};
use ringfence_store::SqliteStore;
use tempfile::TempDir;

pub(crate) const DANA: &str = "dana@acme.example";
pub(crate) const START: &str = "2026-11-20T12:00:00Z";

/// Tool calls are allowed, and those named `pay` are asked.
pub(crate) const PAY_IS_ASKED: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: p}
layer: team
subjects: ["**"]
rules:
  - {id: any, effect: allow, actions: ["*"], resources: ["mcp://erp/*", "mcp://erp", "model://openai/*"]}
  - {id: pay, effect: ask, actions: [tool.call], resources: ["mcp://erp/pay"], expires: 10m}
  - {id: drop, effect: deny, actions: [tool.call], resources: ["mcp://erp/drop"]}
"#;

/// One policy that allows every call of the server `erp`, with these limits.
pub(crate) fn limited(limits: &str) -> String {
    format!(
        r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {{name: p}}
layer: team
subjects: ["**"]
rules:
  - {{id: any, effect: allow, actions: ["*"], resources: ["mcp://erp/*", "mcp://erp", "model://openai/*"]}}
limits:
{limits}
"#
    )
}

pub(crate) fn policies(text: &str) -> PolicySet {
    if text.is_empty() {
        return PolicySet::load(&[]).expect("nothing is a set").set;
    }
    let source = Source { name: "test.yaml", text };
    match PolicySet::load(&[source]) {
        Ok(loaded) => loaded.set,
        Err(found) => panic!("{found:#?}"),
    }
}

/// A clock that shows what it is told; elapsed time goes along, so that nothing looks like a step.
pub(crate) struct SetClock(Mutex<Timestamp>);

impl SetClock {
    pub(crate) fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap() = now;
    }

    pub(crate) fn pass(&self, time: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(time).unwrap();
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.now().duration_since(Timestamp::UNIX_EPOCH).unsigned_abs()
    }
}

/// A database that cannot be written while it is told so.
struct Flaky {
    store: SqliteStore,
    fails: Arc<AtomicBool>,
}

impl Store for Flaky {
    fn load(&mut self) -> Result<Option<Cached>, StoreError> {
        self.store.load()
    }

    fn save(&mut self, covered: Covered, changes: &[Row]) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError { what: "the disk is full".to_owned(), source: None });
        }
        self.store.save(covered, changes)
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.store.clear()
    }
}

/// What a world is made of; what is left out is as in [`World::new`].
pub(crate) struct Setting {
    pub(crate) policies: String,
    pub(crate) start: String,
    pub(crate) configured: Configured,
    pub(crate) observe_until: Option<Timestamp>,
    pub(crate) disk: Arc<dyn Disk>,
}

impl Setting {
    pub(crate) fn of(policies: &str) -> Setting {
        Setting {
            policies: policies.to_owned(),
            start: START.to_owned(),
            configured: Configured::nobody(),
            observe_until: None,
            disk: Arc::new(RealDisk),
        }
    }
}

pub(crate) struct World {
    folder: TempDir,
    setting: Setting,
    pub(crate) clock: Arc<SetClock>,
    /// While it is set, the database cannot be written.
    pub(crate) store_fails: Arc<AtomicBool>,
    running: Option<Running>,
}

struct Running {
    guard: Guard,
    log: Log,
    keeper: CacheKeeper,
}

impl World {
    pub(crate) fn new(policies: &str) -> World {
        World::set(Setting::of(policies))
    }

    pub(crate) fn set(setting: Setting) -> World {
        // In memory where that is possible: what is tested is not how long the disk takes.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let clock = Arc::new(SetClock(Mutex::new(setting.start.parse().unwrap())));
        let mut world = World { folder, setting, clock, store_fails: Arc::default(), running: None };
        world.start().expect("a new guard opens");
        world
    }

    pub(crate) fn data(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.data().join("state.db")
    }

    /// Ends the guard as a crash would end it: what has no outcome gets none from this one.
    pub(crate) fn stop(&mut self) {
        if let Some(Running { guard, log, mut keeper }) = self.running.take() {
            keeper.catch_up().unwrap();
            drop(keeper);
            log.close().unwrap();
            drop(guard);
        }
    }

    pub(crate) fn start(&mut self) -> Result<(), OpenError> {
        let options = Options {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            disk: Arc::clone(&self.setting.disk),
            journal_bytes: 32 << 20,
            ..Options::new("node-1")
        };
        let log = Log::open(self.folder.path(), options).unwrap();
        let opened = SqliteStore::open(&self.database()).map_err(|error| OpenError::Cache(error.into()));
        let opened = opened.and_then(|store| {
            Guard::open(Opening {
                log: log.clone(),
                clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
                secret: [7; 32],
                configured: self.setting.configured.clone(),
                policies: policies(&self.setting.policies),
                observe_until: self.setting.observe_until,
                store: Box::new(Flaky { store, fails: Arc::clone(&self.store_fails) }),
            })
        });
        match opened {
            Ok((guard, keeper)) => {
                self.running = Some(Running { guard, log, keeper });
                Ok(())
            }
            Err(error) => {
                log.close().unwrap();
                Err(error)
            }
        }
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start().expect("it opens again");
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the world is stopped")
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.running().guard
    }

    pub(crate) fn log(&self) -> &Log {
        &self.running().log
    }

    /// Brings the cache forward.
    pub(crate) fn keep(&mut self) -> Result<u64, CacheError> {
        self.running.as_mut().expect("the world is stopped").keeper.catch_up()
    }

    pub(crate) fn configure(&mut self, configured: Configured) {
        self.setting.configured = configured;
    }

    /// The session of `spiffe://acme.example/agent/<agent>`, sponsored by Dana.
    pub(crate) async fn session(&self, agent: &str) -> Session {
        self.session_for(agent, DANA).await
    }

    pub(crate) async fn session_for(&self, agent: &str, sponsor: &str) -> Session {
        let evidence = Evidence::Declared { agent: id(agent), sponsor: Person::new(sponsor) };
        self.enter(evidence).await.expect("a declared agent has a session")
    }

    pub(crate) async fn enter(&self, evidence: Evidence) -> Result<Session, ringfence_guard::Denied> {
        self.guard().session(evidence, SessionKey::Credential, Assurance::Cooperative).await
    }

    pub(crate) async fn operator(&self, name: &str, groups: &[&str]) -> Operator {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let token = self.guard().add_operator(&Person::new(name), groups).await.unwrap();
        self.guard().operator(&token).expect("the token was just issued")
    }

    /// Every record so far, also what was only queued.
    pub(crate) fn records(&self) -> Vec<(u64, Stamped)> {
        let barrier = Monitor { event: "started".into(), version: "test".to_owned() };
        self.log().append(Record::Monitor(barrier).into_entry(None)).wait().unwrap();
        let leaves = self.log().read(0);
        leaves
            .map(|leaf| {
                let leaf = leaf.unwrap();
                (leaf.index, Stamped::parse(leaf.index, &leaf.bytes).unwrap())
            })
            .collect()
    }

    pub(crate) fn decisions(&self) -> BTreeMap<u64, Decision> {
        let records = self.records().into_iter();
        let found = records.filter_map(|(index, stamped)| match stamped.record {
            Record::Decision(decision) => Some((index, *decision)),
            _ => None,
        });
        found.collect()
    }

    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let records = self.records().into_iter();
        let found = records.filter_map(|(_, stamped)| match stamped.record {
            Record::Outcome(outcome) => Some(outcome),
            _ => None,
        });
        found.collect()
    }

    /// The results of all outcomes, in order.
    pub(crate) fn results(&self) -> Vec<String> {
        self.outcomes().into_iter().map(|outcome| outcome.result.into_owned()).collect()
    }

    /// The state as the log alone gives it, and as the cache has it.
    pub(crate) fn states(&mut self) -> (Rows, Rows) {
        let mut folded = State::default();
        for (index, stamped) in self.records() {
            folded.apply(index, &stamped);
        }
        self.keep().unwrap();
        (folded.rows(), self.running().keeper.state().rows())
    }
}

pub(crate) type Rows = Vec<(String, String, String)>;

pub(crate) fn id(agent: &str) -> ringfence_model::AgentId {
    format!("spiffe://acme.example/agent/{agent}").parse().unwrap()
}

/// An attempt, as a front end would hold it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) action: Action,
    pub(crate) target: Target,
}

impl Call {
    pub(crate) fn tool(name: &str) -> Call {
        Call::with(name, "{}")
    }

    pub(crate) fn with(name: &str, arguments: &str) -> Call {
        let arguments = Arguments::parse(arguments).unwrap();
        let action = Action { kind: ActionKind::ToolCall, resource: Resource::mcp("erp", name), arguments };
        Call { action, target: Target::default() }
    }

    pub(crate) fn model(usage: Usage) -> Call {
        let resource = Resource::model("openai", "gpt");
        let action = Action { kind: ActionKind::ModelCall, resource, arguments: Arguments::none() };
        Call { action, target: Target { usage, ..Target::default() } }
    }

    pub(crate) fn of_tool(mut self, hash: u8) -> Call {
        self.target.tool = Some(Arc::new(Tool { hash: Digest([hash; 32]), annotations: None }));
        self
    }

    pub(crate) fn on_server(mut self, identity: u8) -> Call {
        self.target.server = Some(Digest([identity; 32]));
        self
    }
}

impl Attempt for Call {
    fn action(&self) -> Result<Action, Malformed> {
        Ok(self.action.clone())
    }

    fn target(&self) -> Target {
        self.target.clone()
    }

    fn apply(&mut self, change: &Obligation) -> Result<(), CannotApply> {
        let path = match change {
            Obligation::Warn { path, .. } | Obligation::Hide { path } => path.clone(),
        };
        Err(CannotApply { path })
    }
}

/// A verdict in words: `allow`, `ask`, or `deny` and the rule.
pub(crate) fn words<A: Attempt>(verdict: &Verdict<A>) -> String {
    match verdict {
        Verdict::Allowed(_) => "allow".to_owned(),
        Verdict::Pending(_) => "ask".to_owned(),
        Verdict::Denied(denied) => format!("deny {}", denied.rule()),
    }
}

pub(crate) fn permit<A: Attempt>(verdict: Verdict<A>) -> Permit<A> {
    match verdict {
        Verdict::Allowed(permit) => permit,
        other => panic!("{} instead of a permit", words(&other)),
    }
}

pub(crate) fn pending<A: Attempt>(verdict: Verdict<A>) -> Pending<A> {
    match verdict {
        Verdict::Pending(pending) => pending,
        other => panic!("{} instead of an ask", words(&other)),
    }
}

pub(crate) fn begun<A: Attempt>(verdict: Verdict<A>) -> Sent {
    match permit(verdict).begin() {
        Ok((_, sent)) => sent,
        Err(denied) => panic!("{denied}"),
    }
}

pub(crate) fn settle(sent: Sent) {
    settle_used(sent, Usage::default());
}

pub(crate) fn settle_used(sent: Sent, usage: Usage) {
    sent.settle(
        &ringfence_model::Outcome { kind: OutcomeKind::Ok, error: None, duration: None, usage },
        None,
        None,
    );
}

/// Checks one call to its end, and says in words what came of it.
pub(crate) async fn call(session: &Session, attempt: Call) -> String {
    let verdict = session.check(attempt).await;
    let said = words(&verdict);
    if let Verdict::Allowed(permit) = verdict {
        match permit.begin() {
            Ok((_, sent)) => settle(sent),
            Err(denied) => return format!("deny {} at the beginning", denied.rule()),
        }
    }
    said
}

/// Whether it is let through to the end.
pub(crate) fn begins<A: Attempt>(verdict: Verdict<A>) -> bool {
    match verdict {
        Verdict::Allowed(permit) => permit.begin().is_ok(),
        Verdict::Pending(_) | Verdict::Denied(_) => false,
    }
}
