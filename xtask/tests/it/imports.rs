use std::fs;
use std::path::Path;

use serde_json::json;
use xtask::tidy::imports::{DOCUMENT, check};
use xtask::workspace::{Dependencies, Workspace};

const TABLE: &str = "\
## Crates

| line | crate | one purpose | may import |
|---|---|---|---|
| 0 | `ringfence-model` | words | – |
| 1 | `ringfence-audit` | log | model |
| 2 | `ringfence` | binary | all |
| – | `bindings/c`, `bindings/node` | types | model |

## Later
";

/// Name, folder, and dependencies with their kind.
type Member<'a> = (&'a str, &'a str, &'a [(&'a str, Option<&'a str>)]);

/// What is found when the tree consists of `members`.
fn found(table: &str, members: &[Member<'_>]) -> Vec<String> {
    let packages: Vec<_> = members
        .iter()
        .map(|(name, folder, dependencies)| {
            let dependencies: Vec<_> =
                dependencies.iter().map(|(name, kind)| json!({"name": name, "kind": kind})).collect();
            json!({"name": name, "manifest_path": format!("/tree/{folder}/Cargo.toml"), "dependencies": dependencies})
        })
        .collect();
    check(table, &json!({"packages": packages}), Path::new("/tree"))
        .into_iter()
        .map(|finding| finding.message)
        .collect()
}

const MODEL: Member<'_> = ("ringfence-model", "crates/ringfence-model", &[("serde", None)]);

#[test]
fn this_tree_follows_its_table() {
    let workspace = Workspace::here().expect("the tree is there");
    let document = fs::read_to_string(workspace.root().join(DOCUMENT)).expect("the document is there");
    let metadata = workspace.metadata(Dependencies::MembersOnly).expect("cargo answers");
    assert_eq!(check(&document, &metadata, workspace.root()), []);
}

#[test]
fn only_what_a_row_names_is_imported() {
    let audit = |dependencies| {
        found(
            TABLE,
            &[MODEL, ("ringfence-audit", "crates/ringfence-audit", dependencies), ("xtask", "xtask", &[])],
        )
    };
    assert_eq!(audit(&[("ringfence-model", None), ("serde", None)]), [""; 0]);
    for kind in [None, Some("build")] {
        let messages = found(
            TABLE,
            &[
                ("ringfence-model", "crates/ringfence-model", &[("ringfence-audit", kind)]),
                ("ringfence-audit", "a", &[]),
            ],
        );
        assert!(
            messages.len() == 1
                && messages[0].starts_with("crate `ringfence-model` imports `ringfence-audit`"),
            "{messages:?}"
        );
    }
    assert_eq!(
        found(
            TABLE,
            &[("ringfence-model", "m", &[("ringfence-audit", Some("dev"))]), ("ringfence-audit", "a", &[])]
        ),
        [""; 0],
        "tests may import more"
    );
}

#[test]
fn a_crate_without_a_row_is_refused_and_bindings_go_by_folder() {
    assert_eq!(
        found(TABLE, &[("ringfence-new", "crates/ringfence-new", &[])]),
        ["crate `ringfence-new` has no row in the table under `## Crates`"]
    );
    assert_eq!(
        found(TABLE, &[MODEL, ("ringfence-capi", "bindings/c", &[("ringfence-model", None)])]),
        [""; 0]
    );
    assert_eq!(
        found(TABLE, &[MODEL, ("ringfence", "crates/ringfence", &[("ringfence-model", None)])]),
        [""; 0]
    );
}

#[test]
fn the_table_itself_only_points_down() {
    let table = TABLE.replace("| words | – |", "| words | audit |");
    assert_eq!(
        found(&table, &[]),
        ["`ringfence-model` may import `ringfence-audit`, which is not on a lower line"]
    );
    let table = TABLE.replace("| words | – |", "| words | gone |");
    assert_eq!(found(&table, &[]), ["`ringfence-model` may import `ringfence-gone`, which has no row"]);
    assert_eq!(found("# nothing\n", &[]), ["has no crate table under `## Crates`"]);
}
