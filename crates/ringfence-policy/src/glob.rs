//! Globs over bytes that consist of parts. `*` stays within one part (within one label, in
//! hosts), `**` crosses. A literal separator is a byte that no part can contain, so a separator
//! that was encoded in a part is an ordinary byte here and never separates.
//!
//! Matching keeps the set of positions that are still possible and walks the input once: its cost
//! is at most the product of both lengths, whatever the pattern.

use smallvec::{SmallVec, smallvec};

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// Exactly this byte.
    Byte(u8),
    /// `*` in a host: any run without separator, `.` or `:`.
    Label,
    /// `*` elsewhere: any run without separator.
    Part,
    /// `**`: any run at all.
    Any,
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    separator: u8,
    /// What every match begins with.
    prefix: Box<[u8]>,
    /// What follows the prefix: empty, or beginning with a wildcard.
    rest: Box<[Token]>,
}

impl Glob {
    pub(crate) fn new(separator: u8, tokens: &[Token]) -> Self {
        let literal = tokens.iter().take_while(|token| matches!(token, Token::Byte(_))).count();
        let (prefix, rest) = tokens.split_at(literal);
        let prefix = prefix
            .iter()
            .filter_map(|token| match token {
                Token::Byte(byte) => Some(*byte),
                Token::Label | Token::Part | Token::Any => None,
            })
            .collect();
        Glob { separator, prefix, rest: rest.into() }
    }

    /// What every match begins with.
    pub(crate) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Whether only its prefix itself matches.
    pub(crate) fn is_literal(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether it matches everything.
    pub(crate) fn is_universal(&self) -> bool {
        self.prefix.is_empty() && matches!(&*self.rest, [Token::Any])
    }

    #[inline]
    pub(crate) fn matches(&self, input: &[u8]) -> bool {
        let Some(rest) = input.strip_prefix(&*self.prefix) else { return false };
        match &*self.rest {
            [] => rest.is_empty(),
            [Token::Any] => true,
            [Token::Part] => !rest.contains(&self.separator),
            [Token::Label] => rest.iter().all(|byte| self.in_label(*byte)),
            tokens => self.walk(tokens, rest),
        }
    }

    fn in_label(&self, byte: u8) -> bool {
        byte != self.separator && byte != b'.' && byte != b':'
    }

    fn walk(&self, tokens: &[Token], input: &[u8]) -> bool {
        let mut now = States::at_start(tokens);
        let mut next = States::none(tokens);
        for byte in input {
            next.clear();
            now.each(|at| match tokens.get(at) {
                Some(Token::Byte(literal)) if literal == byte => next.add(tokens, at + 1),
                Some(Token::Label) if self.in_label(*byte) => next.add(tokens, at),
                Some(Token::Part) if *byte != self.separator => next.add(tokens, at),
                Some(Token::Any) => next.add(tokens, at),
                Some(Token::Byte(_) | Token::Label | Token::Part) | None => {}
            });
            if next.is_empty() {
                return false;
            }
            std::mem::swap(&mut now, &mut next);
        }
        now.contains(tokens.len())
    }

    /// Whether everything that `other` matches is certain to be matched by this one. May say no
    /// where the answer is yes, never the other way round.
    pub(crate) fn covers(&self, other: &Glob) -> bool {
        let mine = self.tokens();
        let mut now = States::at_start(&mine);
        for token in other.tokens() {
            let mut next = States::none(&mine);
            now.each(|at| {
                let Some(own) = mine.get(at) else { return };
                match (token, own) {
                    (Token::Byte(byte), Token::Byte(literal)) if byte == *literal => next.add(&mine, at + 1),
                    (Token::Byte(byte), Token::Label) if self.in_label(byte) => next.add(&mine, at),
                    (Token::Byte(byte), Token::Part) if byte != self.separator => next.add(&mine, at),
                    (Token::Label, Token::Label | Token::Part)
                    | (Token::Part, Token::Part)
                    | (_, Token::Any) => next.add(&mine, at),
                    (Token::Byte(_) | Token::Label | Token::Part | Token::Any, _) => {}
                }
            });
            now = next;
        }
        now.contains(mine.len())
    }

    fn tokens(&self) -> Vec<Token> {
        self.prefix.iter().map(|byte| Token::Byte(*byte)).chain(self.rest.iter().copied()).collect()
    }
}

/// The positions in a pattern that are still possible, one bit each.
struct States {
    words: SmallVec<[u64; 4]>,
}

impl States {
    fn none(tokens: &[Token]) -> Self {
        States { words: smallvec![0; tokens.len() / 64 + 1] }
    }

    fn at_start(tokens: &[Token]) -> Self {
        let mut states = States::none(tokens);
        states.add(tokens, 0);
        states
    }

    /// Adds a position, and those that follow it by wildcards that match nothing.
    fn add(&mut self, tokens: &[Token], at: usize) {
        let mut at = at;
        loop {
            if let Some(word) = self.words.get_mut(at / 64) {
                *word |= 1 << (at % 64);
            }
            match tokens.get(at) {
                Some(Token::Label | Token::Part | Token::Any) => at += 1,
                Some(Token::Byte(_)) | None => return,
            }
        }
    }

    fn contains(&self, at: usize) -> bool {
        self.words.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    fn clear(&mut self) {
        self.words.fill(0);
    }

    fn each(&self, mut visit: impl FnMut(usize)) {
        for (index, word) in self.words.iter().enumerate() {
            let mut bits = *word;
            while bits != 0 {
                visit(index * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }
}
