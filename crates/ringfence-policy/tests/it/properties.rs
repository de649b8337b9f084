//! Whatever the policies and the attempt: `decide` says what the oracle says.

use std::collections::BTreeMap;

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::sample::{select, subsequence};
use ringfence_model::Effect;
use ringfence_policy::{Diagnostic, FactId, PolicySet, Room, Source, certainly_denied, decide, explain};
use serde_json::json;

use crate::attempt::{Attempt, Given};
use crate::model::{Answer, Argument, Condition, Document, Limit, Request, Rule};
use crate::oracle;

const SUBJECTS: [&str; 5] = [
    "spiffe://acme.example/agent/a",
    "spiffe://acme.example/agent/ab",
    "spiffe://acme.example/agent/a/b",
    "spiffe://acme.example/batch/with-a-name-that-is-longer-than-any-class-of-the-index/1",
    "spiffe://other.example/a",
];
const SUBJECT_GLOBS: [&str; 8] = [
    "**",
    "spiffe://acme.example/**",
    "spiffe://acme.example/agent/*",
    "spiffe://acme.example/agent/a*",
    "spiffe://acme.example/agent/a",
    "spiffe://acme.example/*/a",
    "spiffe://**/a",
    "spiffe://acme.example/batch/with-a-name-that-is-longer-than-any-class-of-the-index/*",
];
const CALLS: [&str; 6] =
    ["mcp://erp/x", "mcp://erp/xy.z", "mcp://erp/x%2Fy", "mcp://erp2/x", "mcp://erp/xyxyxyxyz", "mcp://e/yz"];
const READS: [&str; 5] = [
    "file:///x",
    "file:///x/y",
    "file:///x/y/z.md",
    "file:///x%2Fy",
    "file:///xy/very/long/path/to/a/file.md",
];
const REQUESTS: [&str; 4] =
    ["https://a.example/x", "https://b.a.example/x/y", "https://a.example/", "https://a.example.b/x"];
const GLOBS: [&str; 31] = [
    "**",
    "mcp://**",
    "mcp://*/*",
    "mcp://erp/*",
    "mcp://erp*/x",
    "mcp://erp/x*",
    "mcp://erp/x",
    "mcp://erp/*y*",
    "mcp://erp/*y*z",
    "mcp://erp/x%2F*",
    "mcp://erp/xyxyxyxy*",
    "mcp://**/x",
    "mcp://e**/x*",
    "mcp://*/*xy*xy*z",
    "file://**",
    "file:///**",
    "file:///x/*",
    "file:///x/**",
    "file:///x/*/*.md",
    "file:///**.md",
    "file:///**/y**",
    "file:///x*",
    "file:///x",
    "https://**",
    "https://*/**",
    "https://*.example/**",
    "https://*.a.example/*/*",
    "https://a.example/x",
    "https://a.example/*",
    "https://a.**",
    "https://**.example/**",
];
const KEYS: [&str; 3] = ["n", "m", "k"];

fn condition() -> impl Strategy<Value = Condition> {
    let key = || select(&KEYS[..]).prop_map(str::to_owned);
    let leaf = prop_oneof![
        (key(), 0..4i64).prop_map(|(key, bound)| Condition::Above(key, bound)),
        (key(), 0..4i64).prop_map(|(key, bound)| Condition::Is(key, bound)),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Condition::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Condition::Or(Box::new(a), Box::new(b))),
            inner.prop_map(|a| Condition::Not(Box::new(a))),
        ]
    })
}

