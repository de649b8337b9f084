//! What operators may do: register and suspend agents, answer asks, kill and lift, trust a
//! project's file. Every change is a record; it holds once that is durable, but for a kill, which
//! holds from the instant it is said.

use std::time::Duration;

use ringfence_audit::record::{
    AgentChanged, ApprovalAnswered, Credential, LatchLifted, LatchSet, LoginChanged, OperatorAdded,
    ProjectTrusted, Record, Scope,
};
use ringfence_audit::{AppendError, KeyringError, Payload};
use ringfence_identity::{NoRandomness, Token};
use ringfence_model::{AgentId, Person, Timestamp};
use ringfence_policy::PolicySet;

use crate::check::leaf_resource;
use crate::client_word::CLIENT;
use crate::config::Operator;
use crate::guard::{Guard, InForce, Inner, LOCAL, PERSON};
use crate::state::{AgentRow, Answer, ApprovalRow, Latch, OperatorRow};

pub use crate::state::Standing;

/// What an operator asked for cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No such agent.
    #[error("no agent `{0}` is registered; `ringfence agent list` shows which are")]
    NoAgent(String),
    /// The agent is in the configuration file.
    #[error("`{0}` is registered in the configuration; change it there")]
    InConfiguration(String),
    /// It cannot be undone.
    #[error("`{0}` was revoked, which cannot be taken back; register the agent under another id")]
    Revoked(String),
    /// Ids of that trust domain are made here.
    #[error("`{0}` is in the trust domain `local`, whose ids are made from the operating system's users")]
    Local(String),
    /// No such ask.
    #[error("no ask `{0}` waits for an answer; `ringfence approvals list` shows which do")]
    NoApproval(String),
    /// The operator does not suffice.
    #[error("{0} may not answer this; it needs {1}")]
    NotAnApprover(String, String),
    /// No such latch.
    #[error("no latch `{0}` is set; `ringfence kill --list` shows which are")]
    NoLatch(String),
    /// The log cannot be written.
    #[error("it could not be recorded, so it was not done")]
    Log(#[from] AppendError),
    /// The keys cannot be used.
    #[error("the keys cannot be used")]
    Keys(#[from] KeyringError),
    /// No token can be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// An ask that waits, or was answered and not yet used.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its id.
    pub id: String,
    /// The session.
    pub session: String,
    /// Until when.
    pub expires: Timestamp,
    /// Who may answer, one set for each rule that asked.
    pub approvers: Vec<Vec<String>>,
    /// The record that asked; its payload says what for.
    pub record: u64,
    /// What was said so far.
    pub answered: Answered,
}

/// What was said to an ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// Nothing yet.
    Awaited,
    /// Yes, by this operator.
    Approved(String),
    /// No, by this operator.
    Refused(String),
}

/// Whose word an answer is.
pub(crate) enum Word<'a> {
    /// An operator's, by pseudonym.
    Operator(&'a str),
    /// The agent's own client's.
    Client,
}

/// Whatever is not a yes is a no.
fn answer_is_no(answer: &Answered) -> bool {
    match answer {
        Answered::Approved(_) => false,
        Answered::Refused(_) | Answered::Awaited => true,
    }
}

/// A registered agent.
#[derive(Debug, Clone)]
pub struct Registered {
    /// Its id.
    pub id: String,
    /// Whether it may act.
    pub standing: Standing,
    /// Who answers for it; absent where the person was erased.
    pub sponsor: Option<Person>,
    /// Groups it is a member of.
    pub groups: Vec<String>,
    /// How many tokens authenticate it now.
    pub tokens: usize,
    /// Whether the configuration file registers it, rather than the log.
    pub in_configuration: bool,
}

/// What a kill did.
#[derive(Debug, Clone)]
pub struct KillReceipt {
    /// The latch, which `unkill` names.
    pub latch: String,
    /// From the call to the moment every check was denied.
    pub denied_after: Duration,
    /// From the call to the moment the latch was durable.
    pub durable_after: Duration,
    /// How many asks it made void.
    pub voided: usize,
    /// The record's index.
    pub record: u64,
}

