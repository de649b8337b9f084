//! The story on a terminal of 80 columns: who on the left, what on the right. It prints what it is
//! handed and knows nothing of what should have happened.

use std::cell::Cell;

use super::facts::Decided;
use crate::fault::Fault;
use crate::output::{self, paint, plain};

const WIDTH: usize = 80;
/// Where a line's text begins.
const INDENT: usize = 12;

const PICTURE: &str = "  agent ──── MCP ────▶ ringfence ──── MCP ────▶ ERP server
                       policy · people · log";
const PICTURE_PLAIN: &str = "  agent ---- MCP ----> ringfence ---- MCP ----> ERP server
                       policy, people, log";

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// With lines and, on a terminal, colours.
    Laid,
    /// In ASCII, without colours.
    Plain,
    /// Not at all.
    Silent,
}

/// Tells it.
pub(super) struct Teller {
    manner: Manner,
    chapters: Cell<u32>,
}

impl Teller {
    pub(super) fn new(manner: Manner) -> Teller {
        if manner == Manner::Plain {
            anstream::ColorChoice::Never.write_global();
        }
        Teller { manner, chapters: Cell::new(0) }
    }

    pub(super) fn title(&self, text: &str) -> Result<(), Fault> {
        let (rule, picture) = match self.manner {
            Manner::Laid => ("─", PICTURE),
            Manner::Plain => ("-", PICTURE_PLAIN),
            Manner::Silent => return Ok(()),
        };
        output::line(paint::strong(text))?;
        output::line(paint::faint(rule.repeat(WIDTH)))?;
        output::line(picture)?;
        output::line("")
    }

    /// Begins the next chapter.
    pub(super) fn chapter(&self, text: &str) -> Result<(), Fault> {
        if self.manner == Manner::Silent {
            return Ok(());
        }
        self.chapters.set(self.chapters.get().saturating_add(1));
        output::line("")?;
        output::line(format_args!("{} {}", paint::faint(self.chapters.get()), paint::strong(text)))
    }

    /// A heading without a number.
    pub(super) fn heading(&self, text: &str) -> Result<(), Fault> {
        if self.manner == Manner::Silent {
            return Ok(());
        }
        output::line("")?;
        output::line(paint::strong(text))
    }

    /// What somebody did or said.
    pub(super) fn line(&self, who: &str, text: &str) -> Result<(), Fault> {
        self.marked(who, "", text)
    }

    /// The same, with a word before it that says how it stands.
    pub(super) fn marked(&self, who: &str, mark: &str, text: &str) -> Result<(), Fault> {
        if self.manner == Manner::Silent {
            return Ok(());
        }
        let whole =
            if mark.is_empty() { plain(text).into_owned() } else { format!("{mark} {}", plain(text)) };
        let mut who = who;
        for (number, line) in wrapped(&whole, WIDTH - INDENT).iter().enumerate() {
            let column = format!("  {who:<width$}", width = INDENT - 2);
            match line.strip_prefix(mark).filter(|_| number == 0 && !mark.is_empty()) {
                Some(rest) => {
                    let mark: &dyn std::fmt::Display = match mark {
                        "allow" | "permit" | "verified" => &paint::good(mark),
                        "ask" => &paint::waiting(mark),
                        _ => &paint::bad(mark),
                    };
                    output::line(format_args!("{}{mark}{rest}", paint::faint(column)))?;
                }
                None => output::line(format_args!("{}{line}", paint::faint(column)))?,
            }
            who = "";
        }
        Ok(())
    }

    /// What was decided, from its record.
    pub(super) fn decided(&self, decided: &Decided) -> Result<(), Fault> {
        let Decided { decision, rule, reason, record, .. } = decided;
        match &decided.used {
            Some(id) => {
                let text = format!("by approval {id}, which is used up with it (record {record})");
                self.marked("ringfence", "permit", &text)
            }
            None => self.marked("ringfence", decision, &format!("{rule}: {reason} (record {record})")),
        }
    }

    /// A command to type, with what it is for. What is longer than a line goes on behind a `\`.
    pub(super) fn command(&self, note: &str, command: &str) -> Result<(), Fault> {
        if self.manner == Manner::Silent {
            return Ok(());
        }
        output::line(format_args!("  {}", paint::faint(note)))?;
        let lines = wrapped(command, WIDTH - 8);
        let last = lines.len().saturating_sub(1);
        for (number, line) in lines.iter().enumerate() {
            let indent = if number == 0 { "    " } else { "      " };
            let more = if number == last { "" } else { " \\" };
            output::line(format_args!("{indent}{line}{more}"))?;
        }
        Ok(())
    }
}

/// Lines of at most so many characters, broken between words; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a incomprehensibilities b", 5), ["a", "incomprehensibilities", "b"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
