//! From evidence to a session: who is it, who answers for it, may it act at all.

use std::sync::Arc;

use ringfence_audit::record::{self, Record, SessionEnded, SessionStarted};
use ringfence_identity::{Token, Verified};
use ringfence_model::{AgentId, Assurance, Person, Ring, Subject, Timestamp};

use crate::config::Operator;
use crate::evidence::{Evidence, SessionKey};
use crate::guard::{Guard, Inner, LOCAL};
use crate::session::{Identified, Session, SessionState, record_labels};
use crate::state::Standing;
use crate::verdict::built_in;
use crate::{Denied, Labels};

impl Guard {
    /// The session of whoever asks: the one that the credential has, or a new one.
    ///
    /// # Errors
    /// The caller is unknown, suspended or revoked, or the keys cannot be read. Recorded.
    pub async fn session(&self, who: Evidence, key: SessionKey, held: Assurance) -> Result<Session, Denied> {
        let identified = match self.inner.identify(who, key, held) {
            Ok(identified) => identified,
            Err(reason) => return Err(self.inner.refuse_caller(&reason).await),
        };
        let state = self.inner.session_of(identified);
        Ok(Session { guard: self.inner.clone(), state, assurance: held, own: None, led: false })
    }

    /// Whether a token is some agent's now. Costs no record: for front ends whose callers could
    /// otherwise fill the log with guesses.
    pub fn is_agent(&self, token: &Token) -> bool {
        self.inner.subject_of_token(&token.digest().to_string()).is_ok()
    }

    /// Records that somebody was not let in whose credential was looked at elsewhere. The reason
    /// says nothing of the credential itself.
    pub async fn turn_away(&self, reason: &str) -> Denied {
        self.inner.refuse_caller(reason).await
    }

    /// Ends a session: what it waits for is void, and its limits by session are gone.
    pub fn end_session(&self, session: &Session) {
        self.inner.end(&session.state, "closed");
    }

    /// The operator that a token authenticates, where it does.
    pub fn operator(&self, token: &Token) -> Option<Operator> {
        self.inner.operator_by_token(token)
    }
}

impl Inner {
    fn identify(&self, who: Evidence, key: SessionKey, assurance: Assurance) -> Result<Identified, String> {
        let mut shown = None;
        let mut issuer = None;
        let (subject, credential) = match who {
            Evidence::Token { token, claimed } => {
                let digest = token.digest().to_string();
                let subject = self.subject_of_token(&digest)?;
                if claimed.is_some_and(|claimed| claimed != subject.id) {
                    return Err("the token is another agent's".to_owned());
                }
                if !self.configured.agents.contains_key(&subject.id) {
                    shown = Some(digest.clone());
                }
                (subject, format!("token:{digest}"))
            }
            Evidence::Jwt(said) => {
                let subject = self.subject_of_issuer(&said)?;
                // None of the first two can hold a space.
                let credential = format!("jwt:{} {} {}", said.issuer(), said.agent(), said.sponsor());
                issuer = Some(said.issuer().to_owned());
                (subject, credential)
            }
            Evidence::Peer { user, program } => {
                if !self.configured.agents.is_empty() {
                    return Err("agents are configured here, so a caller has to show a token (`--agent ID --token-file FILE`)".to_owned());
                }
                let id = local_agent(&user, &program)?;
                let credential = format!("peer:{id}");
                (self.subject(id, user), credential)
            }
            Evidence::Anonymous { agent, sponsor } => {
                let subject = self.registered_or(agent, sponsor)?;
                let credential = format!("anonymous:{}", subject.id);
                (subject, credential)
            }
            Evidence::Declared { agent, sponsor } => {
                let subject = self.registered_or(agent, sponsor)?;
                let name = match key {
                    SessionKey::Credential => String::new(),
                    SessionKey::Named(name) => name,
                };
                let credential = format!("declared:{}:{name}", subject.id);
                (subject, credential)
            }
        };
        let unreadable = |error: ringfence_audit::KeyringError| format!("the keys cannot be used: {error}");
        let leaf_subject = self.leaf_agent(&subject.id).map_err(unreadable)?;
        let sponsor = self.log.pseudonym(&subject.sponsor).map_err(unreadable)?;
        match self.registry.load().agents.get(&leaf_subject).map(|row| row.standing) {
            None | Some(Standing::Active) => {}
            Some(standing @ (Standing::Suspended | Standing::Revoked)) => {
                return Err(format!("the agent is {}", standing.as_str()));
            }
        }
        Ok(Identified { subject, leaf_subject, sponsor, assurance, token: shown, issuer, credential })
    }

