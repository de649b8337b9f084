//! The protocol over the real guard: sessions, limits, approvals, the log.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ringfence_guard::{
    Answered, Evidence, Guard, Observed, Pending, Sent, Session, SessionKey, Target, Tool, Verdict,
};
use ringfence_identity::Token;
use ringfence_model::{
    Action, ActionKind, Arguments, Assurance, Confidentiality, Effect, Integrity, Labels, Obligation,
    Outcome, OutcomeKind, Person, Resource, Usage,
};
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::Answer;
use super::attempt::Reported;
use super::line::{Event, Kind, NotAnEvent, Speaker};

/// One stream of events. Whoever writes it is the operator: the agents it names are taken as
/// authenticated.
pub struct Stream {
    guard: Guard,
    sponsor: Person,
    default_agent: Option<String>,
    seen: HashSet<String>,
    sessions: HashMap<String, Open>,
}

/// A session of the stream.
struct Open {
    agent: String,
    session: Session,
    calls: HashMap<String, Call>,
    tools: HashMap<(String, String), Arc<Tool>>,
}

/// A call that has not got its result.
enum Call {
    /// It may happen, and its outcome is awaited.
    Begun(Box<Sent>),
    /// A person is asked.
    Asked(Box<Pending<Reported>>),
}

/// Nothing came in that anybody would have to mistrust.
const CLEAN: Labels = Labels { integrity: Integrity::Trusted, confidentiality: Confidentiality::Public };
/// Anybody may have written it.
const FOREIGN: Labels = Labels { integrity: Integrity::Untrusted, confidentiality: Confidentiality::Public };

impl Stream {
    /// A stream that `sponsor` writes. `default_agent` is who acts where an event names nobody.
    pub fn new(guard: Guard, sponsor: Person, default_agent: Option<String>) -> Stream {
        Stream { guard, sponsor, default_agent, seen: HashSet::new(), sessions: HashMap::new() }
    }

    /// Takes one line and gives its answer. Total: what is not understood is answered so.
    pub async fn take(&mut self, line: &[u8]) -> Answer {
        let event = match Event::parse(line, self.default_agent.as_deref()) {
            Ok(event) => event,
            Err(NotAnEvent { id, error }) => return Answer::error(id.as_ref(), &error),
        };
        let id = event.id.clone();
        if !self.seen.insert(id.clone()) {
            return Answer::error(Some(&id.into()), "an event with this `id` has come before");
        }
        match self.dispatch(event).await {
            Ok(answer) => answer,
            Err(error) => Answer::error(Some(&Value::String(id)), &error),
        }
    }

    async fn dispatch(&mut self, event: Event) -> Result<Answer, String> {
        let Event { id, session: name, agent, kind } = event;
        if let Err(denied) = self.enter(&name, agent).await? {
            return Ok(Answer::decision(&id, &denied.decision, Labels::FRESH, denied.record.as_ref()));
        }
        let guard = self.guard.clone();
        let open = self.sessions.get_mut(&name).ok_or("the session is not open")?;
        match kind {
            Kind::Attempt { action, usage } => Ok(open.attempt(&id, action, usage).await),
            Kind::ToolList { server, tools, content } => open.tool_list(&id, server, tools, &content).await,
            Kind::ToolResult { call, content, is_error } => {
                Ok(open.tool_result(&id, &call, &content, is_error).await)
            }
            Kind::Said { by, content } => {
                let labels = match by {
                    Speaker::System | Speaker::User | Speaker::Model | Speaker::Output => CLEAN,
                };
                Ok(open.observe(&id, by.event(), None, None, &content, labels).await)
            }
            Kind::Approval { call, approve, operator_token } => {
                open.approval(&guard, &id, &call, approve, &operator_token).await
            }
            Kind::SessionEnd => {
                let empty = RawValue::from_string("null".to_owned()).map_err(|error| error.to_string())?;
                let answer = open.observe(&id, "session_end", None, None, &empty, CLEAN).await;
                if let Some(open) = self.sessions.remove(&name) {
                    drop(open.calls);
                    guard.end_session(&open.session);
                }
                Ok(answer)
            }
        }
    }

