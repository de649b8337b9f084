//! Source text to tokens. White space and comments end here; so do escapes in literals.

use std::ops::Range;

use crate::Issue;
use crate::syntax::{Operator, Span, literal};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// An integer without its sign: whether it fits depends on the sign before it.
    Int(u64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    /// An identifier, or what stands between backquotes where a member is named.
    Ident(String),
    Quoted(String),
    /// A word that is kept from being an identifier.
    Reserved(&'static str),
    True,
    False,
    Null,
    Operator(Operator),
    And,
    Or,
    Not,
    Question,
    Colon,
    Comma,
    Dot,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    End,
}

const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// All tokens of `source`, the last one [`Token::End`]. The source is at most 16 KiB.
pub(super) fn tokens(source: &str) -> Result<Vec<(Token, Span)>, Issue> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        let token = lexer.token()?;
        let ended = token == Token::End;
        tokens.push((token, lexer.span(start)));
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&accept) {
            self.at += 1;
        }
    }

    fn text(&self, range: Range<usize>) -> &'s str {
        self.source.get(range).expect("invariant: tokens begin and end at ASCII characters")
    }

    fn span(&self, start: usize) -> Span {
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { start: narrow(start), end: narrow(self.at) }
    }

    fn skip_blank(&mut self) {
        loop {
            self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c));
            if self.peek(0) == Some(b'/') && self.peek(1) == Some(b'/') {
                self.take_while(|byte| byte != b'\n' && byte != b'\r');
            } else {
                return;
            }
        }
    }

    fn token(&mut self) -> Result<Token, Issue> {
        let Some(first) = self.peek(0) else { return Ok(Token::End) };
        match first {
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) => self.number(),
            b'"' | b'\'' => self.string(Prefix::default()),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'`' => self.quoted(),
            _ => self.punctuation(),
        }
    }

    fn punctuation(&mut self) -> Result<Token, Issue> {
        let two = |token| (token, 2);
        let one = |token| (token, 1);
        let (token, length) = match (self.peek(0), self.peek(1)) {
            (Some(b'='), Some(b'=')) => two(Token::Operator(Operator::Equal)),
            (Some(b'!'), Some(b'=')) => two(Token::Operator(Operator::NotEqual)),
            (Some(b'<'), Some(b'=')) => two(Token::Operator(Operator::LessEqual)),
            (Some(b'>'), Some(b'=')) => two(Token::Operator(Operator::GreaterEqual)),
            (Some(b'&'), Some(b'&')) => two(Token::And),
            (Some(b'|'), Some(b'|')) => two(Token::Or),
            (Some(b'<'), _) => one(Token::Operator(Operator::Less)),
            (Some(b'>'), _) => one(Token::Operator(Operator::Greater)),
            (Some(b'+'), _) => one(Token::Operator(Operator::Add)),
            (Some(b'-'), _) => one(Token::Operator(Operator::Subtract)),
            (Some(b'*'), _) => one(Token::Operator(Operator::Multiply)),
            (Some(b'/'), _) => one(Token::Operator(Operator::Divide)),
            (Some(b'%'), _) => one(Token::Operator(Operator::Remainder)),
            (Some(b'!'), _) => one(Token::Not),
            (Some(b'?'), _) => one(Token::Question),
            (Some(b':'), _) => one(Token::Colon),
            (Some(b','), _) => one(Token::Comma),
            (Some(b'.'), _) => one(Token::Dot),
            (Some(b'('), _) => one(Token::LeftParen),
            (Some(b')'), _) => one(Token::RightParen),
            (Some(b'['), _) => one(Token::LeftBracket),
            (Some(b']'), _) => one(Token::RightBracket),
            (Some(b'{'), _) => one(Token::LeftBrace),
            (Some(b'}'), _) => one(Token::RightBrace),
            _ => return Err(self.stray()),
        };
        self.at += length;
        Ok(token)
    }

    /// A character that begins nothing, with what was probably meant.
    fn stray(&self) -> Issue {
        let found = self.source.get(self.at..).and_then(|rest| rest.chars().next()).unwrap_or('\0');
        let help = match found {
            '=' => Some("equality is written `==`"),
            '&' => Some("`and` is written `&&`"),
            '|' => Some("`or` is written `||`"),
            '“' | '”' | '‘' | '’' => Some("text is written between \" or '"),
            _ => None,
        };
        Issue {
            span: self.at..self.at + found.len_utf8(),
            message: format!("unexpected character `{}`", found.escape_debug()),
            help: help.map(str::to_owned),
        }
    }

    fn word(&mut self) -> Result<Token, Issue> {
        let start = self.at;
        self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let word = self.text(start..self.at);
        if matches!(self.peek(0), Some(b'"' | b'\'')) {
            let prefix = match word {
                "r" | "R" => Some(Prefix { raw: true, bytes: false }),
                "b" | "B" => Some(Prefix { raw: false, bytes: true }),
                "br" | "bR" | "Br" | "BR" => Some(Prefix { raw: true, bytes: true }),
                _ => None,
            };
            if let Some(prefix) = prefix {
                return self.string(prefix);
            }
        }
        Ok(match word {
            "true" => Token::True,
            "false" => Token::False,
            "null" => Token::Null,
            "in" => Token::Operator(Operator::In),
            _ => match RESERVED.iter().find(|reserved| **reserved == word) {
                Some(reserved) => Token::Reserved(reserved),
                None => Token::Ident(word.to_owned()),
            },
        })
    }

    fn quoted(&mut self) -> Result<Token, Issue> {
        let start = self.at;
        self.at += 1;
        self.take_while(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/' | b' ')
        });
        let name = self.text(start + 1..self.at);
        if self.peek(0) != Some(b'`') || name.is_empty() {
            return Err(Issue {
                span: start..self.at,
                message:
                    "a quoted member is letters, digits, `_`, `.`, `-`, `/` and spaces between backquotes"
                        .to_owned(),
                help: Some("any other member is read as `record[\"its name\"]`".to_owned()),
            });
        }
        self.at += 1;
        Ok(Token::Quoted(name.to_owned()))
    }

    fn number(&mut self) -> Result<Token, Issue> {
        let start = self.at;
        let hexadecimal = self.peek(0) == Some(b'0')
            && matches!(self.peek(1), Some(b'x' | b'X'))
            && self.peek(2).is_some_and(|byte| byte.is_ascii_hexdigit());
        let mut double = false;
        if hexadecimal {
            self.at += 2;
            self.take_while(|byte| byte.is_ascii_hexdigit());
        } else {
            self.take_while(|byte| byte.is_ascii_digit());
            if self.peek(0) == Some(b'.') && self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) {
                double = true;
                self.at += 1;
                self.take_while(|byte| byte.is_ascii_digit());
            }
            double |= self.exponent();
        }
        let text = self.text(start..self.at);
        let unsigned = !double && matches!(self.peek(0), Some(b'u' | b'U'));
        self.at += usize::from(unsigned);
        if self.peek(0).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            return Err(self.bad_number(start, "is not a number"));
        }
        if double {
            return match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Token::Double(value)),
                _ => Err(self.bad_number(start, "is beyond what a double holds")),
            };
        }
        let parsed = match text.get(2..).filter(|_| hexadecimal) {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        match parsed {
            Ok(value) if unsigned => Ok(Token::Uint(value)),
            Ok(value) => Ok(Token::Int(value)),
            Err(_) => Err(self.bad_number(start, "is beyond what an integer of 64 bits holds")),
        }
    }

    fn exponent(&mut self) -> bool {
        if !matches!(self.peek(0), Some(b'e' | b'E')) {
            return false;
        }
        let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
        if !self.peek(1 + sign).is_some_and(|byte| byte.is_ascii_digit()) {
            return false;
        }
        self.at += 1 + sign;
        self.take_while(|byte| byte.is_ascii_digit());
        true
    }

    fn bad_number(&self, start: usize, why: &str) -> Issue {
        let text = self.text(start..self.at);
        let shown: String = text.chars().take(32).collect();
        let dots = if text.len() > 32 { "…" } else { "" };
        Issue { span: start..self.at, message: format!("`{shown}{dots}` {why}"), help: None }
    }

    fn string(&mut self, prefix: Prefix) -> Result<Token, Issue> {
        let open = self.at;
        let quote = self.peek(0).expect("invariant: the caller saw a quote");
        let triple = self.peek(1) == Some(quote) && self.peek(2) == Some(quote);
        self.at += if triple { 3 } else { 1 };
        let content = self.at;
        loop {
            match self.peek(0) {
                None => return Err(self.unterminated(open)),
                Some(b'\n' | b'\r') if !triple => return Err(self.unterminated(open)),
                Some(b'\\') if !prefix.raw => {
                    self.at += 1;
                    if self.peek(0).is_none() {
                        return Err(self.unterminated(open));
                    }
                    if triple || !matches!(self.peek(0), Some(b'\n' | b'\r')) {
                        self.at += 1;
                    }
                }
                Some(byte) if byte == quote => {
                    if !triple || (self.peek(1) == Some(quote) && self.peek(2) == Some(quote)) {
                        break;
                    }
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
        let text = self.source.get(content..self.at).ok_or_else(|| self.unterminated(open))?;
        self.at += if triple { 3 } else { 1 };
        match (prefix.raw, prefix.bytes) {
            (true, false) => Ok(Token::String(text.to_owned())),
            (true, true) => Ok(Token::Bytes(text.as_bytes().to_vec())),
            (false, false) => literal::text(text, content).map(Token::String),
            (false, true) => literal::bytes(text, content).map(Token::Bytes),
        }
    }

    fn unterminated(&self, start: usize) -> Issue {
        let mut end = self.at.min(self.source.len());
        while !self.source.is_char_boundary(end) {
            end += 1;
        }
        Issue { span: start..end, message: "a text begins here and does not end".to_owned(), help: None }
    }
}

#[derive(Clone, Copy, Default)]
struct Prefix {
    raw: bool,
    bytes: bool,
}
