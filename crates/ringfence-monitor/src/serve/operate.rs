//! What clients ask for besides wrapping a server: mostly what operators do.

use std::time::Duration;

use ringfence_audit::record::Scope;
use ringfence_guard::{Answered, ControlError, Operator, Standing};
use ringfence_identity::Token;
use ringfence_model::{AgentId, Person, Resource};
use serde_json::{Value, json};

use super::Served;
use crate::logins::{self, Logins, NotLoggedIn};
use crate::protocol::{Answer, KillScope, Request, Secret};

/// Why something is not done: the answer is no, or it cannot be done.
enum Refusal {
    No(String),
    Failed(String),
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        let mut message = error.to_string();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        match error {
            ControlError::NotAnApprover(..) => Refusal::No(message),
            _ => Refusal::Failed(message),
        }
    }
}

impl From<NotLoggedIn> for Refusal {
    fn from(error: NotLoggedIn) -> Self {
        let message = logins::whole(&error);
        match error {
            NotLoggedIn::CameBack(_) => Refusal::No(message),
            _ => Refusal::Failed(message),
        }
    }
}

impl Served {
    pub(super) async fn operate(&self, request: Request) -> Answer {
        match self.operated(request).await {
            Ok(value) => Answer::Done(value),
            Err(Refusal::No(reason)) => Answer::No(reason),
            Err(Refusal::Failed(reason)) => Answer::Failed(reason),
        }
    }

    async fn operated(&self, request: Request) -> Result<Value, Refusal> {
        let guard = &self.guard;
        match request {
            Request::Status => Ok(self.status()),
            Request::AgentAdd { operator, id, sponsor, groups } => {
                let by = self.operator(&operator)?;
                let token = guard.add_agent(&by, &agent(&id)?, &Person::new(&sponsor), groups).await?;
                Ok(json!({ "agent": id, "token": token.reveal() }))
            }
            Request::AgentList => Ok(self.agents()),
            Request::AgentStanding { operator, id, standing } => {
                let by = self.operator(&operator)?;
                let to = match standing.as_str() {
                    "active" => Standing::Active,
                    "suspended" => Standing::Suspended,
                    "revoked" => Standing::Revoked,
                    other => return Err(Refusal::Failed(format!("`{other}` is no standing"))),
                };
                guard.set_standing(&by, &agent(&id)?, to).await?;
                Ok(json!({ "agent": id, "standing": standing }))
            }
            Request::AgentToken { operator, id, grace_seconds } => {
                let by = self.operator(&operator)?;
                let until = guard.now() + Duration::from_secs(u64::from(grace_seconds));
                let token = guard.rotate_token(&by, &agent(&id)?, until).await?;
                Ok(json!({ "agent": id, "token": token.reveal(), "old_tokens_until": until.to_string() }))
            }
            Request::ApprovalList { operator } => {
                let shown = operator.map(|operator| self.operator(&operator)).transpose()?.is_some();
                Ok(self.approvals(shown))
            }
            Request::ApprovalAnswer { operator, id, approve } => {
                let by = self.operator(&operator)?;
                let name = by.person.as_str().to_owned();
                let answer =
                    if approve { Answered::Approved(name.clone()) } else { Answered::Refused(name.clone()) };
                guard.answer(&by, &id, answer).await?;
                Ok(json!({ "id": id, "verdict": if approve { "approve" } else { "deny" }, "operator": name }))
            }
            Request::Kill { operator, scope, reason } => {
                let by = self.operator(&operator)?;
                let receipt = guard.kill(&by, self.scope(scope)?, &reason).await?;
                Ok(json!({
                    "latch": receipt.latch,
                    "record": receipt.record,
                    "asks_voided": receipt.voided,
                    "denied_after_us": micros(receipt.denied_after),
                    "durable_after_us": micros(receipt.durable_after),
                }))
            }
            Request::Unkill { operator, latch, reason } => {
                let by = self.operator(&operator)?;
                guard.unkill(&by, &latch, &reason).await?;
                Ok(json!({ "latch": latch }))
            }
            Request::Reload => {
                self.reload().map_err(Refusal::Failed)?;
                Ok(self.status())
            }
            Request::KillList => Ok(self.latches()),
            Request::SessionList => Ok(self.sessions()),
            Request::OperatorFirst { name } => {
                if guard.has_operators() {
                    return Err(Refusal::No(
                        "there is an operator already; use that operator's token".to_owned(),
                    ));
                }
                let token = guard.add_operator(&Person::new(&name), Vec::new()).await?;
                Ok(json!({ "operator": name, "token": token.reveal() }))
            }
            Request::Trust { operator, place, digest } => {
                let by = self.operator(&operator)?;
                guard.trust(&by, &place.to_string_lossy(), digest.clone()).await?;
                Ok(json!({ "place": place, "digest": digest }))
            }
            Request::Trusted { place } => {
                Ok(json!({ "place": place, "digest": guard.trusted(&place.to_string_lossy()) }))
            }
            Request::Records { operator, from, limit } => {
                let shown = operator.map(|operator| self.operator(&operator)).transpose()?.is_some();
                self.records(from, limit, shown).map_err(|error| Refusal::Failed(error.to_string()))
            }
            Request::Erase { operator, session, person } => {
                let by = self.operator(&operator)?;
                self.erase(&by, session.as_deref(), person.as_deref())
                    .map_err(|error| Refusal::Failed(error.to_string()))
            }
            Request::LoginBegin { operator, server, agent: id, redirect, scopes } => {
                self.operator(&operator)?;
                Ok(self.logins()?.begin(&server, &agent(&id)?, &redirect, scopes).await?)
            }
            Request::LoginEnd { operator, login, query } => {
                let by = self.operator(&operator)?;
                Ok(self.logins()?.end(&by, &login, &query.0).await?.unwrap_or(Value::Null))
            }
            Request::LoginList => Ok(match &self.logins {
                Some(logins) => logins.list()?,
                None => json!([]),
            }),
            Request::LoginForget { operator, server, agent: id } => {
                let by = self.operator(&operator)?;
                let forgotten = self.logins()?.forget(&by, &server, &agent(&id)?).await?;
                Ok(json!({ "server": server, "agent": id, "forgotten": forgotten }))
            }
            // Answered where the connection itself is at hand.
            Request::Mcp(_) | Request::Yield | Request::Stop => {
                Err(Refusal::Failed("not asked for in this place".to_owned()))
            }
        }
    }

