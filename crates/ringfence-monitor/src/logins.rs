//! Logging in to servers over HTTP: a token for each agent and server, got from the server's
//! authorization server, kept encrypted, renewed, and shown to that server alone. None goes from one
//! agent or one server to another, and none is logged.
//!
//! How the protocol goes is `ringfence_identity::oauth`'s; here is when.

mod keep;
mod web;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use ringfence_gateway::mcp::upstream::{Credential, Http, NothingToShow, Shown};
use ringfence_guard::{ControlError, Guard, Operator};
use ringfence_identity::Endpoint;
use ringfence_identity::oauth::{
    Challenge, Grant, Login, NoGrant, Redirected, Registered, Secret, by_itself, discover,
};
use ringfence_model::AgentId;
use serde_json::{Value, json};

use self::keep::{Keep, NotKept};
use self::web::Reach;

/// How long a person has to log in.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// How many logins may be under way.
const MAX_BEGUN: usize = 32;
/// How many tokens are held in memory.
const MAX_HELD: usize = 4096;
/// For so long after somebody could not be asked, or refused, nobody asks again.
const PAUSE: Duration = Duration::from_secs(5);
/// For so long a token that replaced a refused one is not replaced when it is refused, too.
const REPLACED: Duration = Duration::from_secs(60);
/// How many scopes a server may ask for.
const MAX_SCOPES: usize = 32;

/// How a server is logged in to.
#[derive(Debug, Clone)]
pub struct LoginRules {
    /// The server.
    pub server: Endpoint,
    /// Who the gateway is to authorization servers.
    pub registered: Registered,
    /// Who logs in.
    pub by: LoginBy,
    /// What is asked for in place of what the server says.
    pub scopes: Option<Vec<String>>,
}

/// Who logs in to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginBy {
    /// A person, for one agent (`ringfence auth login`).
    Person,
    /// The gateway by itself, with its client's secret, once for each agent.
    Client,
}

/// One agent at one server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Whose {
    agent: String,
    server: String,
}

/// Every login.
pub(crate) struct Logins {
    servers: BTreeMap<String, LoginRules>,
    reach: Reach,
    keep: Arc<Keep>,
    guard: Guard,
    held: Mutex<HashMap<Whose, Arc<Grant>>>,
    turns: Mutex<HashMap<Whose, Arc<tokio::sync::Mutex<()>>>>,
    /// What each server last said that it wants.
    wanted: Mutex<HashMap<String, Challenge>>,
    begun: Mutex<HashMap<String, Begun>>,
    tries: Mutex<HashMap<Whose, Tries>>,
}

/// What was tried without success, so that a server or issuer that is gone is not asked with every
/// call.
#[derive(Default)]
struct Tries {
    failed: Option<(Instant, String)>,
    replaced: Option<Instant>,
}

struct Begun {
    agent: AgentId,
    whose: Whose,
    login: Login,
    since: Instant,
}

