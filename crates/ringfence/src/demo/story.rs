//! The story, chapter by chapter. Each step does something, reads what came of it, holds it
//! against what should have come of it, and tells it. What differs ends it.

mod finale;
mod over_http;

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use super::agent::Heard;
use super::facts::{Approval, Call, Facts};
use super::forge;
use super::own_monitor::OwnMonitor;
use super::person::Person;
use super::puppet::{Puppet, journal};
use super::records::{self, Entry};
use super::scene::{AGENT, DANA, Scene};
use super::tell::Teller;
use crate::fault::Fault;

/// What the agent asks for when it connects.
const REVISION: &str = "2025-11-25";
const SEARCH: &str = "inventory.search";
const GET: &str = "inventory.get";
const ORDER: &str = "purchase_order.create";
/// How often a copy of the running log is tried.
const COPIES: u32 = 10;

/// A story as far as it has been told.
struct Story<'a> {
    scene: &'a Scene,
    teller: &'a Teller,
    agent: Puppet,
    calls: Vec<Call>,
}

/// What Dana says when she is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Approve,
    Deny,
}

/// Plays it.
pub(super) fn play(scene: &Scene, teller: &Teller) -> Result<Facts, Fault> {
    let began = Instant::now();
    teller.title("Ringfence: one governed session, end to end")?;
    let monitor = OwnMonitor::begin(&scene.config(), &scene.data())?;
    // The key is public; whoever audits takes it before anything happens.
    fs::copy(scene.data().join("log/vkey"), scene.auditor().join("log.vkey"))?;

    let agent = Puppet::start(scene)?;
    let Heard::Connected { pid, revision, server, tools } = agent.hear()? else {
        return Err(Fault::no("the agent did not connect"));
    };
    demand(revision == REVISION, || format!("MCP {revision} was agreed on, not {REVISION}"))?;
    let shown: Vec<&str> = tools.iter().map(String::as_str).collect();
    demand(shown == [SEARCH, GET, ORDER], || format!("the agent was shown the tools {shown:?}"))?;
    teller.line("agent", &format!("{AGENT}, process {pid}"))?;
    teller.line("server", &format!("{server}, started by the agent behind `ringfence mcp`"))?;
    teller.line("between", &format!("MCP {revision} over standard streams, {} tools shown", tools.len()))?;
    teller.line("person", &format!("{DANA} answers for the agent and may approve"))?;

    let mut story = Story { scene, teller, agent, calls: Vec::new() };
    story.reading()?;
    let early = story.keep_early_log()?;
    story.small_order()?;
    story.changed_order()?;
    story.large_order()?;
    story.broken_order()?;
    story.over_http(monitor.address())?;
    let server_journal = story.what_arrived()?;
    let Story { agent, calls, .. } = story;
    let (log, forgeries) = finale::play(scene, teller, agent, monitor, &calls, early)?;
    let took = began.elapsed();
    let next = finale::next(scene, teller, took)?;
    Ok(Facts {
        agent: AGENT.to_owned(),
        agent_pid: pid,
        server,
        mcp_revision: revision,
        tools,
        calls,
        server_journal,
        log,
        forgeries,
        kept: scene.kept().map(ToOwned::to_owned),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        next,
    })
}

/// What differs from the story ends it.
fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds {
        Ok(())
    } else {
        Err(Fault::no(otherwise()).while_trying("the demo went otherwise than it should"))
    }
}

