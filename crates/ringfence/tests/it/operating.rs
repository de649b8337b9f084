//! What operators do, through a monitor that starts when it is needed.

use std::os::unix::fs::PermissionsExt as _;

use crate::world::{DANA, ERIN, World, with_operator};

const AGENT: &str = "spiffe://acme.example/agent/a";

/// A world with the operator Dana, and the words that name configuration and token.
fn operated() -> (World, [String; 4]) {
    let world = World::new();
    let (config, token) = with_operator(&world);
    let words = ["--config", config.to_str().unwrap(), "--operator-token-file", token.to_str().unwrap()];
    (world, words.map(str::to_owned))
}

fn by(words: &[String; 4], args: &[&str]) -> Vec<String> {
    let mut all = vec![words[0].clone(), words[1].clone()];
    all.extend(args.iter().map(|arg| (*arg).to_owned()));
    all.extend([words[2].clone(), words[3].clone()]);
    all
}

fn run(world: &World, args: &[String]) -> crate::world::Ran {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    world.run(&args)
}

#[test]
fn a_monitor_starts_when_it_is_needed_and_ends_when_it_is_told() {
    let world = World::new();
    assert_eq!(world.run(&["--json", "status"]).exits(0).json()["running"], false);
    assert!(!world.data().exists(), "asking made a folder");
    world.run(&["agent", "list"]).exits(0);
    let status = world.run(&["--json", "status"]).exits(0).json();
    assert_eq!(status["running"], true);
    let pid = status["pid"].as_u64().unwrap();
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    world.run(&["stop"]).exits(0);
    assert!(!world.data().join("monitor.sock").exists());
    assert_eq!(world.run(&["--json", "status"]).exits(0).json()["running"], false);
    assert_eq!(world.run(&["--json", "stop"]).exits(0).json()["stopped"], false);
}

#[test]
fn two_clients_share_one_state_that_outlives_the_monitor() {
    let (world, dana) = operated();
    let kill = by(&dana, &["--json", "kill", "--agent", AGENT, "--reason", "a test"]);
    let receipt = run(&world, &kill).exits(0).json();
    let latch = receipt["latch"].as_str().unwrap().to_owned();
    let listed = world.run(&["--json", "kill", "--list"]).exits(0).json();
    assert_eq!(listed[0]["latch"], latch.as_str());
    world.run(&["stop"]).exits(0);
    let config = dana[1].as_str();
    let listed = world.run(&["--config", config, "--json", "kill", "--list"]).exits(0).json();
    assert_eq!(listed[0]["latch"], latch.as_str(), "a kill outlives the monitor");
    let people = world.run(&["kill", "--list"]).exits(0);
    assert!(people.out.contains(AGENT), "{}", people.out);
    run(&world, &by(&dana, &["unkill", &latch])).exits(0);
    assert_eq!(world.run(&["kill", "--list"]).exits(0).out, "Nothing is killed.\n");
    run(&world, &by(&dana, &["unkill", "no-such-latch"])).exits(2);
}

#[test]
fn agents_are_registered_suspended_and_revoked() {
    let (world, dana) = operated();
    let added = run(
        &world,
        &by(&dana, &["agent", "add", AGENT, "--sponsor", "dana@acme.example", "--group", "stock"]),
    );
    let added = added.exits(0);
    assert!(added.out.starts_with("rf_") && added.out.trim_end().len() == 46, "{}", added.out);
    assert!(added.err.contains("shown this once"), "{}", added.err);
    let listed = world.run(&["--json", "agent", "list"]).exits(0).json();
    assert_eq!(listed[0]["id"], AGENT);
    assert_eq!(listed[0]["standing"], "active");
    assert_eq!(listed[0]["groups"][0], "stock");
    for (verb, standing) in [("suspend", "suspended"), ("resume", "active"), ("revoke", "revoked")] {
        run(&world, &by(&dana, &["agent", verb, AGENT])).exits(0);
        assert_eq!(world.run(&["--json", "agent", "list"]).json()[0]["standing"], standing);
    }
    let people = world.run(&["agent", "list"]).exits(0);
    assert!(people.out.contains("revoked"), "{}", people.out);
    run(&world, &by(&dana, &["agent", "add", "inventory", "--sponsor", "dana"])).exits(2);
}

#[test]
fn a_new_token_ends_the_old_one() {
    let (world, dana) = operated();
    let first = run(&world, &by(&dana, &["agent", "add", AGENT, "--sponsor", "dana"])).exits(0).out;
    let second = run(&world, &by(&dana, &["agent", "token", AGENT, "--grace", "5m"])).exits(0).out;
    assert!(second.starts_with("rf_") && second != first);
    let listed = world.run(&["--json", "agent", "list"]).json();
    assert_eq!(listed[0]["tokens"], 2, "for five minutes both are good: {listed}");
}