/// A kill in force.
#[derive(Debug, Clone)]
pub struct Latched {
    /// Its id.
    pub id: String,
    /// What it covers.
    pub scope: Scope,
    /// Since when.
    pub since: Timestamp,
    /// Who set it; absent where the person was erased.
    pub operator: Option<Person>,
}

/// A running session, for `sessions list` and `doctor`.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its id.
    pub id: String,
    /// The agent.
    pub agent: AgentId,
    /// Since when.
    pub created: Timestamp,
    /// Permits so far.
    pub calls: u64,
    /// `confined` or `cooperative`.
    pub assurance: &'static str,
}

impl Guard {
    /// Puts a policy set into force. Permits that have not begun decide again.
    pub fn enforce(&self, set: PolicySet, observe_until: Option<Timestamp>) {
        let inner = &self.inner;
        let _order = inner.order.lock();
        let generation = inner.generation().wrapping_add(1);
        inner.record_policy(&set, observe_until);
        inner.policy.store(std::sync::Arc::new(InForce { set, generation, observe_until }));
    }

    /// Registers an agent, or names a registered one a new sponsor and new groups, and issues a
    /// token; tokens so far are refused from then on. Whether it may act stays as it is.
    ///
    /// # Errors
    /// It is in the configuration, was revoked, or the log cannot be written.
    pub async fn add_agent(
        &self,
        by: &Operator,
        id: &AgentId,
        sponsor: &Person,
        groups: Vec<String>,
    ) -> Result<Token, ControlError> {
        let inner = &self.inner;
        let _turn = inner.control.lock().await;
        inner.may_change(id)?;
        let token = Token::generate()?;
        let tokens = vec![Credential { sha256: token.digest().to_string(), until: None }];
        let standing =
            inner.registry.load().agents.get(id.as_str()).map_or(Standing::Active, |row| row.standing);
        let row = AgentRow { standing, sponsor: inner.log.pseudonym(sponsor)?, groups, tokens };
        inner.write_agent(by, id, row, Some(sponsor)).await?;
        Ok(token)
    }

    /// Issues another token. The ones so far are refused from `old_until` on.
    ///
    /// # Errors
    /// The agent is not registered in the log, was revoked, or the log cannot be written.
    pub async fn rotate_token(
        &self,
        by: &Operator,
        id: &AgentId,
        old_until: Timestamp,
    ) -> Result<Token, ControlError> {
        let inner = &self.inner;
        let _turn = inner.control.lock().await;
        inner.may_change(id)?;
        let mut row = inner.agent_row(id)?;
        let token = Token::generate()?;
        let now = inner.now();
        row.tokens.retain(|token| token.until.is_none_or(|until| until > now));
        for old in &mut row.tokens {
            old.until = Some(old.until.map_or(old_until, |until| until.min(old_until)));
        }
        row.tokens.push(Credential { sha256: token.digest().to_string(), until: None });
        inner.write_agent(by, id, row, None).await?;
        Ok(token)
    }

    /// Suspends, revokes or reinstates an agent. Also one that nobody registered: it is refused
    /// from then on.
    ///
    /// # Errors
    /// It was revoked before, or the log cannot be written.
    pub async fn set_standing(
        &self,
        by: &Operator,
        id: &AgentId,
        standing: Standing,
    ) -> Result<(), ControlError> {
        let inner = &self.inner;
        let _turn = inner.control.lock().await;
        let leaf = inner.leaf_agent(id)?;
        let mut row = match inner.registry.load().agents.get(&leaf) {
            Some(row) => row.clone(),
            None => {
                let configured = inner.configured.agents.get(id);
                if configured.is_none() && id.trust_domain() != LOCAL && !inner.configured.is_issued(id) {
                    return Err(ControlError::NoAgent(id.to_string()));
                }
                let sponsor = configured.map_or(&by.person, |agent| &agent.sponsor);
                AgentRow {
                    standing,
                    sponsor: inner.log.pseudonym(sponsor)?,
                    groups: configured.map_or_else(Vec::new, |agent| agent.groups.to_vec()),
                    tokens: Vec::new(),
                }
            }
        };
        if row.standing == Standing::Revoked {
            return Err(ControlError::Revoked(id.to_string()));
        }
        row.standing = standing;
        if standing == Standing::Revoked {
            row.tokens.clear();
        }
        inner.write_agent(by, id, row, None).await
    }

