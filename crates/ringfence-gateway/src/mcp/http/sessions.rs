//! Every session there is, and what each caller has of them.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::Limits;
use super::reply::Stop;
use super::session::{Kind, Session};

/// The sessions of a front.
pub(super) struct Sessions {
    limits: Limits,
    tables: Mutex<Tables>,
    settled: Arc<Notify>,
}

#[derive(Default)]
struct Tables {
    by_id: HashMap<String, Arc<Session>>,
    /// How many each caller has; those that are ending count until nothing of them runs.
    places: HashMap<String, usize>,
    taken: usize,
    /// By caller, as long as somebody holds a part: of bodies, and of requests.
    shares: HashMap<String, [Weak<Semaphore>; 2]>,
}

/// What one caller may take up at once.
pub(super) struct Share {
    /// Bytes of bodies that are on their way to a wire.
    pub(super) bodies: Arc<Semaphore>,
    /// Requests and streams that are not over.
    requests: Arc<Semaphore>,
}

impl Share {
    /// Room for one more request.
    pub(super) fn request(&self) -> Result<OwnedSemaphorePermit, Stop> {
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| {
            let stop = Stop::new(StatusCode::TOO_MANY_REQUESTS, "this credential has too many requests open");
            stop.with(RETRY_AFTER, "1")
        })
    }
}

/// A session's place, given back when nothing of it runs any more.
pub(super) struct Place {
    sessions: Arc<Sessions>,
    caller: String,
}

impl Sessions {
    pub(super) fn new(limits: Limits) -> Arc<Sessions> {
        Arc::new(Sessions { limits, tables: Mutex::default(), settled: Arc::default() })
    }

    /// Told whenever a session has no open request any more, or is over.
    pub(super) fn settled(&self) -> Arc<Notify> {
        Arc::clone(&self.settled)
    }

    /// The session of that name, where it is this caller's.
    pub(super) fn find(&self, id: &str, server: &str, caller: &str) -> Option<Arc<Session>> {
        let tables = self.tables();
        let session = tables.by_id.get(id)?;
        let fits = session.kind == Kind::Named && session.server == server && session.caller == caller;
        fits.then(|| Arc::clone(session))
    }

    /// The sessions that serve a caller's requests that stand alone.
    pub(super) fn of_credential(&self, server: &str, caller: &str) -> Vec<Arc<Session>> {
        let fits = |session: &&Arc<Session>| {
            session.kind == Kind::OfCredential && session.caller == caller && session.server == server
        };
        self.tables().by_id.values().filter(fits).cloned().collect()
    }

    /// Room for one more, where there is.
    pub(super) fn place(self: &Arc<Self>, caller: &str) -> Result<Place, Stop> {
        let mut tables = self.tables();
        let of_one = tables.places.get(caller).copied().unwrap_or(0);
        if of_one >= self.limits.sessions_of_one {
            let stop =
                Stop::new(StatusCode::TOO_MANY_REQUESTS, "this credential has too many sessions; end some");
            return Err(stop.with(RETRY_AFTER, "10"));
        }
        if tables.taken >= self.limits.sessions {
            let stop = Stop::new(StatusCode::SERVICE_UNAVAILABLE, "there are too many sessions");
            return Err(stop.with(RETRY_AFTER, "10"));
        }
        tables.taken = tables.taken.saturating_add(1);
        tables.places.insert(caller.to_owned(), of_one.saturating_add(1));
        Ok(Place { sessions: Arc::clone(self), caller: caller.to_owned() })
    }

    pub(super) fn add(&self, session: &Arc<Session>) {
        self.tables().by_id.insert(session.id.clone(), Arc::clone(session));
    }

    pub(super) fn remove(&self, session: &Session) {
        self.tables().by_id.remove(&session.id);
    }

    /// What a caller may take up.
    pub(super) fn share_of(&self, caller: &str) -> Share {
        let mut tables = self.tables();
        let [bodies, requests] = tables.shares.get(caller).cloned().unwrap_or_default();
        let share = Share {
            bodies: bodies.upgrade().unwrap_or_else(|| Arc::new(Semaphore::new(self.limits.bodies))),
            requests: requests
                .upgrade()
                .unwrap_or_else(|| Arc::new(Semaphore::new(self.limits.requests_of_one))),
        };
        tables.shares.retain(|_, parts| parts.iter().any(|part| part.strong_count() > 0));
        let parts = [Arc::downgrade(&share.bodies), Arc::downgrade(&share.requests)];
        tables.shares.insert(caller.to_owned(), parts);
        share
    }

    /// Resolves when no request is open.
    pub(super) async fn quiet(&self) {
        self.until(|tables| !tables.by_id.values().any(|session| session.is_busy())).await;
    }

    /// Resolves when nothing of any session runs any more.
    pub(super) async fn empty(&self) {
        self.until(|tables| tables.taken == 0).await;
    }

    async fn until(&self, holds: impl Fn(&Tables) -> bool) {
        loop {
            let mut settled = pin!(self.settled.notified());
            settled.as_mut().enable();
            if holds(&self.tables()) {
                return;
            }
            settled.await;
        }
    }

    pub(super) fn end_all(&self, why: &'static str) {
        for session in self.tables().by_id.values() {
            session.end(why);
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Nothing panics while it is held.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut tables = self.sessions.tables();
        tables.taken = tables.taken.saturating_sub(1);
        if let Some(of_one) = tables.places.get_mut(&self.caller) {
            *of_one = of_one.saturating_sub(1);
            if *of_one == 0 {
                tables.places.remove(&self.caller);
            }
        }
        drop(tables);
        self.sessions.settled.notify_waiters();
    }
}
