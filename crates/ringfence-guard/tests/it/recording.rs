//! No record, no permit.

use std::fs::File;
use std::future::Future as _;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Waker};

use ringfence_audit::Disk;
use ringfence_audit::record::Scope;
use ringfence_guard::Verdict;
use ringfence_model::Person;

use crate::world::{Call, PAY_IS_ASKED, Setting, World, begun, call, pending, permit, settle};

#[tokio::test]
async fn every_verdict_is_in_the_log_before_it_is_given() {
    let world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    for (tool, effect, given) in [("read", "allow", true), ("pay", "ask", false), ("drop", "deny", false)] {
        let verdict = session.check(Call::tool(tool)).await;
        let record = match &verdict {
            Verdict::Allowed(permit) => Some(permit.record()),
            Verdict::Pending(pending) => pending.record(),
            Verdict::Denied(denied) => denied.record.as_ref(),
        };
        let record = record.expect("there is a record").clone();
        // Looked at without waiting for anything that comes later.
        assert!(world.log().head().durable > record.index);
        let leaf = world.log().read(record.index).next().unwrap().unwrap();
        let text = String::from_utf8(leaf.bytes).unwrap();
        assert!(text.contains(&format!(r#""decision":"{effect}""#)), "{text}");
        assert!(text.contains(&format!(r#""permit":{given}"#)), "{text}");
        assert!(world.log().payload(record.index).unwrap().is_some());
    }
}

/// A disk that is full once it is told so.
struct Filling(AtomicBool);

impl Disk for Filling {
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.write_all_at(bytes, offset)
    }

    fn flush(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_allowed_any_more() {
    let disk = Arc::new(Filling(AtomicBool::new(false)));
    let world = World::set(Setting { disk: disk.clone(), ..Setting::of(PAY_IS_ASKED) });
    let session = world.session("a").await;
    let under_way = begun(session.check(Call::tool("read")).await);
    let not_begun = permit(session.check(Call::tool("read")).await);
    drop(pending(session.check(Call::tool("pay")).await));
    disk.0.store(true, Ordering::SeqCst);
    for tool in ["read", "pay", "drop", "read"] {
        assert_eq!(call(&session, Call::tool(tool)).await, "deny ringfence/log", "{tool}");
    }
    let Verdict::Denied(denied) = session.check(Call::tool("read")).await else {
        panic!("it was let through")
    };
    assert_eq!(denied.record, None);
    let said = denied.to_string();
    for part in ["no storage space", "until the disk takes it and the monitor is started again"] {
        assert!(said.contains(part), "{said}");
    }
    settle(under_way);
    drop(not_begun);
    disk.0.store(false, Ordering::SeqCst);
    // What has failed once is not trusted again: only a new start is.
    assert_eq!(call(&session, Call::tool("read")).await, "deny ringfence/log");
}

#[tokio::test]
async fn without_a_policy_everything_is_denied() {
    let world = World::new("");
    let session = world.session("a").await;
    assert_eq!(call(&session, Call::tool("read")).await, "deny ringfence/no-policy");
    assert!(world.decisions().values().all(|decision| !decision.permit));
}

/// A disk whose flushes wait while it is shut.
#[derive(Default)]
struct Stalling {
    shut: Mutex<bool>,
    moved: Condvar,
}

impl Stalling {
    fn shut(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.moved.notify_all();
    }
}

impl Disk for Stalling {
    fn flush(&self, _: &File) -> io::Result<()> {
        let shut = self.shut.lock().unwrap();
        drop(self.moved.wait_while(shut, |shut| *shut).unwrap());
        Ok(())
    }
}

#[tokio::test]
async fn a_kill_waits_neither_for_the_disk_nor_for_another_operator() {
    let disk = Arc::new(Stalling::default());
    let world = World::set(Setting { disk: disk.clone(), ..Setting::of(PAY_IS_ASKED) });
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    let held = permit(session.check(Call::tool("read")).await);
    disk.shut(true);
    let other = Person::new("otto");
    let mut adding = Box::pin(world.guard().add_operator(&other, Vec::new()));
    let mut killing = Box::pin(world.guard().kill(&operator, Scope::All(true), "test"));
    let mut context = Context::from_waker(Waker::noop());
    assert!(adding.as_mut().poll(&mut context).is_pending());
    assert!(killing.as_mut().poll(&mut context).is_pending());
    let denied = (session.is_killed(), held.begin().is_err());
    // Opened before anything can fail: a log does not close over a shut disk.
    disk.shut(false);
    assert_eq!(denied, (true, true));
    adding.await.unwrap();
    killing.await.unwrap();
    // What the other operator did meanwhile has not undone it.
    assert_eq!(call(&session, Call::tool("read")).await, "deny ringfence/killed");
}