    /// Every agent that is registered, in the configuration or the log.
    pub fn agents(&self) -> Vec<Registered> {
        let inner = &self.inner;
        let registry = inner.registry.load();
        let mut agents: Vec<Registered> = inner
            .configured
            .agents
            .iter()
            .map(|(id, agent)| Registered {
                id: id.to_string(),
                standing: registry.agents.get(id.as_str()).map_or(Standing::Active, |row| row.standing),
                sponsor: Some(agent.sponsor.clone()),
                groups: agent.groups.to_vec(),
                tokens: usize::from(agent.token.is_some()),
                in_configuration: true,
            })
            .collect();
        let now = inner.now();
        let configured = |id: &str| inner.configured.agents.keys().any(|known| known.as_str() == id);
        agents.extend(registry.agents.iter().filter(|(id, _)| !configured(id)).map(|(id, row)| Registered {
            id: id.clone(),
            standing: row.standing,
            sponsor: inner.log.person(&row.sponsor),
            groups: row.groups.clone(),
            tokens: row.tokens.iter().filter(|token| token.until.is_none_or(|until| until > now)).count(),
            in_configuration: false,
        }));
        agents
    }

    /// Whether anybody may answer asks here.
    pub fn has_operators(&self) -> bool {
        !self.inner.configured.operators.is_empty() || !self.inner.registry.load().operators.is_empty()
    }

    /// Registers an operator and issues the token. The caller has made sure that whoever asks may.
    ///
    /// # Errors
    /// The log cannot be written.
    pub async fn add_operator(&self, person: &Person, groups: Vec<String>) -> Result<Token, ControlError> {
        let inner = &self.inner;
        let _turn = inner.control.lock().await;
        let token = Token::generate()?;
        let operator = inner.log.pseudonym(person)?;
        let added = OperatorAdded { operator: operator.clone(), groups, sha256: token.digest().to_string() };
        inner.append(Record::OperatorAdded(added.clone()), None).await?;
        let row = OperatorRow { groups: added.groups, sha256: added.sha256 };
        inner.change(|registry| drop(registry.operators.insert(operator.clone(), row.clone())));
        Ok(token)
    }

    /// Every ask that is still of use, the oldest record first.
    pub fn asked(&self) -> Vec<Asked> {
        let inner = &self.inner;
        let now = inner.now();
        let name = |pseudonym: &str| {
            inner
                .log
                .person(pseudonym)
                .map_or_else(|| pseudonym.to_owned(), |person| person.as_str().to_owned())
        };
        let mut asked: Vec<Asked> = inner
            .approvals
            .lock()
            .iter()
            .filter(|(_, row)| row.expires > now && row.record != ApprovalRow::UNRECORDED)
            .map(|(id, row)| Asked {
                id: id.to_owned(),
                session: row.session.clone(),
                expires: row.expires,
                approvers: inner.named(&row.approvers),
                record: row.record,
                answered: match &row.answer {
                    Answer::Awaited => Answered::Awaited,
                    Answer::Approved { operator } => Answered::Approved(name(operator)),
                    Answer::Refused { operator } => Answered::Refused(name(operator)),
                },
            })
            .collect();
        asked.sort_by_key(|ask| ask.record);
        asked
    }