    fn subject(&self, id: AgentId, sponsor: Person) -> Subject {
        Subject { id, sponsor, groups: Arc::new([]), ring: Ring::Three, delegation: Arc::new([]) }
    }

    /// Whom an issuer names. The person is the issuer's word, also for a registered agent, which
    /// keeps its groups and its ring.
    fn subject_of_issuer(&self, said: &Verified) -> Result<Subject, String> {
        if !said.counts(self.now()) {
            return Err("the token has expired".to_owned());
        }
        let mut subject = self.subject(said.agent().clone(), said.sponsor().clone());
        if let Some(agent) = self.configured.agents.get(&subject.id) {
            subject.groups = agent.groups.clone();
            subject.ring = agent.ring;
        } else if let Some(row) = self.registry.load().agents.get(subject.id.as_str()) {
            subject.groups = row.groups.clone().into();
        }
        Ok(subject)
    }

    fn subject_of_token(&self, digest: &str) -> Result<Subject, String> {
        let configured = self
            .configured
            .agents
            .iter()
            .find(|(_, agent)| agent.token.is_some_and(|token| token.to_string() == digest));
        if let Some((id, _)) = configured {
            return self.registered(id).unwrap_or_else(|| Err("the agent is unknown".to_owned()));
        }
        let now = self.now();
        let registry = self.registry.load();
        let found = registry.agents.iter().find(|(_, row)| row.takes(digest, now));
        let (id, _) =
            found.ok_or("the token is not one that was issued here, or it was rotated or revoked")?;
        let id: AgentId = id.parse().map_err(|_| "the agent's registration is unreadable".to_owned())?;
        self.registered(&id).unwrap_or_else(|| Err("the agent is unknown".to_owned()))
    }

    fn registered_or(&self, agent: AgentId, sponsor: Person) -> Result<Subject, String> {
        Ok(self.registered(&agent).transpose()?.unwrap_or_else(|| self.subject(agent, sponsor)))
    }

    /// A registered agent, from the configuration or the log.
    fn registered(&self, id: &AgentId) -> Option<Result<Subject, String>> {
        if let Some(agent) = self.configured.agents.get(id) {
            return Some(Ok(Subject {
                id: id.clone(),
                sponsor: agent.sponsor.clone(),
                groups: agent.groups.clone(),
                ring: agent.ring,
                delegation: Arc::new([]),
            }));
        }
        let registry = self.registry.load();
        let row = registry.agents.get(id.as_str())?;
        Some(match self.log.person(&row.sponsor) {
            Some(sponsor) => Ok(Subject {
                id: id.clone(),
                sponsor,
                groups: row.groups.clone().into(),
                ring: Ring::Three,
                delegation: Arc::new([]),
            }),
            None => {
                Err("the agent has no sponsor any more; an operator names one with `ringfence agent add`"
                    .to_owned())
            }
        })
    }

    /// The session of a credential, made where there is none or the last one has been idle.
    fn session_of(&self, who: Identified) -> Arc<SessionState> {
        let credential = self.keyed(&["credential", &who.credential]);
        let now = self.now();
        let mut running = self.sessions.lock();
        if let Some(session) = running.get(&credential) {
            let why = if session.subject != who.subject || session.sponsor != who.sponsor {
                Some("closed") // an operator changed who answers for the agent, or what it belongs to
            } else if self.is_over(session, now) {
                Some("idle")
            } else {
                None
            };
            match why {
                None if !session.live().ended => return session.clone(),
                None => {}
                Some(why) => self.ended(session, why),
            }
            running.remove(&credential);
        }
        let dormant = self.dormant.lock().remove(&credential);
        if let Some((id, row)) = dormant {
            let session = Arc::new(SessionState::resumed(who.clone(), &id, &row));
            let same = row.subject == who.leaf_subject && row.sponsor == who.sponsor;
            if same && !self.is_over(&session, now) {
                running.insert(credential, session.clone());
                return session;
            }
            self.ended(&session, "idle");
        }
        let id: Arc<str> =
            format!("s_{}", self.fresh_id().unwrap_or_else(|| self.keyed(&[&credential, &now.to_string()])))
                .into();
        let issuer = who.issuer.clone();
        let session = Arc::new(SessionState::new(who, credential.clone(), id, now));
        self.queue(Record::SessionStarted(SessionStarted {
            session: session.id.to_string(),
            subject: session.leaf_subject.clone(),
            sponsor: session.sponsor.clone(),
            credential: credential.clone(),
            issuer,
            assurance: session.assurance.as_str().into(),
        }));
        running.insert(credential, session.clone());
        session
    }

