//! The JSON-RPC envelope of one message, over the bytes as they came.
//!
//! It knows the members that say what a message is and leaves everything else alone: unknown
//! members, number forms, escapes and ids pass as written. What it refuses is what two readers
//! could take for different messages: a member that stands twice, one whose name only looks
//! like one that matters (another case, a compatible character, a NUL), text that is not
//! UTF-8 or not JSON, and nesting without end.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::json::{self, Flaw, Member};

/// Longest message, unless a caller sets another bound.
pub const MAX_BYTES: usize = 16 << 20;
/// Most messages in one batch.
pub const MAX_BATCH: usize = 256;

/// Names that decide what a message is, at its top and in its `params`. Nothing that another
/// reader might fold onto one of them is let through.
pub(super) const WEIGHTY: [&str; 18] = [
    "jsonrpc",
    "id",
    "method",
    "params",
    "result",
    "error",
    "name",
    "arguments",
    "_meta",
    "uri",
    "ref",
    "argument",
    "context",
    "task",
    "taskId",
    "notifications",
    "inputResponses",
    "requestState",
];

/// One message. What it was parsed from is its [`Message::text`].
#[derive(Debug, Clone)]
pub enum Message<'a> {
    /// It has a method and an id.
    Request(Request<'a>),
    /// It has a method and no id.
    Notification(Notification<'a>),
    /// It has a result or an error.
    Response(Response<'a>),
    /// Several of the others in an array. Revision 2025-03-26 alone has this, and says that
    /// one has to receive it (Base Protocol, Batching). Whoever takes it has to look at each.
    Batch(Batch<'a>),
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// As written.
    pub text: &'a str,
    /// Its id.
    pub id: Id<'a>,
    /// Its method, decoded.
    pub method: Cow<'a, str>,
    /// Its parameters.
    pub params: Params<'a>,
}

/// A notification.
#[derive(Debug, Clone)]
pub struct Notification<'a> {
    /// As written.
    pub text: &'a str,
    /// Its method, decoded.
    pub method: Cow<'a, str>,
    /// Its parameters.
    pub params: Params<'a>,
}

/// A response.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    /// As written.
    pub text: &'a str,
    /// The id of the request it answers; an error may have none, when the request was not
    /// understood.
    pub id: Option<Id<'a>>,
    /// What it answers.
    pub answer: Answer<'a>,
}

/// What a response says. JSON as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// `result`
    Result(&'a str),
    /// `error`
    Error(&'a str),
}

/// A batch.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    /// As written.
    pub text: &'a str,
    /// Its messages, of which none is a batch; there is at least one.
    pub messages: Vec<Message<'a>>,
}

/// The parameters of a request or notification.
#[derive(Debug, Clone)]
pub enum Params<'a> {
    /// There are none, or they are `null`.
    Absent,
    /// An object.
    Object(Object<'a>),
}

impl<'a> Params<'a> {
    /// The object as written.
    pub fn text(&self) -> Option<&'a str> {
        match self {
            Params::Absent => None,
            Params::Object(object) => Some(object.text),
        }
    }

    /// One member's value, as written.
    pub fn member(&self, name: &str) -> Option<&'a str> {
        match self {
            Params::Absent => None,
            Params::Object(object) => object.member(name),
        }
    }
}

/// A JSON object whose members have been looked at: none stands twice, none is disguised.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    text: &'a str,
    members: Vec<Member<'a>>,
}

impl<'a> Object<'a> {
    /// Takes one apart.
    ///
    /// # Errors
    /// It is no object, a member stands twice, or a name is disguised as one of `weighty`.
    pub fn parse(text: &'a str, weighty: &[&'static str]) -> Result<Self, Refused> {
        let members = json::members(text).map_err(Why::from)?;
        for member in &members {
            if let Some(like) = disguised(&member.name, weighty) {
                return Err(Why::Disguised { name: member.name.chars().take(80).collect(), like }.into());
            }
        }
        Ok(Object { text, members })
    }

    /// The result of a response, where it is an object that every reader reads alike.
    pub fn of_result(response: &Response<'a>) -> Option<Self> {
        match response.answer {
            Answer::Result(result) => Object::parse(result, &[]).ok(),
            Answer::Error(_) => None,
        }
    }

    /// As written.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// One member's value, as written.
    pub fn member(&self, name: &str) -> Option<&'a str> {
        self.members.iter().find(|member| member.name == name).map(|member| member.value)
    }

    /// With some members put in place of others of that name or at the end, or left out. All else as
    /// written.
    pub(super) fn edited(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut text = String::with_capacity(self.text.len().saturating_add(128));
        let mut put = |name: &str, value: &str| {
            text.push(if text.is_empty() { '{' } else { ',' });
            text.push_str(&serde_json::Value::from(name).to_string());
            text.push(':');
            text.push_str(value);
        };
        for member in &self.members {
            match changes.iter().find(|(name, _)| *name == member.name) {
                Some((_, None)) => {}
                Some((name, Some(value))) => put(name, value),
                None => put(&member.name, member.value),
            }
        }
        for (name, value) in changes {
            if let (Some(value), None) = (value, self.member(name)) {
                put(name, value);
            }
        }
        if text.is_empty() {
            text.push('{');
        }
        text.push('}');
        text
    }

    /// Every member in the order written, as it stands in the text.
    pub(super) fn raw_members(&self) -> &[Member<'a>] {
        &self.members
    }

    /// Every member in the order written: its name, decoded, and its value as written.
    pub fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.members.iter().map(|member| (&*member.name, member.value))
    }
}

