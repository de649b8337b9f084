//! The official conformance suite through the gateway: what a server passes when the suite reaches
//! it directly, it passes with Ringfence in between.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::thread;

use serde_json::json;

use crate::peer::{Alone, Language, conformance_client, everything, tasks, through};
use crate::place::{BINARY, OPEN, Place};
use crate::suite::{Found, Revision, Status};

/// Where the gateway may say less than the server: nothing that the revision requires.
const LESS: [(Revision, &str, &str); 4] = [
    // An answer before which nothing else is said may come as JSON instead of a stream.
    (Revision::V20251125, "server-sse-multiple-streams", "server-sse-streams-functional"),
    // Streams that break off are not resumed. To offer it is recommended, and not scored.
    (Revision::V20251125, "server-sse-polling", "server-sse-priming-event"),
    (Revision::V20251125, "server-sse-polling", "server-sse-retry-field"),
    (Revision::V20251125, "server-sse-polling", "server-sse-disconnect-resume"),
];

/// Scenarios of clients that run at the same time: most of each is waiting.
const AT_ONCE: usize = 3;

/// How the server stands behind the gateway.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// `up` starts it, and speaks to it over standard streams.
    Stdio,
    /// `up` starts `ringfence mcp`, which wraps it.
    Wrapped,
    /// It runs by itself, and `up` reaches it over HTTP.
    Http,
}

/// Which server.
#[derive(Debug, Clone, Copy)]
enum Server {
    /// It has what is required of every server.
    Everything(Language),
    /// It has the tasks extension, which is required of none.
    Tasks,
}

impl Server {
    fn command(self, arguments: &[&str]) -> Vec<String> {
        match self {
            Server::Everything(language) => everything(language, arguments),
            Server::Tasks => tasks(arguments),
        }
    }

    fn revisions(self) -> &'static [Revision] {
        match self {
            Server::Everything(_) => &Revision::ALL,
            Server::Tasks => &[Revision::V20260728],
        }
    }

    /// What each server passes by itself, found once.
    fn direct(self) -> &'static [Found] {
        static FOUND: [OnceLock<Vec<Found>>; 3] = [const { OnceLock::new() }; 3];
        let [python, typescript, tasks] = &FOUND;
        let found = match self {
            Server::Everything(Language::Python) => python,
            Server::Everything(Language::TypeScript) => typescript,
            Server::Tasks => tasks,
        };
        found.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let server = Alone::start(&self.command(&["--http"]), "direct");
            let found = |revision: &Revision| {
                let folder = folder.path().join(revision.as_str());
                let found = Found::of_server(&server.url, *revision, &folder, "direct");
                self.has_passed(*revision, &found);
                found
            };
            self.revisions().iter().map(found).collect()
        })
    }

    /// Directly it passes what it is there for, so that there is something to compare.
    fn has_passed(self, revision: Revision, found: &Found) {
        let wanted: BTreeSet<String> = match self {
            Server::Everything(_) => revision.required().server,
            Server::Tasks => {
                found.0.keys().filter(|scenario| scenario.starts_with("tasks-")).cloned().collect()
            }
        };
        assert!(wanted.len() >= 10, "{wanted:?}");
        let passed = found.passed();
        let failed: Vec<&String> =
            wanted.iter().filter(|scenario| !passed.contains(scenario.as_str())).collect();
        assert!(failed.is_empty(), "{self:?} {revision:?}, directly: {}", found.told(&failed));
    }
}

/// Every demand that is met directly is met through the gateway.
fn passes(server: Server, way: Way) {
    let direct = server.direct();
    let place = Place::new(OPEN);
    let command = server.command(&[]);
    let mut alone = None;
    let up = match way {
        Way::Stdio => place.up("everything", &command),
        Way::Wrapped => place.up("everything", &place.wrapped("inner", &command)),
        Way::Http => {
            let server = alone.insert(Alone::start(&server.command(&["--http"]), &place.mark));
            place.serve("everything", &json!({ "url": server.url }))
        }
    };
    let mut said = String::new();
    for (direct, revision) in direct.iter().zip(server.revisions()) {
        let folder = place.path(revision.as_str());
        let through = Found::of_server(&up.url, *revision, Path::new(&folder), &place.mark);
        for difference in differences(*revision, direct, &through) {
            writeln!(said, "{} {difference}", revision.as_str()).unwrap();
        }
    }
    up.end();
    drop(alone);
    place.nothing_left();
    place.finish();
    assert!(said.is_empty(), "{server:?} {way:?}: passes directly and not through the gateway:\n{said}");
}

