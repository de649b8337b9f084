//! The listener: connections, how long each may dawdle, and how all of it ends.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep};

use super::{Ends, Front, Upstreams};

/// The longest head of a request, in bytes.
const HEAD: usize = 64 * 1024;
/// How long connections get to write their last answers.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves until `stop` resolves and what was under way has come to its end.
pub async fn serve<U: Upstreams>(
    listener: TcpListener,
    front: Arc<Front<U>>,
    stop: impl Future<Output = ()>,
) {
    let (end, ends) = watch::channel(false);
    let room = Arc::new(Semaphore::new(front.limits.connections));
    let all = u32::try_from(front.limits.connections).unwrap_or(u32::MAX);
    {
        let mut over = pin!(async {
            stop.await;
            // Answers to what servers ask still have to come in meanwhile.
            front.drain().await;
        });
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut over => break,
                accepted = accept(&listener, &room) => accepted,
            };
            match accepted {
                Ok((stream, place)) => {
                    tokio::spawn(connection(stream, Arc::clone(&front), ends.clone(), place));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
    drop(listener);
    end.send_replace(true);
    if tokio::time::timeout(LAST_WORDS, room.acquire_many(all)).await.is_err() {
        tracing::debug!("connections were still open at the end");
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection<U: Upstreams>(
    stream: TcpStream,
    front: Arc<Front<U>>,
    mut ends: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) {
    let (Ok(local), Ok(peer), Ok(())) = (stream.local_addr(), stream.peer_addr(), stream.set_nodelay(true))
    else {
        return;
    };
    let limits = front.limits;
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(front.answer(request, Ends { local, peer }).await) }
    });
    // Longer than a session waits for its client, so that it is the session that ends and says why.
    let patience = limits.patience.saturating_mul(2);
    let io = TokioIo::new(Patient { stream, patience, stuck: None });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.arrival)
        .max_buf_size(HEAD)
        .serve_connection(io, service);
    let mut serving = pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        () = told_to_end(&mut ends) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke");
    }
    drop(place);
}

async fn told_to_end(ends: &mut watch::Receiver<bool>) {
    // An error means that there is nobody left to tell it, which is the end too.
    ends.wait_for(|end| *end).await.map(drop).ok();
}

/// A stream whose other end has to take what is written to it within so long.
struct Patient {
    stream: TcpStream,
    patience: Duration,
    stuck: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn wait<T>(&mut self, context: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.stuck = None;
            return done;
        }
        let deadline = Instant::now() + self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        stuck.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wait(context, done)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(context);
        self.wait(context, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
