//! The same over streams: memory is bounded, and nobody waits for whoever does not read.

use std::sync::Mutex;
use std::time::Duration;

use ringfence_gateway::mcp::all::{Reopen, all, all_reopening};
use ringfence_gateway::mcp::http::{NotOpened, Opened};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, DuplexStream, duplex,
};
use tokio::sync::oneshot;

type Reader = BufReader<Box<dyn AsyncRead + Send + Unpin>>;

struct Server {
    lines: BufReader<DuplexStream>,
    say: DuplexStream,
    ending: Option<oneshot::Sender<()>>,
}

impl Server {
    fn new() -> (Server, Opened) {
        let (to_wire, heard) = duplex(4096);
        let (say, from_wire) = duplex(4096);
        let (ending, ended) = oneshot::channel();
        let server = Server { lines: BufReader::new(heard), say, ending: Some(ending) };
        (server, Opened { to_wire: Box::new(to_wire), from_wire: Box::new(from_wire), ended })
    }

    async fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line).await.unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    async fn answer(&mut self, id: &Value, result: Value) {
        let text = json!({"jsonrpc": "2.0", "id": id, "result": result});
        self.say.write_all(format!("{text}\n").as_bytes()).await.unwrap();
    }
}

async fn say(to: &mut (impl AsyncWrite + Unpin), message: Value) {
    to.write_all(format!("{message}\n").as_bytes()).await.unwrap();
}

async fn hear(from: &mut Reader) -> Option<Value> {
    let mut line = String::new();
    from.read_line(&mut line).await.unwrap();
    (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
}

fn call(id: u32, name: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": {}}})
}

#[tokio::test]
async fn calls_go_through_and_the_end_of_the_client_is_every_servers() {
    let (mut a, wire_a) = Server::new();
    let (mut b, wire_b) = Server::new();
    let dead = Err(NotOpened { reason: "it is not there".to_owned() });
    let Opened { mut to_wire, from_wire, mut ended } =
        all(vec![("a".to_owned(), Ok(wire_a)), ("b".to_owned(), Ok(wire_b)), ("c".to_owned(), dead)]);
    let mut heard = BufReader::new(from_wire);
    say(&mut to_wire, call(1, "b__x")).await;
    let asked = b.hear().await.unwrap();
    assert_eq!(asked["params"]["name"], "x");
    b.answer(&asked["id"], json!({"content": []})).await;
    assert_eq!(hear(&mut heard).await.unwrap()["id"], 1);
    say(&mut to_wire, call(2, "c__x")).await;
    let refused = hear(&mut heard).await.unwrap();
    assert_eq!(refused["error"]["message"], "the server `c` is not available: it is not there");
    drop((to_wire, heard));
    assert_eq!((a.hear().await, b.hear().await), (None, None));
    // It is over when both are.
    a.ending = None;
    assert!(ended.try_recv().is_err());
    b.ending = None;
    assert!(ended.await.is_err());
}

#[tokio::test]
async fn one_that_ends_leaves_the_others_and_the_last_ends_it() {
    let (mut a, wire_a) = Server::new();
    let (mut b, wire_b) = Server::new();
    let Opened { mut to_wire, from_wire, ended } =
        all(vec![("a".to_owned(), Ok(wire_a)), ("b".to_owned(), Ok(wire_b))]);
    let mut heard = BufReader::new(from_wire);
    say(&mut to_wire, call(1, "a__x")).await;
    assert_eq!(a.hear().await.unwrap()["params"]["name"], "x");
    drop(a);
    assert_eq!(hear(&mut heard).await.unwrap()["error"]["message"], "the server `a` failed: it has ended");
    say(&mut to_wire, call(2, "b__x")).await;
    let asked = b.hear().await.unwrap();
    b.answer(&asked["id"], json!({"content": []})).await;
    assert_eq!(hear(&mut heard).await.unwrap()["id"], 2);
    drop(b);
    assert_eq!(hear(&mut heard).await, None);
    assert!(ended.await.is_err());
}

#[tokio::test]
async fn one_that_does_not_read_keeps_nobody_waiting() {
    let (mut a, wire_a) = Server::new();
    let (mut b, wire_b) = Server::new();
    let Opened { mut to_wire, from_wire, ended: _ended } =
        all(vec![("a".to_owned(), Ok(wire_a)), ("b".to_owned(), Ok(wire_b))]);
    let mut heard = BufReader::new(from_wire);
    let filler = "x".repeat(256 * 1024);
    let mut refused = 0;
    for id in 0..16 {
        let mut long = call(id, "a__x");
        long["params"]["arguments"]["filler"] = filler.clone().into();
        say(&mut to_wire, long).await;
        // The other answers meanwhile.
        say(&mut to_wire, call(100 + id, "b__x")).await;
        let asked = b.hear().await.unwrap();
        b.answer(&asked["id"], json!({"content": []})).await;
        let mut answer = hear(&mut heard).await.unwrap();
        if answer["id"] == id {
            assert!(answer["error"]["message"].as_str().unwrap().contains("does not take what it is sent"));
            refused += 1;
            answer = hear(&mut heard).await.unwrap();
        }
        assert_eq!(answer["id"], 100 + id);
    }
    // A megabyte waits at most, and what is on its way.
    assert!((10..=12).contains(&refused), "{refused}");
    // What was taken is still there.
    for id in 0..16 - refused {
        assert_eq!(a.hear().await.unwrap()["id"], id);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_has_ended_is_opened_again_but_not_at_once() {
    let (mut a, wire_a) = Server::new();
    let (b, wire_b) = Server::new();
    let (mut second, wire) = Server::new();
    let wire = Mutex::new(Some(wire));
    let reopen: Reopen = Box::new(move |name| {
        assert_eq!(name, "a");
        let opened = wire.lock().unwrap().take().expect("it is opened once");
        Box::pin(std::future::ready(Ok(opened)))
    });
    let Opened { mut to_wire, from_wire, ended } =
        all_reopening(vec![("a".to_owned(), Ok(wire_a)), ("b".to_owned(), Ok(wire_b))], reopen);
    let mut heard = BufReader::new(from_wire);
    let alone = |id: u32| {
        let mut call = call(id, "a__x");
        call["params"]["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
        call
    };
    say(&mut to_wire, alone(1)).await;
    a.hear().await.unwrap();
    drop(a);
    assert_eq!(hear(&mut heard).await.unwrap()["error"]["message"], "the server `a` failed: it has ended");
    // It may be one that ends whenever it is started.
    for (id, why) in [(2, "is being started again"), (3, "is being started again")] {
        say(&mut to_wire, alone(id)).await;
        let refused = hear(&mut heard).await.unwrap();
        assert!(refused["error"]["message"].as_str().unwrap().contains(why), "{refused}");
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    say(&mut to_wire, alone(4)).await;
    assert_eq!(hear(&mut heard).await.unwrap()["id"], 4);
    say(&mut to_wire, alone(5)).await;
    let asked = second.hear().await.unwrap();
    assert_eq!(asked["id"], 5);
    second.answer(&asked["id"], json!({"content": []})).await;
    assert_eq!(hear(&mut heard).await.unwrap()["result"], json!({"content": []}));
    drop((to_wire, heard));
    assert_eq!(second.hear().await, None);
    drop((second, b));
    assert!(ended.await.is_err());
}
