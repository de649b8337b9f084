//! `ringfence demo`: the story it tells, held against the facts it leaves behind.
#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

fn ringfence(home: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(words)
        .current_dir(home)
        .env("HOME", home)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Plays it once, keeps everything, and gives the facts.
fn played() -> (TempDir, Value) {
    let home = tempfile::tempdir().unwrap();
    let output = ringfence(home.path(), &["demo", "--json", "--keep", "kept"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let facts = serde_json::from_slice(&output.stdout).unwrap();
    (home, facts)
}

#[test]
fn the_story_is_what_happened() {
    let (home, facts) = played();
    assert_eq!(facts["mcp_revision"], "2025-11-25");
    assert_eq!(facts["tools"], json!(["inventory.search", "inventory.get", "purchase_order.create"]));

    let told: Vec<Value> = facts["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| {
            let (first, last) = (&call["first"], &call["last"]);
            let verdict = &call["approval"]["verdict"];
            json!([
                call["tool"],
                first["decision"],
                verdict,
                last["rule"],
                call["is_error"],
                call["server_calls"]
            ])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!(["inventory.search", "allow", null, "inventory-readers/read-stock", false, 1]),
            json!(["inventory.get", "allow", null, "inventory-readers/read-stock", false, 2]),
            json!(["purchase_order.create", "ask", "approve", "inventory-readers/purchase", false, 3]),
            json!(["purchase_order.create", "ask", "deny", "ringfence/approval", true, 3]),
            json!(["purchase_order.create", "deny", null, "inventory-readers/no-large-purchase", true, 3]),
            json!(["purchase_order.create", "deny", null, "ringfence/schema", true, 3]),
            json!(["inventory.get", "allow", null, "inventory-readers/read-stock", false, 4]),
            json!(["purchase_order.create", "deny", null, "inventory-readers/no-large-purchase", true, 4]),
        ]
    );

    // The server's own file, not what the demo says of it.
    let journal = fs::read_to_string(home.path().join("kept/erp/journal.jsonl")).unwrap();
    let arrived: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(facts["server_journal"], json!(arrived));
    assert_eq!(arrived.len(), 4);
    assert_eq!(arrived[2]["arguments"], json!({ "sku": "FL-1010", "quantity": 20, "total": 90.0 }));
}

#[test]
fn what_is_kept_verifies_and_the_forgeries_do_not() {
    let (home, facts) = played();
    let auditor = home.path().join("kept/auditor");
    let verify = |log: &str| {
        ringfence(&auditor, &["audit", "verify", log, "--key", "log.vkey", "--against", "head", "--json"])
    };
    let whole = verify("log");
    assert_eq!(whole.status.code(), Some(0), "{}", text(&whole.stderr));
    let said: Value = serde_json::from_slice(&whole.stdout).unwrap();
    assert_eq!(said["size"], facts["log"]["records"]);
    assert_eq!(said["root"], facts["log"]["root"]);

    let forgeries = facts["forgeries"].as_array().unwrap();
    assert_eq!(forgeries.len(), 3);
    for (forgery, folder) in forgeries.iter().zip(["blamed", "cut", "older"]) {
        let caught = verify(folder);
        assert_eq!((caught.status.code(), &forgery["exit"]), (Some(1), &json!(1)), "{forgery}");
        let said: Value = serde_json::from_slice(&caught.stderr).unwrap();
        assert_eq!(said["error"], forgery["verdict"]);
    }
    // The older log is caught by nothing but the head that was kept elsewhere.
    let alone = ringfence(&auditor, &["audit", "verify", "older", "--key", "log.vkey"]);
    assert_eq!(alone.status.code(), Some(0), "{}", text(&alone.stderr));
}

#[test]
fn it_fits_a_plain_terminal_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(["demo", "--plain"])
        .env("HOME", home.path())
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for line in text(&output.stdout).lines() {
        assert!(line.len() <= 80 && line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line}");
    }
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_with_something_in_it_is_not_played_in() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("mine"), "mine").unwrap();
    let output = ringfence(home.path(), &["demo", "--keep", "."]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("is not empty"), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}
