//! The globs that documents write: over agents (`subjects`) and over resources (`resources`).

use ringfence_model::{ActionKind, ResourceKind};

use crate::diagnostic::Complaint;
use crate::glob::{Glob, Token};
use crate::target::{PART, SEGMENT, has_labels, host, is_web};

/// A pattern over the identifiers of agents.
#[derive(Debug, Clone)]
pub(crate) struct AgentPattern {
    pub(crate) text: Box<str>,
    pub(crate) glob: Glob,
}

/// A pattern over resources.
#[derive(Debug, Clone)]
pub(crate) struct ResourcePattern {
    pub(crate) text: Box<str>,
    /// Absent: any kind.
    pub(crate) kind: Option<ResourceKind>,
    pub(crate) glob: Glob,
    /// How many bytes of the glob's prefix are the authority, where all of it is literal.
    pub(crate) authority: Option<usize>,
    /// What comes after the authority, where the authority stays within itself.
    pub(crate) name: NameShape,
    reach: Reach,
}

/// What is certain about the name (with its leading separator) of whatever matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NameShape {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
}

/// What of an authority is reached: it as a whole, things in it, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Whole,
    Named,
    Both,
}

const MAX_PATTERN_BYTES: usize = 1024;

impl AgentPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        check_length(text)?;
        let any = || Glob::new(SEGMENT, &[Token::Any]);
        if text == "**" {
            return Ok(AgentPattern { text: text.into(), glob: any() });
        }
        let Some(rest) = text.strip_prefix("spiffe://") else {
            let complaint = Complaint::new("a subject is a SPIFFE ID or a glob over them");
            return Err(complaint.help(if text == "*" {
                "write `**` for every agent"
            } else {
                "it begins with `spiffe://`, such as `spiffe://acme.example/agent/*`"
            }));
        };
        let (domain, path) = match rest.split_once('/') {
            Some((domain, path)) => (domain, Some(path)),
            None => (rest, None),
        };
        if domain.is_empty() {
            return Err(Complaint::new("the subject's trust domain is empty"));
        }
        if !domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_*".contains(&b)) {
            return Err(Complaint::new(
                "a trust domain holds only a-z, 0-9, `.`, `-` and `_`, so this subject matches no agent",
            ));
        }
        let mut tokens = authority_stars(domain, Token::Label, path)?;
        match path {
            Some(path) => {
                for segment in path.split('/') {
                    if segment.is_empty() {
                        return Err(Complaint::new(
                            "the subject has an empty segment, so it matches no agent",
                        ));
                    }
                    if segment == "." || segment == ".." {
                        return Err(Complaint::new("the subject has a dot segment, so it matches no agent"));
                    }
                    if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_*".contains(&b)) {
                        return Err(Complaint::new(
                            "a SPIFFE ID's path holds only letters, digits, `.`, `-` and `_`, so this subject matches no agent",
                        ));
                    }
                    tokens.push(Token::Byte(SEGMENT));
                    tokens.extend(stars(segment, Token::Part)?);
                }
            }
            None if tokens.last() == Some(&Token::Any) => {}
            None => {
                return Err(Complaint::new("the subject has no path, so it matches no agent")
                    .help(format!("write `{text}/**` for every agent of the trust domain")));
            }
        }
        Ok(AgentPattern { text: text.into(), glob: Glob::new(SEGMENT, &tokens) })
    }
}

impl ResourcePattern {
    pub(crate) fn any() -> Self {
        ResourcePattern {
            text: "**".into(),
            kind: None,
            glob: Glob::new(PART, &[Token::Any]),
            authority: None,
            name: NameShape::Prefix(Box::default()),
            reach: Reach::Both,
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        check_length(text)?;
        if text == "**" {
            return Ok(ResourcePattern::any());
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let complaint = Complaint::new("a resource is a URI or a glob over them");
            return Err(complaint.help(if text == "*" {
                "write `**` for every resource"
            } else {
                "it begins with its kind, such as `mcp://` or `file://`"
            }));
        };
        let Some(kind) = ResourceKind::ALL.into_iter().find(|kind| kind.as_str() == scheme) else {
            let kinds = ResourceKind::ALL.map(ResourceKind::as_str);
            let complaint = Complaint::new(format!("`{scheme}` is no kind of resource"))
                .help(format!("the kinds are {}", kinds.join(", ")));
            return Err(complaint.suggest(scheme, kinds));
        };
        if rest.contains(['?', '#']) {
            return Err(Complaint::new(
                "queries and fragments are no part of a resource, so this never matches",
            )
            .help("leave out what begins with `?` or `#`; a `?` in a name is written `%3F`"));
        }
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (rest, None),
        };
        Parts { text, kind, authority, path }.compile()
    }

