//! What is wrong with a configuration, and where.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ringfence_policy::{Diagnostic, Severity};
use serde_saphyr::Location;

use crate::fault::{Ending, Fault, Located};

/// Collects findings, so that all of them are shown at once.
pub(super) struct Report<'a> {
    file: String,
    text: &'a str,
    found: Vec<Diagnostic>,
    /// What is not to be shown.
    hidden: Vec<Range<usize>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(path: &Path, text: &'a str) -> Report<'a> {
        Report { file: path.display().to_string(), text, found: Vec::new(), hidden: Vec::new() }
    }

    /// One thing that is wrong, and what to do.
    pub(super) fn add(&mut self, at: Location, message: impl Into<String>, help: Option<String>) {
        let start = offset(self.text, at);
        let len = at.span().byte_len().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        let rest = self.text.get(start..).unwrap_or("");
        let line = rest.lines().next().unwrap_or("");
        // A value may be a whole mapping: its first line is enough to find it.
        let len = if len == 0 { word(line) } else { len.min(line.len()) };
        self.found.push(Diagnostic {
            severity: Severity::Error,
            file: self.file.clone(),
            line: usize::try_from(at.line()).unwrap_or(1).max(1),
            column: usize::try_from(at.column()).unwrap_or(1).max(1),
            span: start..start + len,
            text: line.get(..len).unwrap_or(line).to_owned(),
            message: message.into(),
            help,
        });
    }

    /// One thing that is wrong and is a secret: its place is shown, it is not.
    pub(super) fn add_hidden(&mut self, at: Location, message: &str, help: String) {
        self.add(at, message, Some(help));
        if let Some(added) = self.found.last_mut() {
            added.text = String::new();
            self.hidden.push(added.span.clone());
        }
    }

    /// All of it, where there is anything.
    pub(super) fn end(self) -> Result<(), Fault> {
        if self.found.is_empty() {
            return Ok(());
        }
        let count = self.found.len();
        let mut shown = self.text.to_owned();
        for secret in self.hidden {
            shown.replace_range(secret.clone(), &"*".repeat(secret.len()));
        }
        let source: Arc<str> = shown.into();
        let found =
            self.found.into_iter().map(|diagnostic| Located { diagnostic, source: source.clone() }).collect();
        let errors =
            if count == 1 { "there is 1 error".to_owned() } else { format!("there are {count} errors") };
        Err(Fault::in_files(Ending::CannotRun, format!("the configuration is refused: {errors}"), found))
    }
}

/// The place of the word that stands there, where the parser gave only its beginning.
fn word(line: &str) -> usize {
    line.find([':', ' ', ',', '}', ']']).unwrap_or(line.len())
}

fn offset(text: &str, at: Location) -> usize {
    let line = usize::try_from(at.line()).unwrap_or(1).max(1);
    let column = usize::try_from(at.column()).unwrap_or(1).max(1);
    let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = text.get(before..).unwrap_or("");
    before + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at)
}
