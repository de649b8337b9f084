//! A project's own configuration counts exactly as far as an operator trusted it.

use crate::world::{World, text, with_operator};

const PROJECT: &str = "apiVersion: ringfence/v1\nkind: Gateway\npolicies: ./policies\n";

fn project() -> (World, Vec<String>) {
    let world = World::new();
    let (config, token) = with_operator(&world);
    world.write("ringfence.yaml", PROJECT);
    world.write("policies/deny.yaml", include_str!("../../../../policies/default-deny.yaml"));
    let trust =
        ["--config", config.to_str().unwrap(), "trust", "--operator-token-file", token.to_str().unwrap()];
    let trust = trust.map(str::to_owned).to_vec();
    (world, trust)
}

fn words(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

#[test]
fn it_is_refused_until_it_is_trusted_and_after_every_change() {
    let (world, trust) = project();
    let refused = world.run(&["approvals", "list"]).exits(2);
    assert!(refused.err.contains("is not trusted"), "{}", refused.err);
    assert!(refused.err.contains("ringfence trust"), "{}", refused.err);

    world.run(&words(&trust)).exits(0);
    world.run(&["approvals", "list"]).exits(0);
    assert_eq!(world.run(&["--json", "status"]).json()["policies"], 1);
    world.run(&["stop"]).exits(0);

    // A policy is no less a part of it than the file itself.
    let policy = text(&world.here().join("policies/deny.yaml"));
    world.write("policies/deny.yaml", &format!("{policy}# one more word\n"));
    let changed = world.run(&["approvals", "list"]).exits(2);
    assert!(changed.err.contains("has changed"), "{}", changed.err);
    world.write("policies/deny.yaml", &policy);
    world.run(&["approvals", "list"]).exits(0);
    world.run(&["stop"]).exits(0);

    world.write("ringfence.yaml", &format!("{PROJECT}observe: {{until: 2099-01-01}}\n"));
    let changed = world.run(&["approvals", "list"]).exits(2);
    assert!(changed.err.contains("has changed"), "{}", changed.err);
}

#[test]
fn trust_is_taken_back() {
    let (world, trust) = project();
    world.run(&words(&trust)).exits(0);
    let mut revoke = words(&trust);
    revoke.push("--revoke");
    world.run(&revoke).exits(0);
    let refused = world.run(&["approvals", "list"]).exits(2);
    assert!(refused.err.contains("is not trusted"), "{}", refused.err);
}

#[test]
fn it_takes_an_operator() {
    let (world, trust) = project();
    let mut without: Vec<&str> = words(&trust);
    without.truncate(3);
    let refused = world.run(&without).exits(2);
    assert!(refused.err.contains("there is no operator's token"), "{}", refused.err);
    let stranger = world.write_secret("stranger.token", crate::world::ERIN);
    let mut stranger_s = without.clone();
    stranger_s.extend(["--operator-token-file", stranger.to_str().unwrap()]);
    let refused = world.run(&stranger_s).exits(1);
    assert!(refused.err.contains("no operator's"), "{}", refused.err);
}

#[test]
fn it_cannot_move_the_data_to_where_it_trusts_itself() {
    let world = World::new();
    world.write("ringfence.yaml", &format!("{PROJECT}data: ./data\n"));
    let refused = world.run(&["approvals", "list"]).exits(2);
    assert!(refused.err.contains("cannot say where the data lies"), "{}", refused.err);
}

#[test]
fn the_users_own_comes_first() {
    let (world, _) = project();
    let own = world.path("home").join(".config/ringfence");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join("ringfence.yaml"), "apiVersion: ringfence/v1\nkind: Gateway\n").unwrap();
    world.run(&["approvals", "list"]).exits(0);
    assert_eq!(world.run(&["--json", "status"]).json()["policies"], 0);
}
