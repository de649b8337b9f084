//! A future with a thread to itself, as seen from the runtime that started it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

/// A future that runs on a thread and a runtime of its own, where it may block. Ends with this.
pub(crate) struct OwnThread<T> {
    /// Dropped to end it.
    hold: Option<oneshot::Sender<()>>,
    outcome: oneshot::Receiver<io::Result<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> OwnThread<T> {
    /// Starts it. `make` is called on the thread, within its runtime.
    pub(crate) fn start<F>(make: impl FnOnce() -> io::Result<F> + Send + 'static) -> io::Result<Self>
    where
        F: Future<Output = T>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (hold, held) = oneshot::channel();
        let (tell, outcome) = oneshot::channel();
        let body = move || {
            let made = {
                let _within = runtime.enter();
                make()
            };
            let outcome = made.map(|future| {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        _ = held => None,
                        outcome = future => Some(outcome),
                    }
                })
            });
            // A file that is being read ends with its own thread, not with this one.
            runtime.shutdown_background();
            if let Some(outcome) = outcome.transpose() {
                // Nobody hears it where the other side has just gone.
                tell.send(outcome).ok();
            }
        };
        let thread = std::thread::Builder::new().name("wrapped".to_owned()).spawn(body)?;
        Ok(OwnThread { hold: Some(hold), outcome, thread: Some(thread) })
    }
}

/// Resolves to what the future came to; an error where it could not be made or panicked. Not to
/// be polled again after that.
impl<T> Future for OwnThread<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let panicked = |_| io::Error::other("a defect of this program, please report it");
        Pin::new(&mut self.outcome).poll(context).map(|heard| heard.map_err(panicked).flatten())
    }
}

impl<T> Drop for OwnThread<T> {
    /// Waits until the future is dropped: at most as long as a flush takes.
    fn drop(&mut self) {
        drop(self.hold.take());
        if let Some(thread) = self.thread.take() {
            // A panic was told as the outcome.
            thread.join().ok();
        }
    }
}
