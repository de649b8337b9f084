//! A JSON scanner that keeps the text: it checks the whole grammar (RFC 8259) and hands out
//! the members and items it stands on as they were written, numbers and escapes included.
//!
//! Values are built elsewhere, where somebody needs them. Here two parsers must not be able
//! to disagree: nothing beyond the grammar is taken, and a member that stands twice is refused
//! wherever members are looked at.

use std::borrow::Cow;
use std::collections::HashSet;

/// How deep arrays and objects may nest.
pub(super) const MAX_DEPTH: usize = 64;

/// Where a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Not JSON: what was expected, and at which byte.
    Grammar { expected: &'static str, at: usize },
    /// Nested deeper than [`MAX_DEPTH`].
    Depth,
    /// A member stands twice.
    Twice { name: String },
    /// A member's name is no Unicode text: an escape names half a character.
    Name { at: usize },
}

/// One member of an object.
#[derive(Debug, Clone)]
pub(super) struct Member<'a> {
    /// Its name, decoded.
    pub(super) name: Cow<'a, str>,
    /// Its value as written, without the space around it.
    pub(super) value: &'a str,
    /// All of it as written, from its name to the end of its value.
    pub(super) text: &'a str,
}

/// The members of the object that `text` is, in the order they were written.
pub(super) fn members(text: &str) -> Result<Vec<Member<'_>>, Flaw> {
    let mut scanner = Scanner { text, at: 0 };
    let mut members: Vec<Member<'_>> = Vec::new();
    let mut seen = HashSet::new();
    scanner.space();
    scanner.object(0, |name, value, text| {
        let twice = if members.len() < 16 {
            members.iter().any(|member| member.name == name)
        } else {
            if seen.is_empty() {
                seen.extend(members.iter().map(|member| member.name.clone()));
            }
            !seen.insert(name.clone())
        };
        if twice {
            return Err(Flaw::Twice { name: name.chars().take(80).collect() });
        }
        members.push(Member { name, value, text });
        Ok(())
    })?;
    scanner.end()?;
    Ok(members)
}

/// The items of the array that `text` is.
pub(super) fn items(text: &str) -> Result<Vec<&str>, Flaw> {
    let mut scanner = Scanner { text, at: 0 };
    let mut items = Vec::new();
    scanner.space();
    scanner.array(0, |item| items.push(item))?;
    scanner.end()?;
    Ok(items)
}

/// The text of the string that `text` is; none where it is another value, or where an escape
/// names half a character.
pub(super) fn string(text: &str) -> Option<Cow<'_, str>> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        return serde_json::from_str(text).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inside))
}

/// The first character that is not space: what kind of value `text` is.
pub(super) fn kind(text: &str) -> Option<u8> {
    text.bytes().find(|byte| !is_space(*byte))
}

/// The range of `part` in `whole`, which it has to be a part of.
pub(super) fn range_of(part: &str, whole: &str) -> Option<std::ops::Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (whole.get(start..end)?.as_ptr() == part.as_ptr()).then_some(start..end)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn expected<T>(&self, expected: &'static str) -> Result<T, Flaw> {
        Err(Flaw::Grammar { expected, at: self.at })
    }

    fn take(&mut self, byte: u8, expected: &'static str) -> Result<(), Flaw> {
        if self.peek() != Some(byte) {
            return self.expected(expected);
        }
        self.step();
        Ok(())
    }

    fn space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.step();
        }
    }

    fn end(&mut self) -> Result<(), Flaw> {
        self.space();
        if self.at < self.text.len() { self.expected("nothing after the value") } else { Ok(()) }
    }

    /// What was read since `start`.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).expect("invariant: a value begins and ends at ASCII characters")
    }

    fn value(&mut self, depth: usize) -> Result<&'a str, Flaw> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.object(depth, |_, _, _| Ok(()))?,
            Some(b'[') => self.array(depth, |_| {})?,
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            _ => return self.expected("a value"),
        }
        Ok(self.since(start))
    }

    fn object(
        &mut self,
        depth: usize,
        mut member: impl FnMut(Cow<'a, str>, &'a str, &'a str) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        let inner = deeper(depth)?;
        self.take(b'{', "an object")?;
        self.space();
        if self.peek() == Some(b'}') {
            self.step();
            return Ok(());
        }
        loop {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return self.expected("a member's name");
            }
            self.string()?;
            let raw = self.since(start);
            self.space();
            self.take(b':', "`:`")?;
            self.space();
            let value = self.value(inner)?;
            // Decoded even where nobody looks: half a character is refused as a name anywhere.
            member(string(raw).ok_or(Flaw::Name { at: start })?, value, self.since(start))?;
            self.space();
            if self.peek() == Some(b'}') {
                self.step();
                return Ok(());
            }
            self.take(b',', "`,` or `}`")?;
            self.space();
        }
    }

    fn array(&mut self, depth: usize, mut item: impl FnMut(&'a str)) -> Result<(), Flaw> {
        let inner = deeper(depth)?;
        self.take(b'[', "an array")?;
        self.space();
        if self.peek() == Some(b']') {
            self.step();
            return Ok(());
        }
        loop {
            item(self.value(inner)?);
            self.space();
            if self.peek() == Some(b']') {
                self.step();
                return Ok(());
            }
            self.take(b',', "`,` or `]`")?;
            self.space();
        }
    }

    fn string(&mut self) -> Result<(), Flaw> {
        self.step();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.step();
                    return Ok(());
                }
                Some(b'\\') => {
                    self.step();
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.step(),
                        Some(b'u') => {
                            self.step();
                            for _ in 0..4 {
                                if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                                    return self.expected("four hex digits");
                                }
                                self.step();
                            }
                        }
                        _ => return self.expected("an escape that JSON has"),
                    }
                }
                Some(0..0x20) => return self.expected("no control character in a string"),
                Some(_) => {
                    let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
                    let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
                    self.at = self.at.saturating_add(plain.unwrap_or(rest.len()));
                }
                None => return self.expected("the end of a string"),
            }
        }
    }

    fn number(&mut self) -> Result<(), Flaw> {
        if self.peek() == Some(b'-') {
            self.step();
        }
        match self.peek() {
            Some(b'0') => self.step(),
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.expected("a digit"),
        }
        if self.peek() == Some(b'.') {
            self.step();
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.step();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.step();
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), Flaw> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.expected("a digit");
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.step();
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), Flaw> {
        for byte in word.bytes() {
            self.take(byte, "`true`, `false` or `null`")?;
        }
        Ok(())
    }
}

fn deeper(depth: usize) -> Result<usize, Flaw> {
    if depth >= MAX_DEPTH { Err(Flaw::Depth) } else { Ok(depth.saturating_add(1)) }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
