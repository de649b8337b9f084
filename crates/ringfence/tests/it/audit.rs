//! `audit …`: the log shown, proved and verified, and what does not verify.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::world::{World, text, with_operator};

/// A world whose log has a few records, and nobody who writes to it.
fn recorded() -> World {
    let world = World::new();
    world.run(&["agent", "list"]).exits(0);
    world.run(&["stop"]).exits(0);
    world
}

#[test]
fn a_log_verifies_with_its_files_and_a_key() {
    let world = recorded();
    let beside = world.run(&["audit", "verify"]).exits(0);
    assert!(beside.out.contains("verified: ringfence/node-"), "{}", beside.out);
    assert!(beside.out.contains("the key lay beside the log"), "{}", beside.out);
    let log = world.data().join("log");
    let key = world.write("log.vkey", &text(&log.join("vkey")));
    let given = world.ran(
        &world
            .bare(&["audit", "verify", log.to_str().unwrap(), "--key", key.to_str().unwrap()])
            .output()
            .unwrap(),
    );
    let given = given.exits(0);
    assert!(!given.out.contains("beside"), "{}", given.out);
    let text_of_key = text(&key);
    world.run(&["audit", "verify", "--key", text_of_key.trim()]).exits(0);
}

#[test]
fn an_earlier_head_is_held_against_it() {
    let world = recorded();
    let head = world.run(&["audit", "checkpoint"]).exits(0).out;
    let head = world.write("head", &head);
    world.run(&["agent", "list"]).exits(0);
    world.run(&["stop"]).exits(0);
    let later = world.run(&["audit", "verify", "--against", head.to_str().unwrap()]).exits(0);
    assert!(later.out.contains("extends the head from elsewhere"), "{}", later.out);
    // Another log of the same kind does not extend it.
    let other = recorded();
    other.run(&["audit", "verify", "--against", head.to_str().unwrap()]).exits(1);
}

#[test]
fn one_changed_byte_is_an_answer_and_no_log_is_none() {
    let world = recorded();
    let log = world.data().join("log");
    let bundle = walk(&log).into_iter().find(|path| path.to_str().unwrap().contains("tile/entries")).unwrap();
    let mut bytes = fs::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let failed = world.run(&["audit", "verify"]).exits(1);
    assert!(failed.err.contains("the log does not verify"), "{}", failed.err);
    world.run(&["audit", "verify", "/nowhere"]).exits(2);
    world.run(&["audit", "verify", "--key", "hunter2"]).exits(2);
}

#[test]
fn a_record_is_proved_to_whoever_has_the_proof() {
    let world = recorded();
    let proof = world.run(&["audit", "prove", "0"]).exits(0);
    let file = world.write("0.proof", &proof.out);
    let holds = world.run(&["audit", "check-proof", file.to_str().unwrap()]).exits(0);
    assert_eq!(holds.out, "the proof holds\n");
    let said = proof.json();
    assert!(said["checkpoint"].as_str().unwrap().starts_with("ringfence/node-"));
    assert!(said["record"].as_str().unwrap().contains("\"kind\""));
    let other = world.write("other.proof", &proof.out.replace("\"leafIdx\": 0", "\"leafIdx\": 1"));
    assert_eq!(
        world.run(&["audit", "check-proof", other.to_str().unwrap()]).exits(1).out,
        "the proof does not hold\n"
    );
    let none = world.write("none.proof", "[]");
    world.run(&["audit", "check-proof", none.to_str().unwrap()]).exits(2);
    world.run(&["audit", "prove", "1000000"]).exits(1);
}

#[test]
fn lines_hash_to_the_root_that_the_standard_says() {
    let world = World::new();
    // RFC 6962, section 2.1: the root of nothing is the hash of nothing.
    let nothing = world.run_with(&["--json", "audit", "hash"], b"").exits(0).json();
    assert_eq!(nothing["size"], 0);
    assert_eq!(nothing["root"], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    // One empty record is the hash of its prefix alone.
    let empty = world.run_with(&["--json", "audit", "hash"], b"\n").exits(0).json();
    assert_eq!(empty["size"], 1);
    assert_eq!(empty["root"], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}

#[test]
fn records_are_shown_from_the_monitor_and_from_the_files_alike() {
    let world = World::new();
    world.run(&["agent", "list"]).exits(0);
    let live = world.run(&["--json", "audit", "show", "--from", "0", "-n", "1"]).exits(0).json();
    world.run(&["stop"]).exits(0);
    let still = world.run(&["--json", "audit", "show", "--from", "0", "-n", "1"]).exits(0).json();
    assert_eq!(live, still);
    assert_eq!(still["index"], 0);
    let people = world.run(&["audit", "show"]).exits(0);
    assert!(people.out.contains("policy.loaded"), "{}", people.out);
    let none = World::new();
    none.run(&["audit", "show"]).exits(2);
}

#[test]
fn whoever_follows_sees_what_comes_later() {
    let world = World::new();
    world.run(&["agent", "list"]).exits(0);
    let mut command = world.ringfence(&["audit", "show", "--follow", "-n", "1"]);
    let mut following = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(!first.contains("agent.changed"), "{first}");
    let agent = "spiffe://acme.example/agent/inventory/7";
    let (config, token) = with_operator(&world);
    world.run(&["stop"]).exits(0);
    let (config, token) = (config.to_str().unwrap(), token.to_str().unwrap());
    let by = ["--operator-token-file", token];
    let add = ["--config", config, "agent", "add", agent, "--sponsor", "dana@acme.example"];
    world.run(&[&add[..], &by[..]].concat()).exits(0);
    // It has outlived the monitor that it read from, and reads on.
    assert!(lines.map(Result::unwrap).any(|line| line.contains("agent.changed")));
    following.kill().unwrap();
    following.wait().unwrap();
}

#[test]
fn what_was_said_is_shown_to_operators_only_and_can_be_erased() {
    let world = World::new();
    let (config, token) = with_operator(&world);
    let (config, token) = (config.to_str().unwrap(), token.to_str().unwrap());
    world
        .run(&[
            "--config",
            config,
            "kill",
            "--all",
            "--reason",
            "the words of Dana",
            "--operator-token-file",
            token,
        ])
        .exits(0);
    let public = world.run(&["audit", "show"]).exits(0);
    assert!(!public.out.contains("the words of Dana"), "{}", public.out);
    world.run(&["--config", config, "audit", "show", "--payloads"]).exits(2);
    let shown = ["--config", config, "audit", "show", "--payloads", "--operator-token-file", token];
    let private = world.run(&shown).exits(0);
    assert!(private.out.contains("the words of Dana"), "{}", private.out);
    world
        .run(&[
            "--config",
            config,
            "audit",
            "erase",
            "--person",
            "dana@acme.example",
            "--operator-token-file",
            token,
        ])
        .exits(0);
    let erased = world.run(&shown).exits(0);
    assert!(!erased.out.contains("the words of Dana"), "{}", erased.out);
    world.run(&["stop"]).exits(0);
    world.run(&["audit", "verify"]).exits(0);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