    /// Opens the event's session where it is new; the agent is fixed from then on.
    async fn enter(
        &mut self,
        name: &str,
        agent: Option<String>,
    ) -> Result<Result<(), ringfence_guard::Denied>, String> {
        if let Some(open) = self.sessions.get(name) {
            return match agent {
                Some(agent) if agent != open.agent => Err(format!(
                    "session `{name}` is `{}`'s; another agent needs a session of its own",
                    open.agent
                )),
                _ => Ok(Ok(())),
            };
        }
        let agent = agent.ok_or_else(|| {
            format!("the first event of session `{name}` has to say which `agent` acts (or use --agent)")
        })?;
        let id = agent.parse().map_err(|error: ringfence_model::BadAgentId| error.to_string())?;
        let evidence = Evidence::Declared { agent: id, sponsor: self.sponsor.clone() };
        let key = SessionKey::Named(name.to_owned());
        match self.guard.session(evidence, key, Assurance::Cooperative).await {
            Ok(session) => {
                let open = Open { agent, session, calls: HashMap::new(), tools: HashMap::new() };
                self.sessions.insert(name.to_owned(), open);
                Ok(Ok(()))
            }
            Err(denied) => Ok(Err(denied)),
        }
    }
}

impl Open {
    async fn attempt(&mut self, id: &str, action: Action, usage: Option<Usage>) -> Answer {
        let tool = action.resource.name().and_then(|tool| {
            self.tools.get(&(action.resource.authority().to_owned(), tool.to_owned())).cloned()
        });
        let target = Target { tool, usage: usage.unwrap_or_default(), ..Target::default() };
        let at_once = action.kind != ActionKind::ToolCall;
        let verdict = self.session.check(Reported { action, target }).await;
        self.answer(id, verdict, if at_once { Some(usage.unwrap_or_default()) } else { None })
    }

    /// Answers a verdict. `settled` is what it used, where the outcome is known at once.
    fn answer(&mut self, id: &str, verdict: Verdict<Reported>, settled: Option<Usage>) -> Answer {
        match verdict {
            Verdict::Allowed(permit) => {
                let decision = permit.decision().clone();
                let record = permit.record().clone();
                let observed = decision.effect != Effect::Allow && !permit.was_approved();
                match permit.begin() {
                    Ok((_started, sent)) => {
                        let labels = self.session.labels();
                        match settled {
                            Some(usage) => {
                                let outcome =
                                    Outcome { kind: OutcomeKind::Ok, error: None, duration: None, usage };
                                sent.settle(&outcome, None, None);
                            }
                            None => drop(self.calls.insert(id.to_owned(), Call::Begun(Box::new(sent)))),
                        }
                        let mut shown = decision;
                        if observed {
                            return Answer::decision(id, &shown, labels, Some(&record)).observing();
                        }
                        shown.effect = Effect::Allow;
                        Answer::decision(id, &shown, labels, Some(&record))
                    }
                    Err(denied) => {
                        Answer::decision(id, &denied.decision, self.session.labels(), denied.record.as_ref())
                    }
                }
            }
            Verdict::Pending(pending) => {
                let answer =
                    Answer::decision(id, pending.decision(), self.session.labels(), pending.record())
                        .asking(pending.ticket().as_str(), pending.expires());
                self.calls.insert(id.to_owned(), Call::Asked(Box::new(pending)));
                answer
            }
            Verdict::Denied(denied) => {
                Answer::decision(id, &denied.decision, self.session.labels(), denied.record.as_ref())
            }
        }
    }

