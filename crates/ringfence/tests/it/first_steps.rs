//! `init` and `doctor`: what a newcomer meets.

use crate::world::{World, text, with_operator};

#[test]
fn init_writes_files_that_load_and_overwrites_none() {
    let world = World::new();
    let wrote = world.ran(&world.bare(&["init"]).output().unwrap()).exits(0);
    assert!(wrote.out.contains("ringfence trust"), "{}", wrote.out);
    world.run(&["policy", "check", "policies"]).exits(0);
    world.run(&["--config", "ringfence.yaml", "approvals", "list"]).exits(0);
    assert!(world.run(&["--json", "status"]).json()["policies"].as_u64().unwrap() >= 2);

    let before = text(&world.here().join("ringfence.yaml"));
    let again = world.ran(&world.bare(&["init"]).output().unwrap()).exits(1);
    assert!(again.err.contains("is there already"), "{}", again.err);
    assert_eq!(text(&world.here().join("ringfence.yaml")), before);
}

#[test]
fn init_for_the_user_counts_at_once() {
    let world = World::new();
    world.ran(&world.bare(&["init", "--user"]).output().unwrap()).exits(0);
    world.run(&["approvals", "list"]).exits(0);
    assert!(world.run(&["--json", "status"]).json()["policies"].as_u64().unwrap() >= 2);
}

#[test]
fn the_examples_in_the_written_file_are_accepted() {
    let world = World::new();
    world.ran(&world.bare(&["init"]).output().unwrap()).exits(0);
    let written = text(&world.here().join("ringfence.yaml"));
    let keys = ["# servers:", "# agents:", "# operators:", "# observe:", "#   "];
    let opened: String = written
        .lines()
        .map(|line| match keys.iter().any(|key| line.starts_with(key)) {
            true => format!("{}\n", line.trim_start_matches("# ")),
            false => format!("{line}\n"),
        })
        .collect();
    world.write("open.yaml", &opened);
    world.write("agent-a.token", crate::world::ERIN);
    let mut listed = world.ringfence(&["--config", "open.yaml", "--json", "agent", "list"]);
    let listed = world.ran(&listed.env("DANA_TOKEN", crate::world::DANA).output().unwrap()).exits(0).json();
    assert_eq!(listed[0]["id"], "spiffe://example.org/agent/a");
}

#[test]
fn doctor_says_what_is_governed_and_what_is_missing() {
    let world = World::new();
    let bare = world.run(&["doctor"]).exits(0);
    for said in
        ["Governed", "Not governed", "Missing", "there is no configuration", "no monitor runs", "no witness"]
    {
        let there = bare.out.contains(said);
        assert!(there || said == "Governed", "{said}: {}", bare.out);
    }
    let (config, _) = with_operator(&world);
    let json = world.run(&["--json", "--config", config.to_str().unwrap(), "doctor"]).exits(0).json();
    let findings = json["findings"].as_array().unwrap();
    let texts: Vec<&str> = findings.iter().map(|finding| finding["text"].as_str().unwrap()).collect();
    assert!(texts.iter().any(|text| text.contains("names no policy")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("PID namespace")), "{texts:?}");
    assert!(!world.data().exists(), "looking made a folder");
}

#[test]
fn doctor_finds_what_is_broken() {
    let world = World::new();
    world.write("c.yaml", "apiVersion: ringfence/v1\nkind: Gateway\negress: 127.0.0.1:1\n");
    let ran = world.run(&["--json", "--config", "c.yaml", "doctor"]).exits(1).json();
    assert_eq!(ran["broken"], true);
    world.write("c.yaml", "apiVersion: ringfence/v1\nkind: Gateway\npolicies: ./nowhere\n");
    world.run(&["--config", "c.yaml", "doctor"]).exits(1);
}
