use xtask::tidy::check_files;
use xtask::workspace::SourceFile;

fn found(path: &str, text: &str) -> Vec<String> {
    let test = "// fn commented() {}\n#[test]\nfn holds() {}\n";
    let files = [("crates/a/tests/it/a.rs", test), ("Cargo.toml", "[lints]\n"), (path, text)]
        .map(|(path, text)| SourceFile { path: path.to_owned(), text: text.to_owned() });
    check_files(&files).into_iter().map(|finding| format!("{}: {}", finding.line, finding.message)).collect()
}

#[test]
fn a_decision_record_names_what_enforces_it() {
    let record = |last: &str| found("docs/adr/0001-a.md", &format!("# A\n\nBecause.\n\n{last}\n\n"));
    let none: [&str; 0] = [];
    assert_eq!(record("Enforced by: crates/a/tests/it/a.rs::holds"), none);
    assert_eq!(record("Enforced by: `crates/a/tests/it/a.rs`, Cargo.toml"), none);
    assert_eq!(record("Enforced by: `crates/a/tests/it`"), none);
    assert_eq!(
        record("Enforced by: crates/a/tests/it/a.rs::commented"),
        ["5: `crates/a/tests/it/a.rs` has no test `commented`"]
    );
    assert_eq!(record("Enforced by: crates/b.rs"), ["5: `crates/b.rs` does not exist"]);
    assert_eq!(
        record("Enforced by: "),
        ["5: the last line must be `Enforced by: <path>` or `<path>::<test>`"]
    );
    assert_eq!(record("Enforced."), ["5: the last line must be `Enforced by: <path>` or `<path>::<test>`"]);
    assert_eq!(found("docs/adr/0001-a.md", "\n"), ["0: is empty"]);
    assert_eq!(found("docs/guide.md", "free\n"), none);
}

#[test]
fn an_invariant_names_the_test_that_holds_it() {
    let invariants = |items: &str| {
        found("ARCHITECTURE.md", &format!("# A\n\n## Invariants\n\nEach.\n\n{items}\n\n## B\n1. c\n"))
    };
    let none: [&str; 0] = [];
    assert_eq!(
        invariants("1. A. Held by `crates/a/tests/it/a.rs::holds`.\n2. B.\n   Held by `Cargo.toml`."),
        none
    );
    assert_eq!(invariants("1. A holds."), ["7: an invariant ends with ``Held by `path::test`.``"]);
    assert_eq!(
        invariants("1. A. Held by `Cargo.toml` and `crates/a/tests/it/a.rs::gone`."),
        ["7: `crates/a/tests/it/a.rs` has no test `gone`"]
    );
    assert_eq!(invariants("1. A. Held by good will."), ["7: `Held by` names no path in backticks"]);
    assert_eq!(invariants("1. A. Held by nothing before `crates/b/tests/it/main.rs`."), none);
    assert_eq!(
        invariants("1. A. Held by nothing before `Cargo.toml`."),
        ["7: `Cargo.toml` exists now; name the test that holds this invariant"]
    );
    assert_eq!(invariants("None."), ["0: has no numbered items under `## Invariants`"]);
}
