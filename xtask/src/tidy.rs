//! What a compiler cannot check: who imports whom, how long files are, names, where `unsafe`
//! stands, that documents name the test that holds what they claim.
//!
//! Every rule is a pure function from text to findings, so that its tests need no tree.

pub mod arms;
pub mod documents;
pub mod imports;
pub mod lines;
pub mod manifests;
pub mod names;

use std::fmt;

use anyhow::{Result, bail};

use crate::rust_text::RustText;
use crate::workspace::{Dependencies, SourceFile, Workspace};

/// One violation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Relative to the root.
    pub path: String,
    /// Counted from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// The rule's name, as `tidy: allow(…)` spells it.
    pub rule: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {} [{}]", self.path, self.message, self.rule),
            line => write!(f, "{}:{line}: {} [{}]", self.path, self.message, self.rule),
        }
    }
}

/// Checks the tree.
///
/// # Errors
/// When there are findings (they have been printed), or the tree cannot be read.
pub fn run(workspace: &Workspace) -> Result<()> {
    let files = workspace.files()?;
    let mut findings = check_files(&files);
    let architecture = files.iter().find(|file| file.path == imports::DOCUMENT);
    let imports =
        |message: String| Finding { path: imports::DOCUMENT.to_owned(), line: 0, rule: "imports", message };
    // A manifest that cannot be read is one finding among others.
    findings.extend(match (architecture, workspace.metadata(Dependencies::MembersOnly)) {
        (Some(document), Ok(metadata)) => imports::check(&document.text, &metadata, workspace.root()),
        (Some(_), Err(error)) => vec![imports(format!("cannot be held against the manifests: {error:#}"))],
        (None, _) => vec![imports("is missing; its crate table says who may import whom".to_owned())],
    });
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings in {} files read", findings.len(), files.len());
    }
    println!("  {} files, no findings", files.len());
    Ok(())
}

/// Every rule that needs only the files.
pub fn check_files(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        findings.extend(names::check_path(&file.path));
        findings.extend(lines::check_conflicts(&file.path, &file.text));
        let mut of_lines = lines::check_machine_paths(&file.path, &file.text);
        if file.path.ends_with(".rs") {
            let rust = RustText::parse(&file.text);
            findings.extend(names::check_declarations(&file.path, &rust));
            findings.extend(lines::check_length(&file.path, &file.text));
            of_lines.extend(lines::check_rust(&file.path, &rust));
            of_lines.extend(arms::check(&file.path, &rust));
            let comments: String = rust.comments.iter().collect();
            findings.extend(lines::without_allowed(&file.path, &comments, of_lines));
        } else {
            of_lines.extend(lines::check_notes(&file.path, &file.text));
            of_lines.extend(manifests::check(&file.path, &file.text));
            findings.extend(lines::without_allowed(&file.path, &file.text, of_lines));
        }
    }
    findings.extend(documents::check(files));
    findings
}
