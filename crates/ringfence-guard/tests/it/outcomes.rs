//! Every permit ends in exactly one outcome, whatever happens to it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use proptest::prelude::*;
use ringfence_audit::record::Scope;
use ringfence_guard::{Guard, Permit, Sent, Session, Verdict};

use crate::world::{Call, PAY_IS_ASKED, World, begun, permit, settle, words};

#[tokio::test]
async fn the_end_of_a_permit_is_its_outcome() {
    let world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    drop(permit(session.check(Call::tool("read")).await));
    drop(begun(session.check(Call::tool("read")).await));
    settle(begun(session.check(Call::tool("read")).await));
    assert_eq!(world.results(), ["not_started", "unknown", "ok"]);
    let started: Vec<bool> = world.outcomes().iter().map(|outcome| outcome.started.is_some()).collect();
    assert_eq!(started, [false, true, true]);
}

#[tokio::test]
async fn a_begun_permit_is_used_up_and_gives_back_what_was_checked() {
    let world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    let given = permit(session.check(Call::with("read", r#"{"n":1}"#)).await);
    let Ok((started, sent)) = given.begin() else { panic!("nothing has changed") };
    assert_eq!(started.into_inner().action.arguments.raw(), r#"{"n":1}"#);
    settle(sent);
    assert_eq!(world.results(), ["ok"]);
}

#[tokio::test]
async fn a_check_that_is_given_up_after_its_append_did_not_start() {
    let world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    give_up(&session, "read");
    assert_eq!(permits(&world), 1);
    assert_eq!(world.results(), ["not_started"]);
    // Given up or not, nothing is held: the session ends cleanly.
    assert_eq!(world.guard().sessions().len(), 1);
}

#[tokio::test]
async fn a_check_that_is_given_up_while_it_asks_leaves_an_ask_that_can_be_answered() {
    let world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    let operator = world.operator("olga", &[]).await;
    give_up(&session, "pay");
    assert_eq!(permits(&world), 0);
    let asked = world.guard().asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let yes = ringfence_guard::Answered::Approved(String::new());
    world.guard().answer(&operator, &asked[0].id, yes).await.unwrap();
    assert_eq!(words(&session.check(Call::tool("pay")).await), "allow");
}

/// Begins a check, lets its append go out, and gives it up.
fn give_up(session: &Session, tool: &str) {
    let mut check = pin!(session.check(Call::tool(tool)));
    drop(check.as_mut().poll(&mut Context::from_waker(Waker::noop())));
}

fn permits(world: &World) -> usize {
    // Twice: the outcome of a check that was given up is queued when its record has arrived.
    drop(world.records());
    world.decisions().values().filter(|decision| decision.permit).count()
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Check(&'static str),
    GiveUp(&'static str),
    Begin(usize),
    DropPermit(usize),
    DropSent(usize),
    Settle(usize),
    Kill,
    Unkill,
    Approve,
    Swap,
    EndSession,
    Minutes(u64),
    Sweep,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let tool = prop_oneof![3 => Just("read"), 1 => Just("pay"), 1 => Just("drop")];
    prop_oneof![
        8 => tool.clone().prop_map(Step::Check),
        2 => tool.prop_map(Step::GiveUp),
        5 => (0usize..4).prop_map(Step::Begin),
        1 => (0usize..4).prop_map(Step::DropPermit),
        1 => (0usize..4).prop_map(Step::DropSent),
        4 => (0usize..4).prop_map(Step::Settle),
        1 => Just(Step::Kill),
        1 => Just(Step::Unkill),
        2 => Just(Step::Approve),
        1 => Just(Step::Swap),
        1 => Just(Step::EndSession),
        1 => (1u64..40).prop_map(Step::Minutes),
        1 => Just(Step::Sweep),
        1 => Just(Step::Restart),
    ]
}

const POLICY: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: p}
layer: team
subjects: ["**"]
rules:
  - {id: any, effect: allow, actions: ["*"], resources: ["mcp://erp/*"]}
  - {id: pay, effect: ask, actions: [tool.call], resources: ["mcp://erp/pay"], expires: 10m}
limits:
  - {id: rate, actions: [tool.call], calls: 6, per: 10m}
  - {id: day, actions: [tool.call], calls: 12, per: day, timezone: Europe/Berlin}
  - {id: session, actions: [tool.call], calls: 9, per: session}
  - {id: loops, actions: [tool.call], identical: 5, per: 10m, then: ask}
  - {id: open, actions: [tool.call], concurrent: 3}
"#;

/// Whatever a run of steps leaves in hand.
#[derive(Default)]
struct InHand {
    permits: Vec<Permit<Call>>,
    sent: Vec<Sent>,
}

async fn play(steps: Vec<Step>) {
    let mut world = World::new(POLICY);
    let mut hand = InHand::default();
    let mut session = world.session("a").await;
    let mut operator = world.operator("olga", &[]).await;
    for step in steps {
        let guard: &Guard = world.guard();
        match step {
            Step::Check(tool) => {
                if let Verdict::Allowed(permit) = session.check(Call::tool(tool)).await {
                    hand.permits.push(permit);
                }
            }
            Step::GiveUp(tool) => give_up(&session, tool),
            Step::Begin(at) if at < hand.permits.len() => {
                if let Ok((_, sent)) = hand.permits.swap_remove(at).begin() {
                    hand.sent.push(sent);
                }
            }
            Step::DropPermit(at) if at < hand.permits.len() => drop(hand.permits.swap_remove(at)),
            Step::DropSent(at) if at < hand.sent.len() => drop(hand.sent.swap_remove(at)),
            Step::Settle(at) if at < hand.sent.len() => settle(hand.sent.swap_remove(at)),
            Step::Begin(_) | Step::DropPermit(_) | Step::DropSent(_) | Step::Settle(_) => {}
            Step::Kill => {
                drop(guard.kill(&operator, Scope::Tool("mcp://erp/read".to_owned()), "test").await.unwrap());
            }
            Step::Unkill => {
                for latch in guard.latches() {
                    guard.unkill(&operator, &latch.id, "test").await.unwrap();
                }
            }
            Step::Approve => {
                for ask in guard.asked() {
                    let yes = ringfence_guard::Answered::Approved(String::new());
                    // One that was answered before is refused, which is as good.
                    guard.answer(&operator, &ask.id, yes).await.ok();
                }
            }
            Step::Swap => guard.enforce(crate::world::policies(POLICY), None),
            Step::EndSession => {
                guard.end_session(&session);
                session = world.session("a").await;
            }
            Step::Minutes(minutes) => world.clock.pass(std::time::Duration::from_secs(60 * minutes)),
            Step::Sweep => guard.sweep(),
            Step::Restart => {
                // What is in hand belongs to the one that crashed: its outcomes come too late.
                world.stop();
                drop(std::mem::take(&mut hand));
                world.start().unwrap();
                session = world.session("a").await;
                operator = world.operator("olga", &[]).await;
            }
        }
    }
    drop(hand);
    drop(world.records());
    let mut owed: BTreeMap<u64, usize> = world
        .decisions()
        .into_iter()
        .filter(|(_, decision)| decision.permit)
        .map(|(index, _)| (index, 0))
        .collect();
    for outcome in world.outcomes() {
        *owed.get_mut(&outcome.of).expect("an outcome is of a permit") += 1;
    }
    assert!(owed.values().all(|count| *count == 1), "{owed:?}");
    let (log, cache) = world.states();
    assert_eq!(log, cache);
    assert!(log.iter().all(|(table, ..)| table != "permits"), "{log:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_permit_has_one_outcome_and_the_cache_is_the_fold(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(play(steps));
    }
}