/// The scenarios in which the suite is the server, but for those about authorization.
fn client_scenarios() -> Vec<(Revision, String)> {
    let mut scenarios = Vec::new();
    for revision in Revision::ALL {
        let required = revision.required().client;
        // Younger than the revisions, so that it is not scored.
        let more = ["json-schema-2020-12-preservation".to_owned()];
        let wanted = required.into_iter().filter(|name| !name.starts_with("auth/")).chain(more);
        scenarios.extend(wanted.map(|scenario| (revision, scenario)));
    }
    scenarios
}

/// Every demand that a client meets directly it meets through the gateway.
fn client_passes(language: Language) {
    let place = Place::new(OPEN);
    let client = conformance_client(language);
    let through = [through(), vec![BINARY.to_owned(), place.path("")], client.clone()].concat().join(" ");
    let client = client.join(" ");
    let scenarios = client_scenarios();
    let work = Mutex::new(scenarios.iter());
    let said = Mutex::new(String::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let next = || work.lock().unwrap().next();
                while let Some((revision, scenario)) = next() {
                    let found = |how: &str, command: &str| {
                        let folder = place.path(&format!("{how}-{}-{scenario}", revision.as_str()));
                        Found::of_client(command, *revision, scenario, Path::new(&folder), &place.mark)
                    };
                    let (direct, through) = (found("direct", &client), found("through", &through));
                    assert_eq!(direct.passed().len(), 1, "directly: {}", direct.told(&[scenario]));
                    for difference in differences(*revision, &direct, &through) {
                        writeln!(said.lock().unwrap(), "{} {difference}", revision.as_str()).unwrap();
                    }
                }
            });
        }
    });
    place.nothing_left();
    let said = said.into_inner().unwrap();
    assert!(said.is_empty(), "{language:?}: passes directly and not through the gateway:\n{said}");
}

/// What is said of a server directly and not through the gateway, a line each.
fn differences(revision: Revision, direct: &Found, through: &Found) -> Vec<String> {
    let mut lines = Vec::new();
    for scenario in direct.passed() {
        let Some(checks) = through.0.get(scenario) else {
            lines.push(format!("{scenario} was not run"));
            continue;
        };
        for check in checks.iter().filter(|check| check.status == Status::Failure) {
            lines.push(format!("{scenario}: {check}"));
        }
        let mut lost: Vec<&str> = Vec::new();
        for check in direct.0[scenario].iter().filter(|check| check.status == Status::Success) {
            let there = |status| checks.iter().any(|one| one.id == check.id && one.status == status);
            let is_lost = !there(Status::Success) && !there(Status::Failure);
            let is_allowed = LESS.contains(&(revision, scenario, check.id.as_str()));
            if is_lost && !is_allowed && !lost.contains(&check.id.as_str()) {
                lost.push(&check.id);
                let instead = checks.iter().find(|one| one.id == check.id);
                let instead = instead.map_or("was not looked at".to_owned(), ToString::to_string);
                lines.push(format!("{scenario}: {} passes directly; here: {instead}", check.id));
            }
        }
    }
    lines
}

#[test]
fn the_python_server_passes_over_standard_streams() {
    passes(Server::Everything(Language::Python), Way::Stdio);
}

#[test]
fn the_python_server_passes_wrapped() {
    passes(Server::Everything(Language::Python), Way::Wrapped);
}

#[test]
fn the_python_server_passes_over_http() {
    passes(Server::Everything(Language::Python), Way::Http);
}

#[test]
fn the_typescript_server_passes_over_standard_streams() {
    passes(Server::Everything(Language::TypeScript), Way::Stdio);
}

#[test]
fn the_typescript_server_passes_wrapped() {
    passes(Server::Everything(Language::TypeScript), Way::Wrapped);
}

#[test]
fn the_typescript_server_passes_over_http() {
    passes(Server::Everything(Language::TypeScript), Way::Http);
}

#[test]
fn tasks_pass_over_standard_streams() {
    passes(Server::Tasks, Way::Stdio);
}

#[test]
fn tasks_pass_over_http() {
    passes(Server::Tasks, Way::Http);
}

#[test]
fn the_python_client_passes() {
    client_passes(Language::Python);
}

#[test]
fn the_typescript_client_passes() {
    client_passes(Language::TypeScript);
}
