//! The records: what stands in a leaf, as one JSON object whose first members (`v`, `time`,
//! `node`, `kind`, `payload`) the writer stamps and whose other members are one of the bodies
//! below. They know nothing of policy: effects, rules and reasons are words here.
//!
//! Nothing personal, secret or large stands in a body. People are pseudonyms, arguments and
//! results lie in the payload that the leaf commits to.

use std::borrow::Cow;

use ringfence_model::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::log::{Entry, Payload};

/// A record without the members that the writer stamps. On the wire `kind` tells which it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Record {
    /// An attempt was decided. `permit` says whether it was let through.
    #[serde(rename = "decision")]
    Decision(Box<Decision>),
    /// How a permitted action ended.
    #[serde(rename = "outcome")]
    Outcome(Outcome),
    /// Something came in that is not an attempt: a list of tools, a result, a person's input.
    #[serde(rename = "observed")]
    Observed(Observed),
    /// A session began.
    #[serde(rename = "session.started")]
    SessionStarted(SessionStarted),
    /// A session ended.
    #[serde(rename = "session.ended")]
    SessionEnded(SessionEnded),
    /// A person answered an ask.
    #[serde(rename = "approval.answered")]
    ApprovalAnswered(ApprovalAnswered),
    /// An agent was registered, or its standing or credentials changed.
    #[serde(rename = "agent.changed")]
    AgentChanged(AgentChanged),
    /// An operator was registered.
    #[serde(rename = "operator.added")]
    OperatorAdded(OperatorAdded),
    /// A kill latch was set.
    #[serde(rename = "latch.set")]
    LatchSet(LatchSet),
    /// A kill latch was lifted.
    #[serde(rename = "latch.lifted")]
    LatchLifted(LatchLifted),
    /// A project's own configuration was pinned.
    #[serde(rename = "project.trusted")]
    ProjectTrusted(ProjectTrusted),
    /// An operator logged the gateway in to a server for an agent, or out of it.
    #[serde(rename = "login.changed")]
    LoginChanged(LoginChanged),
    /// A policy set came into force.
    #[serde(rename = "policy.loaded")]
    PolicyLoaded(PolicyLoaded),
    /// A monitor started or ended.
    #[serde(rename = "monitor")]
    Monitor(Monitor),
    /// The clock stepped; written by the log itself.
    #[serde(rename = "clock.stepped")]
    ClockStepped(Map<String, Value>),
    /// Payloads became unreadable for good; written by the log itself.
    #[serde(rename = "payload.erased")]
    PayloadErased(Map<String, Value>),
}

/// What was asked, by whom, and what was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The session, as the monitor named it.
    pub session: String,
    /// The agent; the person's part of a local agent's id is a pseudonym.
    pub subject: String,
    /// Pseudonym of the person who answers for the agent.
    pub sponsor: String,
    /// Who delegated to the agent, first to last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegation: Vec<String>,
    /// The action, such as `tool.call`.
    pub action: String,
    /// The resource's URI, without a query.
    pub resource: String,
    /// `confined` or `cooperative`.
    pub assurance: Cow<'static, str>,
    /// `allow`, `ask` or `deny`.
    pub decision: Cow<'static, str>,
    /// `policy/rule`.
    pub rule: String,
    /// One plain sentence.
    pub reason: String,
    /// The policy set that decided.
    pub policy_digest: String,
    /// What has to be done along with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Value>,
    /// Whether a permit was given. A permit is followed by exactly one outcome.
    pub permit: bool,
    /// Present and true where observing let through what was decided otherwise.
    #[serde(default, skip_serializing_if = "is_false")]
    pub observing: bool,
    /// The approval that this decision asked for, joined, or used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// The facts that were read, by name; those that may be personal are named with `null`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub facts: Map<String, Value>,
    /// The session's labels at that moment.
    pub labels: Labels,
    /// What was reserved of limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<Charge>,
    /// The tool object's hash, where the tool is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

/// How an approval stands in a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id.
    pub id: String,
    /// What happened to it here.
    pub step: ApprovalStep,
    /// The digest it is bound to: RFC 8785 form of subject, action, resource, arguments, server and tool.
    pub digest: String,
    /// Until when it can be given and used.
    pub expires: Timestamp,
    /// One set for each rule that asked; an approver is in all of them. An empty set is any operator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<Vec<String>>,
}

