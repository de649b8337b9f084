//! Help, versions, completions, and what happens when the command line makes no sense.

use insta::assert_snapshot;

use crate::world::World;

const COMMANDS: &[&[&str]] = &[
    &[],
    &["init"],
    &["mcp"],
    &["decide"],
    &["policy"],
    &["policy", "check"],
    &["policy", "test"],
    &["policy", "explain"],
    &["policy", "functions"],
    &["schema", "policy"],
    &["audit"],
    &["audit", "verify"],
    &["audit", "show"],
    &["audit", "prove"],
    &["audit", "erase"],
    &["agent"],
    &["agent", "add"],
    &["agent", "token"],
    &["auth"],
    &["auth", "login"],
    &["auth", "list"],
    &["auth", "logout"],
    &["approvals"],
    &["approvals", "approve"],
    &["kill"],
    &["unkill"],
    &["sessions"],
    &["trust"],
    &["doctor"],
    &["status"],
    &["stop"],
    &["completions"],
];

#[test]
fn every_command_says_what_it_does_with_an_example() {
    let world = World::new();
    let mut all = String::new();
    for command in COMMANDS {
        let short = world.ran(&world.bare(command).arg("-h").output().unwrap()).exits(0);
        all.push_str(&format!("$ ringfence {} -h\n{}\n", command.join(" "), short.out));
        let long = world.ran(&world.bare(command).arg("--help").output().unwrap()).exits(0);
        let has_commands_of_its_own = long.out.contains("\nCommands:\n");
        assert!(has_commands_of_its_own || long.out.contains("Example: ringfence"), "{}", long.out);
    }
    assert_snapshot!(all);
}

#[test]
fn a_command_line_without_sense_exits_2() {
    let world = World::new();
    let cases: &[&[&str]] = &[
        &[],
        &["polcy"],
        &["policy", "check"],
        &["kill"],
        &["kill", "--all", "--list"],
        &["mcp"],
        &["mcp", "--agent", "spiffe://a.example/b", "--", "x"],
        &["audit", "prove", "many"],
        &["audit", "erase"],
        &["decide"],
        &["--color", "blue", "doctor"],
        &["agent", "token", "spiffe://a.example/b", "--grace", "5 minutes"],
    ];
    for case in cases {
        let ran = world.ran(&world.bare(case).output().unwrap());
        assert_eq!(ran.code, 2, "{case:?}: {}", ran.shown());
        assert_eq!(ran.out, "", "{case:?}");
    }
    let near = world.ran(&world.bare(&["polcy"]).output().unwrap());
    assert!(near.err.contains("'policy'"), "{}", near.err);
}

#[test]
fn shells_get_their_completions() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = world.ran(&world.bare(&["completions", shell]).output().unwrap()).exits(0);
        assert!(ran.out.contains("ringfence"), "{shell}");
        assert!(ran.out.contains("approvals"), "{shell}");
        assert_eq!(ran.err, "");
    }
}

#[test]
fn nothing_is_coloured_unless_it_is_asked_for() {
    let world = World::new();
    let plain = world.run(&["policy", "functions"]).exits(0);
    assert!(!plain.out.contains('\u{1b}'));
    let coloured = world.run(&["--color", "always", "policy", "functions"]).exits(0);
    assert!(coloured.out.contains('\u{1b}'));
    let mut never = world.ringfence(&["policy", "functions"]);
    never.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "0");
    assert!(!world.ran(&never.output().unwrap()).out.contains('\u{1b}'));
}

#[test]
fn a_reader_that_has_gone_is_no_answer() {
    let world = World::new();
    let mut child = world
        .ringfence(&["policy", "functions"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_ne!(ended.status.code(), Some(1));
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
}
