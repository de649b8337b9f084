//! Just before an effect starts it is looked again: latches, policy, limits.

use std::time::Duration;

use ringfence_audit::record::Scope;
use ringfence_guard::{Attempt, Evidence, Permit, Standing, Verdict};
use ringfence_model::{Assurance, Person};
use ringfence_policy::{PolicySet, Source};

use crate::world::{
    Call, PAY_IS_ASKED, Setting, World, begun, call, id, limited, permit, policies, settle, words,
};

/// Begins it, and says which rule refused.
fn refused<A: Attempt>(permit: Permit<A>) -> String {
    match permit.begin() {
        Ok(_) => "begun".to_owned(),
        Err(denied) => denied.rule().to_string(),
    }
}

#[tokio::test]
async fn a_kill_between_check_and_begin_denies() {
    let world = World::new(PAY_IS_ASKED);
    let operator = world.operator("olga", &[]).await;
    let guard = world.guard();
    let session = world.session("a").await;
    let sponsor = world.log().pseudonym(&Person::new(crate::world::DANA)).unwrap();
    let scopes = [
        Scope::All(true),
        Scope::Agent(id("a").to_string()),
        Scope::Session(session.id().to_owned()),
        Scope::Sponsor(sponsor),
        Scope::Tool("mcp://erp/read".to_owned()),
        Scope::Tool("mcp://erp/%72ead".to_owned()),
    ];
    for scope in scopes {
        let held = permit(session.check(Call::tool("read")).await);
        let receipt = guard.kill(&operator, scope.clone(), "test").await.unwrap();
        assert_eq!(refused(held), "ringfence/killed", "{scope:?}");
        assert_eq!(call(&session, Call::tool("read")).await, "deny ringfence/killed", "{scope:?}");
        guard.unkill(&operator, &receipt.latch, "test").await.unwrap();
        assert_eq!(call(&session, Call::tool("read")).await, "allow", "{scope:?}");
    }
    for scope in [Scope::Agent(id("b").to_string()), Scope::Tool("mcp://erp/other".to_owned())] {
        let held = permit(session.check(Call::tool("read")).await);
        guard.kill(&operator, scope.clone(), "test").await.unwrap();
        assert_eq!(refused(held), "begun", "{scope:?}");
    }
    let reasons: Vec<_> = world.outcomes().into_iter().filter_map(|outcome| outcome.reason).collect();
    assert_eq!(reasons.len(), 6);
    assert!(reasons.iter().all(|reason| reason.contains("unkill")), "{reasons:?}");
}

#[tokio::test]
async fn a_kill_cuts_what_is_under_way() {
    let world = World::new(PAY_IS_ASKED);
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    let read = begun(session.check(Call::tool("read")).await);
    let list = begun(session.check(Call::tool("list")).await);
    let cut = tokio::spawn(read.cut());
    world.guard().kill(&operator, Scope::Tool("mcp://erp/read".to_owned()), "test").await.unwrap();
    assert!(cut.await.unwrap().reason.contains("an operator stopped this"));
    let other = tokio::spawn(list.cut());
    world.guard().set_standing(&operator, &id("a"), Standing::Suspended).await.unwrap_err();
    world.guard().add_agent(&operator, &id("a"), &Person::new("dana"), Vec::new()).await.unwrap();
    world.guard().set_standing(&operator, &id("a"), Standing::Suspended).await.unwrap();
    assert!(other.await.unwrap().reason.contains("suspended"));
}

#[tokio::test]
async fn a_permit_of_a_session_that_has_ended_does_not_begin() {
    let world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    let held = permit(session.check(Call::tool("read")).await);
    world.guard().end_session(&session);
    assert_eq!(refused(held), "ringfence/session-ended");
    assert_eq!(call(&session, Call::tool("read")).await, "deny ringfence/session-ended");
    // Ending the old one again leaves the one that the credential has by now alone.
    let fresh = world.session("a").await;
    world.guard().end_session(&session);
    assert_eq!(world.session("a").await.id(), fresh.id());
}

#[tokio::test]
async fn a_newer_policy_decides_again() {
    let stricter = PAY_IS_ASKED.replace("mcp://erp/drop", "mcp://erp/read");
    let world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    let (one, two) =
        (permit(session.check(Call::tool("read")).await), permit(session.check(Call::tool("list")).await));
    world.guard().enforce(policies(&stricter), None);
    assert_eq!(refused(one), "ringfence/policy-changed");
    assert_eq!(refused(two), "begun");
}

