//! What has had its time is let go of, and nothing else.

use std::time::Duration;

use ringfence_audit::record::Record;
use ringfence_guard::Verdict;

use crate::world::{Call, PAY_IS_ASKED, World, begun, call, limited, pending, settle};

const MINUTE: Duration = Duration::from_secs(60);

fn ended(world: &World) -> Vec<String> {
    let records = world.records().into_iter();
    let found = records.filter_map(|(_, stamped)| match stamped.record {
        Record::SessionEnded(ended) => Some(ended.why.into_owned()),
        _ => None,
    });
    found.collect()
}

#[tokio::test]
async fn an_idle_session_ends_unless_somebody_holds_it_or_something_is_under_way() {
    let world = World::new(PAY_IS_ASKED);
    let held = world.session("held").await;
    let open = begun(world.session("open").await.check(Call::tool("read")).await);
    drop(world.session("asks").await.check(Call::tool("wait")).await);
    drop(world.session("idle").await);
    world.clock.pass(29 * MINUTE);
    world.guard().sweep();
    assert_eq!(world.guard().sessions().len(), 4);
    world.clock.pass(MINUTE);
    world.guard().sweep();
    assert_eq!(ended(&world), ["idle", "idle"]);
    assert_eq!(world.guard().sessions().len(), 2);
    assert_eq!(call(&held, Call::tool("read")).await, "allow");
    settle(open);
}

#[tokio::test]
async fn a_session_that_waits_for_a_person_is_not_idle() {
    let world = World::new(&PAY_IS_ASKED.replace("expires: 10m", "expires: 2h"));
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    let ask = pending(session.check(Call::tool("pay")).await).ticket().as_str().to_owned();
    drop(session);
    world.clock.pass(60 * MINUTE);
    world.guard().sweep();
    let yes = ringfence_guard::Answered::Approved(String::new());
    world.guard().answer(&operator, &ask, yes).await.unwrap();
    assert_eq!(call(&world.session("a").await, Call::tool("pay")).await, "allow");
}

#[tokio::test]
async fn an_ask_that_nobody_answered_is_recorded_as_expired() {
    let mut world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    let waiting = pending(session.check(Call::tool("pay")).await);
    world.clock.pass(10 * MINUTE);
    world.guard().sweep();
    assert!(world.guard().asked().is_empty());
    let records = world.records();
    let said = records.iter().find_map(|(_, stamped)| match &stamped.record {
        Record::ApprovalAnswered(said) => Some((&*said.id, &*said.verdict)),
        _ => None,
    });
    assert_eq!(said, Some((waiting.ticket().as_str(), "expired")));
    let (log, cache) = world.states();
    assert_eq!(log, cache);
    assert!(
        matches!(waiting.wait(MINUTE).await, Verdict::Denied(denied) if denied.rule().as_str() == "ringfence/approval")
    );
}

#[tokio::test]
async fn counters_are_forgotten_when_they_count_nothing() {
    let mut world = World::new(&limited(
        r#"
  - {id: minute, actions: [tool.call], calls: 60, per: minute}
  - {id: session, actions: [tool.call], calls: 600, per: session}
  - {id: open, actions: [tool.call], concurrent: 5}
  - {id: loops, actions: [tool.call], identical: 5, per: 10m}
"#,
    ));
    let session = world.session("a").await;
    for n in 0..20 {
        assert_eq!(call(&session, Call::with("read", &format!(r#"{{"n":{n}}}"#))).await, "allow");
    }
    assert_eq!(world.guard().counters(), 23);
    world.clock.pass(11 * MINUTE);
    world.guard().sweep();
    assert_eq!(world.guard().counters(), 1, "the session's");
    world.guard().end_session(&session);
    assert_eq!(world.guard().counters(), 0);
    drop(session);
    // Nor do those come back that only the log knows.
    let session = world.session("a").await;
    assert_eq!(call(&session, Call::tool("read")).await, "allow");
    drop(session);
    world.restart();
    assert!(world.guard().counters() > 0);
    world.clock.pass(31 * MINUTE);
    world.guard().sweep();
    assert_eq!(world.guard().counters(), 0);
    assert_eq!(ended(&world), ["closed", "idle"]);
    let (log, cache) = world.states();
    assert_eq!(log, cache);
    drop(world.records());
    assert!(world.states().0.iter().all(|(table, ..)| table == "operators"), "{:?}", world.states().0);
}