impl Story<'_> {
    fn reading(&mut self) -> Result<(), Fault> {
        self.teller.chapter("Reading stock is allowed")?;
        for (tool, arguments) in [(SEARCH, json!({ "query": "filter" })), (GET, json!({ "sku": "FL-1010" }))]
        {
            let call = self.attempt(tool, arguments, None)?;
            self.decided_as(&call, "allow", "inventory-readers/read-stock")?;
            demand(!call.is_error, || format!("`{tool}` was answered with an error: {}", call.answer))?;
            let found: Value = serde_json::from_str(&call.answer)?;
            self.teller.line("erp", &articles(&found))?;
            self.done(call);
        }
        Ok(())
    }

    /// Puts the log as it is now aside: somebody will pretend that nothing happened since.
    fn keep_early_log(&self) -> Result<u64, Fault> {
        for call in &self.calls {
            let result = records::outcome(&self.scene.data(), call.last.record)?;
            demand(result == "ok", || format!("the outcome of `{}` was recorded as {result}", call.tool))?;
        }
        let early = self.scene.auditor().join("older");
        // A copy of what somebody writes to can be half of before and half of after.
        for _ in 0..COPIES {
            forge::copy(&self.scene.data().join("log"), &early)?;
            if let Ok(whole) = ringfence_audit::verify(&early, None, None, false) {
                return Ok(whole.size);
            }
            fs::remove_dir_all(&early)?;
        }
        Err(Fault::no("the log could not be copied while it was quiet"))
    }

    fn small_order(&mut self) -> Result<(), Fault> {
        self.teller.chapter("A small order waits for a person")?;
        let arguments = json!({ "sku": "FL-1010", "quantity": 20, "total": 90.0 });
        let call = self.attempt(ORDER, arguments, Some(Word::Approve))?;
        self.decided_as(&call, "ask", "inventory-readers/purchase")?;
        let given = call.approval.as_ref().map(|approval| &approval.id);
        demand(call.last.permit && call.last.used.as_ref() == given, || {
            format!("the order was not let through by the approval {given:?}")
        })?;
        demand(!call.is_error, || format!("the approved order was answered with an error: {}", call.answer))?;
        let placed: Value = serde_json::from_str(&call.answer)?;
        let total = placed.get("total").and_then(Value::as_f64);
        demand(total == Some(90.0), || format!("the server placed another order: {placed}"))?;
        let order = placed.get("order").and_then(Value::as_str).unwrap_or_default();
        self.teller.line("erp", &format!("order {order} placed: 20 of FL-1010 for 90.00 USD"))?;
        self.done(call);
        Ok(())
    }

    fn changed_order(&mut self) -> Result<(), Fault> {
        self.teller.chapter("That approval does not serve another amount")?;
        let arguments = json!({ "sku": "FL-1010", "quantity": 24, "total": 108.0 });
        let call = self.attempt(ORDER, arguments, Some(Word::Deny))?;
        let before = self.calls.iter().rev().find_map(|call| call.approval.as_ref());
        let same = before.zip(call.approval.as_ref()).is_some_and(|(before, now)| before.id == now.id);
        demand(!same, || "the changed order was taken for the approved one".to_owned())?;
        self.refused(call)
    }

    fn large_order(&mut self) -> Result<(), Fault> {
        self.teller.chapter("An order of 5,000 USD is refused")?;
        let arguments = json!({ "sku": "PU-3001", "quantity": 4, "total": 5000.0 });
        let call = self.attempt(ORDER, arguments, None)?;
        self.decided_as(&call, "deny", "inventory-readers/no-large-purchase")?;
        self.refused(call)
    }

    fn broken_order(&mut self) -> Result<(), Fault> {
        self.teller.chapter("Arguments that break the tool's schema are refused")?;
        let arguments = json!({ "sku": "FL-1010", "quantity": 20, "total": "90.00" });
        let call = self.attempt(ORDER, arguments, None)?;
        self.decided_as(&call, "deny", "ringfence/schema")?;
        self.refused(call)
    }

    /// The server's own word for it.
    fn what_arrived(&self) -> Result<Vec<Value>, Fault> {
        self.teller.chapter("What reached the server, by its own journal")?;
        let journal = journal(&self.scene.journal())?;
        let arrived: Vec<(&str, Option<&Value>)> = journal
            .iter()
            .map(|entry| {
                (entry.get("tool").and_then(Value::as_str).unwrap_or_default(), entry.get("arguments"))
            })
            .collect();
        let allowed: Vec<(&str, Option<&Value>)> = self
            .calls
            .iter()
            .filter(|call| !call.is_error)
            .map(|call| (call.tool.as_str(), Some(&call.arguments)))
            .collect();
        demand(arrived == allowed, || format!("the journal holds {arrived:?}, allowed were {allowed:?}"))?;
        for (tool, arguments) in arrived {
            self.teller.line("erp", &format!("{tool} {}", arguments.unwrap_or(&Value::Null)))?;
        }
        let kept_out = self.calls.len().saturating_sub(journal.len());
        self.teller.line(
            "",
            &format!("{} calls; {kept_out} others were attempted and never arrived", journal.len()),
        )?;
        Ok(journal)
    }

    /// Has the agent make a call, and Dana answer where she is asked.
    fn attempt(&mut self, tool: &str, arguments: Value, word: Option<Word>) -> Result<Call, Fault> {
        let (scene, teller) = (self.scene, self.teller);
        teller.line("agent", &format!("{tool} {arguments}"))?;
        let from = records::size(&scene.data())?;
        let arrived = journal(&scene.journal())?.len();
        self.agent.attempt(tool, &arguments)?;
        let mut approval = None;
        let (is_error, answer) = loop {
            match self.agent.hear()? {
                Heard::Progress(_) if approval.is_some() => {}
                Heard::Progress(message) => {
                    let word = word.ok_or_else(|| Fault::no(format!("`{tool}` waits: {message}")))?;
                    let entry = self.decision(from, tool)?;
                    teller.decided(&entry.decided())?;
                    let now = journal(&scene.journal())?.len();
                    demand(now == arrived, || {
                        "the call reached the server before anybody approved it".to_owned()
                    })?;
                    approval = Some(self.dana(&entry, &arguments, word)?);
                }
                Heard::Result(result) => break answered(&result),
                Heard::Error(error) => break (true, error.to_string()),
                other => return Err(Fault::no(format!("the agent heard {other:?} instead of an answer"))),
            }
        };
        demand(approval.is_some() == word.is_some(), || format!("nobody was asked about `{tool}`"))?;
        let decisions: Vec<Entry> =
            records::since(&scene.data(), from)?.into_iter().filter(|entry| entry.decides(tool)).collect();
        let (Some(first), Some(last)) = (decisions.first(), decisions.last()) else {
            return Err(Fault::no(format!("no decision about `{tool}` was recorded")));
        };
        teller.decided(&last.decided())?;
        let server_calls = journal(&scene.journal())?.len();
        Ok(Call {
            tool: tool.to_owned(),
            arguments,
            first: first.decided(),
            approval,
            last: last.decided(),
            is_error,
            answer,
            server_calls,
        })
    }

    fn decision(&self, from: u64, tool: &str) -> Result<Entry, Fault> {
        let entries = records::since(&self.scene.data(), from)?;
        let found = entries.into_iter().rev().find(|entry| entry.decides(tool));
        found.ok_or_else(|| Fault::no(format!("no decision about `{tool}` was recorded")))
    }

    /// Dana looks at what waits, and answers.
    fn dana(&self, asked: &Entry, arguments: &Value, word: Word) -> Result<Approval, Fault> {
        let (scene, teller) = (self.scene, self.teller);
        let id = asked.word("/approval/id").to_owned();
        let listed = Person::Dana.gets(scene, &["approvals", "list"])?;
        teller.line("dana", "$ ringfence approvals list --json")?;
        let waiting: Vec<&Value> = listed
            .as_array()
            .into_iter()
            .flatten()
            .filter(|ask| ask.get("state").and_then(Value::as_str) == Some("awaited"))
            .collect();
        let [ask] = waiting.as_slice() else {
            return Err(Fault::no(format!("{} asks wait instead of one", waiting.len())));
        };
        demand(ask.get("id").and_then(Value::as_str) == Some(&id), || format!("another ask waits: {ask}"))?;
        let seen = ask.pointer("/asked/arguments");
        demand(seen == Some(arguments), || format!("Dana was shown other arguments: {ask}"))?;
        teller.line("", &format!("{id} {} {arguments}", asked.word("/resource")))?;
        let verdict = match word {
            Word::Approve => "approve",
            Word::Deny => "deny",
        };
        let said = Person::Dana.gets(scene, &["approvals", verdict, &id])?;
        teller.line("dana", &format!("$ ringfence approvals {verdict} {id} --json"))?;
        let operator = said.get("operator").and_then(Value::as_str).unwrap_or_default().to_owned();
        demand(operator == DANA, || format!("the answer was taken as that of `{operator}`"))?;
        Ok(Approval { id, operator, verdict: verdict.to_owned() })
    }

    fn decided_as(&self, call: &Call, decision: &str, rule: &str) -> Result<(), Fault> {
        let last = &call.last;
        demand(last.decision == decision && last.rule == rule, || {
            format!(
                "`{} {}` was decided {} by {}, not {decision} by {rule}",
                call.tool, call.arguments, last.decision, last.rule
            )
        })
    }

    /// A call that must not have reached the server.
    fn refused(&mut self, call: Call) -> Result<(), Fault> {
        demand(call.is_error && call.last.decision == "deny", || {
            format!("`{} {}` was not refused but answered: {}", call.tool, call.arguments, call.answer)
        })?;
        let before = self.calls.last().map_or(0, |call| call.server_calls);
        demand(call.server_calls == before, || "a refused call reached the server".to_owned())?;
        self.teller.line("agent", &format!("was told: {}", call.answer))?;
        self.done(call);
        Ok(())
    }

    fn done(&mut self, call: Call) {
        self.calls.push(call);
    }
}

/// Whether a tool's result is an error, and its text.
fn answered(result: &Value) -> (bool, String) {
    let is_error = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
    let text = result.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default();
    (is_error, text.to_owned())
}

fn articles(found: &Value) -> String {
    let one = std::slice::from_ref(found);
    let articles = found.get("articles").and_then(Value::as_array).map_or(one, Vec::as_slice);
    let text = |article: &Value, name: &str| {
        article.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let shown: Vec<String> = articles
        .iter()
        .map(|article| {
            let on_hand = article.get("on_hand").and_then(Value::as_u64).unwrap_or_default();
            format!("{} {}, {on_hand} on hand", text(article, "sku"), text(article, "name"))
        })
        .collect();
    shown.join("; ")
}