/// Why there is no login.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLoggedIn {
    /// Nothing is logged in to there.
    #[error("the server `{0}` is not one that is logged in to; write `login: {{}}` beside its `url`")]
    NoSuchServer(String),
    /// It was tried a moment ago.
    #[error("{0}")]
    JustNow(String),
    /// Nobody has to.
    #[error("the gateway logs in to `{0}` by itself")]
    ByItself(String),
    /// Not on this machine.
    #[error("a login comes back to `http` on this machine")]
    Redirect,
    /// Ended, or never begun.
    #[error("there is no such login, or its time is over; begin again")]
    NoSuchLogin,
    /// Too many.
    #[error("too many logins are under way")]
    TooMany,
    /// What came back does not count.
    #[error(transparent)]
    CameBack(#[from] Redirected),
    /// No token was got.
    #[error(transparent)]
    NoGrant(#[from] NoGrant),
    /// The server was not reached.
    #[error("the server cannot be asked: {0}")]
    Unreached(#[from] ringfence_identity::oauth::Unreached),
    /// It cannot be recorded.
    #[error(transparent)]
    NotRecorded(#[from] ControlError),
    /// It cannot be kept.
    #[error(transparent)]
    NotKept(#[from] NotKept),
}

impl Logins {
    pub(crate) fn new(
        servers: BTreeMap<String, LoginRules>,
        http: Http,
        guard: Guard,
        folder: std::path::PathBuf,
        secret: &[u8; 32],
    ) -> Logins {
        Logins {
            servers,
            reach: Reach(http),
            keep: Arc::new(Keep::new(folder, secret)),
            guard,
            held: Mutex::default(),
            turns: Mutex::default(),
            wanted: Mutex::default(),
            begun: Mutex::default(),
            tries: Mutex::default(),
        }
    }

    /// What one agent shows one server, where that server is logged in to.
    pub(crate) fn credential(self: &Arc<Self>, agent: &AgentId, server: &str) -> Option<Arc<dyn Credential>> {
        self.servers.contains_key(server).then(|| {
            let whose = Whose { agent: agent.to_string(), server: server.to_owned() };
            Arc::new(Own { logins: Arc::clone(self), whose }) as Arc<dyn Credential>
        })
    }

    /// Begins a person's login: its name, and the page to open.
    pub(crate) async fn begin(
        &self,
        server: &str,
        agent: &AgentId,
        redirect: &str,
        scopes: Option<Vec<String>>,
    ) -> Result<Value, NotLoggedIn> {
        let rules = self.servers.get(server).ok_or_else(|| NotLoggedIn::NoSuchServer(server.to_owned()))?;
        if rules.by == LoginBy::Client {
            return Err(NotLoggedIn::ByItself(server.to_owned()));
        }
        let is_here = redirect.parse().is_ok_and(|redirect: Endpoint| redirect.is_here());
        if !is_here || !redirect.starts_with("http://") {
            return Err(NotLoggedIn::Redirect);
        }
        let known = lock(&self.wanted).get(server).cloned();
        let challenge = match known {
            Some(challenge) => challenge,
            None => self.reach.challenge(&rules.server).await?,
        };
        let place = discover(&self.reach, &rules.server, &challenge, rules.registered.issuer()).await?;
        let whose = Whose { agent: agent.to_string(), server: server.to_owned() };
        let more = match challenge.lacks_scope() {
            // What was granted before is asked for again, or it would be lost.
            true => self.current(&whose, rules).await?.map(|grant| {
                let mut all = grant.scopes().to_vec();
                all.extend(
                    place.scopes.iter().flatten().filter(|scope| !grant.scopes().contains(scope)).cloned(),
                );
                all
            }),
            false => None,
        };
        let scopes = scopes.or(more).or_else(|| rules.scopes.clone());
        let login = Login::begin(&self.reach, place, &rules.registered, redirect, scopes).await?;
        let mut begun = lock(&self.begun);
        begun.retain(|_, begun| begun.since.elapsed() < PATIENCE);
        if begun.len() >= MAX_BEGUN {
            return Err(NotLoggedIn::TooMany);
        }
        let mut name = [0; 16];
        aws_lc_rs::rand::fill(&mut name).map_err(|_| NoGrant::NoRandomness)?;
        let name = ringfence_model::hex(&name);
        let page = login.page.clone();
        begun.insert(name.clone(), Begun { agent: agent.clone(), whose, login, since: Instant::now() });
        Ok(json!({ "login": name, "page": page }))
    }

    /// Ends a login with what the browser came back with. What does not belong to it leaves it open,
    /// and nothing comes of it.
    pub(crate) async fn end(
        &self,
        by: &Operator,
        name: &str,
        query: &str,
    ) -> Result<Option<Value>, NotLoggedIn> {
        let (begun, code) = {
            let mut all = lock(&self.begun);
            all.retain(|_, begun| begun.since.elapsed() < PATIENCE);
            let found = all.get(name).ok_or(NotLoggedIn::NoSuchLogin)?;
            let came_back = found.login.came_back(query);
            if matches!(came_back, Err(Redirected::Stranger)) {
                return Ok(None);
            }
            let begun = all.remove(name).ok_or(NotLoggedIn::NoSuchLogin)?;
            (begun, came_back?)
        };
        let Begun { agent, whose, login, since: _ } = begun;
        let grant = login.redeem(&self.reach, code, self.guard.now()).await?;
        let turn = self.turn(&whose);
        let _turn = turn.lock().await;
        lock(&self.wanted).remove(&whose.server);
        let issuer = Some(grant.issuer().as_str());
        self.guard.login_changed(by, &agent, &whose.server, issuer, grant.scopes()).await?;
        let shown = shown(&whose, &grant);
        self.keep(&whose, grant).await?;
        tracing::info!(server = whose.server, agent = whose.agent, "logged in");
        Ok(Some(shown))
    }

    /// Every login, without its tokens.
    pub(crate) fn list(&self) -> Result<Value, NotLoggedIn> {
        Ok(self.keep.all()?.iter().map(|(whose, grant)| shown(whose, grant)).collect())
    }

    /// Forgets one; whether there was one.
    pub(crate) async fn forget(
        &self,
        by: &Operator,
        server: &str,
        agent: &AgentId,
    ) -> Result<bool, NotLoggedIn> {
        let whose = Whose { agent: agent.to_string(), server: server.to_owned() };
        let turn = self.turn(&whose);
        let _turn = turn.lock().await;
        lock(&self.held).remove(&whose);
        let was_there = self.keep.forget(&whose)?;
        if was_there {
            self.guard.login_changed(by, agent, server, None, &[]).await?;
        }
        Ok(was_there)
    }

    /// The token as it is now, renewed where its time is over.
    async fn token(&self, whose: &Whose) -> Result<Option<Secret>, NotLoggedIn> {
        if let Some(token) = self.held(whose).and_then(|grant| grant.token(self.guard.now()).cloned()) {
            return Ok(Some(token));
        }
        let turn = self.turn(whose);
        let _turn = turn.lock().await;
        self.got(whose, None).await
    }

    /// A token in place of one that the server refused; nothing where that one was in place of
    /// another itself.
    async fn another(&self, whose: &Whose, refused: &str) -> Result<Option<Secret>, NotLoggedIn> {
        let turn = self.turn(whose);
        let _turn = turn.lock().await;
        let replaced = lock(&self.tries).get(whose).and_then(|tries| tries.replaced);
        let is_known = self.held(whose).is_some_and(|grant| grant.any_token().reveal() == refused);
        if is_known && replaced.is_some_and(|replaced| replaced.elapsed() < REPLACED) {
            return Ok(None);
        }
        let got = self.got(whose, Some(refused)).await?;
        if is_known && got.is_some() {
            self.tried(whose, |tries| tries.replaced = Some(Instant::now()));
        }
        Ok(got)
    }

    /// Whoever has the turn gets a token, other than the one that was refused.
    async fn got(&self, whose: &Whose, refused: Option<&str>) -> Result<Option<Secret>, NotLoggedIn> {
        let failed = lock(&self.tries).get(whose).and_then(|tries| tries.failed.clone());
        if let Some((since, why)) = failed
            && since.elapsed() < PAUSE
        {
            return Err(NotLoggedIn::JustNow(why));
        }
        let got = self.asked_for(whose, refused).await;
        let failed = got.as_ref().err().map(|error| (Instant::now(), whole(error)));
        self.tried(whose, |tries| tries.failed = failed);
        got
    }

    async fn asked_for(&self, whose: &Whose, refused: Option<&str>) -> Result<Option<Secret>, NotLoggedIn> {
        let rules = self.rules(whose)?;
        if let Some(grant) = self.current(whose, rules).await? {
            let token = grant.token(self.guard.now()).filter(|token| Some(token.reveal()) != refused);
            if let Some(token) = token {
                // Where one was refused, somebody else was quicker.
                return Ok(Some(token.clone()));
            }
            if let Some(token) = self.renewed(whose, rules, &grant).await? {
                return Ok(Some(token));
            }
        }
        match rules.by {
            LoginBy::Person => Ok(None),
            LoginBy::Client => self.by_itself(whose, rules).await.map(Some),
        }
    }

    fn tried(&self, whose: &Whose, change: impl FnOnce(&mut Tries)) {
        let mut tries = lock(&self.tries);
        if tries.len() >= MAX_HELD {
            tries.clear();
        }
        change(tries.entry(whose.clone()).or_default());
    }

    /// Renews; nothing where that is not possible any more.
    async fn renewed(
        &self,
        whose: &Whose,
        rules: &LoginRules,
        grant: &Grant,
    ) -> Result<Option<Secret>, NotLoggedIn> {
        if !grant.renews() {
            return Ok(None);
        }
        match grant.renew(&self.reach, &rules.registered, self.guard.now()).await {
            Ok(grant) => self.keep(whose, grant).await.map(Some),
            Err(refused @ NoGrant::Refused { .. }) => {
                tracing::info!(server = whose.server, agent = whose.agent, %refused, "a login is over");
                lock(&self.held).remove(whose);
                self.keep.forget(whose)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn by_itself(&self, whose: &Whose, rules: &LoginRules) -> Result<Secret, NotLoggedIn> {
        let challenge = lock(&self.wanted).get(&whose.server).cloned();
        let challenge = match challenge {
            Some(challenge) => challenge,
            None => self.reach.challenge(&rules.server).await?,
        };
        let place = discover(&self.reach, &rules.server, &challenge, rules.registered.issuer()).await?;
        let now = self.guard.now();
        let grant = by_itself(&self.reach, &place, &rules.registered, rules.scopes.clone(), now).await?;
        self.keep(whose, grant).await
    }

    /// Durable before it is used: what renews may be void from the next use on.
    async fn keep(&self, whose: &Whose, grant: Grant) -> Result<Secret, NotLoggedIn> {
        let (keep, owner, kept) = (Arc::clone(&self.keep), whose.clone(), grant.clone());
        let stored = tokio::task::spawn_blocking(move || keep.store(&owner, &kept)).await;
        stored.expect("invariant: keeping a login does not panic, and nobody aborts it")?;
        let token = grant.any_token().clone();
        let mut held = lock(&self.held);
        if held.len() >= MAX_HELD {
            held.clear();
        }
        held.insert(whose.clone(), Arc::new(grant));
        Ok(token)
    }

    fn held(&self, whose: &Whose) -> Option<Arc<Grant>> {
        lock(&self.held).get(whose).map(Arc::clone)
    }

    /// What is known, where it is for this server as the configuration has it now.
    async fn current(&self, whose: &Whose, rules: &LoginRules) -> Result<Option<Arc<Grant>>, NotLoggedIn> {
        if let Some(grant) = self.held(whose) {
            return Ok(Some(grant));
        }
        let (keep, owner) = (Arc::clone(&self.keep), whose.clone());
        let loaded = tokio::task::spawn_blocking(move || keep.load(&owner)).await;
        let loaded = loaded.expect("invariant: reading a login does not panic, and nobody aborts it")?;
        let is_of_it = |grant: &Grant| {
            grant.is_for(&rules.server)
                && rules.registered.issuer().is_none_or(|issuer| issuer == grant.issuer().as_str())
        };
        let Some(grant) = loaded.filter(is_of_it).map(Arc::new) else { return Ok(None) };
        lock(&self.held).insert(whose.clone(), Arc::clone(&grant));
        Ok(Some(grant))
    }

    fn rules(&self, whose: &Whose) -> Result<&LoginRules, NotLoggedIn> {
        self.servers.get(&whose.server).ok_or_else(|| NotLoggedIn::NoSuchServer(whose.server.clone()))
    }

    /// One at a time for each agent and server: what renews counts once.
    fn turn(&self, whose: &Whose) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = lock(&self.turns);
        if turns.len() >= MAX_HELD {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(whose.clone()).or_default())
    }

    /// What a person has to do.
    fn to_do(&self, whose: &Whose, challenge: &Challenge) -> String {
        let Whose { agent, server } = whose;
        let by = self.servers.get(server).map_or(LoginBy::Person, |rules| rules.by);
        let wanted = challenge.scopes().filter(|_| challenge.lacks_scope()).unwrap_or_default();
        let mut scopes = self.held(whose).map(|grant| grant.scopes().to_vec()).unwrap_or_default();
        scopes.extend(wanted.iter().take(MAX_SCOPES).cloned());
        // It is typed into a shell, and a server chose the words.
        scopes.retain(|scope| is_harmless(scope));
        scopes.sort();
        scopes.dedup();
        let asked: String = scopes.iter().map(|scope| format!(" --scope {scope}")).collect();
        match (by, challenge.lacks_scope()) {
            (LoginBy::Person, true) => format!(
                "its login lacks a scope for this; an operator runs `ringfence auth login {server} --agent {agent}{asked}`"
            ),
            (LoginBy::Person, false) => format!(
                "nobody is logged in there for this agent; an operator runs `ringfence auth login {server} --agent {agent}`"
            ),
            (LoginBy::Client, true) => {
                format!(
                    "the gateway's login lacks a scope for this; an operator names `{}` under `scopes:`",
                    scopes.join(" ")
                )
            }
            (LoginBy::Client, false) => "it refuses the gateway's login".to_owned(),
        }
    }
}

/// Whether a word means nothing but itself in a shell.
fn is_harmless(word: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/._-@+,=".contains(&byte);
    word.len() <= 128 && !word.starts_with('-') && word.bytes().all(is_plain)
}

fn shown(whose: &Whose, grant: &Grant) -> Value {
    json!({
        "server": whose.server,
        "agent": whose.agent,
        "issuer": grant.issuer().as_str(),
        "resource": grant.resource(),
        "scopes": grant.scopes(),
        "expires": grant.expires().map(|expires| expires.to_string()),
        "renews": grant.renews(),
    })
}

/// One agent's credential for one server.
struct Own {
    logins: Arc<Logins>,
    whose: Whose,
}

impl Credential for Own {
    fn now(&self) -> Shown<'_, Option<HeaderValue>> {
        Box::pin(async {
            let token = self.logins.token(&self.whose).await.map_err(|error| told(&error))?;
            token.map(|token| bearer(&token)).transpose()
        })
    }

    fn instead(&self, refused: Option<HeaderValue>, challenges: Vec<String>) -> Shown<'_, HeaderValue> {
        Box::pin(async move {
            let challenge = challenges.iter().find_map(|said| Challenge::read(said)).unwrap_or_default();
            lock(&self.logins.wanted).insert(self.whose.server.clone(), challenge.clone());
            let nothing = || NothingToShow(self.logins.to_do(&self.whose, &challenge));
            if challenge.lacks_scope() {
                return Err(nothing());
            }
            let refused = refused.as_ref().and_then(|value| value.to_str().ok());
            let refused = refused.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
            let token = self.logins.another(&self.whose, refused).await.map_err(|error| told(&error))?;
            bearer(&token.ok_or_else(nothing)?)
        })
    }
}

fn told(error: &NotLoggedIn) -> NothingToShow {
    NothingToShow(whole(error))
}

/// An error and its causes.
pub(crate) fn whole(error: &NotLoggedIn) -> String {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    message
}

fn bearer(token: &Secret) -> Result<HeaderValue, NothingToShow> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()));
    let mut value = value.map_err(|_| NothingToShow("its token cannot stand in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Nothing panics while one of these is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
