//! Both directions of one server: which line becomes which request, and what is known of the
//! session with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::header::HeaderValue;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::exchange::Failed;
use super::{Endpoint, Http};
use crate::mcp::edit::ToolList;
use crate::mcp::envelope::{
    self, Answer, IdKey, MAX_BYTES, Message, Notification, Object, Refused, Request, Response,
};
use crate::mcp::json;
use crate::mcp::lines::Lines;
use crate::mcp::method::{self, is_stateless};
use crate::mcp::mirror::{self, Marked};

/// Messages that may wait for the wire.
const WAITING: usize = 4;
/// How many bytes of answers may be on their way at once.
const ROOM: usize = 4 * MAX_BYTES;
/// How many requests may be under way at once.
const MAX_ASKED: usize = 1024;
/// How long a server may take to take in what it owes no answer to.
const TELL: Duration = Duration::from_secs(10);
/// How long it may take to end a session.
const LEAVE: Duration = Duration::from_secs(2);
/// How many tools' marks are remembered.
const MAX_MARKED: usize = 10_000;
const READ: usize = 8 * 1024;

/// One server, as long as its wire lasts.
pub(super) struct Talk {
    pub(super) http: Http,
    pub(super) endpoint: Endpoint,
    pub(super) known: Mutex<Known>,
    /// Held while a session is begun again, so that it is begun once.
    pub(super) beginning: tokio::sync::Mutex<()>,
    /// How many sessions have begun; none where requests stand alone.
    pub(super) begun: watch::Sender<u64>,
    /// For the bytes of answers that are not handed on yet.
    pub(super) room: Semaphore,
    say: mpsc::Sender<Vec<u8>>,
}

/// What is known of a server.
#[derive(Default)]
pub(super) struct Known {
    pub(super) session: Option<HeaderValue>,
    pub(super) revision: Option<HeaderValue>,
    /// The client's `initialize`, to begin again with.
    pub(super) opening: Option<Vec<u8>>,
    marks: HashMap<String, Vec<Marked>>,
}

/// Carries until the wire closes or nobody holds it any more.
pub(super) async fn carry(
    http: Http,
    endpoint: Endpoint,
    (from_wire, to_wire): (DuplexStream, DuplexStream),
    held: oneshot::Receiver<()>,
) {
    let (say, lines) = mpsc::channel(WAITING);
    let talk = Arc::new(Talk {
        http,
        endpoint,
        known: Mutex::default(),
        beginning: tokio::sync::Mutex::default(),
        begun: watch::channel(0).0,
        room: Semaphore::new(ROOM),
        say,
    });
    let mut under_way = JoinSet::new();
    let listening = Arc::clone(&talk);
    under_way.spawn(async move {
        listening.listen().await;
        None
    });
    let writing = tokio::spawn(write(to_wire, lines));
    tokio::select! {
        biased;
        _ = held => {}
        () = talk.hear(from_wire, &mut under_way) => {}
    }
    under_way.shutdown().await;
    writing.abort();
    if timeout(LEAVE, talk.leave()).await.is_err() {
        tracing::debug!(server = talk.endpoint.name, "the server did not end the session in time");
    }
}

impl Talk {
    async fn hear(self: &Arc<Self>, mut from_wire: DuplexStream, under_way: &mut JoinSet<Option<IdKey>>) {
        let mut asked: HashMap<IdKey, AbortHandle> = HashMap::new();
        let mut lines = Lines::new(MAX_BYTES);
        let mut bytes = vec![0; READ];
        loop {
            let read = tokio::select! {
                biased;
                Some(over) = under_way.join_next_with_id() => {
                    // One that was given up was forgotten then; its id may be another's by now.
                    if let Ok((task, Some(key))) = over
                        && asked.get(&key).is_some_and(|asking| asking.id() == task)
                    {
                        asked.remove(&key);
                    }
                    continue;
                }
                () = self.say.closed() => return,
                read = from_wire.read(&mut bytes) => read.unwrap_or(0),
            };
            if read == 0 {
                return;
            }
            lines.push(bytes.get(..read).unwrap_or_default());
            while let Some(line) = lines.next_line() {
                let line = line.map(<[u8]>::to_vec);
                if let Err(refused) = self.line(line, &mut asked, under_way).await {
                    tracing::warn!(server = self.endpoint.name, %refused, "a line was not sent");
                }
            }
        }
    }

    async fn line(
        self: &Arc<Self>,
        line: Result<Vec<u8>, Refused>,
        asked: &mut HashMap<IdKey, AbortHandle>,
        under_way: &mut JoinSet<Option<IdKey>>,
    ) -> Result<(), Refused> {
        let line = line?;
        match envelope::parse(&line)? {
            Message::Request(request) if asked.len() >= MAX_ASKED => {
                let failed = Failed::Here("too many requests to the server are without an answer");
                self.answer(&request, &failed).await;
            }
            Message::Request(request) => {
                let (talk, text) = (Arc::clone(self), request.text.as_bytes().to_vec());
                let key = request.id.key();
                let done = key.clone();
                let asking = async move {
                    talk.ask(&text).await;
                    Some(done)
                };
                asked.insert(key, under_way.spawn(asking));
            }
            Message::Notification(notification) => self.notify(&notification, asked).await,
            Message::Response(response) => self.tell(response.text).await,
            Message::Batch(_) => tracing::warn!(server = self.endpoint.name, "a batch was not sent"),
        }
        Ok(())
    }