    /// Whether an action of this kind can have a resource that matches.
    pub(crate) fn can_serve(&self, action: ActionKind) -> bool {
        let (kinds, reach) = target_of(action);
        self.kind.is_none_or(|kind| kinds.contains(&kind))
            && (self.kind != Some(ResourceKind::Mcp) || self.reach == Reach::Both || self.reach == reach)
    }

    /// Whether everything that `other` matches is certain to be matched by this one.
    pub(crate) fn covers(&self, other: &ResourcePattern) -> bool {
        (self.kind.is_none() || self.kind == other.kind) && self.glob.covers(&other.glob)
    }
}

/// The kinds of resource that an action can have, and whether it names something in a server.
fn target_of(action: ActionKind) -> (&'static [ResourceKind], Reach) {
    match action {
        ActionKind::ToolCall | ActionKind::ResourceRead | ActionKind::PromptGet => {
            (&[ResourceKind::Mcp], Reach::Named)
        }
        ActionKind::ToolList | ActionKind::ResourceList | ActionKind::PromptList | ActionKind::UserAsk => {
            (&[ResourceKind::Mcp], Reach::Whole)
        }
        ActionKind::ModelCall => (&[ResourceKind::Model], Reach::Named),
        ActionKind::HttpRequest => (&[ResourceKind::Http, ResourceKind::Https], Reach::Named),
        ActionKind::ProcessExec => (&[ResourceKind::Exec], Reach::Named),
        ActionKind::FileRead | ActionKind::FileWrite => (&[ResourceKind::File], Reach::Named),
        ActionKind::AgentMessage | ActionKind::AgentDelegate => (&[ResourceKind::Agent], Reach::Named),
        ActionKind::MemoryWrite => (&[ResourceKind::Memory], Reach::Named),
    }
}

/// How such a resource is written, for help texts.
pub(crate) fn example_of(action: ActionKind) -> &'static str {
    match action {
        ActionKind::ToolCall => "mcp://<server>/<tool>",
        ActionKind::ResourceRead => "mcp://<server>/<uri>",
        ActionKind::PromptGet => "mcp://<server>/<prompt>",
        ActionKind::ToolList | ActionKind::ResourceList | ActionKind::PromptList | ActionKind::UserAsk => {
            "mcp://<server>"
        }
        ActionKind::ModelCall => "model://<provider>/<model>",
        ActionKind::HttpRequest => "https://<host>/<path>",
        ActionKind::ProcessExec => "exec:///<absolute path>",
        ActionKind::FileRead | ActionKind::FileWrite => "file:///<absolute path>",
        ActionKind::AgentMessage | ActionKind::AgentDelegate => "agent://<trust domain>/<path>",
        ActionKind::MemoryWrite => "memory://<store>/<key>",
    }
}

/// A resource pattern taken apart, before its parts are decoded.
struct Parts<'a> {
    text: &'a str,
    kind: ResourceKind,
    authority: &'a str,
    path: Option<&'a str>,
}