/// Actions and globs that can go together.
fn about() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    let family = |action: &'static str, scheme: &'static str| {
        let globs: Vec<&str> =
            GLOBS.into_iter().filter(|glob| glob.starts_with(scheme) || *glob == "**").collect();
        subsequence(globs, 1..3)
            .prop_map(move |globs| (vec![action.to_owned()], globs.into_iter().map(str::to_owned).collect()))
    };
    prop_oneof![
        3 => family("tool.call", "mcp"),
        2 => family("file.read", "file"),
        2 => family("http.request", "https"),
        1 => subsequence(GLOBS.to_vec(), 1..4)
            .prop_map(|globs| (vec!["*".to_owned()], globs.into_iter().map(str::to_owned).collect())),
        1 => Just((
            vec!["file.read".to_owned(), "tool.call".to_owned()],
            vec!["mcp://erp/*".to_owned(), "file:///x/**".to_owned()],
        )),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let effect = select(&[Effect::Allow, Effect::Allow, Effect::Allow, Effect::Ask, Effect::Deny][..]);
    let approvers = subsequence(vec!["client", "group:a", "dana"], 0..3);
    (effect, about(), proptest::option::weighted(0.6, condition()), approvers, 1..900u64).prop_map(
        |(effect, (actions, resources), when, approvers, expires)| Rule {
            id: String::new(),
            effect,
            actions,
            resources,
            when,
            approvers: approvers.into_iter().map(str::to_owned).collect(),
            expires,
        },
    )
}

fn documents() -> impl Strategy<Value = Vec<Document>> {
    documents_of(0..5, 0..7)
}

