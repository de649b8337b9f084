//! What servers ask of the client: each under an id of ours, since theirs are their own matter and
//! may be alike, and so are their progress tokens.

use std::collections::HashMap;

use super::fan::{Failure, cancelled};
use super::names::{self, Form};
use super::results::{Qualifier, RELATED, items, member, related_task};
use super::{All, MAX_ASKED, MAX_KEPT, key_of};
use crate::mcp::edit::Edits;
use crate::mcp::envelope::{Answer, Id, Notification, Object, Refused, Request, Response, Why};
use crate::mcp::json;

/// A request of a server's that the client has not answered.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) server: usize,
    /// The server's id, as written.
    id: String,
    method: String,
    /// The server's progress token, as written.
    token: Option<String>,
}

impl All {
    pub(super) fn server_request(&mut self, which: usize, request: &Request<'_>) {
        let asking = &self.server(which).asking;
        let objection = if asking.contains_key(&request.id.key()) {
            Some(Failure::new(-32600, "a request with this id is under way"))
        } else if asking.len() >= MAX_ASKED {
            Some(Failure::new(-32603, "too many requests are without an answer"))
        } else if matches!(&*request.method, "tasks/get" | "tasks/result" | "tasks/cancel")
            && !self.made_for(which, request.params.member("taskId"))
        {
            Some(Failure::new(-32602, "no request of this server made that task"))
        } else {
            None
        };
        let number = self.number();
        let asked = objection.map_or_else(
            || self.ask_client(which, number, request).map_err(|refused| failure_of(&refused)),
            Err,
        );
        if let Err(failure) = asked {
            self.tell(which, failure.response(request.id.text()));
        }
    }

    fn ask_client(&mut self, which: usize, number: u64, request: &Request<'_>) -> Result<(), Refused> {
        let mut qualifier = Qualifier { server: self.name(which), edits: Edits::of(request.text) };
        qualifier.edits.put(request.id.text(), number.to_string());
        let meta = request.params.member("_meta");
        qualifier.related_task(meta, |task| !self.client_tasks.contains_key(task))?;
        let token = meta.map(|meta| Object::parse(meta, &["progressToken", RELATED])).transpose()?;
        let token = token.and_then(|meta| meta.member("progressToken"));
        if let Some(token) = token {
            qualifier.edits.put(token, number.to_string());
        }
        if request.method == "elicitation/create"
            && let Some(params) = request.params.text()
        {
            qualifier.elicitation(params)?;
        }
        let text = qualifier.edits.done().into_owned();
        let asked = Asked {
            server: which,
            id: request.id.text().to_owned(),
            method: request.method.clone().into_owned(),
            token: token.map(str::to_owned),
        };
        self.asked.insert(number, asked);
        if let Some(server) = self.servers.get_mut(which) {
            server.asking.insert(request.id.key(), number);
        }
        self.say(text);
        Ok(())
    }

    /// The client's answer to something that a server asked.
    pub(super) fn client_response(&mut self, response: &Response<'_>) {
        let number = response.id.and_then(number);
        let Some((id, asked)) = response.id.zip(number.and_then(|number| self.asked.remove(&number))) else {
            tracing::warn!("the client answered what nobody asked; dropped");
            return;
        };
        if let Some((server, key)) = self.servers.get_mut(asked.server).zip(key_of(&asked.id)) {
            server.asking.remove(&key);
        }
        let text = match self.answer_for(&asked, id, response) {
            Ok(text) => text,
            Err(refused) => failure_of(&refused).response(&asked.id),
        };
        self.tell(asked.server, text);
    }