    /// Says yes or no to an ask.
    ///
    /// # Errors
    /// Nobody waits under that id, the operator may not answer it, or the log cannot be written.
    pub async fn answer(&self, by: &Operator, id: &str, answer: Answered) -> Result<(), ControlError> {
        let inner = &self.inner;
        let may = |row: &ApprovalRow| {
            if answer_is_no(&answer) || inner.satisfies_words(by, &row.approvers) {
                return Ok(());
            }
            let needed = inner.named(&row.approvers).iter().map(|set| set.join(" or ")).collect::<Vec<_>>();
            Err(ControlError::NotAnApprover(by.person.as_str().to_owned(), needed.join(" and ")))
        };
        inner.answer(id, &answer, may, Word::Operator(&by.pseudonym)).await
    }

    /// Told whenever a person is asked for something new.
    pub fn asks(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.asks.subscribe()
    }

    /// Told whenever the registry changes: latches, standings, operators.
    pub fn kills(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.kills()
    }

    /// Stops everything that a scope covers: first in memory, then durably.
    ///
    /// # Errors
    /// The latch holds in this process, but could not be made durable.
    pub async fn kill(&self, by: &Operator, scope: Scope, reason: &str) -> Result<KillReceipt, ControlError> {
        let inner = &self.inner;
        let began = std::time::Instant::now();
        let latch = inner.fresh_id().ok_or(NoRandomness)?;
        let scope = match scope {
            // As records write it, whatever it was written like.
            Scope::Tool(uri) => Scope::Tool(uri.parse().map_or(uri, |tool| leaf_resource(&tool))),
            Scope::Agent(_) | Scope::Session(_) | Scope::Sponsor(_) | Scope::All(_) => scope,
        };
        let row = Latch { scope: scope.clone(), operator: by.pseudonym.clone(), since: inner.now() };
        let set = LatchSet { latch: latch.clone(), scope: scope.clone(), operator: by.pseudonym.clone() };
        let payload = inner.operator_words(by, reason);
        let (append, denied_after) = {
            let _order = inner.order.lock();
            inner.change(|registry| drop(registry.latches.insert(latch.clone(), row.clone())));
            (inner.append(Record::LatchSet(set), Some(payload)), began.elapsed())
        };
        let appended = append.await?;
        let durable_after = began.elapsed();
        let voided = inner.void_asks(&scope);
        Ok(KillReceipt { latch, denied_after, durable_after, voided, record: appended.index })
    }

    /// Lifts a latch.
    ///
    /// # Errors
    /// No such latch is set, or the log cannot be written.
    pub async fn unkill(&self, by: &Operator, latch: &str, reason: &str) -> Result<(), ControlError> {
        let inner = &self.inner;
        let _turn = inner.control.lock().await;
        let lifted = LatchLifted { latch: latch.to_owned(), operator: by.pseudonym.clone() };
        let append = {
            let _order = inner.order.lock();
            if !inner.registry.load().latches.contains_key(latch) {
                return Err(ControlError::NoLatch(latch.to_owned()));
            }
            inner.append(Record::LatchLifted(lifted), Some(inner.operator_words(by, reason)))
        };
        append.await?;
        inner.change(|registry| drop(registry.latches.remove(latch)));
        Ok(())
    }

    /// The kills in force.
    pub fn latches(&self) -> Vec<Latched> {
        let latches = self.inner.registry.load();
        let shown = latches.latches.iter().map(|(id, latch)| Latched {
            id: id.clone(),
            scope: latch.scope.clone(),
            since: latch.since,
            operator: self.inner.log.person(&latch.operator),
        });
        shown.collect()
    }