#[tokio::test]
async fn a_newer_policy_that_limits_does_not_let_pass_what_it_did_not_count() {
    let world = World::new(&limited("  - {id: rate, actions: [tool.call], calls: 5, per: minute}"));
    let session = world.session("a").await;
    let held = permit(session.check(Call::tool("read")).await);
    world
        .guard()
        .enforce(policies(&limited("  - {id: rate, actions: [tool.call], calls: 1, per: minute}")), None);
    assert_eq!(refused(held), "begun");
    let held = session.check(Call::tool("read")).await;
    assert_eq!(words(&held), "deny p/rate");
    world.clock.pass(Duration::from_secs(61));
    let held = permit(session.check(Call::tool("read")).await);
    let other = "  - {id: rate, actions: [tool.call], calls: 1, per: day, timezone: Europe/Berlin}";
    world.guard().enforce(policies(&limited(other)), None);
    assert_eq!(refused(held), "ringfence/policy-changed");
}

#[tokio::test]
async fn an_approval_lifts_the_same_ask_after_a_swap_and_no_other() {
    let other = PAY_IS_ASKED.replace("expires: 10m}", "expires: 10m, approvers: [\"group:finance\"]}");
    let world = World::new(PAY_IS_ASKED);
    let operator = world.operator("olga", &[]).await;
    let session = world.session("a").await;
    for (next, begins) in [(PAY_IS_ASKED, "begun"), (other.as_str(), "ringfence/policy-changed")] {
        drop(session.check(Call::tool("pay")).await);
        let ask = world.guard().asked().remove(0);
        let yes = ringfence_guard::Answered::Approved(String::new());
        world.guard().answer(&operator, &ask.id, yes).await.unwrap();
        let held = permit(session.check(Call::tool("pay")).await);
        assert!(held.was_approved());
        world.guard().enforce(policies(next), None);
        assert_eq!(refused(held), begins);
    }
}

#[tokio::test]
async fn a_session_with_a_policy_of_its_own_is_decided_by_that() {
    let world = World::new("");
    let evidence = Evidence::Declared { agent: id("a"), sponsor: Person::new("dana") };
    let key = ringfence_guard::SessionKey::Credential;
    let session = world.guard().session(evidence, key, Assurance::Confined).await.unwrap();
    let set = PolicySet::load(&[Source { name: "own", text: PAY_IS_ASKED }]).unwrap().set;
    let own = session.under(set, false);
    let held = permit(own.check(Call::tool("read")).await);
    // The guard's own set changes, which does not concern it.
    world.guard().enforce(policies(""), None);
    assert_eq!(refused(held), "begun");
    assert_eq!(call(&session, Call::tool("read")).await, "deny ringfence/no-policy");
    assert_eq!(call(&own, Call::tool("read")).await, "allow");
}

#[tokio::test]
async fn a_period_that_ended_before_the_beginning_counts_in_the_next_one() {
    let limits = "  - {id: day, actions: [tool.call], calls: 2, per: day, timezone: Europe/Berlin}";
    let start = "2026-11-20T22:59:59Z".to_owned();
    let mut world = World::set(Setting { start, ..Setting::of(&limited(limits)) });
    let session = world.session("a").await;
    let (late, later) =
        (permit(session.check(Call::tool("a")).await), permit(session.check(Call::tool("b")).await));
    world.clock.pass(Duration::from_secs(2)); // midnight in Berlin
    let Ok((_, sent)) = late.begin() else { panic!("the new day is empty") };
    settle(sent);
    assert_eq!(call(&session, Call::tool("c")).await, "allow");
    assert_eq!(refused(later), "ringfence/limit");
    assert_eq!(call(&session, Call::tool("d")).await, "deny p/day");
    // The log says so too.
    drop(session);
    world.restart();
    let session = world.session("a").await;
    assert_eq!(call(&session, Call::tool("e")).await, "deny p/day");
    world.clock.pass(Duration::from_secs(86_400));
    assert_eq!(call(&session, Call::tool("f")).await, "allow");
}

#[tokio::test]
async fn what_was_only_observed_does_not_begin_once_it_is_enforced() {
    let until = "2026-11-20T12:10:00Z".parse().unwrap();
    let world = World::set(Setting { observe_until: Some(until), ..Setting::of(PAY_IS_ASKED) });
    let session = world.session("a").await;
    let (one, two, three) = (
        permit(session.check(Call::tool("drop")).await),
        permit(session.check(Call::tool("drop")).await),
        permit(session.check(Call::tool("drop")).await),
    );
    assert_eq!(refused(one), "begun");
    world.clock.pass(Duration::from_secs(600));
    assert_eq!(refused(two), "ringfence/policy-changed");
    world.guard().enforce(policies(PAY_IS_ASKED), None);
    assert_eq!(refused(three), "ringfence/policy-changed");
    assert!(matches!(session.check(Call::tool("drop")).await, Verdict::Denied(_)));
}