    fn answer_for(&mut self, asked: &Asked, id: Id<'_>, response: &Response<'_>) -> Result<String, Refused> {
        let mut edits = Edits::of(response.text);
        edits.put(id.text(), asked.id.clone());
        if let Answer::Result(result) = response.answer
            && json::kind(result) == Some(b'{')
        {
            let result = Object::parse(result, &["_meta", "task", "tasks"])?;
            unqualify_related(&mut edits, self.name(asked.server), result.member("_meta"))?;
            let task = member(&result, "task", &["taskId"])?.and_then(|task| task.member("taskId"));
            if let Some(task) = task.and_then(json::string)
                && self.client_tasks.len() < MAX_KEPT
            {
                self.client_tasks.entry(task.into_owned()).or_insert(asked.server);
            }
            if asked.method == "tasks/list"
                && let Some(tasks) = result.member("tasks")
            {
                let is_own = |task: &&str| {
                    let id = Object::parse(task, &["taskId"]).ok().and_then(|task| task.member("taskId"));
                    self.made_for(asked.server, id)
                };
                let own: Vec<&str> = items(Some(tasks))?.into_iter().filter(is_own).collect();
                edits.put(tasks, format!("[{}]", own.join(",")));
            }
        }
        Ok(edits.done().into_owned())
    }

    /// Progress of something that a server asked.
    pub(super) fn client_progress(&mut self, notification: &Notification<'_>) {
        let token = notification.params.member("progressToken");
        let asked = token.and_then(Id::parse).and_then(number).and_then(|number| self.asked.get(&number));
        let Some((token, asked)) = token.zip(asked) else {
            tracing::debug!("progress of what nobody asked was dropped");
            return;
        };
        let Some(own) = &asked.token else { return };
        let mut edits = Edits::of(notification.text);
        edits.put(token, own.clone());
        let (which, text) = (asked.server, edits.done().into_owned());
        self.tell(which, text);
    }

    /// What the client says of a task of its own goes to whoever asked for it.
    pub(super) fn client_task_status(&mut self, notification: &Notification<'_>) {
        let task = notification.params.member("taskId").and_then(json::string);
        match task.and_then(|task| self.client_tasks.get(&*task).copied()) {
            Some(which) => self.tell(which, notification.text),
            None => tracing::debug!("the status of a task that nobody asked for was dropped"),
        }
    }

    /// A server wants no answer any more to what it asked.
    pub(super) fn cancelled_by_server(&mut self, which: usize, id: Id<'_>, notification: &Notification<'_>) {
        let Some(server) = self.servers.get_mut(which) else { return };
        let Some(number) = server.asking.remove(&id.key()) else {
            tracing::debug!(server = server.name, "a cancellation of what is not open was dropped");
            return;
        };
        self.asked.remove(&number);
        let mut edits = Edits::of(notification.text);
        edits.put(id.text(), number.to_string());
        self.say(edits.done().into_owned());
    }

    /// The client is told that nobody waits for what a server that is gone had asked.
    pub(super) fn forget_asked_by(&mut self, which: usize) {
        let asking = self.servers.get_mut(which).map(|server| std::mem::take(&mut server.asking));
        for number in asking.into_iter().flat_map(HashMap::into_values) {
            self.asked.remove(&number);
            self.say(cancelled(&number.to_string()));
        }
    }

    fn made_for(&self, which: usize, task: Option<&str>) -> bool {
        let task = task.and_then(json::string);
        task.is_some_and(|task| self.client_tasks.get(&*task) == Some(&which))
    }
}

/// Gives the task that a message of the client's says it belongs to the name that its server has
/// for it, where it is that server's.
pub(super) fn unqualify_related(
    edits: &mut Edits<'_>,
    server: &str,
    meta: Option<&str>,
) -> Result<(), Refused> {
    if let Some(task) = related_task(meta)?
        && let Some(named) = names::apart(task, Form::Name)
        && named.server == server
    {
        edits.put(task, named.own);
    }
    Ok(())
}

pub(super) fn failure_of(refused: &Refused) -> Failure {
    // It is a message; what is wrong is what it says.
    let code = match refused.why {
        Why::NotJson { .. } | Why::TooDeep | Why::Twice { .. } | Why::Disguised { .. } => -32602,
        _ => i64::from(refused.why.code()),
    };
    Failure::new(code, refused.to_string())
}

/// A number of ours, as an id or token.
fn number(id: Id<'_>) -> Option<u64> {
    id.text().parse().ok()
}
