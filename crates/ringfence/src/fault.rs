//! How a command ends, and what is said when it does not do what it was asked.

use std::process::ExitCode;

use ringfence_policy::Diagnostic;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Done, or the answer is yes.
    Done,
    /// The answer is no: denied, drifted, not verified.
    No,
    /// Used wrongly, or it cannot run.
    CannotRun,
    /// As the wrapped program ended.
    Program(u8),
}

impl Ending {
    /// The code of [`Ending::CannotRun`].
    pub(crate) const CANNOT_RUN: u8 = 2;

    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Ending::Done => 0,
            Ending::No => 1,
            Ending::CannotRun => Ending::CANNOT_RUN,
            Ending::Program(code) => code,
        })
    }
}

/// Why a command did not do what it was asked. Printed once, whole, at the very end.
#[derive(Debug)]
pub(crate) struct Fault {
    ending: Ending,
    error: anyhow::Error,
    help: Option<String>,
    /// What is wrong in which file, where that is what is wrong.
    diagnostics: Vec<Located>,
    /// What another process said before, laid out already.
    before: String,
}

/// A finding and the text it was found in.
#[derive(Debug)]
pub(crate) struct Located {
    /// The finding.
    pub(crate) diagnostic: Diagnostic,
    /// The whole source.
    pub(crate) source: std::sync::Arc<str>,
}

impl Fault {
    /// The answer is no.
    pub(crate) fn no(message: impl Into<String>) -> Fault {
        Fault::new(Ending::No, anyhow::Error::msg(message.into()))
    }

    /// The answer is no, and that is why.
    pub(crate) fn no_because(error: impl std::error::Error + Send + Sync + 'static) -> Fault {
        Fault::new(Ending::No, error.into())
    }

    /// It cannot run.
    pub(crate) fn cannot(message: impl Into<String>) -> Fault {
        Fault::new(Ending::CannotRun, anyhow::Error::msg(message.into()))
    }

    /// Something is wrong in files.
    pub(crate) fn in_files(ending: Ending, message: impl Into<String>, diagnostics: Vec<Located>) -> Fault {
        Fault { diagnostics, ..Fault::new(ending, anyhow::Error::msg(message.into())) }
    }

    fn new(ending: Ending, error: anyhow::Error) -> Fault {
        Fault { ending, error, help: None, diagnostics: Vec::new(), before: String::new() }
    }

    /// Says what was attempted, before why it failed.
    pub(crate) fn while_trying(mut self, attempted: impl Into<String>) -> Fault {
        self.error = self.error.context(attempted.into());
        self
    }

    /// Says what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }

    /// Shows first what another process said.
    pub(crate) fn after(mut self, before: String) -> Fault {
        self.before = before;
        self
    }

    pub(crate) fn before(&self) -> &str {
        &self.before
    }

    pub(crate) fn ending(&self) -> Ending {
        self.ending
    }

    pub(crate) fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    pub(crate) fn diagnostics(&self) -> &[Located] {
        &self.diagnostics
    }

    /// Whether nobody reads what is printed any more.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The whole chain in one line.
    pub(crate) fn message(&self) -> String {
        let mut message = String::new();
        for error in self.error.chain() {
            let said = error.to_string();
            // Errors that already tell their cause would tell it twice.
            if message.ends_with(&said) {
                continue;
            }
            if !message.is_empty() {
                message.push_str(": ");
            }
            message.push_str(&said);
        }
        message
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Fault {
    fn from(error: E) -> Self {
        Fault::new(Ending::CannotRun, error.into())
    }
}
