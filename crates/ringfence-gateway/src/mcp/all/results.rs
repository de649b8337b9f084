//! What a server's messages name, called so that the client can name it again. Where a part that
//! names something can be read in two ways, the message is refused: it could name another
//! server's.

use std::borrow::Cow;

use super::names::Form;
use crate::mcp::edit::{Edits, may_name};
use crate::mcp::envelope::{Answer, Object, Refused, Response, Why};
use crate::mcp::json;

/// The member of `_meta` that says which task a message belongs to (2025-11-25, Tasks).
pub(super) const RELATED: &str = "io.modelcontextprotocol/related-task";

/// Edits of one server's message.
pub(super) struct Qualifier<'s, 'a> {
    pub(super) server: &'s str,
    pub(super) edits: Edits<'a>,
}

/// A response with everything that it names qualified.
///
/// # Errors
/// What it names can be read in two ways.
pub(super) fn response<'a>(server: &str, response: &Response<'a>) -> Result<Cow<'a, str>, Refused> {
    let mut qualifier = Qualifier { server, edits: Edits::of(response.text) };
    match response.answer {
        Answer::Result(result) => qualifier.result(result)?,
        Answer::Error(error) => qualifier.error(error)?,
    }
    Ok(qualifier.edits.done())
}

impl<'a> Qualifier<'_, 'a> {
    /// A string, if it is one.
    pub(super) fn name(&mut self, raw: &'a str, form: Form) {
        if json::kind(raw) == Some(b'"') {
            self.edits.put_in_front(raw, &form.prefix(self.server));
        }
    }

    /// The task that `meta` says the message belongs to. `is_own` says whether a task is the
    /// server's own and not one of the client's.
    pub(super) fn related_task(
        &mut self,
        meta: Option<&'a str>,
        is_own: impl Fn(&str) -> bool,
    ) -> Result<(), Refused> {
        if let Some(task) = related_task(meta)?
            && json::string(task).is_some_and(|task| is_own(&task))
        {
            self.name(task, Form::Name);
        }
        Ok(())
    }

    /// `taskId` of an object.
    pub(super) fn task(&mut self, object: &Object<'a>) {
        if let Some(task) = object.member("taskId") {
            self.name(task, Form::Name);
        }
    }

    fn result(&mut self, result: &'a str) -> Result<(), Refused> {
        // Most results name nothing.
        if !may_name(result, "uri") && !may_name(result, "taskId") {
            return Ok(());
        }
        let Some(object) = object(result, &["_meta", "task", "taskId", "content", "contents", "messages"])?
        else {
            return Ok(());
        };
        self.related_task(object.member("_meta"), |_| true)?;
        // Whatever was asked: an answer that fits another method names what it names, too.
        self.task_and_blocks(&object)?;
        self.messages(object.member("messages"))?;
        for contents in items(object.member("contents"))? {
            self.uri_of(contents)?;
        }
        Ok(())
    }

    /// A result of a call, or a task with such a result inside (2026-07-28).
    pub(super) fn task_and_blocks(&mut self, object: &Object<'a>) -> Result<(), Refused> {
        self.task(object);
        if let Some(task) = member(object, "task", &["taskId"])? {
            self.task(&task);
        }
        for block in items(object.member("content"))? {
            self.block(block)?;
        }
        if let Some(inside) = member(object, "result", &["_meta", "content", "taskId", "task"])? {
            self.related_task(inside.member("_meta"), |_| true)?;
            for block in items(inside.member("content"))? {
                self.block(block)?;
            }
        }
        Ok(())
    }

    fn messages(&mut self, messages: Option<&'a str>) -> Result<(), Refused> {
        for message in items(messages)? {
            let Some(message) = object(message, &["role", "content"])? else { continue };
            match message.member("content") {
                Some(content) if json::kind(content) == Some(b'[') => {
                    for block in items(Some(content))? {
                        self.block(block)?;
                    }
                }
                Some(content) => self.block(content)?,
                None => {}
            }
        }
        Ok(())
    }

    /// A block of content: a link to a resource, or a resource inside it.
    fn block(&mut self, block: &'a str) -> Result<(), Refused> {
        let Some(object) = object(block, &["type", "uri", "resource"])? else { return Ok(()) };
        match object.member("type").and_then(json::string).as_deref() {
            Some("resource_link") => {
                if let Some(uri) = object.member("uri") {
                    self.name(uri, Form::Uri);
                }
                Ok(())
            }
            Some("resource") => object.member("resource").map_or(Ok(()), |resource| self.uri_of(resource)),
            Some(_) | None => Ok(()),
        }
    }

    fn uri_of(&mut self, text: &'a str) -> Result<(), Refused> {
        if let Some(uri) = object(text, &["uri"])?.and_then(|object| object.member("uri")) {
            self.name(uri, Form::Uri);
        }
        Ok(())
    }

    /// The questions that a caller has to see answered first (2025-11-25, -32042).
    fn error(&mut self, error: &'a str) -> Result<(), Refused> {
        if !may_name(error, "elicitationId") {
            return Ok(());
        }
        let Some(object) = object(error, &["code", "data"])? else { return Ok(()) };
        let Some(data) = member(&object, "data", &["elicitations"])? else { return Ok(()) };
        for elicitation in items(data.member("elicitations"))? {
            self.elicitation(elicitation)?;
        }
        Ok(())
    }

    /// The id of a question, which the server says later is answered.
    pub(super) fn elicitation(&mut self, text: &'a str) -> Result<(), Refused> {
        if let Some(id) = object(text, &["elicitationId"])?.and_then(|object| object.member("elicitationId"))
        {
            self.name(id, Form::Name);
        }
        Ok(())
    }
}

/// The id of the task, as JSON, that `meta` says a message belongs to.
pub(super) fn related_task(meta: Option<&str>) -> Result<Option<&str>, Refused> {
    let Some(meta) = meta.filter(|meta| may_name(meta, "taskId")) else { return Ok(None) };
    let Some(meta) = object(meta, &[RELATED])? else { return Ok(None) };
    Ok(member(&meta, RELATED, &["taskId"])?.and_then(|related| related.member("taskId")))
}

/// An object, if it is one.
fn object<'a>(text: &'a str, weighty: &[&'static str]) -> Result<Option<Object<'a>>, Refused> {
    if json::kind(text) == Some(b'{') { Object::parse(text, weighty).map(Some) } else { Ok(None) }
}

/// A member that is an object, if it is there and is one.
pub(super) fn member<'a>(
    of: &Object<'a>,
    name: &str,
    weighty: &[&'static str],
) -> Result<Option<Object<'a>>, Refused> {
    of.member(name).map_or(Ok(None), |text| object(text, weighty))
}

/// The items of an array, if it is there and is one.
pub(super) fn items(text: Option<&str>) -> Result<Vec<&str>, Refused> {
    match text.filter(|text| json::kind(text) == Some(b'[')) {
        Some(text) => json::items(text).map_err(|flaw| Why::from(flaw).into()),
        None => Ok(Vec::new()),
    }
}
