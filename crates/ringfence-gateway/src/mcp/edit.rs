//! What a decision changes on the wire, and nothing else: tools left out of a list, and the
//! answers that stand in for what was denied. Every byte that is not meant stays as it was.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

use super::envelope::{self, Id, Object, Params, Refused, Why};
use super::json;

/// JSON-RPC error code of a denied method. In the range that MCP leaves to implementations
/// (-32000 to -32019).
pub const DENIED: i32 = -32010;

/// The tools of a `tools/list` result.
#[derive(Debug, Clone)]
pub struct ToolList<'a> {
    /// The message they stand in.
    message: &'a str,
    /// The list as written.
    list: &'a str,
    tools: Vec<Tool<'a>>,
}

/// One tool of a list.
#[derive(Debug, Clone)]
pub struct Tool<'a> {
    /// The whole object, as written: what is pinned.
    pub text: &'a str,
    /// Its name. None where it has no usable one (no object, no string, a member twice or in
    /// disguise) or shares it with another in the list: such a tool cannot be told from another
    /// and is left out.
    pub name: Option<Cow<'a, str>>,
    /// Its `inputSchema`, as written.
    pub input_schema: Option<&'a str>,
}

impl<'a> ToolList<'a> {
    /// Takes the `result` of the response `message`, of which it is a part, apart.
    ///
    /// # Errors
    /// A member stands twice or is in disguise, or `tools` is no array.
    pub fn parse(message: &'a str, result: &'a str) -> Result<Self, Refused> {
        let result = Object::parse(result, &["tools", "nextCursor", "_meta"])?;
        let list = result.member("tools").unwrap_or_default();
        let tools = json::items(list).map_err(|flaw| Refused::from(Why::from(flaw)))?;
        let mut tools: Vec<Tool<'a>> = tools.into_iter().map(tool).collect();
        let mut names: Vec<Cow<'a, str>> = tools.iter().filter_map(|tool| tool.name.clone()).collect();
        names.sort_unstable();
        let mut shared: Vec<Cow<'a, str>> = Vec::new();
        for pair in names.windows(2) {
            if let [one, other] = pair
                && one == other
            {
                shared.push(one.clone());
            }
        }
        for tool in &mut tools {
            if tool.name.as_ref().is_some_and(|name| shared.binary_search(name).is_ok()) {
                tool.name = None;
            }
        }
        Ok(ToolList { message, list, tools })
    }

    /// The tools, in the order of the list.
    pub fn tools(&self) -> &[Tool<'a>] {
        &self.tools
    }

    /// The message with only those tools that have a name and for which `keep` says yes. The
    /// message itself where that is all of them; else the list is written anew around tools
    /// that are as they were.
    pub fn keeping(&self, mut keep: impl FnMut(&Tool<'a>) -> bool) -> Cow<'a, str> {
        let kept: Vec<&str> = self
            .tools
            .iter()
            .filter(|tool| tool.name.is_some() && keep(tool))
            .map(|tool| tool.text)
            .collect();
        if kept.len() == self.tools.len() {
            return Cow::Borrowed(self.message);
        }
        let list = json::range_of(self.list, self.message)
            .expect("invariant: the result is a part of the message it was taken from");
        let (before, after) = (self.message.get(..list.start), self.message.get(list.end..));
        let list = format!("[{}]", kept.join(","));
        Cow::Owned([before.unwrap_or_default(), &list, after.unwrap_or_default()].concat())
    }
}

fn tool(text: &str) -> Tool<'_> {
    let object = Object::parse(text, &["name", "inputSchema", "description", "annotations"]).ok();
    let name = object.as_ref().and_then(|object| object.member("name")).and_then(json::string);
    Tool {
        text,
        name: name.filter(|name| !name.is_empty()),
        input_schema: object.and_then(|object| object.member("inputSchema")),
    }
}

/// Places in a text that are written anew; every byte elsewhere stays. They must not overlap, and
/// every part has to be one of the text.
#[derive(Debug)]
pub(super) struct Edits<'a> {
    text: &'a str,
    changes: Vec<(Range<usize>, String)>,
}

