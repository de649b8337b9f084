//! Which colour means what. Colours are taken off again where the output is no terminal.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// Text in a style.
pub(crate) struct Painted<T>(Style, T);

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Painted(style, text) = self;
        write!(f, "{style}{text}{style:#}")
    }
}

const GOOD: Style = AnsiColor::Green.on_default();
const WAITING: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// Allowed, passed, in order.
pub(crate) fn good<T: fmt::Display>(text: T) -> Painted<T> {
    Painted(GOOD, text)
}

/// Waits for somebody, or worth a look.
pub(crate) fn waiting<T: fmt::Display>(text: T) -> Painted<T> {
    Painted(WAITING, text)
}

/// Denied, failed.
pub(crate) fn bad<T: fmt::Display>(text: T) -> Painted<T> {
    Painted(BAD, text)
}

/// What to look at first.
pub(crate) fn strong<T: fmt::Display>(text: T) -> Painted<T> {
    Painted(STRONG, text)
}

/// What only some look for.
pub(crate) fn faint<T: fmt::Display>(text: T) -> Painted<T> {
    Painted(FAINT, text)
}

/// The style of `allow`, `ask` or `deny`.
pub(crate) fn of_decision(word: &str) -> Style {
    match word {
        "allow" => GOOD,
        "ask" => WAITING,
        "deny" => BAD,
        _ => Style::new(),
    }
}