    /// Whether nobody holds a session, nothing of it is under way, no person is asked for it, and
    /// it has been so for long. Called while no other handle can be made.
    pub(crate) fn is_over(&self, session: &Arc<SessionState>, now: Timestamp) -> bool {
        Arc::strong_count(session) == 1
            && session.is_quiet(now)
            && !self.approvals.lock().any_live(&session.id, now)
    }

    pub(crate) fn end(&self, session: &SessionState, why: &'static str) {
        {
            let mut running = self.sessions.lock();
            // The credential may have another session by now.
            if running.get(&session.credential).is_some_and(|current| current.id == session.id) {
                running.remove(&session.credential);
            }
        }
        self.ended(session, why);
    }

    pub(crate) fn ended(&self, session: &SessionState, why: &'static str) {
        if std::mem::replace(&mut session.lock().ended, true) {
            return;
        }
        for bucket in session.take_owned() {
            self.buckets.forget(&bucket);
        }
        self.close(&session.id, why);
    }

    /// Records that a session is over, and forgets what is only of use in it.
    pub(crate) fn close(&self, session: &str, why: &'static str) {
        {
            let mut approvals = self.approvals.lock();
            let ids: Vec<String> = approvals
                .iter()
                .filter(|(_, row)| row.session == session)
                .map(|(id, _)| id.to_owned())
                .collect();
            for id in ids {
                approvals.remove(&id);
            }
        }
        self.answered();
        self.queue(Record::SessionEnded(SessionEnded { session: session.to_owned(), why: why.into() }));
    }

    /// Appends a record that nobody waits for.
    pub(crate) fn queue(&self, record: Record) {
        self.append(record, None).detach(|written| {
            if let Err(error) = written {
                tracing::error!(%error, "a record could not be written");
            }
        });
    }

    async fn refuse_caller(&self, reason: &str) -> Denied {
        let decision = self.built_in_denial(built_in::AGENT, reason);
        let body = record::Decision {
            session: String::new(),
            subject: "unknown".to_owned(),
            sponsor: String::new(),
            delegation: Vec::new(),
            action: "session.open".to_owned(),
            resource: String::new(),
            assurance: Assurance::Cooperative.as_str().into(),
            decision: decision.effect.as_str().into(),
            rule: decision.rule().to_string(),
            reason: reason.to_owned(),
            policy_digest: decision.policy_digest.to_string(),
            obligations: Vec::new(),
            permit: false,
            observing: false,
            approval: None,
            facts: serde_json::Map::new(),
            labels: record_labels(Labels::FRESH),
            charges: Vec::new(),
            tool: None,
        };
        match self.append(Record::Decision(Box::new(body)), None).await {
            Ok(appended) => Denied { decision, record: Some(self.record_ref(&appended)), retry_after: None },
            Err(error) => self.unrecorded(&error),
        }
    }

    fn operator_by_token(&self, token: &Token) -> Option<Operator> {
        let digest = token.digest();
        if let Some(found) = self.configured.operators.iter().find(|operator| operator.token == digest) {
            let pseudonym = self.log.pseudonym(&found.person).ok()?;
            return Some(Operator { person: found.person.clone(), groups: found.groups.clone(), pseudonym });
        }
        let text = digest.to_string();
        let registry = self.registry.load();
        let (pseudonym, _) = registry.operators.iter().find(|(_, row)| row.sha256 == text)?;
        self.operator_by_pseudonym(pseudonym)
    }

    pub(crate) fn operator_by_pseudonym(&self, pseudonym: &str) -> Option<Operator> {
        let person = self.log.person(pseudonym)?;
        let groups = match self.configured.operators.iter().find(|operator| operator.person == person) {
            Some(configured) => configured.groups.clone(),
            None => self.registry.load().operators.get(pseudonym)?.groups.clone(),
        };
        Some(Operator { person, groups, pseudonym: pseudonym.to_owned() })
    }
}

/// `spiffe://local/<user>/<program>`, with whatever a SPIFFE ID cannot hold replaced.
fn local_agent(user: &Person, program: &str) -> Result<AgentId, String> {
    let clean = |text: &str| -> String {
        let kept: String = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' })
            .collect();
        if kept.is_empty() { "unknown".to_owned() } else { kept }
    };
    format!("spiffe://{LOCAL}/{}/{}", clean(user.as_str()), clean(program))
        .parse()
        .map_err(|error| format!("the caller has no usable name: {error}"))
}