/// See [`Approval`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStep {
    /// A person is asked now.
    Asked,
    /// A person had been asked for exactly this already.
    Joined,
    /// The approval was used up by this permit.
    Used,
}

/// Both labels, as words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// `trusted` or `untrusted`.
    pub integrity: Cow<'static, str>,
    /// `public`, `internal` or `secret`.
    pub confidentiality: Cow<'static, str>,
}

/// What one limit was charged, and how long that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// `policy/limit`.
    pub limit: String,
    /// Whose bucket: a keyed hash.
    pub bucket: String,
    /// In the limit's own unit.
    pub amount: u64,
    /// How long it counts.
    #[serde(flatten)]
    pub span: ChargeSpan,
}

/// How long a charge counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeSpan {
    /// From the action's beginning, in microseconds.
    SlidesUs(u64),
    /// Until this moment, the end of a calendar period.
    Until(Timestamp),
    /// As long as the session; the member is always true.
    Session(bool),
    /// As long as the action is open; the member is always true.
    Open(bool),
}

/// How a permitted action ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The index of the decision's record.
    pub of: u64,
    /// The session.
    pub session: String,
    /// `ok`, `error`, `cut`, `not_started` or `unknown`.
    pub result: Cow<'static, str>,
    /// When it began, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// From beginning to end, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// What was used; absent where it was not measured.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// What each limit of the decision was charged in the end, in the decision's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charged: Vec<u64>,
    /// How long each of them counts, in the decision's order; absent where that is as reserved, and
    /// not where a calendar's period ended between the decision and the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<ChargeSpan>,
    /// The session's labels afterwards.
    pub labels: Labels,
    /// One plain sentence where it did not begin or was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Bytes sent to the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    /// Bytes that came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    /// Tokens a model read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens a model wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Cost in micro-dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_usd: Option<u64>,
}

impl Usage {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        *self == Usage::default()
    }
}

/// Something that came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// The session.
    pub session: String,
    /// `tool_list`, `tool_result`, `user_input`, `system_input`, `model_output`, `output`.
    pub event: Cow<'static, str>,
    /// The server it came from, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The decision's record that it answers, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// The session's labels afterwards.
    pub labels: Labels,
}

/// A session and whom it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStarted {
    /// Its id.
    pub session: String,
    /// The agent.
    pub subject: String,
    /// Pseudonym of its sponsor.
    pub sponsor: String,
    /// A keyed hash of the credential it is bound to.
    pub credential: String,
    /// Who issued the credential, where that was not this monitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `confined` or `cooperative`.
    pub assurance: Cow<'static, str>,
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// Its id.
    pub session: String,
    /// `closed`, `idle` or `killed`.
    pub why: Cow<'static, str>,
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalAnswered {
    /// The approval's id.
    pub id: String,
    /// `approve`, `deny`, `expired` or `void`.
    pub verdict: Cow<'static, str>,
    /// Pseudonym of the operator; absent for `expired` and `void`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// `operator` where one authenticated, `client` where the agent's own client said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Cow<'static, str>>,
}

/// An agent's registration as it is from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentChanged {
    /// The agent.
    pub agent: String,
    /// `active`, `suspended` or `revoked`.
    pub standing: Cow<'static, str>,
    /// Pseudonym of its sponsor.
    pub sponsor: String,
    /// Groups it is a member of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Digests of the tokens that authenticate it, with the moment each stops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<Credential>,
    /// Pseudonym of the operator who said so.
    pub operator: String,
}

/// A token, by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// SHA-256 of the token.
    pub sha256: String,
    /// From when on it is refused; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A person who may approve, grant and kill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorAdded {
    /// Pseudonym of the operator.
    pub operator: String,
    /// Groups the operator is a member of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// SHA-256 of the operator's token.
    pub sha256: String,
}

/// What a kill covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One agent.
    Agent(String),
    /// One session.
    Session(String),
    /// Everything one person answers for, by pseudonym.
    Sponsor(String),
    /// One tool, by its resource URI.
    Tool(String),
    /// Everything; the member is always true.
    All(bool),
}

