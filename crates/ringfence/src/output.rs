//! What is printed: aligned and coloured for people, JSON for machines. Results go to standard
//! output; what went wrong and what is said along the way go to standard error.
//!
//! Much of what is shown was written by agents and servers, so everything for people goes
//! through [`plain`], which leaves nothing that a terminal would act on.

pub(crate) mod fault;
pub(crate) mod paint;
mod plain;
mod table;

use std::io::Write as _;

use serde::Serialize;

pub(crate) use plain::plain;
pub(crate) use table::{Cell, Table};

use crate::cli::{Colour, Global, LogLevel};
use crate::fault::Fault;

/// Sets up colours and the program's own log, once.
pub(crate) fn begin(global: &Global) {
    let choice = match global.color {
        Colour::Auto => anstream::ColorChoice::Auto,
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
    let level = match (global.log, global.verbose) {
        (Some(LogLevel::Error), _) => tracing::Level::ERROR,
        (Some(LogLevel::Info), _) | (None, 1) => tracing::Level::INFO,
        (Some(LogLevel::Debug), _) | (None, 2) => tracing::Level::DEBUG,
        (Some(LogLevel::Trace), _) | (None, 3..) => tracing::Level::TRACE,
        (Some(LogLevel::Warn), _) | (None, 0) => tracing::Level::WARN,
    };
    // Not from the environment: what a log may tell is for whoever types the command to say.
    tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(std::io::stderr).init();
}

/// One line for people.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<(), Fault> {
    Ok(writeln!(anstream::stdout().lock(), "{text}")?)
}

/// One JSON document, laid out.
pub(crate) fn document(value: &impl Serialize) -> Result<(), Fault> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// One JSON document on one line, at once.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Fault> {
    let text = serde_json::to_string(value)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Something to know along the way, on standard error. Where nobody can read it, nothing is lost.
pub(crate) fn aside(text: impl std::fmt::Display) {
    if writeln!(anstream::stderr().lock(), "{text}").is_err() {
        tracing::debug!("standard error is closed");
    }
}
