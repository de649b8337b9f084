//! The official conformance suite: what it requires of a server, and what it says of one at a URL.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::peer::{installed, new_node};
use crate::place::MARK;

const PACKAGE: &str = "node/node_modules/@modelcontextprotocol/conformance";

/// A revision whose requirements the suite has frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revision {
    V20251125,
    V20260728,
}

impl Revision {
    pub(crate) const ALL: [Revision; 2] = [Revision::V20251125, Revision::V20260728];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Revision::V20251125 => "2025-11-25",
            Revision::V20260728 => "2026-07-28",
        }
    }

    /// The scenarios that the revision requires.
    pub(crate) fn required(self) -> Required {
        let file = installed(&format!("{PACKAGE}/requirements/{}.yaml", self.as_str()));
        serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    }
}

/// Names of scenarios.
#[derive(Debug, Deserialize)]
pub(crate) struct Required {
    pub(crate) server: BTreeSet<String>,
    pub(crate) client: BTreeSet<String>,
}

/// What the suite holds of one demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Success,
    Info,
    Skipped,
    Warning,
    Failure,
}

/// One demand that was looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Check {
    pub(crate) id: String,
    pub(crate) status: Status,
    description: String,
    error_message: Option<String>,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { id, status, description, error_message } = self;
        write!(f, "{status:?} {id}: {description}; {}", error_message.as_deref().unwrap_or("no more is said"))
    }
}

/// What the suite found, scenario by scenario.
#[derive(Debug)]
pub(crate) struct Found(pub(crate) BTreeMap<String, Vec<Check>>);

impl Found {
    /// Runs every scenario that a revision has for servers, those that it does not score too.
    pub(crate) fn of_server(url: &str, revision: Revision, folder: &Path, mark: &str) -> Found {
        let (found, said) = run(&["server", "--url", url, "--requirements", revision.as_str()], folder, mark);
        for required in revision.required().server {
            assert!(found.0.contains_key(&required), "`{required}` was not run: {said}");
        }
        found
    }

    /// Runs one scenario for clients: `command` is given the URL of the suite's server.
    pub(crate) fn of_client(
        command: &str,
        revision: Revision,
        scenario: &str,
        folder: &Path,
        mark: &str,
    ) -> Found {
        let revision = revision.as_str();
        let how = ["client", "--command", command, "--scenario", scenario, "--spec-version", revision];
        let (found, said) = run(&how, folder, mark);
        assert!(found.0.contains_key(scenario), "`{scenario}` was not run: {said}");
        found
    }

    /// What is said of scenarios.
    pub(crate) fn told(&self, scenarios: &[&String]) -> String {
        let checks = scenarios.iter().flat_map(|scenario| &self.0[*scenario]);
        checks.map(|check| format!("{check}\n")).collect()
    }

    /// The scenarios in which nothing failed.
    pub(crate) fn passed(&self) -> BTreeSet<&str> {
        let has_passed = |checks: &[Check]| checks.iter().all(|check| check.status != Status::Failure);
        self.0.iter().filter(|(_, checks)| has_passed(checks)).map(|(name, _)| name.as_str()).collect()
    }
}

/// What the suite leaves in a folder, and what it says.
fn run(how: &[&str], folder: &Path, mark: &str) -> (Found, String) {
    let suite = Command::new(new_node())
        .arg(installed(&format!("{PACKAGE}/dist/index.js")))
        .args(how)
        .arg("--output-dir")
        .arg(folder)
        .env(MARK, mark)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // Its exit code says what the files do; they are missing where the suite itself failed.
    let said =
        format!("{}{}", String::from_utf8_lossy(&suite.stdout), String::from_utf8_lossy(&suite.stderr));
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{error}: {said}")) {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let text = fs::read_to_string(entry.path().join("checks.json")).unwrap();
        found.insert(scenario(&name, how[0]).to_owned(), serde_json::from_str(&text).unwrap());
    }
    (Found(found), said)
}

/// The scenario's name in the name of its folder, which ends with the time.
fn scenario<'a>(folder: &'a str, role: &str) -> &'a str {
    const TIME: usize = "-2026-01-31T00-00-00-000Z".len();
    let name = folder.get(..folder.len() - TIME).unwrap();
    if role == "server" { name.strip_prefix("server-").unwrap() } else { name }
}
