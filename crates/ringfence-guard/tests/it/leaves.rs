//! Nothing personal and nothing that was sent stands in a leaf.

use ringfence_audit::record::Scope;
use ringfence_guard::{Answered, Evidence, Observed, Standing};
use ringfence_model::{Action, ActionKind, Arguments, Labels, Outcome, OutcomeKind, Person, Resource, Usage};

use crate::world::{Call, World, begun, call, id, pending};

const POLICY: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: p}
layer: team
subjects: ["**"]
rules:
  - {id: any, effect: allow, actions: ["*"], resources: ["mcp://erp/*"]}
  - {id: pay, effect: ask, actions: [tool.call], resources: ["mcp://erp/pay"], approvers: ["operator-name", "group:g"]}
  - {id: odd, effect: deny, actions: [tool.call], resources: ["mcp://erp/odd"], when: args.amount > 3}
limits:
  - {id: day, actions: [tool.call], calls: 99, per: day, timezone: UTC, by: sponsor}
"#;

#[tokio::test]
async fn no_leaf_names_a_person_or_quotes_what_was_sent() {
    let world = World::new(POLICY);
    let operator = world.operator("operator-name", &["g"]).await;
    let guard = world.guard();
    let peer = Evidence::Peer { user: Person::new("user-name"), program: "claude".to_owned() };
    let session = world.enter(peer).await.unwrap();
    let secret = r#"{"amount":"secret-argument"}"#;
    assert_eq!(call(&session, Call::with("read", secret)).await, "allow");
    // Denied by no rule: the reason names who and what.
    let mut elsewhere = Call::with("x", secret);
    elsewhere.action.resource =
        Resource::mcp("crm", "https://secret-user:pw@host/p?secret-query#secret-fragment");
    assert_eq!(call(&session, elsewhere).await, "deny ringfence/default-deny");
    assert_eq!(call(&session, Call::with("odd", secret)).await, "deny p/odd");
    let mut misfit = Call::with("read", secret);
    misfit.target.misfit = Some("`secret-argument` is no number".to_owned());
    assert_eq!(call(&session, misfit).await, "deny ringfence/schema");
    assert_eq!(
        call(&session, Call::with("pay", r#"{"n":12345678901234567890}"#)).await,
        "deny ringfence/approval"
    );
    let ask = pending(session.check(Call::with("pay", secret)).await);
    guard.answer(&operator, ask.ticket().as_str(), Answered::Approved(String::new())).await.unwrap();
    let sent = begun(session.check(Call::with("pay", secret)).await);
    let outcome = Outcome {
        kind: OutcomeKind::Error,
        error: Some("secret-error".to_owned()),
        duration: None,
        usage: Usage::default(),
    };
    sent.settle(&outcome, Some(b"secret-result"), None);
    let seen = Observed {
        event: "tool_result",
        server: Some("erp".to_owned()),
        of: None,
        content: b"secret-result".to_vec(),
        labels: Labels::FRESH,
    };
    session.observe(seen).await.unwrap();
    let local = session.subject().id.clone();
    guard.set_standing(&operator, &local, Standing::Suspended).await.unwrap();
    guard.set_standing(&operator, &local, Standing::Active).await.unwrap();
    guard.add_agent(&operator, &id("b"), &Person::new("sponsor-name"), Vec::new()).await.unwrap();
    let latch = guard.kill(&operator, Scope::All(true), "secret-reason").await.unwrap().latch;
    guard.unkill(&operator, &latch, "secret-reason").await.unwrap();
    guard.trust(&operator, "/srv/user-name/project", Some("sha256:00".to_owned())).await.unwrap();
    guard.end_session(&session);

    drop(world.records());
    let mut seen = 0;
    for leaf in world.log().read(0) {
        let text = String::from_utf8(leaf.unwrap().bytes).unwrap();
        for word in ["user-name", "operator-name", "sponsor-name", "secret", "12345678901234567890", "pw@"] {
            assert!(!text.contains(word), "`{word}` in {text}");
        }
        seen += 1;
    }
    assert!(seen > 20);
    // What the leaf leaves out is in the payload, for whoever may read it.
    let payloads: Vec<String> = (0..seen)
        .filter_map(|index| world.log().payload(index).unwrap())
        .map(|content| String::from_utf8(content).unwrap())
        .collect();
    for word in
        ["secret-query", "`secret-argument` is no number", "secret-error", "secret-reason", "user-name"]
    {
        assert!(payloads.iter().any(|payload| payload.contains(word)), "`{word}` is nowhere");
    }
}

#[tokio::test]
async fn a_payload_is_one_json_object_with_every_fact() {
    let world = World::new(POLICY);
    let session = world.session("a").await;
    let mut misfit = Call::with("read", r#"{"n":1.50}"#);
    misfit.target.misfit = Some("no \"number\"".to_owned());
    for attempt in [Call::with("read", r#"{"n":1.50}"#), misfit] {
        drop(session.check(attempt).await);
        let (index, _) = world.decisions().into_iter().next_back().unwrap();
        let payload = world.log().payload(index).unwrap().unwrap();
        let text = String::from_utf8(payload).unwrap();
        assert!(text.contains(r#""arguments":{"n":1.50}"#), "as it was sent: {text}");
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        for fact in
            ["subject", "action", "resource", "session", "annotations", "findings", "now", "server", "tool"]
        {
            assert!(object.get(fact).is_some(), "{fact}");
        }
    }
}

#[test]
fn arguments_never_show_in_debug_output() {
    let action = Action {
        kind: ActionKind::ToolCall,
        resource: Resource::mcp("erp", "x"),
        arguments: Arguments::parse(r#"{"n":"secret"}"#).unwrap(),
    };
    assert!(!format!("{action:?}").contains("secret"));
}