    async fn tool_list(
        &mut self,
        id: &str,
        server: String,
        tools: Vec<Box<RawValue>>,
        content: &RawValue,
    ) -> Result<Answer, String> {
        let action = Action {
            kind: ActionKind::ToolList,
            resource: Resource::mcp_server(&server),
            arguments: Arguments::none(),
        };
        let verdict = self.session.check(Reported { action, target: Target::default() }).await;
        if !matches!(verdict, Verdict::Allowed(_)) {
            return Ok(self.answer(id, verdict, None));
        }
        drop(self.answer(id, verdict, Some(Usage::default())));
        let mut hidden = Vec::new();
        for (position, tool) in tools.iter().enumerate() {
            let object: Value = serde_json::from_str(tool.get()).map_err(|error| error.to_string())?;
            let name = object
                .get("name")
                .and_then(Value::as_str)
                .ok_or_else(|| format!("`tools` has an entry without a `name` at {position}"))?;
            let known = Arc::new(Tool {
                hash: ringfence_guard::sha256(tool.get().as_bytes()),
                annotations: object.get("annotations").cloned(),
            });
            let target = Target { tool: Some(known.clone()), ..Target::default() };
            let call = Action {
                kind: ActionKind::ToolCall,
                resource: Resource::mcp(&server, name),
                arguments: Arguments::none(),
            };
            if !self.session.visible(&call, &target) {
                hidden.push(Obligation::Hide { path: format!("/tools/{position}") });
            }
            self.tools.insert((server.clone(), name.to_owned()), known);
        }
        let seen = Observed {
            event: "tool_list",
            server: Some(server),
            of: None,
            content: content.get().as_bytes().to_vec(),
            labels: CLEAN,
        };
        Ok(match self.session.observe(seen).await {
            Ok(release) => {
                let mut decision = release.decision;
                decision.obligations = hidden;
                Answer::decision(id, &decision, release.labels, Some(&release.record))
            }
            Err(denied) => {
                Answer::decision(id, &denied.decision, self.session.labels(), denied.record.as_ref())
            }
        })
    }

    async fn tool_result(&mut self, id: &str, call: &str, content: &RawValue, is_error: bool) -> Answer {
        let of = match self.calls.remove(call) {
            Some(Call::Begun(sent)) => {
                let of = sent.record().map(|record| record.index);
                let kind = if is_error { OutcomeKind::Error } else { OutcomeKind::Ok };
                let size = u64::try_from(content.get().len()).unwrap_or(u64::MAX);
                let usage = Usage { bytes_in: Some(size), ..Usage::default() };
                sent.settle(&Outcome { kind, error: None, duration: None, usage }, None, Some(FOREIGN));
                of
            }
            // A recorded run may have gone on where this one would not: it is taken in all the same.
            Some(Call::Asked(_)) | None => None,
        };
        self.observe(id, "tool_result", None, of, content, FOREIGN).await
    }

    async fn observe(
        &mut self,
        id: &str,
        event: &'static str,
        server: Option<String>,
        of: Option<u64>,
        content: &RawValue,
        labels: Labels,
    ) -> Answer {
        let seen = Observed { event, server, of, content: content.get().as_bytes().to_vec(), labels };
        match self.session.observe(seen).await {
            Ok(release) => Answer::decision(id, &release.decision, release.labels, Some(&release.record)),
            Err(denied) => {
                Answer::decision(id, &denied.decision, self.session.labels(), denied.record.as_ref())
            }
        }
    }

    async fn approval(
        &mut self,
        guard: &Guard,
        id: &str,
        call: &str,
        approve: bool,
        operator_token: &str,
    ) -> Result<Answer, String> {
        let token: Token = operator_token.parse().map_err(|error| format!("`operator_token` is {error}"))?;
        let operator = guard.operator(&token).ok_or("`operator_token` is no operator's")?;
        let Some(Call::Asked(_)) = self.calls.get(call) else {
            return Err(format!("call `{call}` waits for nobody"));
        };
        let Some(Call::Asked(pending)) = self.calls.remove(call) else {
            return Err(format!("call `{call}` waits for nobody"));
        };
        let answer =
            if approve { Answered::Approved(String::new()) } else { Answered::Refused(String::new()) };
        if let Err(error) = guard.answer(&operator, pending.ticket().as_str(), answer).await {
            let message = error.to_string();
            self.calls.insert(call.to_owned(), Call::Asked(pending));
            return Err(message);
        }
        let verdict = pending.wait(std::time::Duration::ZERO).await;
        // The call goes on under its own id; the answer is this event's.
        let answer = self.answer(id, verdict, None);
        if let Some(begun) = self.calls.remove(id) {
            self.calls.insert(call.to_owned(), begun);
        }
        Ok(answer)
    }
}
