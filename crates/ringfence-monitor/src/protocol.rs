//! What clients and the monitor say to each other over the Unix socket: one JSON object a line.
//! Both ends are the same binary; a mismatch of versions denies and names the restart.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version that a client names which only ends the monitor: that has to work across versions,
/// because it is how one gives way to another.
pub const ANY_VERSION: &str = "*";

/// The first line of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The client's version, or [`ANY_VERSION`].
    pub version: String,
    /// What the client thinks the configuration is; must be the monitor's. None where the client
    /// asks for nothing that depends on it, as operators do: a kill is for whatever runs.
    pub setup: Option<String>,
}

/// The first line of the monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Welcome {
    /// Go on.
    Ready {
        /// The monitor's process id.
        pid: u32,
    },
    /// Not with this client.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
}

/// What a client asks for.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// What is going on.
    Status,
    /// Register an agent and issue its token.
    AgentAdd {
        /// Who says so.
        operator: Secret,
        /// SPIFFE ID.
        id: String,
        /// Who answers for it.
        sponsor: String,
        /// Groups it is a member of.
        groups: Vec<String>,
    },
    /// Every registered agent.
    AgentList,
    /// Suspend, revoke or reinstate an agent.
    AgentStanding {
        /// Who says so.
        operator: Secret,
        /// SPIFFE ID.
        id: String,
        /// `active`, `suspended` or `revoked`.
        standing: String,
    },
    /// Issue another token.
    AgentToken {
        /// Who says so.
        operator: Secret,
        /// SPIFFE ID.
        id: String,
        /// For how many seconds the tokens so far stay good.
        grace_seconds: u32,
    },
    /// What people are asked.
    ApprovalList {
        /// Whoever may answer also sees what is asked.
        operator: Option<Secret>,
    },
    /// Answer an ask.
    ApprovalAnswer {
        /// Who says so.
        operator: Secret,
        /// The ask.
        id: String,
        /// Yes or no.
        approve: bool,
    },
    /// Stop everything that a scope covers.
    Kill {
        /// Who says so.
        operator: Secret,
        /// What.
        scope: KillScope,
        /// Why.
        reason: String,
    },
    /// Lift a kill.
    Unkill {
        /// Who says so.
        operator: Secret,
        /// The latch.
        latch: String,
        /// Why.
        reason: String,
    },
    /// The kills in force.
    KillList,
    /// Read the configuration again. What is under way goes on.
    Reload,
    /// The running sessions.
    SessionList,
    /// Register the first operator of a machine that has none.
    OperatorFirst {
        /// Who.
        name: String,
    },
    /// Pin the digest of a project's configuration; none takes the trust back.
    Trust {
        /// Who says so.
        operator: Secret,
        /// Where the configuration lies.
        place: PathBuf,
        /// Its digest.
        digest: Option<String>,
    },
    /// The digest that is pinned for a place.
    Trusted {
        /// Where the configuration lies.
        place: PathBuf,
    },
    /// Records from an index on, at most so many, with what their payloads say.
    Records {
        /// Whoever may see payloads.
        operator: Option<Secret>,
        /// The first index; none for the newest `limit`.
        from: Option<u64>,
        /// At most so many.
        limit: u64,
    },
    /// Make payloads unreadable for good.
    Erase {
        /// Who says so.
        operator: Secret,
        /// One session.
        session: Option<String>,
        /// One person.
        person: Option<String>,
    },
    /// Begin a person's login to a server over HTTP, for an agent.
    LoginBegin {
        /// Who says so.
        operator: Secret,
        /// The server's name.
        server: String,
        /// SPIFFE ID.
        agent: String,
        /// Where the browser comes back to.
        redirect: String,
        /// What is asked for; none for what the server says.
        scopes: Option<Vec<String>>,
    },
    /// End one, with what the browser came back with. Answered with nothing where that does not
    /// belong to it; the login goes on then.
    LoginEnd {
        /// Who says so.
        operator: Secret,
        /// The login.
        login: String,
        /// The query of the address.
        query: Secret,
    },
    /// Every login, without its tokens.
    LoginList,
    /// Forget one.
    LoginForget {
        /// Who says so.
        operator: Secret,
        /// The server's name.
        server: String,
        /// SPIFFE ID.
        agent: String,
    },
    /// Wrap an MCP server. The client's standard streams follow.
    Mcp(McpRequest),
    /// End the monitor if nobody else is connected, so that one with another configuration can
    /// take its place.
    Yield,
    /// End the monitor, and with it every wrapped server. A signal would do the same, so no
    /// operator is asked; what was stopped stays stopped.
    Stop,
}

/// One wrapped MCP server.
#[derive(Clone, Serialize, Deserialize)]
pub struct McpRequest {
    /// Its name in policy.
    pub server: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The client's working directory.
    pub cwd: PathBuf,
    /// The client's environment.
    pub env: Vec<(String, String)>,
    /// A stock profile that holds for this server alone.
    pub profile: Option<String>,
    /// Which agent the caller is, where it has to say so, and its token.
    pub agent: Option<(String, Secret)>,
    /// Decide and record without enforcing.
    pub observe: bool,
}

/// What a kill covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KillScope {
    /// One agent.
    Agent(String),
    /// One session.
    Session(String),
    /// Everything a person answers for.
    Sponsor(String),
    /// One tool: `server/tool`.
    Tool(String),
    /// Everything.
    All,
}

/// A token on its way over the socket. Not printed by `Debug`, because it has none.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secret(pub String);

/// What the monitor answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done; what came of it.
    Done(Value),
    /// The answer is no.
    No(String),
    /// It could not be done.
    Failed(String),
    /// The wrapped server ended.
    Exited {
        /// Its exit code, or 128 and the signal.
        code: i32,
        /// What to tell the person, where there is something.
        message: Option<String>,
    },
    /// Something to show on the client's standard error while it waits.
    Notice(String),
}