/// A caller's `_meta` without its progress token: progress of a request of ours is not the caller's.
pub(super) fn without_progress(meta: &str) -> Option<String> {
    Some(Object::parse(meta, &[]).ok()?.edited(&[("progressToken", None)]))
}

/// The id of a request: a string or a finite number, as written. `1`, `1.0` and `1e0` are one id to
/// some readers, and so are `"a"` and `"\u0061"`: [`Id::key`] is one for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id<'a>(&'a str);

impl<'a> Id<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        match json::kind(text)? {
            b'"' => json::string(text).map(|_| Id(text)),
            // Beyond what a double holds, some readers see infinity, some the digits, some no JSON.
            b'-' | b'0'..=b'9' => text.parse().is_ok_and(f64::is_finite).then_some(Id(text)),
            _ => None,
        }
    }

    /// As written.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// What to look requests up by. Two that are open at once must differ in it.
    pub fn key(self) -> IdKey {
        if let Some(text) = json::string(self.0) {
            return IdKey(Key::Text(text.into()));
        }
        if let Ok(number) = self.0.parse() {
            return IdKey(Key::Integer(number));
        }
        // Digits beyond what a double holds are cut off by the readers that this is for.
        let number = self.0.parse().unwrap_or(f64::NAN);
        let integer = number as i128;
        if integer as f64 == number {
            IdKey(Key::Integer(integer))
        } else {
            IdKey(Key::Double(number.to_bits()))
        }
    }
}

/// An id to look up by, however it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdKey(Key);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Text(Box<str>),
    Integer(i128),
    Double(u64),
}

impl<'a> Message<'a> {
    /// As it was written, byte for byte.
    pub fn text(&self) -> &'a str {
        match self {
            Message::Request(request) => request.text,
            Message::Notification(notification) => notification.text,
            Message::Response(response) => response.text,
            Message::Batch(batch) => batch.text,
        }
    }
}

/// Parses one line or body.
///
/// # Errors
/// See [`Why`].
pub fn parse(bytes: &[u8]) -> Result<Message<'_>, Refused> {
    if bytes.len() > MAX_BYTES {
        return Err(Why::TooLong { bound: MAX_BYTES }.into());
    }
    let text = str::from_utf8(bytes).map_err(|error| Why::NotUtf8 { at: error.valid_up_to() })?;
    if text.starts_with('\u{feff}') {
        return Err(Why::ByteOrderMark.into());
    }
    if json::kind(text) != Some(b'[') {
        return message(text);
    }
    let items = json::items(text).map_err(Why::from)?;
    if items.is_empty() || items.len() > MAX_BATCH {
        return Err(Why::NotJsonRpc { why: "a batch holds between 1 and 256 messages" }.into());
    }
    let messages = items.into_iter().map(message).collect::<Result<_, _>>()?;
    Ok(Message::Batch(Batch { text, messages }))
}

fn message(text: &str) -> Result<Message<'_>, Refused> {
    let top = Object::parse(text, &WEIGHTY)?;
    let id = top.member("id");
    interpret(text, &top)
        .map_err(|why| Refused { why, id: id.and_then(Id::parse).map(|id| id.text().into()) })
}

fn interpret<'a>(text: &'a str, top: &Object<'a>) -> Result<Message<'a>, Why> {
    let not = |why| Why::NotJsonRpc { why };
    if top.member("jsonrpc").and_then(json::string).as_deref() != Some("2.0") {
        return Err(not("`jsonrpc` must be \"2.0\""));
    }
    let id = top.member("id");
    let Some(method) = top.member("method") else {
        let answer = match (top.member("result"), top.member("error")) {
            (Some(result), None) => Answer::Result(result),
            (None, Some(error)) => Answer::Error(error),
            (Some(_), Some(_)) => return Err(not("it has both `result` and `error`")),
            (None, None) => return Err(not("it has neither `method` nor `result` nor `error`")),
        };
        let id = match id {
            None | Some("null") => None,
            Some(id) => Some(Id::parse(id).ok_or(not("`id` must be a string or a finite number"))?),
        };
        if id.is_none() && matches!(answer, Answer::Result(_)) {
            return Err(not("a result has no `id`"));
        }
        return Ok(Message::Response(Response { text, id, answer }));
    };
    if top.member("result").is_some() || top.member("error").is_some() {
        return Err(not("it has a `method` and a `result` or `error`"));
    }
    let method = json::string(method).ok_or(not("`method` must be a string"))?;
    let params = match top.member("params") {
        None | Some("null") => Params::Absent,
        Some(params) if json::kind(params) == Some(b'{') => {
            Params::Object(Object::parse(params, &WEIGHTY).map_err(|refused| refused.why)?)
        }
        Some(_) => return Err(not("`params` must be an object")),
    };
    Ok(match id {
        None => Message::Notification(Notification { text, method, params }),
        // `null` is a request to some readers and a notification to others.
        Some(id) => {
            let id = Id::parse(id).ok_or(not("`id` must be a string or a finite number"))?;
            Message::Request(Request { text, id, method, params })
        }
    })
}