    /// The running sessions.
    pub fn sessions(&self) -> Vec<Running> {
        let mut sessions: Vec<Running> = self
            .inner
            .sessions
            .all()
            .into_iter()
            .map(|session| Running {
                id: session.id.to_string(),
                agent: session.subject.id.clone(),
                created: session.created,
                calls: session.live().calls,
                assurance: session.assurance.as_str(),
            })
            .collect();
        sessions.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.id.cmp(&b.id)));
        sessions
    }

    /// Pins the digest of a project's own configuration; none takes the trust back.
    ///
    /// # Errors
    /// The log cannot be written.
    pub async fn trust(
        &self,
        by: &Operator,
        place: &str,
        digest: Option<String>,
    ) -> Result<(), ControlError> {
        let inner = &self.inner;
        let _turn = inner.control.lock().await;
        let hashed = inner.keyed(&["project", place]);
        let project =
            ProjectTrusted { place: hashed.clone(), digest: digest.clone(), operator: by.pseudonym.clone() };
        inner.append(Record::ProjectTrusted(project), Some(inner.operator_words(by, place))).await?;
        inner.change(|registry| {
            drop(match &digest {
                Some(digest) => registry.projects.insert(hashed.clone(), digest.clone()),
                None => registry.projects.remove(&hashed),
            });
        });
        Ok(())
    }

    /// Records that an operator logged an agent in to a server elsewhere, with whom and for what; or
    /// out of it, where there is no issuer.
    ///
    /// # Errors
    /// The log cannot be written; the login is not to be used then.
    pub async fn login_changed(
        &self,
        by: &Operator,
        id: &AgentId,
        server: &str,
        issuer: Option<&str>,
        scopes: &[String],
    ) -> Result<(), ControlError> {
        let inner = &self.inner;
        let changed = LoginChanged {
            agent: inner.leaf_agent(id)?,
            server: server.to_owned(),
            issuer: issuer.map(str::to_owned),
            scopes: scopes.to_vec(),
            operator: by.pseudonym.clone(),
        };
        inner.append(Record::LoginChanged(changed), None).await?;
        Ok(())
    }

    /// The digest that was pinned for a project's configuration.
    pub fn trusted(&self, place: &str) -> Option<String> {
        self.inner.registry.load().projects.get(&self.inner.keyed(&["project", place])).cloned()
    }
}

impl Inner {
    fn may_change(&self, id: &AgentId) -> Result<(), ControlError> {
        if id.trust_domain() == LOCAL {
            return Err(ControlError::Local(id.to_string()));
        }
        if self.configured.agents.contains_key(id) {
            return Err(ControlError::InConfiguration(id.to_string()));
        }
        match self.registry.load().agents.get(id.as_str()).map(|row| row.standing) {
            Some(Standing::Revoked) => Err(ControlError::Revoked(id.to_string())),
            Some(Standing::Active | Standing::Suspended) | None => Ok(()),
        }
    }

    fn agent_row(&self, id: &AgentId) -> Result<AgentRow, ControlError> {
        let registry = self.registry.load();
        registry.agents.get(id.as_str()).cloned().ok_or_else(|| ControlError::NoAgent(id.to_string()))
    }

    async fn write_agent(
        &self,
        by: &Operator,
        id: &AgentId,
        row: AgentRow,
        sponsor: Option<&Person>,
    ) -> Result<(), ControlError> {
        let leaf = self.leaf_agent(id)?;
        let changed = AgentChanged {
            agent: leaf.clone(),
            standing: row.standing.as_str().into(),
            sponsor: row.sponsor.clone(),
            groups: row.groups.clone(),
            tokens: row.tokens.clone(),
            operator: by.pseudonym.clone(),
        };
        let payload = sponsor.map(|sponsor| Payload {
            session: "control".to_owned(),
            persons: vec![sponsor.clone()],
            content: serde_json::json!({ "sponsor": sponsor.as_str() }).to_string().into_bytes(),
        });
        self.append(Record::AgentChanged(changed), payload).await?;
        self.change(|registry| drop(registry.agents.insert(leaf.clone(), row.clone())));
        Ok(())
    }

