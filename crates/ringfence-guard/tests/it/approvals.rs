//! An approval is bound to exactly what was approved, is used once, expires, and comes from
//! somebody who may give it.

use std::time::Duration;

use ringfence_audit::record::{ApprovalStep, Record, Scope};
use ringfence_guard::{Answered, ControlError, Operator, Session};
use ringfence_model::Person;
use tokio::task::JoinSet;

use crate::world::{Call, PAY_IS_ASKED, World, begins, call, limited, pending, permit, words};

const MINUTE: Duration = Duration::from_secs(60);

fn yes() -> Answered {
    Answered::Approved(String::new())
}

fn no() -> Answered {
    Answered::Refused(String::new())
}

/// Asks for a call, and has it answered.
async fn answered(world: &World, session: &Session, attempt: Call, by: &Operator, answer: Answered) {
    let ask = pending(session.check(attempt).await);
    world.guard().answer(by, ask.ticket().as_str(), answer).await.unwrap();
}

fn order(amount: u32) -> Call {
    Call::with("pay", &format!(r#"{{"amount":{amount}}}"#)).of_tool(1).on_server(1)
}

#[tokio::test]
async fn it_serves_exactly_what_was_approved() {
    let world = World::new(PAY_IS_ASKED);
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    answered(&world, &session, order(90), &operator, yes()).await;
    let mut elsewhere = order(90);
    elsewhere.action.arguments = ringfence_model::Arguments::parse(r#"{"amount":90,"note":""}"#).unwrap();
    let others = [
        ("another amount", order(91)),
        ("another argument", elsewhere),
        ("another tool object", order(90).of_tool(2)),
        ("another server", order(90).on_server(2)),
        ("an unknown tool object", Call::with("pay", r#"{"amount":90}"#).on_server(1)),
    ];
    for (what, other) in others {
        assert_eq!(call(&session, other).await, "ask", "{what}");
    }
    assert_eq!(call(&world.session("b").await, order(90)).await, "ask", "another session");
    // The same value written otherwise is the same.
    let mut spelt = order(90);
    spelt.action.arguments = ringfence_model::Arguments::parse(r#"{ "amount" : 9.0e1 }"#).unwrap();
    let given = permit(session.check(spelt).await);
    assert!(given.was_approved());
    let record = world.decisions().remove(&given.record().index).unwrap();
    assert_eq!(record.approval.map(|approval| approval.step), Some(ApprovalStep::Used));
    assert_eq!(call(&session, order(90)).await, "ask", "used up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_at_once_use_it_once() {
    let world = World::new(PAY_IS_ASKED);
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    let ask = pending(session.check(order(1)).await);
    let ticket = ask.ticket().clone();
    world.guard().answer(&operator, ticket.as_str(), yes()).await.unwrap();
    let mut resumes = JoinSet::new();
    for n in 0..1000 {
        let (session, ticket) = (session.clone(), ticket.clone());
        resumes.spawn(async move {
            let verdict = if n % 2 == 0 {
                session.resume(ticket, order(1)).await
            } else {
                session.check(order(1)).await
            };
            begins(verdict)
        });
    }
    let served = resumes.join_all().await.into_iter().filter(|served| *served).count();
    assert_eq!(served, 1);
    let used = |record: &ringfence_audit::record::Decision| {
        record.approval.as_ref().is_some_and(|approval| approval.step == ApprovalStep::Used)
    };
    assert_eq!(world.decisions().values().filter(|record| used(record)).count(), 1);
}

#[tokio::test]
async fn it_expires_whether_answered_or_not() {
    let world = World::new(PAY_IS_ASKED);
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    let unanswered = pending(session.check(order(1)).await);
    answered(&world, &session, order(2), &operator, yes()).await;
    world.clock.pass(10 * MINUTE);
    let late = world.guard().answer(&operator, unanswered.ticket().as_str(), yes()).await;
    assert!(matches!(late, Err(ControlError::NoApproval(_))), "{late:?}");
    assert_eq!(call(&session, order(2)).await, "ask");
}

#[tokio::test]
async fn a_refusal_holds_until_it_expires() {
    let world = World::new(PAY_IS_ASKED);
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    answered(&world, &session, order(1), &operator, no()).await;
    for _ in 0..2 {
        assert_eq!(call(&session, order(1)).await, "deny ringfence/approval");
    }
    let ask = world.guard().asked().remove(0);
    assert_eq!(ask.answered, Answered::Refused("olga".to_owned()));
    assert!(world.guard().answer(&operator, &ask.id, yes()).await.is_err(), "what was said stays said");
    world.clock.pass(10 * MINUTE);
    assert_eq!(call(&session, order(1)).await, "ask");
}

const TWO_RULES: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: p}
layer: team
subjects: ["**"]
rules:
  - {id: finance, effect: ask, actions: [tool.call], resources: ["mcp://erp/pay"], approvers: ["group:finance"]}
  - {id: security, effect: ask, actions: [tool.call], resources: ["mcp://erp/pay"], approvers: ["group:security", "sam@acme.example"]}
"#;

#[tokio::test]
async fn whoever_answers_is_among_the_approvers_of_every_rule() {
    let world = World::new(TWO_RULES);
    let session = world.session("a").await;
    let ask = pending(session.check(order(1)).await).ticket().as_str().to_owned();
    for (name, groups) in
        [("a", &[][..]), ("b", &["finance"][..]), ("c", &["security"][..]), ("d", &["other"][..])]
    {
        let operator = world.operator(name, groups).await;
        let refused = world.guard().answer(&operator, &ask, yes()).await.unwrap_err();
        let said = refused.to_string();
        assert_eq!(
            said,
            format!(
                "{name} may not answer this; it needs group:finance and group:security or sam@acme.example"
            )
        );
    }
    assert_eq!(call(&session, order(1)).await, "ask");
    let both = world.operator("e", &["finance", "security"]).await;
    world.guard().answer(&both, &ask, yes()).await.unwrap();
    assert_eq!(call(&session, order(1)).await, "allow");
    let named = world.operator("sam@acme.example", &["finance"]).await;
    answered(&world, &session, order(2), &named, yes()).await;
    assert_eq!(call(&session, order(2)).await, "allow");
}

#[tokio::test]
async fn an_approver_who_does_not_suffice_any_more_does_not_serve() {
    let world = World::new(PAY_IS_ASKED);
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    answered(&world, &session, order(1), &operator, yes()).await;
    world.guard().enforce(crate::world::policies(TWO_RULES), None);
    assert_eq!(call(&session, order(1)).await, "ask");
}

#[tokio::test]
async fn a_session_has_so_many_asks_and_no_more() {
    let world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    for amount in 0..64 {
        assert_eq!(call(&session, order(amount)).await, "ask");
    }
    assert_eq!(call(&session, order(64)).await, "deny ringfence/approval");
    assert_eq!(call(&session, order(63)).await, "ask", "one that waits is joined");
    assert_eq!(call(&world.session("b").await, order(64)).await, "ask");
    // Those that have expired do not stand in anybody's way.
    world.clock.pass(10 * MINUTE);
    assert_eq!(call(&session, order(64)).await, "ask");
}

#[tokio::test]
async fn answers_and_approvers_are_recorded_by_pseudonym() {
    let world = World::new(TWO_RULES);
    let operator = world.operator("sam@acme.example", &["finance"]).await;
    let session = world.session("a").await;
    answered(&world, &session, order(1), &operator, yes()).await;
    let pseudonym = world.log().pseudonym(&Person::new("sam@acme.example")).unwrap();
    let said = world.records().into_iter().find_map(|(_, stamped)| match stamped.record {
        Record::ApprovalAnswered(said) => Some(said),
        _ => None,
    });
    let said = said.unwrap();
    assert_eq!(
        (&*said.verdict, said.operator.as_deref(), said.via.as_deref()),
        ("approve", Some(&*pseudonym), Some("operator"))
    );
    let asked = world.decisions().into_values().find_map(|decision| decision.approval).unwrap();
    assert_eq!(
        asked.approvers,
        [vec!["group:finance".to_owned()], vec!["group:security".to_owned(), format!("person:{pseudonym}")]]
    );
    assert_eq!(world.guard().asked()[0].approvers[1][1], "sam@acme.example");
}

#[tokio::test]
async fn waiting_ends_with_an_answer() {
    for (answer, expected) in [(yes(), "allow"), (no(), "deny ringfence/approval")] {
        let world = World::new(PAY_IS_ASKED);
        let operator = world.operator("olga", &[]).await;
        let session = world.session("a").await;
        let ask = pending(session.check(order(1)).await);
        let id = ask.ticket().as_str().to_owned();
        let waiting = tokio::spawn(ask.wait(60 * MINUTE));
        tokio::task::yield_now().await;
        world.guard().answer(&operator, &id, answer).await.unwrap();
        assert_eq!(words(&waiting.await.unwrap()), expected);
    }
}

#[tokio::test]
async fn waiting_ends_with_a_kill_of_whatever_scope() {
    for scope in [Scope::All(true), Scope::Tool("mcp://erp/pay".to_owned())] {
        let world = World::new(PAY_IS_ASKED);
        let operator = world.operator("olga", &[]).await;
        let session = world.session("a").await;
        let waiting = tokio::spawn(pending(session.check(order(1)).await).wait(60 * MINUTE));
        tokio::task::yield_now().await;
        world.guard().kill(&operator, scope, "test").await.unwrap();
        assert_eq!(words(&waiting.await.unwrap()), "deny ringfence/killed");
    }
}

#[tokio::test]
async fn waiting_ends_with_the_expiry_and_with_the_time_given() {
    let world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    let ask = pending(session.check(order(1)).await);
    let ask = pending(ask.wait(Duration::ZERO).await);
    let waiting = tokio::spawn(ask.wait(Duration::MAX));
    tokio::task::yield_now().await;
    world.clock.pass(10 * MINUTE);
    world.guard().sweep();
    assert_eq!(words(&waiting.await.unwrap()), "deny ringfence/approval");
    assert!(world.guard().asked().is_empty(), "whoever waited in vain does not ask again");
}

#[tokio::test]
async fn a_kill_makes_what_waits_void_also_where_nobody_came_back_after_a_restart() {
    let mut world = World::new(PAY_IS_ASKED);
    let operator = world.operator("olga", &[]).await;
    drop(world.session("a").await.check(order(1)).await);
    drop(operator);
    world.restart();
    let operator = world.operator("olga", &[]).await;
    let scope = Scope::Agent(crate::world::id("a").to_string());
    let receipt = world.guard().kill(&operator, scope, "test").await.unwrap();
    assert_eq!(receipt.voided, 1);
    world.guard().unkill(&operator, &receipt.latch, "test").await.unwrap();
    assert!(world.guard().asked().is_empty());
}

#[tokio::test]
async fn a_repetition_that_asks_is_lifted_by_an_answer_alone() {
    let world = World::new(&limited(
        "  - {id: loops, actions: [tool.call], identical: 5, per: 10m, then: ask, expires: 5m}",
    ));
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    for _ in 0..5 {
        assert_eq!(call(&session, Call::tool("x")).await, "allow");
    }
    let ask = pending(session.check(Call::tool("x")).await);
    // Nobody has answered, so asking again by the ticket lifts nothing.
    let again = pending(session.resume(ask.ticket().clone(), Call::tool("x")).await);
    assert_eq!(again.ticket(), ask.ticket());
    world.guard().answer(&operator, ask.ticket().as_str(), no()).await.unwrap();
    assert_eq!(words(&ask.wait(MINUTE).await), "deny ringfence/approval");
    world.clock.pass(5 * MINUTE);
    answered(&world, &session, Call::tool("x"), &operator, yes()).await;
    assert_eq!(call(&session, Call::tool("x")).await, "allow");
    assert_eq!(call(&session, Call::tool("x")).await, "ask");
}

#[tokio::test]
async fn an_approval_lifts_no_limit_and_no_denial() {
    let policy = PAY_IS_ASKED.to_owned()
        + "  - {id: not-now, effect: deny, actions: [tool.call], resources: [\"mcp://erp/pay\"], when: session.calls >= 2}\n"
        + "limits:\n  - {id: rate, actions: [tool.call], calls: 1, per: minute}\n";
    let world = World::new(&policy);
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    answered(&world, &session, order(1), &operator, yes()).await;
    assert_eq!(call(&session, Call::tool("x")).await, "allow");
    assert_eq!(call(&session, order(1)).await, "deny p/rate");
    world.clock.pass(MINUTE);
    assert_eq!(call(&session, Call::tool("x")).await, "allow");
    world.clock.pass(MINUTE);
    assert_eq!(call(&session, order(1)).await, "deny p/not-now");
}

#[tokio::test]
async fn an_operator_who_was_erased_approves_nothing() {
    let world = World::new(PAY_IS_ASKED);
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    answered(&world, &session, order(1), &operator, yes()).await;
    world.log().erase(ringfence_audit::Whose::Person(&Person::new("olga"))).unwrap();
    assert_eq!(call(&session, order(1)).await, "ask");
}