/// A message that is not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message is refused: {why}")]
pub struct Refused {
    /// What is wrong with it.
    pub why: Why,
    /// Its id as written, where it has one that an answer can be addressed to.
    pub id: Option<Box<str>>,
}

impl From<Why> for Refused {
    fn from(why: Why) -> Self {
        Refused { why, id: None }
    }
}

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Longer than the bound.
    #[error("it is longer than {bound} bytes")]
    TooLong {
        /// The bound.
        bound: usize,
    },
    /// A carriage return inside a line, which some readers take for its end.
    #[error("it holds a carriage return, which some readers take for the end of a line")]
    CarriageReturn,
    /// It begins with a byte order mark (RFC 8259, section 8.1).
    #[error("it begins with a byte order mark")]
    ByteOrderMark,
    /// Not UTF-8.
    #[error("it is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Where.
        at: usize,
    },
    /// Not JSON.
    #[error("it is not JSON: expected {expected} at byte {at}")]
    NotJson {
        /// What should stand there.
        expected: &'static str,
        /// Where.
        at: usize,
    },
    /// Nested too deeply.
    #[error("it is nested deeper than {} levels", json::MAX_DEPTH)]
    TooDeep,
    /// A member stands twice: readers differ in which one they take.
    #[error("member `{name}` stands twice")]
    Twice {
        /// Its name.
        name: String,
    },
    /// A member's name is one that matters to some readers and not to others.
    #[error("member `{name}` could be read as `{like}`")]
    Disguised {
        /// Its name.
        name: String,
        /// What it could be taken for.
        like: &'static str,
    },
    /// No JSON-RPC 2.0 message.
    #[error("it is no JSON-RPC 2.0 message: {why}")]
    NotJsonRpc {
        /// What is missing or too much.
        why: &'static str,
    },
}

impl Why {
    /// The JSON-RPC error code for it (JSON-RPC 2.0, section 5.1): -32700 for what is no JSON,
    /// -32600 for what is no request.
    pub fn code(&self) -> i32 {
        match self {
            Why::TooLong { .. }
            | Why::CarriageReturn
            | Why::ByteOrderMark
            | Why::NotUtf8 { .. }
            | Why::NotJson { .. }
            | Why::TooDeep => -32700,
            Why::Twice { .. } | Why::Disguised { .. } | Why::NotJsonRpc { .. } => -32600,
        }
    }
}

impl From<Flaw> for Why {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Grammar { expected, at } => Why::NotJson { expected, at },
            Flaw::Depth => Why::TooDeep,
            Flaw::Twice { name } => Why::Twice { name },
            Flaw::Name { at } => Why::NotJson { expected: "a name of whole characters", at },
        }
    }
}

/// What `name` could be taken for by a reader that ignores case, normalises, drops what
/// cannot be seen, or ends a string at a NUL; none where it is itself.
fn disguised(name: &str, weighty: &[&'static str]) -> Option<&'static str> {
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        let like = weighty.iter().find(|like| like.eq_ignore_ascii_case(name))?;
        return (*like != name).then_some(like);
    }
    let before_nul = name.split('\0').next().unwrap_or_default();
    let seen = fold(name);
    let cut = fold(before_nul);
    weighty.iter().find(|like| like.eq_ignore_ascii_case(&seen) || like.eq_ignore_ascii_case(&cut)).copied()
}

/// Compatibility composed, in one case, without what cannot be seen. Upper case first: a
/// dotless `ı` is an `I` then, as it is to a reader that compares upper-cased.
fn fold(name: &str) -> String {
    name.nfkc()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkc()
        .filter(|c| !c.is_control() && !c.is_whitespace() && !is_unseen(*c) && !is_mark(*c))
        .collect()
}

/// Characters that most renderings leave out (Unicode's Default_Ignorable_Code_Point, the
/// ranges that matter).
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The combining dot that lower-casing `İ` leaves.
fn is_mark(c: char) -> bool {
    c == '\u{307}'
}
