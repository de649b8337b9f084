//! Where the demo is played: folders for each party, tokens made on the fly, a configuration and
//! a policy like anybody's. Everything lies below one folder that goes away afterwards.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ringfence_identity::Token;

use crate::fault::Fault;

/// The agent.
pub(super) const AGENT: &str = "spiffe://acme.example/agent/inventory/7";
/// The person who answers for it and may approve.
pub(super) const DANA: &str = "dana@acme.example";
/// The policy: its text is the whole truth about what is allowed here.
pub(super) const POLICY: &str = include_str!("policy.yaml");

/// The demo's folders.
pub(super) struct Scene {
    root: Root,
    /// This very program.
    pub(super) program: PathBuf,
}

enum Root {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Scene {
    /// Makes the folders and files, in `keep` where it is given.
    pub(super) fn set(keep: Option<&Path>) -> Result<Scene, Fault> {
        let root = match keep {
            None => Root::Temporary(
                tempfile::Builder::new()
                    .prefix("ringfence-demo-")
                    .tempdir()
                    .map_err(|error| Fault::from(error).while_trying("making a temporary folder"))?,
            ),
            Some(path) => Root::Kept(fresh(path)?),
        };
        let program = std::env::current_exe()
            .map_err(|error| Fault::from(error).while_trying("finding this program's own file"))?;
        let scene = Scene { root, program };
        scene.furnish()?;
        Ok(scene)
    }

    /// This program as it was typed, to be typed again.
    pub(super) fn typed(&self) -> String {
        let typed = std::env::args_os().next().unwrap_or_else(|| self.program.clone().into_os_string());
        typed.to_string_lossy().into_owned()
    }

    /// Dana's home: the configuration, the policy, and a token that no agent is given.
    pub(super) fn home(&self) -> PathBuf {
        self.path().join("dana")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.home().join(".config/ringfence/ringfence.yaml")
    }

    /// The data directory, where a user's own lies by default.
    pub(super) fn data(&self) -> PathBuf {
        self.home().join(".local/state/ringfence")
    }

    /// The agent's home.
    pub(super) fn agent_home(&self) -> PathBuf {
        self.path().join("agent")
    }

    pub(super) fn agent_token(&self) -> PathBuf {
        self.agent_home().join("inventory.token")
    }

    /// What the agent's side said on standard error.
    pub(super) fn agent_messages(&self) -> PathBuf {
        self.agent_home().join("messages")
    }

    /// The ERP server's command.
    pub(super) fn server(&self) -> [PathBuf; 4] {
        [self.program.clone(), "demo-erp-server".into(), "--journal".into(), self.journal()]
    }

    /// What the ERP server writes of every call that reaches it.
    pub(super) fn journal(&self) -> PathBuf {
        self.path().join("erp/journal.jsonl")
    }

    /// An auditor's folder: the log's public key and a head, kept away from the log, and copies of
    /// the log's files.
    pub(super) fn auditor(&self) -> PathBuf {
        self.path().join("auditor")
    }

    /// Where everything stays, if it does.
    pub(super) fn kept(&self) -> Option<&Path> {
        match &self.root {
            Root::Temporary(_) => None,
            Root::Kept(path) => Some(path),
        }
    }

    /// The folder that goes away afterwards, if it does.
    pub(super) fn temporary(&self) -> Option<PathBuf> {
        match &self.root {
            Root::Temporary(root) => Some(root.path().to_owned()),
            Root::Kept(_) => None,
        }
    }

    /// Adds to what went wrong what the agent's side said about it, which is gone soon.
    pub(super) fn remember(&self, fault: Fault) -> Fault {
        match fs::read_to_string(self.agent_messages()) {
            Ok(said) if !said.trim().is_empty() => {
                fault.help(format!("the agent's side said:\n{}", said.trim()))
            }
            Ok(_) | Err(_) => fault,
        }
    }

    fn path(&self) -> &Path {
        match &self.root {
            Root::Temporary(root) => root.path(),
            Root::Kept(root) => root,
        }
    }

    fn furnish(&self) -> Result<(), Fault> {
        let config = self.config();
        let policies = self.home().join(".config/ringfence/policies");
        let folders = [policies.clone(), self.data(), self.agent_home(), self.auditor()];
        for folder in folders.into_iter().chain(self.journal().parent().map(Path::to_owned)) {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(|error| Fault::from(error).while_trying(format!("making `{}`", folder.display())))?;
        }
        let operator = self.home().join(".config/ringfence/operator.token");
        private(&operator, Token::generate()?.reveal())?;
        private(&self.agent_token(), Token::generate()?.reveal())?;
        private(&policies.join("inventory.yaml"), POLICY)?;
        private(&self.journal(), "")?;
        private(&config, &self.configuration()?)
    }

    fn configuration(&self) -> Result<String, Fault> {
        // A JSON string is a YAML string, whatever the path holds.
        let data = serde_json::to_string(&self.data())?;
        let token = serde_json::to_string(&self.agent_token())?;
        let server = serde_json::to_string(&self.server())?;
        Ok(format!(
            "apiVersion: ringfence/v1\n\
             kind: Gateway\n\
             data: {data}\n\
             listen: 127.0.0.1:0\n\
             policies: ./policies\n\
             servers:\n  erp: {{command: {server}}}\n\
             agents:\n  - {{id: {AGENT:?}, sponsor: {DANA}, token: {{file: {token}}}}}\n\
             operators:\n  - {{id: {DANA}, groups: [procurement], token: {{file: ./operator.token}}}}\n"
        ))
    }
}

/// A folder that was not there or is empty: nothing of anybody's is mixed in or overwritten.
fn fresh(path: &Path) -> Result<PathBuf, Fault> {
    let attempted = || format!("making the folder `{}` to keep everything in", path.display());
    match fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            return Err(Fault::cannot(format!("the folder `{}` is not empty", path.display()))
                .help("name one that does not exist yet"));
        }
        Ok(false) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| Fault::from(error).while_trying(attempted()))?,
        Err(error) => return Err(Fault::from(error).while_trying(attempted())),
    }
    path.canonicalize().map_err(|error| Fault::from(error).while_trying(attempted()))
}

fn private(path: &Path, text: &str) -> Result<(), Fault> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Fault::from(error).while_trying(format!("writing `{}`", path.display())))
}
