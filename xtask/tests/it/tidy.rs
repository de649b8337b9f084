use xtask::tidy::{Finding, check_files};
use xtask::workspace::SourceFile;

/// The rules and lines found in one file.
fn found(path: &str, text: &str) -> Vec<(&'static str, usize)> {
    let files = [SourceFile { path: path.to_owned(), text: text.to_owned() }];
    let mut findings: Vec<Finding> = check_files(&files);
    findings.sort();
    findings.into_iter().map(|finding| (finding.rule, finding.line)).collect()
}

const CLEAN: [(&str, usize); 0] = [];

#[test]
fn unsafe_stands_only_in_its_places() {
    let text = "// unsafe\nlet a = \"unsafe\";\nunsafe { b() }\n#![forbid(unsafe_code)]\n";
    assert_eq!(found("crates/ringfence-guard/src/a.rs", text), [("unsafe", 3)]);
    assert_eq!(found("crates/ringfence-sandbox/src/a.rs", text), CLEAN);
    assert_eq!(found("bindings/c/src/lib.rs", text), CLEAN);
    assert_eq!(found("crates/ringfence-sandboxed/src/a.rs", text), [("unsafe", 3)]);
}

#[test]
fn names_that_say_nothing_are_refused() {
    for path in [
        "crates/ringfence-common/src/lib.rs",
        "crates/ringfence/src/utils.rs",
        "crates/ringfence/src/string_util.rs",
        "crates/ringfence/tests/it/helpers/a.rs",
        "crates/ringfence/src/foo/mod.rs",
        "docs/misc.md",
    ] {
        assert_eq!(found(path, ""), [("name", 0)], "{path}");
    }
    for text in [
        "struct SessionManager;",
        "pub(crate) enum RuleEngine {}",
        "trait TestHelpers {}",
        "mod util {",
        "type HTTPService = u8;",
        "macro_rules! common_case {",
    ] {
        assert_eq!(found("crates/ringfence/src/a.rs", text), [("name", 1)], "{text}");
    }
    for text in [
        "struct Utility;",
        "mod manage {}",
        "let engine = 1; fn service() {}",
        "// struct Manager",
        "struct Commonwealth;",
        "struct HelperProcess;",
    ] {
        assert_eq!(found("crates/ringfence/src/uncommon.rs", text), CLEAN, "{text}");
    }
}

#[test]
fn files_have_a_cap() {
    let long = "x\n".repeat(801);
    assert_eq!(found("crates/ringfence/src/a.rs", &long), [("length", 0)]);
    assert_eq!(found("crates/ringfence/src/a.rs", &"x\n".repeat(800)), CLEAN);
    for path in [
        "crates/ringfence/tests/it/a.rs",
        "crates/ringfence/src/a/tests.rs",
        "crates/ringfence/src/a/data.rs",
        "crates/ringfence/src/confusable_table.rs",
        "docs/a.md",
    ] {
        assert_eq!(found(path, &long), CLEAN, "{path}");
    }
}

#[test]
fn notes_are_not_left_behind() {
    let note = ["TO", "DO"].concat();
    assert_eq!(found("src/a.rs", &format!("let a = 1; // {note}: more\n")), [("note", 1)]);
    assert_eq!(found("src/a.rs", &format!("let a = \"{note}\"; fn {note}() {{}}\n")), CLEAN);
    assert_eq!(found("docs/a.md", &format!("a\n{note} b\n")), [("note", 2)]);
    assert_eq!(found("docs/a.md", &format!("MA{note}S\n")), CLEAN);
}

#[test]
fn tests_run_and_do_not_sleep() {
    let text = "#[test]\n#[ignore = \"slow\"]\nfn a() {\n    std::thread::sleep (d);\n}\n";
    assert_eq!(found("crates/a/tests/it/a.rs", text), [("ignored-test", 2), ("sleeping-test", 4)]);
    let text = "fn a() { sleep(d); }\n#[cfg(test)]\nmod tests {\n    fn b() { sleep(d).await; }\n}\n";
    assert_eq!(found("crates/a/src/a.rs", text), [("sleeping-test", 4)]);
    assert_eq!(found("crates/a/tests/it/a.rs", "run(\"sleep 60\"); // sleep(1)\n"), CLEAN);
}

#[test]
fn expect_names_its_invariant() {
    let path = "crates/a/src/a.rs";
    assert_eq!(
        found(path, "a.expect(\"works\");\nb\n    .expect(\n        \"fine\");\n"),
        [("expect", 1), ("expect", 3)]
    );
    assert_eq!(found(path, "a.expect(\"invariant: b is set above\");\n"), CLEAN);
    assert_eq!(found(path, "parser.expect(Token::Comma)?; a.expect_end(\"x\");\n"), CLEAN);
    assert_eq!(found(path, "#[cfg(test)]\nmod tests {\n a.expect(\"works\");\n}\n"), CLEAN);
    assert_eq!(found("crates/a/tests/it/a.rs", "a.expect(\"works\");\n"), CLEAN);
}