impl Parts<'_> {
    fn compile(self) -> Result<ResourcePattern, Complaint> {
        let authority = self.authority_tokens()?;
        let open_ended = authority.contains(&Token::Any);
        let name = self.name_tokens(open_ended)?;
        let reach = match (open_ended, name.is_empty()) {
            (true, _) => Reach::Both,
            (false, true) => Reach::Whole,
            (false, false) => Reach::Named,
        };
        let literal = authority.iter().all(|token| matches!(token, Token::Byte(_)));
        let shape = Glob::new(PART, &name);
        let shape = match (open_ended, shape.is_literal()) {
            (true, _) => NameShape::Prefix(Box::default()),
            (false, true) => NameShape::Exact(shape.prefix().into()),
            (false, false) => NameShape::Prefix(shape.prefix().into()),
        };
        let authority_len = literal.then_some(authority.len());
        let tokens: Vec<Token> = authority.into_iter().chain(name).collect();
        Ok(ResourcePattern {
            text: self.text.into(),
            kind: Some(self.kind),
            glob: Glob::new(PART, &tokens),
            authority: authority_len,
            name: shape,
            reach,
        })
    }

    fn authority_tokens(&self) -> Result<Vec<Token>, Complaint> {
        let Parts { kind, authority, path, .. } = *self;
        if matches!(kind, ResourceKind::File | ResourceKind::Exec) {
            return match (authority, path) {
                ("", Some(_)) => Ok(Vec::new()),
                ("**", None) => Ok(vec![Token::Any]),
                _ => Err(Complaint::new("the path is not absolute")
                    .help(format!("it begins with a third slash: `{}:///…`", kind.as_str()))),
            };
        }
        if authority.is_empty() {
            return Err(Complaint::new("the resource's authority is empty, so this never matches"));
        }
        let star = if has_labels(kind) { Token::Label } else { Token::Part };
        if is_web(kind) {
            if authority.contains('@') {
                return Err(Complaint::new("a user before the host is refused, so this never matches"));
            }
            let lower = authority.to_ascii_lowercase();
            return authority_stars(&host(kind, &lower), star, path);
        }
        authority_stars(authority, star, path)
    }

    fn name_tokens(&self, open_ended: bool) -> Result<Vec<Token>, Complaint> {
        let Parts { text, kind, path, .. } = *self;
        let parts: Vec<&str> = match path {
            None | Some("") => Vec::new(),
            Some(path) => path.split('/').collect(),
        };
        if !kind.is_path() {
            if parts.len() > 1 {
                return Err(Complaint::new("the name is one segment here, so this never matches")
                    .help("a `/` in a name is written `%2F`"));
            }
            if path == Some("") {
                return Err(Complaint::new("the name after the `/` is empty, so this never matches")
                    .help(format!("write `{text}*` for every name")));
            }
        }
        let needs_name = matches!(kind, ResourceKind::Model | ResourceKind::Memory | ResourceKind::Agent);
        if parts.is_empty() && needs_name && !open_ended {
            return Err(Complaint::new("there is no name after the authority, so this never matches")
                .help(format!("write `{}/**` for all of it", text.trim_end_matches('/'))));
        }
        let mut tokens = Vec::new();
        for part in &parts {
            tokens.push(Token::Byte(PART));
            let part = stars(part, Token::Part)?;
            let dots: Vec<Token> = vec![Token::Byte(b'.'); part.len()];
            if (part.len() == 1 || part.len() == 2) && part == dots {
                return Err(Complaint::new("dot segments are refused, so this never matches"));
            }
            tokens.extend(part);
        }
        if parts.is_empty() && kind.is_path() && !open_ended {
            tokens.push(Token::Byte(PART));
        }
        Ok(tokens)
    }
}

fn check_length(text: &str) -> Result<(), Complaint> {
    if text.is_empty() {
        return Err(Complaint::new("the pattern is empty"));
    }
    if text.len() > MAX_PATTERN_BYTES {
        return Err(Complaint::new(format!("the pattern is longer than {MAX_PATTERN_BYTES} bytes")));
    }
    Ok(())
}

/// An authority as tokens. What it says of hosts must not be met by a path, so `**` crosses into
/// the name only where it ends the pattern; elsewhere it crosses labels.
fn authority_stars(authority: &str, star: Token, path: Option<&str>) -> Result<Vec<Token>, Complaint> {
    let mut tokens = stars(authority, star)?;
    let inner = tokens.len() - usize::from(path.is_none() && !tokens.is_empty());
    for token in tokens.iter_mut().take(inner).filter(|token| **token == Token::Any) {
        *token = Token::Part;
    }
    Ok(tokens)
}

/// One part as tokens: percent-decoded once, `*` and `**` as wildcards.
fn stars(part: &str, star: Token) -> Result<Vec<Token>, Complaint> {
    let mut tokens = Vec::with_capacity(part.len());
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'*' if rest.next_if_eq(&b'*').is_some() => {
                if rest.peek() == Some(&b'*') {
                    return Err(Complaint::new("three stars in a row mean nothing more than two")
                        .help("write `*` or `**`"));
                }
                tokens.push(Token::Any);
            }
            b'*' => tokens.push(star),
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(Complaint::new("a `%` is not followed by two hex digits")
                        .help("a `%` itself is written `%25`"));
                };
                let byte = u8::try_from(high * 16 + low).unwrap_or(b'%');
                bytes.push(byte);
                tokens.push(Token::Byte(byte));
            }
            byte => {
                bytes.push(byte);
                tokens.push(Token::Byte(byte));
            }
        }
    }
    if std::str::from_utf8(&bytes).is_err() {
        return Err(Complaint::new("the pattern does not decode to UTF-8, so it never matches"));
    }
    Ok(tokens)
}