    async fn notify(&self, notification: &Notification<'_>, asked: &mut HashMap<IdKey, AbortHandle>) {
        let cancelled = || method::cancelled(&notification.params).map(|id| id.key());
        if notification.method == "notifications/cancelled"
            && let Some(asking) = cancelled().and_then(|key| asked.remove(&key))
        {
            // Closing the stream is the cancellation (2026-07-28, Cancellation); before, it says
            // nothing, and the notification does.
            asking.abort();
            if self.known().opening.is_none() {
                return;
            }
        }
        self.tell(notification.text).await;
        if notification.method == "notifications/initialized" {
            self.begun.send_modify(|begun| *begun = begun.saturating_add(1));
        }
    }

    /// Sends what the server owes no answer to.
    async fn tell(&self, text: &str) {
        let told = timeout(TELL, self.post(text, self.of_session())).await;
        let refused = match told {
            Ok(Ok(response)) if response.status().is_success() => return,
            Ok(Ok(response)) => response.status().to_string(),
            Ok(Err(failed)) => failed.to_string(),
            Err(_) => "it did not answer in time".to_owned(),
        };
        tracing::warn!(server = self.endpoint.name, refused, "the server did not take a message");
    }

    async fn ask(&self, text: &[u8]) {
        let Ok(Message::Request(request)) = envelope::parse(text) else { return };
        if let Err(failed) = self.exchange(&request).await {
            self.answer(&request, &failed).await;
        }
    }

    /// Answers in the server's place.
    async fn answer(&self, request: &Request<'_>, failed: &Failed) {
        let message = format!("the server `{}` cannot be asked: {failed}", self.endpoint.name);
        let error = json!({ "code": -32000, "message": message });
        let line = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, request.id.text());
        self.hand(line.into_bytes()).await;
    }

    /// Hands a message of the server to the wire; whether it answers `request`. What the wire would
    /// drop goes there too, so that it is dropped in one place.
    pub(super) async fn deliver(&self, text: &str, request: Option<&Request<'_>>) -> bool {
        let mut line = text.as_bytes().to_vec();
        for byte in &mut line {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        let answered = match (envelope::parse(&line), request) {
            (Ok(message), Some(request)) => match answer_in(&message, request) {
                Some(response) => {
                    if let Some(edited) = self.learn(request, response) {
                        line = edited;
                    }
                    true
                }
                None => false,
            },
            _ => false,
        };
        self.hand(line).await;
        answered
    }

    async fn hand(&self, mut line: Vec<u8>) {
        line.push(b'\n');
        if self.say.send(line).await.is_err() {
            tracing::debug!(server = self.endpoint.name, "its wire has closed");
        }
    }

    /// What an answer tells of the session and of tools. The answer without those tools that must not
    /// be offered over HTTP, where there are some.
    fn learn(&self, request: &Request<'_>, response: &Response<'_>) -> Option<Vec<u8>> {
        let Answer::Result(result) = response.answer else { return None };
        match &*request.method {
            "initialize" => {
                let result = Object::of_result(response);
                let revision = result.and_then(|result| result.member("protocolVersion"));
                let revision = revision.and_then(json::string);
                let mut known = self.known();
                known.opening = Some(request.text.as_bytes().to_vec());
                known.revision = revision.and_then(|revision| HeaderValue::from_str(&revision).ok());
                None
            }
            "tools/list" if is_stateless(&request.params) => {
                let list = ToolList::parse(response.text, result).ok()?;
                let mut known = self.known();
                let kept = list.keeping(|tool| {
                    let (Some(name), Some(schema)) = (&tool.name, tool.input_schema) else { return true };
                    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
                    match mirror::marked(&schema) {
                        Ok(marks) => {
                            if marks.is_empty() {
                                known.marks.remove(&**name);
                            } else if known.marks.len() < MAX_MARKED {
                                known.marks.insert(name.clone().into_owned(), marks);
                            }
                            true
                        }
                        Err(bad) => {
                            let server = &self.endpoint.name;
                            tracing::warn!(server, tool = %name, %bad, "a tool is hidden");
                            false
                        }
                    }
                });
                Some(kept.into_owned().into_bytes())
            }
            _ => None,
        }
    }

    /// The parameters of a call that its tool marks.
    pub(super) fn marked(&self, request: &Request<'_>) -> Vec<Marked> {
        if request.method != "tools/call" {
            return Vec::new();
        }
        let name = mirror::name_of(request);
        name.and_then(|name| self.known().marks.get(&*name).cloned()).unwrap_or_default()
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it is held.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The response to a request, alone or in a batch.
fn answer_in<'m, 'a>(message: &'m Message<'a>, request: &Request<'_>) -> Option<&'m Response<'a>> {
    match message {
        Message::Response(response) => {
            (response.id.map(envelope::Id::key)? == request.id.key()).then_some(response)
        }
        Message::Batch(batch) => batch.messages.iter().find_map(|message| answer_in(message, request)),
        Message::Request(_) | Message::Notification(_) => None,
    }
}

/// The revision that a request that stands alone says it is of.
pub(super) fn revision_of(request: &Request<'_>) -> Option<HeaderValue> {
    HeaderValue::from_str(&method::revision(&request.params)?).ok()
}

async fn write(mut to_wire: DuplexStream, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if to_wire.write_all(&line).await.is_err() {
            return;
        }
    }
}