#[test]
fn nobody_operates_without_a_token_of_an_operator() {
    let (world, dana) = operated();
    let config = dana[1].as_str();
    let none = world.run(&["--config", config, "kill", "--all"]).exits(2);
    assert!(none.err.contains("there is no operator's token"), "{}", none.err);
    let stranger = world.write_secret("erin.token", ERIN);
    let refused = world
        .run(&["--config", config, "kill", "--all", "--operator-token-file", stranger.to_str().unwrap()])
        .exits(1);
    assert!(refused.err.contains("no operator's"), "{}", refused.err);
    assert_eq!(world.run(&["kill", "--list"]).exits(0).out, "Nothing is killed.\n");
}

#[test]
fn a_token_that_others_can_read_is_not_used() {
    let (world, dana) = operated();
    std::fs::set_permissions(&dana[3], std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = run(&world, &by(&dana, &["kill", "--all"])).exits(2);
    assert!(refused.err.contains("chmod 600"), "{}", refused.err);
    assert!(!refused.err.contains(DANA), "{}", refused.err);
}

#[test]
fn a_program_does_not_become_the_first_operator() {
    let world = World::new();
    let refused = world.run(&["kill", "--all"]).exits(2);
    assert!(refused.err.contains("nobody is an operator yet"), "{}", refused.err);
    assert!(!world.path("home").join(".config/ringfence/operator.token").exists());
    assert_eq!(world.run(&["--json", "status"]).json()["operators"], false);
}

#[test]
fn nothing_waits_for_a_person() {
    let world = World::new();
    assert_eq!(world.run(&["approvals", "list"]).exits(0).out, "Nothing waits for a person.\n");
    assert_eq!(world.run(&["--json", "approvals", "list"]).exits(0).json(), serde_json::json!([]));
    let (world, dana) = operated();
    run(&world, &by(&dana, &["approvals", "approve", "a-1"])).exits(2);
}

#[test]
fn a_monitor_with_another_configuration_makes_way_when_nobody_needs_it() {
    let (world, dana) = operated();
    world.run(&["agent", "list"]).exits(0);
    let before = world.run(&["--json", "status"]).json();
    assert_eq!(before["operators"], false);
    run(&world, &by(&dana, &["kill", "--tool", "erp/purchase"])).exits(0);
    let after = world.run(&["--json", "status"]).json();
    assert_eq!(after["operators"], true);
    assert_ne!(before["pid"], after["pid"]);
}

#[test]
fn a_monitor_that_was_killed_is_followed_by_the_next() {
    let (world, dana) = operated();
    run(&world, &by(&dana, &["agent", "add", AGENT, "--sponsor", "dana"])).exits(0);
    let pid = world.run(&["--json", "status"]).json()["pid"].as_u64().unwrap();
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
    let listed = world.run(&["--config", &dana[1], "--json", "agent", "list"]).exits(0).json();
    assert_eq!(listed[0]["id"], AGENT);
}

#[test]
fn a_signal_ends_it_in_order() {
    let (world, _) = operated();
    world.run(&["agent", "list"]).exits(0);
    let pid = world.run(&["--json", "status"]).json()["pid"].as_u64().unwrap();
    let told = std::process::Command::new("kill").arg(pid.to_string()).status().unwrap();
    assert!(told.success());
    // The next one waits its turn; what the first one laid in order verifies without a journal.
    world.run(&["agent", "list"]).exits(0);
    world.run(&["stop"]).exits(0);
    assert!(!world.data().join("log/journal").exists());
    world.run(&["audit", "verify"]).exits(0);
}

#[test]
fn sessions_are_listed_without_starting_anything() {
    let world = World::new();
    assert_eq!(world.run(&["sessions", "list"]).exits(0).out, "There is no session.\n");
    assert!(!world.data().exists());
}

#[test]
fn a_monitor_of_another_version_denies_and_can_be_ended() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let world = World::new();
    world.run(&["agent", "list"]).exits(0);
    let say = |version: &str, request: &str| {
        let stream = std::os::unix::net::UnixStream::connect(world.data().join("monitor.sock")).unwrap();
        // In one write: whoever is refused is not heard any further.
        let lines = format!("{{\"version\":\"{version}\",\"setup\":null}}\n{request}\n");
        (&stream).write_all(lines.as_bytes()).unwrap();
        let lines: Vec<String> = BufReader::new(stream).lines().take(2).map_while(Result::ok).collect();
        lines.join("\n")
    };
    let refused = say("0.0.0", "{\"do\":\"status\"}");
    assert!(refused.contains("refused") && refused.contains("ringfence stop"), "{refused}");
    let nothing_else = say("*", "{\"do\":\"status\"}");
    assert!(nothing_else.contains("failed") && !nothing_else.contains("policies"), "{nothing_else}");
    let ended = say("*", "{\"do\":\"stop\"}");
    assert!(ended.contains("done"), "{ended}");
    assert_eq!(world.run(&["--json", "stop"]).exits(0).code, 0);
}
