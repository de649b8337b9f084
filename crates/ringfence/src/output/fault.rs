//! What went wrong, on standard error.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use ringfence_policy::{Diagnostic, Severity};
use serde_json::{Value, json};

use super::{aside, paint, plain};
use crate::fault::{Fault, Located};

/// Shows a fault: each finding with its line, then the chain of causes, then what to do.
pub(crate) fn show(fault: &Fault, as_json: bool) {
    if fault.is_broken_pipe() {
        return;
    }
    if as_json {
        let found: Vec<Value> =
            fault.diagnostics().iter().map(|located| diagnostic_json(&located.diagnostic)).collect();
        let mut said = json!({ "error": fault.message() });
        if let Some(members) = said.as_object_mut() {
            if let Some(help) = fault.advice() {
                members.insert("help".to_owned(), help.into());
            }
            if !found.is_empty() {
                members.insert("diagnostics".to_owned(), found.into());
            }
        }
        aside(said);
        return;
    }
    if !fault.before().is_empty() {
        aside(lines(fault.before()));
        aside("");
    }
    for located in fault.diagnostics() {
        diagnostic(located);
    }
    aside(format_args!("{} {}", paint::bad("error:"), lines(&fault.message())));
    if let Some(help) = fault.advice() {
        aside(format_args!("{} {}", paint::good("help:"), lines(help)));
    }
}

/// Shows one finding: where, the line itself, and what to do.
pub(crate) fn diagnostic(located: &Located) {
    let Located { diagnostic, source } = located;
    let level = match diagnostic.severity {
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let span = first_line(source, diagnostic);
    let mut group = level.primary_title(diagnostic.message.as_str()).element(
        Snippet::source(&**source)
            .path(diagnostic.file.as_str())
            .annotation(AnnotationKind::Primary.span(span)),
    );
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    aside(Renderer::styled().render(&[group]));
    aside("");
}

/// One finding for machines.
pub(crate) fn diagnostic_json(diagnostic: &Diagnostic) -> Value {
    json!({
        "severity": diagnostic.severity.to_string(),
        "file": diagnostic.file,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "text": diagnostic.text,
        "message": diagnostic.message,
        "help": diagnostic.help,
    })
}

/// A finding about a whole mapping is shown at its first line.
fn first_line(source: &str, diagnostic: &Diagnostic) -> std::ops::Range<usize> {
    let start = diagnostic.span.start.min(source.len());
    let end = diagnostic.span.end.clamp(start, source.len());
    let line = source.get(start..end).and_then(|text| text.find('\n')).map_or(end, |length| start + length);
    start..line
}

/// Several lines may be meant to be several; nothing else in them may act.
fn lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}