    fn logins(&self) -> Result<&Logins, Refusal> {
        let none = || {
            Refusal::Failed(
                "no server of the configuration is logged in to; write `login: {}` beside a server's `url`"
                    .to_owned(),
            )
        };
        self.logins.as_deref().ok_or_else(none)
    }

    fn operator(&self, token: &Secret) -> Result<Operator, Refusal> {
        let token: Token =
            token.0.parse().map_err(|error| Refusal::No(format!("the operator's token is {error}")))?;
        self.guard.operator(&token).ok_or_else(|| Refusal::No("the token is no operator's here".to_owned()))
    }

    fn scope(&self, scope: KillScope) -> Result<Scope, Refusal> {
        let keys = |error: ringfence_audit::KeyringError| Refusal::Failed(error.to_string());
        Ok(match scope {
            KillScope::Agent(id) => Scope::Agent(self.guard.agent_in_records(&agent(&id)?).map_err(keys)?),
            KillScope::Session(id) => Scope::Session(id),
            KillScope::Sponsor(name) => {
                Scope::Sponsor(self.log.pseudonym(&Person::new(&name)).map_err(keys)?)
            }
            KillScope::Tool(name) => {
                let (server, tool) = name
                    .split_once('/')
                    .ok_or_else(|| Refusal::Failed(format!("`{name}` is no tool; write SERVER/TOOL")))?;
                Scope::Tool(Resource::mcp(server, tool).to_string())
            }
            KillScope::All => Scope::All(true),
        })
    }

    fn status(&self) -> Value {
        let head = self.log.head();
        json!({
            "version": crate::VERSION,
            "pid": std::process::id(),
            "data": self.data.path(),
            "origin": self.log.origin(),
            "records": head.size,
            "root": head.root.to_string(),
            "sessions": self.guard.sessions().len(),
            "asks": self.guard.asked().len(),
            "latches": self.guard.latches().len(),
            "policies": self.guard.policies(),
            "policy_digest": self.guard.policy_digest().to_string(),
            "observing": self.guard.observing(),
            "operators": self.guard.has_operators(),
        })
    }

    fn agents(&self) -> Value {
        let agents = self.guard.agents().into_iter().map(|agent| {
            json!({
                "id": agent.id,
                "standing": standing_word(agent.standing),
                "sponsor": agent.sponsor.as_ref().map(Person::as_str),
                "groups": agent.groups,
                "tokens": agent.tokens,
                "registered_in": if agent.in_configuration { "configuration" } else { "log" },
            })
        });
        agents.collect()
    }

    fn approvals(&self, with_what: bool) -> Value {
        let asks = self.guard.asked().into_iter().map(|ask| {
            let (state, by) = match ask.answered {
                Answered::Awaited => ("awaited", None),
                Answered::Approved(by) => ("approved", Some(by)),
                Answered::Refused(by) => ("denied", Some(by)),
            };
            let what = with_what.then(|| self.payload(ask.record)).flatten();
            json!({
                "id": ask.id,
                "state": state,
                "by": by,
                "session": ask.session,
                "expires": ask.expires.to_string(),
                "approvers": ask.approvers,
                "record": ask.record,
                "asked": what,
            })
        });
        asks.collect()
    }

    fn latches(&self) -> Value {
        let latches = self.guard.latches().into_iter().map(|latch| {
            json!({
                "latch": latch.id,
                "scope": serde_json::to_value(&latch.scope).unwrap_or(Value::Null),
                "since": latch.since.to_string(),
                "operator": latch.operator.as_ref().map(Person::as_str),
            })
        });
        latches.collect()
    }

    fn sessions(&self) -> Value {
        let sessions = self.guard.sessions().into_iter().map(|session| {
            json!({
                "id": session.id,
                "agent": session.agent.as_str(),
                "since": session.created.to_string(),
                "calls": session.calls,
                "assurance": session.assurance,
            })
        });
        sessions.collect()
    }
}

fn agent(id: &str) -> Result<AgentId, Refusal> {
    id.parse().map_err(|error: ringfence_model::BadAgentId| Refusal::Failed(error.to_string()))
}

fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Suspended => "suspended",
        Standing::Revoked => "revoked",
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
