//! What is wrong with a document, and where. A diagnostic always points at the text that was
//! written; how it is coloured and laid out is the command line's affair.

use std::fmt;
use std::ops::Range;

/// Whether a set with this in it may still decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth a look; the set loads.
    Warning,
    /// The set is refused as a whole.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// One finding in one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the set is refused for it.
    pub severity: Severity,
    /// The name of the source, as it was given.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// Where the text stands in the source, in bytes.
    pub span: Range<usize>,
    /// The offending text: at most its first line, shortened.
    pub text: String,
    /// One plain sentence, lower case, without a final period.
    pub message: String,
    /// What to do, where that is known.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: severity: message`, then the text and the help on lines of their own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}: {}", self.file, self.line, self.column, self.severity, self.message)?;
        if !self.text.is_empty() {
            write!(f, "\n  | {}", self.text)?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  = help: {help}")?;
        }
        Ok(())
    }
}

/// What a check found wrong with a value, before it is known where the value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Complaint {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Complaint { message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a suggestion where one of `known` is close to what was written.
    pub(crate) fn suggest<'k>(mut self, written: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        if let Some(near) = nearest(written, known) {
            self.help = Some(format!("did you mean `{near}`?"));
        }
        self
    }
}

/// The most similar of `known`, where it is similar enough to be what was meant.
pub(crate) fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = written.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1.max(name.chars().count().min(lower.chars().count()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// One source while it is read: its text, and what was found in it so far.
pub(crate) struct Report<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
    pub(crate) found: Vec<Diagnostic>,
}

const SHOWN_CHARS: usize = 120;

impl<'a> Report<'a> {
    pub(crate) fn new(name: &'a str, text: &'a str) -> Self {
        Report { name, text, found: Vec::new() }
    }

    pub(crate) fn error(&mut self, span: Range<usize>, complaint: Complaint) {
        self.push(Severity::Error, span, complaint);
    }

    pub(crate) fn warning(&mut self, span: Range<usize>, complaint: Complaint) {
        self.push(Severity::Warning, span, complaint);
    }

    fn push(&mut self, severity: Severity, span: Range<usize>, complaint: Complaint) {
        let start = floor(self.text, span.start);
        let mut end = floor(self.text, span.end.max(start));
        if matches!(self.text.get(start..end), Some("" | "[" | "{") | None) {
            // A mapping, a list or an error of the scanner begins here: its first line is shown.
            let rest = self.text.get(start..).unwrap_or("");
            end = start + rest.find('\n').map_or(rest.len(), |at| at).max(end - start);
        }
        let span = start..end;
        let before = self.text.get(..start).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let text = self.text.get(span.clone()).unwrap_or("").lines().next().unwrap_or("").trim_end();
        let shown = match text.char_indices().nth(SHOWN_CHARS) {
            Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or("")),
            None => text.to_owned(),
        };
        self.found.push(Diagnostic {
            severity,
            file: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
            span,
            text: shown,
            message: complaint.message,
            help: complaint.help,
        });
    }
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