/// A kill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatchSet {
    /// Its id.
    pub latch: String,
    /// What it covers.
    pub scope: Scope,
    /// Pseudonym of the operator.
    pub operator: String,
}

/// The end of a kill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatchLifted {
    /// The id of the latch.
    pub latch: String,
    /// Pseudonym of the operator.
    pub operator: String,
}

/// A configuration that counts although it lies in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectTrusted {
    /// A keyed hash of where it lies.
    pub place: String,
    /// The digest of its bytes and of the policies it names; absent where trust was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Pseudonym of the operator.
    pub operator: String,
}

/// What an agent may use of a server elsewhere, in the name of whoever logged in there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginChanged {
    /// The agent, as records have it.
    pub agent: String,
    /// The server's name.
    pub server: String,
    /// Who issues the tokens; absent where the login was forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// What was asked for there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Pseudonym of the operator.
    pub operator: String,
}

/// A policy set in force from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyLoaded {
    /// Its digest.
    pub policy_digest: String,
    /// How many policies it has.
    pub policies: u64,
    /// Until when it is only observed, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe_until: Option<Timestamp>,
}

/// A monitor's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// `started` or `ended`.
    pub event: Cow<'static, str>,
    /// The version of the program.
    pub version: String,
}

/// A leaf as stored, read back: what the writer stamped, and the record.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Stamped {
    /// The schema version: 1.
    pub v: u64,
    /// When it was sequenced.
    pub time: Timestamp,
    /// The node that wrote it.
    pub node: String,
    /// The commitment to the payload, where there is one.
    #[serde(default)]
    pub payload: Option<String>,
    /// The record.
    #[serde(flatten)]
    pub record: Record,
}

impl Record {
    /// As the log takes it: the kind apart from the other members, which the writer's stamp goes
    /// before.
    pub fn into_entry(self, payload: Option<Payload>) -> Entry {
        let (kind, body) = match &self {
            Record::Decision(body) => ("decision", plain(body)),
            Record::Outcome(body) => ("outcome", plain(body)),
            Record::Observed(body) => ("observed", plain(body)),
            Record::SessionStarted(body) => ("session.started", plain(body)),
            Record::SessionEnded(body) => ("session.ended", plain(body)),
            Record::ApprovalAnswered(body) => ("approval.answered", plain(body)),
            Record::AgentChanged(body) => ("agent.changed", plain(body)),
            Record::OperatorAdded(body) => ("operator.added", plain(body)),
            Record::LatchSet(body) => ("latch.set", plain(body)),
            Record::LatchLifted(body) => ("latch.lifted", plain(body)),
            Record::ProjectTrusted(body) => ("project.trusted", plain(body)),
            Record::LoginChanged(body) => ("login.changed", plain(body)),
            Record::PolicyLoaded(body) => ("policy.loaded", plain(body)),
            Record::Monitor(body) => ("monitor", plain(body)),
            Record::ClockStepped(body) => ("clock.stepped", plain(body)),
            Record::PayloadErased(body) => ("payload.erased", plain(body)),
        };
        Entry { kind, body, payload }
    }
}

fn plain<T: Serialize>(body: &T) -> Vec<u8> {
    serde_json::to_vec(body).expect("invariant: bodies are plain data with text keys")
}

/// A leaf that this version cannot read.
#[derive(Debug, thiserror::Error)]
#[error("record {index} is not one that this version knows; a newer version may have written it")]
pub struct UnknownRecord {
    /// Where it stands in the log.
    pub index: u64,
    /// What is wrong with it.
    #[source]
    pub source: serde_json::Error,
}

impl Stamped {
    /// Reads a leaf's bytes.
    ///
    /// # Errors
    /// Bytes that are no record of a known kind.
    pub fn parse(index: u64, leaf: &[u8]) -> Result<Stamped, UnknownRecord> {
        serde_json::from_slice(leaf).map_err(|source| UnknownRecord { index, source })
    }
}

/// Where a record stands, for whoever wants to prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRef {
    /// The log's origin.
    pub origin: std::sync::Arc<str>,
    /// Its index.
    pub index: u64,
    /// Its RFC 6962 leaf hash.
    pub leaf: Digest,
}
