//! Names that say nothing: a file, module or type is named for what it is.

use super::Finding;
use crate::rust_text::RustText;

/// Words that may be no part of a name.
pub const BANNED: [&str; 11] = [
    "util", "utils", "common", "helpers", "manager", "managers", "service", "services", "engine", "engines",
    "misc",
];

/// Holds the name of a file and of each of its folders against [`BANNED`].
pub fn check_path(path: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let report = |message: String| Finding { path: path.to_owned(), line: 0, rule: "name", message };
    if path.ends_with("/mod.rs") {
        findings.push(report("a module `foo` is `foo.rs`, its children in `foo/`".to_owned()));
    }
    for part in path.split('/') {
        let stem = part.split_once('.').map_or(part, |(stem, _)| stem);
        if let Some(word) = banned_word(stem) {
            findings.push(report(format!("`{word}` says nothing about what `{part}` is; name its purpose")));
        }
    }
    findings
}

/// Holds the names of modules, types, traits and macros that a file declares against [`BANNED`].
pub fn check_declarations(path: &str, rust: &RustText) -> Vec<Finding> {
    let mut findings = Vec::new();
    for keyword in ["mod", "struct", "enum", "union", "trait", "type", "macro_rules!"] {
        for at in rust.find_code(keyword) {
            let name: String = rust
                .code
                .iter()
                .skip(at + keyword.chars().count())
                .skip_while(|c| c.is_whitespace())
                .take_while(|c| c.is_alphanumeric() || **c == '_')
                .collect();
            if let Some(word) = banned_word(&name) {
                findings.push(Finding {
                    path: path.to_owned(),
                    line: rust.line_of(at),
                    rule: "name",
                    message: format!("`{word}` says nothing about what `{name}` is; name its purpose"),
                });
            }
        }
    }
    findings
}

/// The first banned word of a name in any of snake, kebab and camel case.
fn banned_word(name: &str) -> Option<&'static str> {
    let mut words: Vec<String> = vec![String::new()];
    let characters: Vec<char> = name.chars().collect();
    for (at, c) in characters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| characters.get(before));
        let after = characters.get(at + 1);
        // `HttpService` parts before the S, and so does `HTTPService`.
        let starts = c.is_uppercase()
            && (before.is_some_and(|c| !c.is_uppercase()) || after.is_some_and(|c| c.is_lowercase()));
        if starts || matches!(c, '_' | '-') {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && c.is_alphanumeric()
        {
            word.extend(c.to_lowercase());
        }
    }
    BANNED.into_iter().find(|banned| words.iter().any(|word| word == banned))
}
