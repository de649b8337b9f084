//! Observing withholds what rules decide, and nothing else.

use ringfence_audit::record::Scope;
use ringfence_guard::{Standing, Verdict};
use ringfence_model::{Effect, Person, Usage};

use crate::world::{Call, Setting, World, call, id, permit};

const POLICY: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: p}
layer: team
subjects: ["**"]
rules:
  - {id: any, effect: allow, actions: ["*"], resources: ["mcp://erp/*", "model://openai/*"]}
  - {id: pay, effect: ask, actions: [tool.call], resources: ["mcp://erp/pay"]}
  - {id: drop, effect: deny, actions: [tool.call], resources: ["mcp://erp/drop"]}
limits:
  - {id: rate, actions: [tool.call], resources: ["mcp://erp/drop", "mcp://erp/read"], calls: 2, per: minute}
  - {id: tokens, actions: [model.call], tokens: 10, per: session}
  - {id: hours, actions: [tool.call], resources: ["mcp://erp/late", "mcp://crm/late"], hours: "Mon-Fri 07:00-09:00 Europe/Berlin"}
"#;

fn observing() -> World {
    let until = Some("2026-12-01T00:00:00Z".parse().unwrap());
    World::set(Setting { observe_until: until, ..Setting::of(POLICY) })
}

#[tokio::test]
async fn rules_let_through_and_the_record_says_what_they_would_have_said() {
    let world = observing();
    let session = world.session("a").await;
    for (tool, effect, rule) in [("pay", Effect::Ask, "p/pay"), ("drop", Effect::Deny, "p/drop")] {
        let permit = permit(session.check(Call::tool(tool)).await);
        assert_eq!((permit.decision().effect, permit.decision().rule().as_str()), (effect, rule));
        let record = world.decisions().remove(&permit.record().index).unwrap();
        assert!(record.observing && record.permit && record.approval.is_none());
        assert_eq!((&*record.decision, record.rule.as_str()), (effect.as_str(), rule));
    }
    let permit = permit(session.check(Call::tool("read")).await);
    assert!(!world.decisions()[&permit.record().index].observing);
    assert!(world.guard().asked().is_empty(), "nobody is asked");
}

#[tokio::test]
async fn limits_hold_all_the_same() {
    let world = observing();
    let session = world.session("a").await;
    assert_eq!(call(&session, Call::tool("read")).await, "allow");
    // Denied by a rule and only observed, it counts like any other.
    assert_eq!(call(&session, Call::tool("drop")).await, "allow");
    assert_eq!(call(&session, Call::tool("drop")).await, "deny p/rate");
    assert_eq!(call(&session, Call::tool("read")).await, "deny p/rate");
    assert_eq!(call(&session, Call::tool("late")).await, "deny p/hours");
    assert_eq!(call(&session, Call::model(Usage::default())).await, "deny p/tokens");
    let last = world.decisions().into_values().next_back().unwrap();
    assert!(!last.observing && !last.permit);
}

#[tokio::test]
async fn latches_and_standings_deny_all_the_same() {
    let world = observing();
    let operator = world.operator("olga", &[]).await;
    world.guard().add_agent(&operator, &id("a"), &Person::new("dana"), Vec::new()).await.unwrap();
    let session = world.session("a").await;
    let latch = world.guard().kill(&operator, Scope::All(true), "test").await.unwrap().latch;
    assert_eq!(call(&session, Call::tool("drop")).await, "deny ringfence/killed");
    world.guard().unkill(&operator, &latch, "test").await.unwrap();
    world.guard().set_standing(&operator, &id("a"), Standing::Suspended).await.unwrap();
    assert_eq!(call(&session, Call::tool("drop")).await, "deny ringfence/agent");
    let mut misfit = Call::tool("read");
    misfit.target.misfit = Some("no".to_owned());
    world.guard().set_standing(&operator, &id("a"), Standing::Active).await.unwrap();
    assert!(
        matches!(session.check(misfit).await, Verdict::Denied(denied) if denied.rule().as_str() == "ringfence/schema")
    );
}

#[tokio::test]
async fn a_limit_that_asks_asks_all_the_same() {
    let until = Some("2026-12-01T00:00:00Z".parse().unwrap());
    let limits =
        crate::world::limited("  - {id: loops, actions: [tool.call], identical: 1, per: 10m, then: ask}");
    let world = World::set(Setting { observe_until: until, ..Setting::of(&limits) });
    let session = world.session("a").await;
    assert_eq!(call(&session, Call::tool("read")).await, "allow");
    assert_eq!(call(&session, Call::tool("read")).await, "ask");
    assert_eq!(world.guard().asked().len(), 1);
}