#[test]
fn paths_of_one_machine_are_refused() {
    let slash = "/";
    for (path, text) in [
        ("README.md", format!("see `{slash}root/x`")),
        ("crates/a/src/a.rs", format!("let a = \"{slash}work/wt\";")),
        ("crates/a/tests/it/snapshots/a.snap", format!("file://{slash}home/jd7/x")),
        ("a.yaml", format!("data: {slash}home/runner/.cache")),
    ] {
        assert_eq!(found(path, &text), [("machine-path", 1)], "{text}");
    }
    for text in [
        format!("{slash}home/alice/notes and {slash}home/user/x"),
        format!("frame{slash}work/x and ./work/x and ~{slash}work/ and https://example.com{slash}home/me2"),
        format!("ch{slash}rootless {slash}roots"),
    ] {
        assert_eq!(found("README.md", &text), CLEAN, "{text}");
    }
}

#[test]
fn catch_alls_beside_a_strictness_are_refused() {
    let path = "crates/a/src/a.rs";
    for text in [
        "match e {\n    Effect::Allow => 1,\n    _ => 2,\n}",
        "match (e, n) {\n    (Effect::Deny, 1) | (Effect::Ask, _) => { f(|x| match x { _ => 1 }) }\n    _ if n > 1 => 2,\n}",
        "let a = match ring(&[1]) {\n    Ring::Three if b => c(1, 2),\n    _ => return None,\n};",
    ] {
        assert_eq!(found(path, text), [("catch-all", 3)], "{text}");
    }
    for text in [
        "match name { \"allow\" => Effect::Allow, _ => return None }",
        "match e { Effect::Allow => 1, Effect::Ask | Effect::Deny => match n { 1 => 2, _ => 3 } }",
        "match e { model::SideEffect::A => 1, _ => 2 }",
        "// match e { Effect::Allow => 1, _ => 2 }",
        "matches!(e, Effect::Allow)",
        "match n { 1 => Foo { a: Effect::Allow }, _ => Foo { a: Effect::Deny } }",
    ] {
        assert_eq!(found(path, text), CLEAN, "{text}");
    }
}

#[test]
fn an_excuse_has_a_reason_and_an_object() {
    let path = "crates/a/src/a.rs";
    assert_eq!(found(path, "// tidy: allow(unsafe): the test of this rule\nunsafe {}\n"), CLEAN);
    assert_eq!(found(path, "unsafe {} // tidy: allow(unsafe): the test of this rule\n"), CLEAN);
    assert_eq!(found(path, "// tidy: allow(unsafe)\nunsafe {}\n"), [("allow", 1), ("unsafe", 2)]);
    assert_eq!(found(path, "// tidy: allow(unsafe): far away\n\nunsafe {}\n"), [("allow", 1), ("unsafe", 3)]);
    assert_eq!(found(path, "// tidy: allow(expect): wrong rule\nunsafe {}\n"), [("allow", 1), ("unsafe", 2)]);
    assert_eq!(found(path, "/// write `// tidy: allow(rule): reason`\nfn a() {}\n"), CLEAN);
}

#[test]
fn members_take_lints_and_versions_from_the_root() {
    let lints = "[lints]\nworkspace = true\n";
    let path = "crates/a/Cargo.toml";
    assert_eq!(found(path, &format!("[dependencies]\nserde.workspace = true\n{lints}")), CLEAN);
    assert_eq!(
        found(
            path,
            &format!("[dev-dependencies]\ntokio = {{ workspace = true, features = [\"rt\"] }}\n{lints}")
        ),
        CLEAN
    );
    assert_eq!(found(path, &format!("[dependencies]\nserde = \"1\"\n{lints}")), [("dependency", 2)]);
    assert_eq!(
        found(path, &format!("[target.'cfg(unix)'.dependencies]\nlibc = {{ version = \"0.2\" }}\n{lints}")),
        [("dependency", 2)]
    );
    assert_eq!(found(path, "[package]\nversion.workspace = true\n"), [("lints", 0)]);
    assert_eq!(found(path, "[lints]\n# workspace = true\n"), [("lints", 0)]);
    let own = "[lints.clippy]\nundocumented_unsafe_blocks = \"deny\"\n";
    assert_eq!(found("crates/ringfence-sandbox/Cargo.toml", own), CLEAN);
    assert_eq!(found("crates/ringfence-guard/Cargo.toml", own), [("lints", 0)]);
    // What tests speak to is no member.
    assert_eq!(found("crates/a/tests/b/c/Cargo.toml", "[dependencies]\nserde = \"1\"\n"), CLEAN);
}

#[test]
fn merges_are_finished() {
    let mark = |c: &str| format!("{} main", c.repeat(7));
    assert_eq!(
        found("a.json", &format!("{{\n{}\n}}\n{}\n", mark("<"), mark(">"))),
        [("conflict", 2), ("conflict", 4)]
    );
    assert_eq!(found("docs/a.md", &format!("Title\n=======\n\n> {}\n", mark(">"))), CLEAN);
}
