//! An append with a consequence that follows whether anybody waits for it or not.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ringfence_audit::{Append, AppendError, Appended};

/// A record on its way. What is to follow follows once it has arrived or failed, also where this
/// is dropped before.
pub(crate) struct Followed<F: FnOnce(&Result<Appended, AppendError>) + Send + Unpin + 'static> {
    pending: Option<(Append, F)>,
}

impl<F: FnOnce(&Result<Appended, AppendError>) + Send + Unpin + 'static> Followed<F> {
    pub(crate) fn by(append: Append, then: F) -> Self {
        Followed { pending: Some((append, then)) }
    }
}

impl<F: FnOnce(&Result<Appended, AppendError>) + Send + Unpin + 'static> Future for Followed<F> {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (append, _) = self.pending.as_mut().expect("invariant: a future is not polled after it is done");
        let Poll::Ready(written) = Pin::new(append).poll(context) else { return Poll::Pending };
        if let Some((_, then)) = self.pending.take() {
            then(&written);
        }
        Poll::Ready(written)
    }
}

impl<F: FnOnce(&Result<Appended, AppendError>) + Send + Unpin + 'static> Drop for Followed<F> {
    fn drop(&mut self) {
        if let Some((append, then)) = self.pending.take() {
            append.detach(move |written| then(&written));
        }
    }
}