fn documents_of(
    count: std::ops::Range<usize>,
    rules: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<Document>> {
    let limit = (about(), any::<bool>()).prop_map(|((actions, resources), asks)| Limit {
        id: String::new(),
        actions,
        resources,
        then: if asks { Effect::Ask } else { Effect::Deny },
    });
    let document = (
        0..3usize,
        subsequence(SUBJECT_GLOBS.to_vec(), 1..3),
        proptest::collection::vec(rule(), rules),
        proptest::collection::vec(limit, 0..3),
    );
    proptest::collection::vec(document, count).prop_map(|documents| {
        (0..)
            .zip(documents)
            .map(|(at, (layer, subjects, mut rules, mut limits))| {
                for (position, rule) in rules.iter_mut().enumerate() {
                    rule.id = format!("r{position}");
                }
                for (position, limit) in limits.iter_mut().enumerate() {
                    limit.id = format!("l{position}");
                }
                // Names out of order, so that order by name shows.
                let name = format!("p{}", (at * 7) % 5);
                let subjects = subjects.into_iter().map(str::to_owned).collect();
                Document { name, layer, subjects, rules, limits }
            })
            .collect()
    })
}

fn request() -> impl Strategy<Value = Request> {
    let argument = prop_oneof![
        4 => (0..5i64).prop_map(Argument::Int),
        1 => Just(Argument::Text("2".to_owned())),
    ];
    let about = prop_oneof![
        select(&CALLS[..]).prop_map(|resource| ("tool.call", resource)),
        select(&READS[..]).prop_map(|resource| ("file.read", resource)),
        select(&REQUESTS[..]).prop_map(|resource| ("http.request", resource)),
    ];
    let args = proptest::collection::btree_map(select(&KEYS[..]).prop_map(str::to_owned), argument, 0..4);
    let limits: Vec<String> = (0..5).flat_map(|p| (0..2).map(move |l| format!("p{p}/l{l}"))).collect();
    (select(&SUBJECTS[..]), about, args, subsequence(limits, 0..3)).prop_map(
        |(subject, (action, resource), args, spent)| Request {
            subject: subject.to_owned(),
            action: action.to_owned(),
            resource: resource.to_owned(),
            args,
            spent,
        },
    )
}

fn cel(condition: &Condition) -> String {
    match condition {
        Condition::Above(key, bound) => format!("args.{key} > {bound}"),
        Condition::Is(key, bound) => format!("args.{key} == {bound}"),
        Condition::And(left, right) => format!("({} && {})", cel(left), cel(right)),
        Condition::Or(left, right) => format!("({} || {})", cel(left), cel(right)),
        Condition::Not(inner) => format!("!({})", cel(inner)),
    }
}

fn text(document: &Document) -> String {
    let rules: Vec<_> = document
        .rules
        .iter()
        .map(|rule| {
            let mut written = json!({
                "id": rule.id,
                "effect": rule.effect.as_str(),
                "actions": rule.actions,
                "resources": rule.resources,
            });
            if let Some(when) = &rule.when {
                written["when"] = cel(when).into();
            }
            if rule.effect == Effect::Ask {
                written["expires"] = format!("{}s", rule.expires).into();
                if !rule.approvers.is_empty() {
                    written["approvers"] = json!(rule.approvers);
                }
            }
            written
        })
        .collect();
    let limits: Vec<_> = document
        .limits
        .iter()
        .map(|limit| {
            json!({
                "id": limit.id,
                "actions": limit.actions,
                "resources": limit.resources,
                "identical": 5,
                "per": "10m",
                "then": limit.then.as_str(),
            })
        })
        .collect();
    json!({
        "apiVersion": "ringfence/v1",
        "kind": "Policy",
        "metadata": {"name": document.name},
        "layer": oracle::LAYERS[document.layer],
        "subjects": document.subjects,
        "rules": rules,
        "limits": limits,
    })
    .to_string()
}

fn load(documents: &[Document]) -> Result<PolicySet, Vec<Diagnostic>> {
    let texts: Vec<String> = documents.iter().map(text).collect();
    let sources: Vec<Source<'_>> =
        documents.iter().zip(&texts).map(|(document, text)| Source { name: &document.name, text }).collect();
    PolicySet::load(&sources).map(|loaded| loaded.set)
}

/// Loads, after taking out the rules that are refused for never having a say.
fn load_without_shadowed(documents: &[Document]) -> (PolicySet, Vec<Document>) {
    let mut documents = documents.to_vec();
    loop {
        let found = match load(&documents) {
            Ok(set) => return (set, documents),
            Err(found) => found,
        };
        for diagnostic in found {
            assert!(diagnostic.message.contains("never has a say"), "{diagnostic}");
            let id = diagnostic.text.trim_matches('"');
            let document = documents.iter_mut().find(|document| document.name == diagnostic.file).unwrap();
            document.rules.retain(|rule| rule.id != id);
        }
    }
}

/// The documents with the rules that were not kept about nothing.
fn silenced(documents: &[Document], kept: &[Document]) -> Vec<Document> {
    let mut documents = documents.to_vec();
    for (document, kept) in documents.iter_mut().zip(kept) {
        for rule in &mut document.rules {
            if !kept.rules.iter().any(|other| other.id == rule.id) {
                rule.resources = vec!["mcp://no-such-server".to_owned()];
            }
        }
    }
    documents
}

fn attempt(request: &Request) -> Attempt {
    let args: BTreeMap<&String, serde_json::Value> = request
        .args
        .iter()
        .map(|(key, value)| {
            (
                key,
                match value {
                    Argument::Int(value) => json!(value),
                    Argument::Text(value) => json!(value),
                },
            )
        })
        .collect();
    let mut attempt = Attempt::new(&request.subject, &request.action, &request.resource).args(json!(args));
    for limit in &request.spent {
        attempt.rooms.insert(limit.clone(), Room::Spent { until: None });
    }
    attempt
}

fn answer(set: &PolicySet, request: &Request) -> Answer {
    let decision = decide(set, &attempt(request));
    let ask = &decision.ask;
    Answer {
        effect: decision.effect,
        rule: decision.rule().to_string(),
        approvers: ask
            .iter()
            .flat_map(|ask| &ask.approvers)
            .map(|set| set.iter().map(ToString::to_string).collect())
            .collect(),
        expires: ask.as_ref().map(|ask| ask.expires.as_secs()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decisions_are_the_oracle_s(
        documents in documents(),
        requests in proptest::collection::vec(request(), 12),
    ) {
        let (set, kept) = load_without_shadowed(&documents);
        for request in &requests {
            let found = answer(&set, request);
            prop_assert_eq!(&found, &oracle::decide(&kept, request), "{:?}", request);
            // What was refused as never having a say really had none (though a layer that it is in
            // owes a permission because of it).
            let silent = oracle::decide(&silenced(&documents, &kept), request).effect;
            prop_assert_eq!(silent, oracle::decide(&documents, request).effect, "{:?}", request);
        }
    }

    #[test]
    fn what_is_hidden_is_denied_whatever_the_arguments(
        documents in documents(),
        request in request(),
        others in proptest::collection::vec(request(), 12),
    ) {
        let (set, _) = load_without_shadowed(&documents);
        let mut unknown = attempt(&request).with(FactId::Args, Given::Unknown);
        unknown.rooms.clear();
        for limit in set.limits() {
            unknown.rooms.insert(limit.name().to_string(), Room::Unknown);
        }
        let hidden = certainly_denied(&set, &unknown);
        for other in others {
            let decided = answer(&set, &Request { args: other.args, spent: other.spent, ..request.clone() });
            prop_assert!(!hidden || decided.effect == Effect::Deny, "{:?}", decided);
        }
    }

    #[test]
    fn an_explanation_says_what_is_decided(documents in documents(), request in request()) {
        let (set, kept) = load_without_shadowed(&documents);
        let explanation = explain(&set, &attempt(&request));
        let expected = oracle::decide(&kept, &request);
        prop_assert_eq!(explanation.decision, expected.effect.as_str());
        prop_assert_eq!(&explanation.rule, &expected.rule);
        let by_rule = set.policies().iter().any(|policy| expected.rule.starts_with(&format!("{}/r", policy.name)));
        if by_rule {
            let named = explanation.rules.iter().find(|considered| considered.rule == expected.rule).unwrap();
            prop_assert!(named.fired);
        }
    }

    #[test]
    fn globs_match_what_the_definition_says(
        pattern in "(x|y|%2F|\\.|\\*|\\*\\*|/){0,10}",
        path in "(x|y|%2F|\\.){1,4}(/(x|y|%2F|\\.){0,4}){0,3}",
    ) {
        let glob = format!("file:///{pattern}");
        let resource: Result<ringfence_model::Resource, _> = format!("file:///{path}").parse();
        let document = Document {
            name: "p".to_owned(),
            layer: 0,
            subjects: vec!["**".to_owned()],
            rules: vec![Rule {
                id: "r".to_owned(),
                effect: Effect::Allow,
                actions: vec!["file.read".to_owned()],
                resources: vec![glob.clone()],
                when: None,
                approvers: Vec::new(),
                expires: 1,
            }],
            limits: Vec::new(),
        };
        // A pattern or a path may be one that is refused: three stars, dot segments.
        if let (Ok(set), Ok(resource)) = (load(&[document]), resource) {
            let uri = resource.to_string();
            let found = decide(&set, &Attempt::new("spiffe://a.example/b", "file.read", &uri));
            prop_assert_eq!(
                found.effect == Effect::Allow,
                oracle::resource_matches(&glob, &uri),
                "{} on {}", glob, uri
            );
        }
    }

    #[test]
    fn no_text_makes_loading_panic(text in "[ -~\n]{0,200}") {
        let head = "apiVersion: ringfence/v1\nkind: Policy\nmetadata: {name: p}\n";
        for text in [text.clone(), format!("{head}{text}")] {
            if let Err(found) = PolicySet::load(&[Source { name: "t", text: &text }]) {
                for diagnostic in found {
                    prop_assert!(text.get(diagnostic.span.clone()).is_some());
                    prop_assert!(diagnostic.line >= 1 && diagnostic.column >= 1);
                }
            }
        }
    }
}

proptest! {
    // Sets that are large enough for keys of the index to be crowded.
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decisions_of_large_sets_are_the_oracle_s(
        documents in documents_of(1..3, 20..40),
        requests in proptest::collection::vec(request(), 12),
    ) {
        let (set, kept) = load_without_shadowed(&documents);
        for request in &requests {
            prop_assert_eq!(answer(&set, request), oracle::decide(&kept, request), "{:?}", request);
        }
    }
}