    /// Records what was said to an ask and lets whoever waits for it go on.
    pub(crate) async fn answer(
        &self,
        id: &str,
        answer: &Answered,
        may: impl FnOnce(&ApprovalRow) -> Result<(), ControlError>,
        whose: Word<'_>,
    ) -> Result<(), ControlError> {
        let _turn = self.control.lock().await;
        let row = self
            .approvals
            .lock()
            .by_id(id)
            .filter(|row| {
                // Before the ask is in the log, an answer to it would come there too early.
                row.answer == Answer::Awaited
                    && row.expires > self.now()
                    && row.record != ApprovalRow::UNRECORDED
            })
            .cloned()
            .ok_or_else(|| ControlError::NoApproval(id.to_owned()))?;
        may(&row)?;
        let (operator, via) = match whose {
            Word::Operator(pseudonym) => (Some(pseudonym.to_owned()), "operator"),
            Word::Client => (None, CLIENT),
        };
        let by = operator.clone().unwrap_or_else(|| CLIENT.to_owned());
        let (verdict, answer) = if answer_is_no(answer) {
            ("deny", Answer::Refused { operator: by })
        } else {
            ("approve", Answer::Approved { operator: by })
        };
        let said =
            ApprovalAnswered { id: id.to_owned(), verdict: verdict.into(), operator, via: Some(via.into()) };
        self.append(Record::ApprovalAnswered(said), None).await?;
        self.approvals.lock().answer(id, answer);
        self.answered();
        Ok(())
    }

    /// Approvers as people know them.
    fn named(&self, approvers: &[Vec<String>]) -> Vec<Vec<String>> {
        let name = |word: &String| {
            let person = word.strip_prefix(PERSON).and_then(|pseudonym| self.log.person(pseudonym));
            person.map_or_else(|| word.clone(), |person| person.as_str().to_owned())
        };
        approvers.iter().map(|set| set.iter().map(name).collect()).collect()
    }

    fn satisfies_words(&self, by: &Operator, approvers: &[Vec<String>]) -> bool {
        approvers.iter().all(|set| {
            set.is_empty()
                || set.iter().any(|word| match (word.strip_prefix("group:"), word.strip_prefix(PERSON)) {
                    (Some(group), _) => by.groups.iter().any(|g| g == group),
                    (None, Some(pseudonym)) => pseudonym == by.pseudonym,
                    (None, None) => word == "client",
                })
        })
    }

    /// An operator's own words, which go into the payload: they may name people.
    fn operator_words(&self, by: &Operator, words: &str) -> Payload {
        Payload {
            session: "control".to_owned(),
            persons: vec![by.person.clone()],
            content: serde_json::json!({ "operator": by.person.as_str(), "words": words })
                .to_string()
                .into_bytes(),
        }
    }

    /// Whoever waits for a person under a killed scope waits no more.
    fn void_asks(&self, scope: &Scope) -> usize {
        let covers = |agent: &str, session: &str, sponsor: &str| match scope {
            Scope::Agent(id) => id == agent,
            Scope::Session(id) => id == session,
            Scope::Sponsor(pseudonym) => pseudonym == sponsor,
            Scope::All(_) => true,
            Scope::Tool(_) => false,
        };
        let mut covered: Vec<String> = self
            .sessions
            .all()
            .into_iter()
            .filter(|session| covers(&session.leaf_subject, &session.id, &session.sponsor))
            .map(|session| session.id.to_string())
            .collect();
        covered.extend(
            self.dormant
                .lock()
                .values()
                .filter(|(id, row)| covers(&row.subject, id, &row.sponsor))
                .map(|(id, _)| id.clone()),
        );
        let mut approvals = self.approvals.lock();
        let ids: Vec<String> = approvals
            .iter()
            .filter(|(_, row)| matches!(scope, Scope::All(_)) || covered.contains(&row.session))
            .map(|(id, _)| id.to_owned())
            .collect();
        for id in &ids {
            approvals.remove(id);
            let said = ApprovalAnswered { id: id.clone(), verdict: "void".into(), operator: None, via: None };
            self.queue(Record::ApprovalAnswered(said));
        }
        drop(approvals);
        self.answered();
        ids.len()
    }
}
