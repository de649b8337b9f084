//! A Rust file taken apart into code and comments, each as long as the file, so that a rule can
//! look at one without being fooled by the other. Not a parser: it knows where comments, strings
//! and character literals begin and end, nothing else.

/// Two views of one file, in which every character of the other kind is a space (line breaks stay).
#[derive(Debug, Clone)]
pub struct RustText {
    /// The text as it stands.
    pub all: Vec<char>,
    /// Code; what is inside quotes is blank.
    pub code: Vec<char>,
    /// Comments, their slashes included.
    pub comments: Vec<char>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Quoted,
}

impl RustText {
    /// Takes a file apart. Total: a literal that is never closed reaches to the end.
    pub fn parse(text: &str) -> RustText {
        let all: Vec<char> = text.chars().collect();
        let kinds = kinds(&all);
        let view = |wanted: Kind| {
            all.iter()
                .zip(&kinds)
                .map(|(c, kind)| if *kind == wanted || *c == '\n' { *c } else { ' ' })
                .collect()
        };
        RustText { code: view(Kind::Code), comments: view(Kind::Comment), all }
    }

    /// The line of a position, counted from 1.
    pub fn line_of(&self, position: usize) -> usize {
        1 + self.all.iter().take(position).filter(|c| **c == '\n').count()
    }

    /// Positions in code where `word` stands as a whole word; a word may hold any characters,
    /// and only its ends are held against identifiers.
    pub fn find_code(&self, word: &str) -> Vec<usize> {
        find(&self.code, word)
    }

    /// For each line (counted from 0), whether it lies within a `#[cfg(test)]` item with a body.
    pub fn test_lines(&self) -> Vec<bool> {
        let mut lines = vec![false; 1 + self.all.iter().filter(|c| **c == '\n').count()];
        for start in find(&self.code, "#[cfg(test)]") {
            let Some(open) = position_from(&self.code, start, |c| c == '{' || c == ';') else { continue };
            let end = if self.code.get(open) == Some(&'{') { matching(&self.code, open) } else { open };
            for line in self.line_of(start)..=self.line_of(end) {
                if let Some(flag) = lines.get_mut(line - 1) {
                    *flag = true;
                }
            }
        }
        lines
    }
}

/// Positions of `word` in `text` whose neighbours do not make it part of a longer identifier.
pub fn find(text: &[char], word: &str) -> Vec<usize> {
    let word: Vec<char> = word.chars().collect();
    let identifier = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || *c == '_');
    let starts_word = identifier(word.first());
    let ends_word = identifier(word.last());
    text.windows(word.len().max(1))
        .enumerate()
        .filter(|(_, window)| *window == word)
        .map(|(at, _)| at)
        .filter(|at| !(starts_word && at.checked_sub(1).is_some_and(|before| identifier(text.get(before)))))
        .filter(|at| !(ends_word && identifier(text.get(at + word.len()))))
        .collect()
}

/// The first position at or after `from` whose character satisfies `wanted`.
pub fn position_from(text: &[char], from: usize, wanted: impl Fn(char) -> bool) -> Option<usize> {
    text.iter().enumerate().skip(from).find(|(_, c)| wanted(**c)).map(|(at, _)| at)
}

/// The position of the bracket that closes the one at `open`, or the last position.
pub fn matching(text: &[char], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, c) in text.iter().enumerate().skip(open) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    text.len().saturating_sub(1)
}

fn kinds(all: &[char]) -> Vec<Kind> {
    let mut kinds = vec![Kind::Code; all.len()];
    let mut at = 0;
    while let Some(c) = all.get(at) {
        let (kind, end) = match (c, all.get(at + 1)) {
            ('/', Some('/')) => (Kind::Comment, position_from(all, at, |c| c == '\n').unwrap_or(all.len())),
            ('/', Some('*')) => (Kind::Comment, block_comment_end(all, at)),
            ('"', _) => (Kind::Quoted, string_end(all, at)),
            ('\'', _) => match character_end(all, at) {
                Some(end) => (Kind::Quoted, end),
                None => (Kind::Code, at + 1),
            },
            ('r', _) if !continues_identifier(all, at) => match raw_string_end(all, at) {
                Some(end) => (Kind::Quoted, end),
                None => (Kind::Code, at + 1),
            },
            _ => (Kind::Code, at + 1),
        };
        for slot in kinds.iter_mut().take(end).skip(at) {
            *slot = kind;
        }
        at = end.max(at + 1);
    }
    kinds
}

/// Whether the character before `at` makes an `r` there the middle of a name rather than the
/// start of a raw string (`br"` and `cr"` are starts too).
fn continues_identifier(all: &[char], at: usize) -> bool {
    let before = |n: usize| at.checked_sub(n).and_then(|at| all.get(at));
    let identifier = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || *c == '_');
    match before(1) {
        Some('b' | 'c') => identifier(before(2)),
        other => identifier(other),
    }
}

fn block_comment_end(all: &[char], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    while at < all.len() {
        match (all.get(at), all.get(at + 1)) {
            (Some('/'), Some('*')) => {
                depth += 1;
                at += 2;
            }
            (Some('*'), Some('/')) => {
                depth = depth.saturating_sub(1);
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    all.len()
}

fn string_end(all: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(c) = all.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    all.len()
}

/// The end of a character literal, or none where the quote begins a lifetime.
fn character_end(all: &[char], start: usize) -> Option<usize> {
    match (all.get(start + 1)?, all.get(start + 2)?) {
        ('\\', _) => position_from(all, start + 3, |c| c == '\'').map(|at| at + 1),
        (_, '\'') => Some(start + 3),
        _ => None,
    }
}

fn raw_string_end(all: &[char], start: usize) -> Option<usize> {
    let quote = position_from(all, start + 1, |c| c != '#')?;
    if all.get(quote) != Some(&'"') {
        return None;
    }
    let hashes = quote - start - 1;
    let mut at = quote + 1;
    loop {
        let close = position_from(all, at, |c| c == '"')?;
        if all.iter().skip(close + 1).take(hashes).filter(|c| **c == '#').count() == hashes {
            return Some(close + 1 + hashes);
        }
        at = close + 1;
    }
}
