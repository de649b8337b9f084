//! However many ask at once, no limit is passed by one.

use std::collections::BTreeMap;

use ringfence_guard::Verdict;
use tokio::task::JoinSet;

use crate::world::{Call, World, begins, limited};

/// A limit of 200 of each kind, each on a tool of its own.
const LIMITS: &str = r#"
  - {id: minute, actions: [tool.call], resources: ["mcp://erp/minute"], calls: 200, per: minute}
  - {id: day, actions: [tool.call], resources: ["mcp://erp/day"], calls: 200, per: day, timezone: Europe/Berlin, by: sponsor}
  - {id: session, actions: [tool.call], resources: ["mcp://erp/session"], calls: 200, per: session}
  - {id: concurrent, actions: [tool.call], resources: ["mcp://erp/concurrent"], concurrent: 200}
  - {id: identical, actions: [tool.call], resources: ["mcp://erp/identical"], identical: 200, per: 10m}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_checks_at_once_take_exactly_what_there_is() {
    let world = World::new(&limited(LIMITS));
    let session = world.session("a").await;
    let kinds = ["minute", "day", "session", "concurrent", "identical"];
    let mut checks = JoinSet::new();
    for n in 0..10_000 {
        let (session, kind) = (session.clone(), kinds[n % kinds.len()]);
        checks.spawn(async move {
            match session.check(Call::tool(kind)).await {
                Verdict::Allowed(permit) => Some((kind, permit)),
                Verdict::Pending(_) | Verdict::Denied(_) => None,
            }
        });
    }
    let mut permits = Vec::new();
    while let Some(checked) = checks.join_next().await {
        permits.extend(checked.unwrap());
    }
    let mut granted: BTreeMap<&str, usize> = BTreeMap::new();
    for (kind, permit) in permits {
        *granted.entry(kind).or_default() += 1;
        drop(permit.begin().unwrap_or_else(|denied| panic!("{denied}")));
    }
    assert_eq!(granted, kinds.into_iter().map(|kind| (kind, 200)).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_agents_of_one_sponsor_share_to_the_last_unit() {
    let world = World::new(&limited(
        "  - {id: day, actions: [tool.call], calls: 100, per: day, timezone: Europe/Berlin, by: sponsor}",
    ));
    let sessions = [world.session("a").await, world.session("b").await];
    let mut checks = JoinSet::new();
    for n in 0..600 {
        let session = sessions[n % 2].clone();
        checks.spawn(async move { begins(session.check(Call::tool("x")).await) });
    }
    let granted = checks.join_all().await.into_iter().filter(|granted| *granted).count();
    assert_eq!(granted, 100);
}