impl<'a> Edits<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Edits { text, changes: Vec::new() }
    }

    /// Writes something in the place of `part`.
    pub(super) fn put(&mut self, part: &str, with: impl Into<String>) {
        let range = self.range(part);
        self.changes.push((range, with.into()));
    }

    /// Writes something behind the first quotation mark of the string that `part` is: all that
    /// follows stays as it was written, escapes included.
    pub(super) fn put_in_front(&mut self, part: &str, text: &str) {
        let range = self.range(part);
        let at = range.start.saturating_add(1);
        self.changes.push((at..at, text.to_owned()));
    }

    /// Leaves a member out, and one comma beside it.
    pub(super) fn leave_out(&mut self, object: &Object<'a>, name: &str) {
        let members = object.raw_members();
        let Some(position) = members.iter().position(|member| member.name == name) else { return };
        let ranges: Vec<Range<usize>> = members.iter().map(|member| self.range(member.text)).collect();
        let before = position.checked_sub(1).and_then(|before| ranges.get(before));
        let after = ranges.get(position.saturating_add(1));
        let Some(member) = ranges.get(position) else { return };
        let range = match (before, after) {
            (Some(before), _) => before.end..member.end,
            (None, Some(after)) => member.start..after.start,
            (None, None) => member.clone(),
        };
        self.changes.push((range, String::new()));
    }

    /// The text with all of it.
    pub(super) fn done(mut self) -> Cow<'a, str> {
        if self.changes.is_empty() {
            return Cow::Borrowed(self.text);
        }
        self.changes.sort_by_key(|(range, _)| range.start);
        let grown: usize = self.changes.iter().map(|(_, with)| with.len()).sum();
        let mut edited = String::with_capacity(self.text.len().saturating_add(grown));
        let mut at = 0;
        for (range, with) in &self.changes {
            edited.push_str(self.text.get(at..range.start).unwrap_or_default());
            edited.push_str(with);
            at = range.end;
        }
        edited.push_str(self.text.get(at..).unwrap_or_default());
        Cow::Owned(edited)
    }

    fn range(&self, part: &str) -> Range<usize> {
        json::range_of(part, self.text).expect("invariant: what is edited is a part of the text")
    }
}

/// The task that a call made, where its result says so.
pub(super) fn task_of(result: &Object<'_>) -> Option<String> {
    let id = match result.member("task") {
        Some(task) => Object::parse(task, &[]).ok()?.member("taskId")?,
        None => result.member("taskId")?,
    };
    serde_json::from_str(id).ok()
}

/// Whether results name their type: from 2026-07-28 on they must
/// ([`is_stateless`](super::method::is_stateless) tells by the request).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultType {
    /// `resultType` is `complete`.
    Complete,
    /// There is none.
    Unsaid,
}

/// The answer to a `tools/call` that was denied: a result that the model sees, with the
/// decision for those who look for it. One line without its end.
pub fn denied_call(id: Id<'_>, result_type: ResultType, sentence: &str, decision: &Value) -> String {
    let result_type = match result_type {
        ResultType::Complete => r#""resultType":"complete","#,
        ResultType::Unsaid => "",
    };
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{{result_type}"content":[{{"type":"text","text":{sentence}}}],"isError":true,"_meta":{{"ringfence/decision":{decision}}}}}}}"#,
        id = id.text(),
        sentence = Value::from(sentence),
    )
}

/// The answer to any other method that was denied. One line without its end.
pub fn denied(id: Id<'_>, sentence: &str, decision: &Value) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{DENIED},"message":{sentence},"data":{decision}}}}}"#,
        id = id.text(),
        sentence = Value::from(sentence),
    )
}

/// The answer to a message that was not let through. One line without its end.
pub fn refused(refused: &Refused) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{sentence}}}}}"#,
        id = refused.id.as_deref().unwrap_or("null"),
        code = refused.why.code(),
        sentence = Value::from(refused.to_string()),
    )
}

/// What a server asks of the client inside a result (2026-07-28, Multi Round-Trip Requests) or
/// inside a task (SEP-2663), where earlier revisions had requests of its own.
#[derive(Debug, Clone)]
pub struct InputRequest<'a> {
    /// The server's name for it.
    pub key: String,
    /// Its method, such as `elicitation/create`.
    pub method: Cow<'a, str>,
    /// Its parameters.
    pub params: Params<'a>,
}

/// The requests in `text`, which is a result or the parameters of a notification: its
/// `inputRequests`, and those of its `task`. Looked for whatever the result says its type is.
///
/// # Errors
/// They are not what the revision has, or disguised.
pub fn input_requests(text: &str) -> Result<Vec<InputRequest<'_>>, Refused> {
    const WEIGHTY: [&str; 4] = ["inputRequests", "task", "method", "params"];
    // Results are the bulk of what passes, and hardly any has these.
    if json::kind(text) != Some(b'{') || !may_name(text, "inputRequests") {
        return Ok(Vec::new());
    }
    let object = Object::parse(text, &WEIGHTY)?;
    let mut found = Vec::new();
    if let Some(task) = object.member("task") {
        found = input_requests(task)?;
    }
    let Some(requests) = object.member("inputRequests").filter(|requests| *requests != "null") else {
        return Ok(found);
    };
    for (key, request) in Object::parse(requests, &[])?.members() {
        let request = Object::parse(request, &WEIGHTY)?;
        let no_method = Why::NotJsonRpc { why: "an input request has no `method`" };
        let method = request.member("method").and_then(json::string).ok_or(no_method)?;
        let params = match request.member("params") {
            None | Some("null") => Params::Absent,
            Some(params) => Params::Object(Object::parse(params, &envelope::WEIGHTY)?),
        };
        found.push(InputRequest { key: key.to_owned(), method, params });
    }
    Ok(found)
}

/// Whether a member called `name`, or something that could be read as it, may stand in `text`:
/// written plainly in any case, or with escapes or other scripts, which are looked at closely.
pub(super) fn may_name(text: &str, name: &str) -> bool {
    let bytes = text.as_bytes();
    !text.is_ascii()
        || bytes.contains(&b'\\')
        || bytes.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name.as_bytes()))
}
