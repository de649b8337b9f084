//! The log is the only journal: the database is a cache of it, and whatever it was, a restart
//! gives the same guard, or none.

use std::error::Error;
use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringfence_audit::record::Stamped;
use ringfence_guard::{Answered, CacheError, OpenError, State};
use rusqlite::Connection;

use crate::world::{Call, PAY_IS_ASKED, World, begun, call, pending, permit, settle};

const MINUTE: Duration = Duration::from_secs(60);

fn yes() -> Answered {
    Answered::Approved(String::new())
}

fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

#[tokio::test]
async fn permits_without_an_outcome_get_one_when_the_next_monitor_starts() {
    let mut world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    let lost = begun(session.check(Call::tool("read")).await);
    let never = permit(session.check(Call::tool("read")).await);
    settle(begun(session.check(Call::tool("read")).await));
    world.stop();
    drop((lost, never, session));
    world.start().unwrap();
    assert_eq!(world.results(), ["ok", "unknown", "unknown"]);
    world.restart();
    assert_eq!(world.results().len(), 3, "once");
    let (log, cache) = world.states();
    assert_eq!(log, cache);
}

#[tokio::test]
async fn an_ask_survives_and_can_be_answered_and_used_afterwards() {
    for forgotten in [false, true] {
        let mut world = World::new(PAY_IS_ASKED);
        let session = world.session("a").await;
        let first =
            pending(session.check(Call::with("pay", r#"{"n":1}"#)).await).ticket().as_str().to_owned();
        let second =
            pending(session.check(Call::with("pay", r#"{"n":2}"#)).await).ticket().as_str().to_owned();
        let operator = world.operator("olga", &[]).await;
        world.guard().answer(&operator, &first, yes()).await.unwrap();
        drop(session);
        world.stop();
        if forgotten {
            fs::remove_file(world.database()).unwrap();
        }
        world.start().unwrap();
        let operator = world.operator("olga", &[]).await;
        world.guard().answer(&operator, &second, yes()).await.unwrap();
        let session = world.session("a").await;
        for n in [1, 2] {
            let given = permit(session.check(Call::with("pay", &format!(r#"{{"n":{n}}}"#))).await);
            assert!(given.was_approved());
        }
        drop(session);
        world.restart();
        let session = world.session("a").await;
        assert_eq!(call(&session, Call::with("pay", r#"{"n":1}"#)).await, "ask", "used is used");
    }
}

#[tokio::test]
async fn an_ask_that_took_the_place_of_another_does_so_after_a_restart() {
    let mut world = World::new(PAY_IS_ASKED);
    let operator = world.operator("olga", &["finance"]).await;
    // Whichever id sorts first: many times over.
    for round in 0..6 {
        let policy = PAY_IS_ASKED.replace("expires: 10m}", "expires: 10m, approvers: [\"group:nobody\"]}");
        let session = world.session(&format!("a{round}")).await;
        let ask = pending(session.check(Call::tool("pay")).await);
        world.guard().answer(&operator, ask.ticket().as_str(), yes()).await.unwrap();
        world.guard().enforce(crate::world::policies(&policy), None);
        let anew = pending(session.check(Call::tool("pay")).await);
        assert_ne!(anew.ticket(), ask.ticket());
        world.guard().enforce(crate::world::policies(PAY_IS_ASKED), None);
    }
    world.restart();
    for round in 0..6 {
        let session = world.session(&format!("a{round}")).await;
        assert_eq!(call(&session, Call::tool("pay")).await, "ask");
    }
}

#[tokio::test]
async fn a_session_goes_on_for_the_same_credential_until_it_was_idle() {
    let mut world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    let first = session.id().to_owned();
    assert_eq!(call(&session, Call::tool("read")).await, "allow");
    drop(session);
    world.clock.pass(29 * MINUTE);
    world.restart();
    assert_eq!(world.session("a").await.id(), first);
    assert_ne!(world.session("b").await.id(), first);
    assert_ne!(world.session_for("a", "eve@acme.example").await.id(), first, "somebody else answers for it");
    world.clock.pass(30 * MINUTE);
    world.restart();
    let later = world.session("b").await.id().to_owned();
    world.clock.pass(30 * MINUTE);
    assert_ne!(world.session("b").await.id(), later);
}

#[tokio::test]
async fn time_stands_still_while_the_clock_is_behind() {
    let mut world = World::new("");
    let early = world.guard().now();
    let late = early + Duration::from_secs(7_200);
    world.clock.set(late);
    assert_eq!(world.guard().now(), late);
    world.clock.set(early);
    assert_eq!(world.guard().now(), late);
    world.restart();
    assert!(world.guard().now() < late, "nothing was recorded at the later time");
    world.clock.set(late);
    drop(world.session("a").await.check(Call::tool("read")).await);
    world.clock.set(early);
    world.restart();
    assert!(world.guard().now() >= late, "the log is as late as that");
}

#[tokio::test]
async fn the_cache_is_the_fold_whether_it_was_there_or_not() {
    let mut world = World::new(PAY_IS_ASKED);
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    for _ in 0..3 {
        settle(begun(session.check(Call::tool("read")).await));
    }
    drop(pending(session.check(Call::tool("pay")).await));
    world.guard().trust(&operator, "/project", Some("sha256:1".to_owned())).await.unwrap();
    drop(session);
    let (log, kept) = world.states();
    assert_eq!(log, kept);
    world.stop();
    fs::remove_file(world.database()).unwrap();
    world.start().unwrap();
    let (log, rebuilt) = world.states();
    assert_eq!(log, rebuilt);
    assert_eq!(kept, rebuilt);
    assert_eq!(world.guard().trusted("/project").as_deref(), Some("sha256:1"));
}

#[tokio::test]
async fn a_database_that_could_not_be_written_for_a_while_has_missed_nothing() {
    let mut world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    drop(pending(session.check(Call::tool("pay")).await));
    world.store_fails.store(true, Ordering::SeqCst);
    assert!(world.keep().is_err());
    world.store_fails.store(false, Ordering::SeqCst);
    // Nothing is new in the log, and still there is something to save.
    world.keep().unwrap();
    drop(session);
    world.restart();
    let (log, cache) = world.states();
    assert_eq!(log, cache);
    assert!(cache.iter().any(|(table, ..)| table == "approvals"), "{cache:?}");
}

#[test]
fn labels_only_rise_in_whatever_order_records_come() {
    let mut state = State::default();
    let said = [
        r#""kind":"session.started","session":"s","subject":"a","sponsor":"p","credential":"c","assurance":"confined""#,
        r#""kind":"observed","session":"s","event":"output","labels":{"integrity":"untrusted","confidentiality":"internal"}"#,
        r#""kind":"observed","session":"s","event":"output","labels":{"integrity":"trusted","confidentiality":"secret"}"#,
        r#""kind":"observed","session":"s","event":"output","labels":{"integrity":"trusted","confidentiality":"internal"}"#,
    ];
    for (index, members) in (0..).zip(said) {
        let leaf = format!(r#"{{"v":1,"time":"2026-11-20T12:00:00Z","node":"n",{members}}}"#);
        state.apply(index, &Stamped::parse(index, leaf.as_bytes()).unwrap());
    }
    let rows = state.rows();
    let labels = r#""labels":{"integrity":"untrusted","confidentiality":"secret"}"#;
    assert!(rows.len() == 1 && rows[0].2.contains(labels), "{rows:?}");
}

fn refusal(world: &mut World) -> String {
    let refused = world.start().unwrap_err();
    chain(&refused)
}

async fn stopped() -> World {
    let mut world = World::new(PAY_IS_ASKED);
    assert_eq!(call(&world.session("a").await, Call::tool("read")).await, "allow");
    world.stop();
    world
}

#[tokio::test]
async fn a_database_of_a_newer_version_opens_no_guard() {
    let mut world = stopped().await;
    Connection::open(world.database()).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let said = refusal(&mut world);
    assert!(said.contains("newer version of Ringfence") && said.contains("form 99"), "{said}");
}

#[tokio::test]
async fn a_locked_database_opens_no_guard() {
    let mut world = stopped().await;
    let other = Connection::open(world.database()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let said = refusal(&mut world);
    assert!(said.contains("locked by another process") && said.contains("--data"), "{said}");
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    world.start().unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_be_written_opens_no_guard() {
    let mut world = stopped().await;
    // Permissions do not bind root; a folder in the database's place binds everybody.
    fs::remove_file(world.database()).unwrap();
    fs::create_dir(world.database()).unwrap();
    let said = refusal(&mut world);
    assert!(said.contains("state.db cannot be opened"), "{said}");
}

#[tokio::test]
async fn a_database_with_an_object_of_another_shape_opens_no_guard() {
    let mut world = stopped().await;
    Connection::open(world.database()).unwrap().execute("UPDATE object SET body = '{}'", []).unwrap();
    let said = refusal(&mut world);
    assert!(said.contains("delete the database, it is rebuilt from the log"), "{said}");
    fs::remove_file(world.database()).unwrap();
    world.start().unwrap();
}

#[tokio::test]
async fn a_database_ahead_of_its_log_opens_no_guard() {
    let mut world = stopped().await;
    world.start().unwrap();
    let older = tempfile::tempdir().unwrap();
    world.stop();
    copy(world.data(), older.path());
    world.start().unwrap();
    assert_eq!(call(&world.session("a").await, Call::tool("read")).await, "allow");
    world.stop();
    let newer = fs::read(world.database()).unwrap();
    copy(older.path(), world.data());
    fs::write(world.database(), newer).unwrap();
    let refused = world.start().unwrap_err();
    assert!(matches!(refused, OpenError::Cache(CacheError::Ahead { .. })), "{refused}");
    assert!(refused.to_string().contains("an older log was put back"), "{refused}");
    fs::remove_file(world.database()).unwrap();
    world.start().unwrap();
}

#[tokio::test]
async fn a_database_of_another_log_opens_no_guard() {
    let (mut one, two) = (stopped().await, stopped().await);
    fs::copy(two.database(), one.database()).unwrap();
    let refused = one.start().unwrap_err();
    assert!(matches!(refused, OpenError::Cache(CacheError::Forked { .. })), "{refused}");
    assert!(refused.to_string().contains("does not extend the one that the database saw"), "{refused}");
}

/// Puts a data directory's files in the place of another's.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    for old in fs::read_dir(to).unwrap() {
        let old = old.unwrap().path();
        if old.is_dir() { fs::remove_dir_all(old).unwrap() } else { fs::remove_file(old).unwrap() }
    }
    copy_into(from, to);
}

fn copy_into(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy_into(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).unwrap();
        }
    }
}
