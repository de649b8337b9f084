//! The end: everybody leaves, the log is verified, and three forgeries are caught.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::super::facts::{Call, Forgery, LogFacts};
use super::super::forge;
use super::super::own_monitor::OwnMonitor;
use super::super::person::Person;
use super::super::puppet::Puppet;
use super::super::records;
use super::super::scene::Scene;
use super::super::tell::Teller;
use super::demand;
use crate::fault::Fault;

const KEY: [&str; 2] = ["--key", "log.vkey"];
const AGAINST: [&str; 2] = ["--against", "head"];

/// Ends the session and looks at what is left. `early` is how many records the copy has that was
/// put aside.
pub(super) fn play(
    scene: &Scene,
    teller: &Teller,
    agent: Puppet,
    monitor: OwnMonitor,
    calls: &[Call],
    early: u64,
) -> Result<(LogFacts, Vec<Forgery>), Fault> {
    teller.chapter("The log proves it, with its files and a public key alone")?;
    let head = Person::Dana.types(scene, &["audit", "checkpoint"])?;
    demand(head.exit == 0, || format!("`ringfence audit checkpoint` exited {}: {}", head.exit, head.err))?;
    fs::write(scene.auditor().join("head"), &head.out)?;
    teller.line("dana", "$ ringfence audit checkpoint > head")?;
    agent.end()?;
    monitor.end()?;

    let copy = scene.auditor().join("log");
    forge::copy(&scene.data().join("log"), &copy)?;
    let words = [&["audit", "verify", "log"][..], &KEY, &AGAINST].concat();
    let verified = Person::Auditor.gets(scene, &words)?;
    teller.line("auditor", &format!("$ ringfence {} --json", words.join(" ")))?;
    let number = |name: &str| verified.get(name).and_then(Value::as_u64);
    let root = verified.get("root").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (Some(records), Some(head_kept)) = (number("size"), number("against")) else {
        return Err(Fault::no(format!("the verifier did not say how much it verified: {verified}")));
    };
    let held = records::size(&scene.data())?;
    demand(records == held, || format!("{records} records were verified, the log has {held}"))?;
    demand(head_kept > early, || format!("the head that was kept has only {head_kept} records"))?;
    teller.marked("", "verified", &format!("{records} records; it extends the head over {head_kept}"))?;
    let log = LogFacts { records, root, head_kept };

    teller.chapter("Whoever changes it is caught")?;
    let forgeries = vec![blamed(scene, teller, calls)?, cut(scene, teller)?, put_back(scene, teller, early)?];
    Ok((log, forgeries))
}

/// One byte of the refusal's record.
fn blamed(scene: &Scene, teller: &Teller, calls: &[Call]) -> Result<Forgery, Fault> {
    let log = scene.auditor().join("blamed");
    forge::copy(&scene.data().join("log"), &log)?;
    let refused = calls.iter().find(|call| call.last.rule.ends_with("/no-large-purchase"));
    let index =
        refused.map(|call| call.last.record).ok_or_else(|| Fault::no("no large order was refused"))?;
    let entry = records::since(&log, index)?.into_iter().next();
    let entry = entry.ok_or_else(|| Fault::no(format!("there is no record {index}")))?;
    let (_, at) = forge::blame_another(&log, &entry)?;
    let done = format!("record {index} blames agent 8 instead of 7: one byte changed, at {at}");
    caught(scene, teller, "blamed", done)
}

fn cut(scene: &Scene, teller: &Teller) -> Result<Forgery, Fault> {
    let log = scene.auditor().join("cut");
    forge::copy(&scene.data().join("log"), &log)?;
    let records = forge::cut_tail(&log)?;
    caught(scene, teller, "cut", format!("the newest {records} records are cut off"))
}

/// A whole older log with the head that was signed for it: it holds in itself, and only a head
/// that was kept elsewhere shows what is gone.
fn put_back(scene: &Scene, teller: &Teller, early: u64) -> Result<Forgery, Fault> {
    let words = [&["audit", "verify", "older"][..], &KEY].concat();
    let alone = Person::Auditor.gets(scene, &words)?;
    let size = alone.get("size").and_then(Value::as_u64);
    demand(size == Some(early), || format!("the older log holds {size:?} records, not {early}"))?;
    let done = format!("the log of {early} records is put back, whole and rightly signed");
    caught(scene, teller, "older", done)
}

fn caught(scene: &Scene, teller: &Teller, folder: &str, done: String) -> Result<Forgery, Fault> {
    let words = [&["audit", "verify", folder][..], &KEY, &AGAINST].concat();
    teller.line("forger", &done)?;
    teller.line("auditor", &format!("$ ringfence {} --json", words.join(" ")))?;
    let said = Person::Auditor.types(scene, &[words.as_slice(), &["--json"]].concat())?;
    demand(said.exit == 1, || {
        format!("`ringfence {}` exited {}, not 1: {}", words.join(" "), said.exit, said.err)
    })?;
    let verdict: Value = serde_json::from_str(&said.err)
        .map_err(|error| Fault::from(error).while_trying("reading what the verifier said"))?;
    let verdict = verdict.get("error").and_then(Value::as_str).unwrap_or_default().to_owned();
    demand(!verdict.is_empty(), || "the verifier did not say what is wrong".to_owned())?;
    teller.marked("", "exit 1", &verdict)?;
    Ok(Forgery { done, exit: said.exit, verdict })
}

/// What to type now.
pub(super) fn next(scene: &Scene, teller: &Teller, took: Duration) -> Result<Vec<String>, Fault> {
    let program = scene.typed();
    let last = match scene.kept() {
        Some(kept) => {
            let auditor = kept.join("auditor");
            let (log, key) = (auditor.join("blamed"), auditor.join("log.vkey"));
            let words = format!("audit verify {} --key {}", log.display(), key.display());
            ("look for yourself", format!("{program} {words}"))
        }
        None => ("play it again, and keep every file", format!("{program} demo --keep demo")),
    };
    let next = [
        ("a configuration and policies to begin with", format!("{program} init")),
        (
            "a server of yours, wrapped: what to put into your MCP client's configuration",
            format!("{program} mcp --profile read-only -- npx -y @modelcontextprotocol/server-memory"),
        ),
        last,
    ];
    teller.heading("Next")?;
    for (note, command) in &next {
        teller.command(note, command)?;
    }
    let millis = took.as_millis();
    teller.heading(&format!(
        "All of this happened just now, in {}.{} s.",
        millis / 1000,
        millis % 1000 / 100
    ))?;
    Ok(next.into_iter().map(|(_, command)| command).collect())
}
