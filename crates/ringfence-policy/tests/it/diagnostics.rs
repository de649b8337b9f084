//! What people are told about documents that do not load: each case is a document with something
//! wrong in it, and the snapshot is everything that is said.

use ringfence_policy::{PolicySet, Source};

const HEAD: &str = "\
apiVersion: ringfence/v1
kind: Policy
metadata: {name: p}
layer: team
subjects: [\"spiffe://acme.example/**\"]
";

/// A document with the usual head.
fn policy(body: &str) -> String {
    format!("{HEAD}{body}")
}

/// One rule that is right but for what `line` changes or adds.
fn rule(lines: &str) -> String {
    policy(&format!("rules:\n  - id: r\n{}\n", indent(lines)))
}

/// One limit.
fn limit(lines: &str) -> String {
    policy(&format!("limits:\n  - id: l\n    actions: [tool.call]\n{}\n", indent(lines)))
}

fn indent(lines: &str) -> String {
    lines.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

const TAIL: &str = "actions: [tool.call]\nresources: [\"mcp://erp/*\"]";

fn cases() -> Vec<(&'static str, String)> {
    let when = |when: &str| rule(&format!("effect: allow\n{TAIL}\nwhen: {when}"));
    let resource = |uri: &str| rule(&format!("effect: allow\nactions: [\"*\"]\nresources: [\"{uri}\"]"));
    let subject = |glob: &str| HEAD.replace("spiffe://acme.example/**", glob) + "rules: []\n";
    let test = |lines: &str| {
        let test = indent(lines);
        rule(&format!("effect: allow\n{TAIL}"))
            + &format!("tests:\n  - name: t\n    subject: spiffe://acme.example/a\n{test}\n")
    };
    vec![
        ("not YAML", "rules: [a\nkind: b\n".to_owned()),
        ("a tab", "rules:\n\t- a\n".to_owned()),
        ("a key twice", "kind: Policy\nkind: Policy\n".to_owned()),
        ("an unknown tag", policy("rules: !important []\n")),
        ("a merge", policy("rules: []\n<<: {limits: []}\n")),
        ("not a mapping", "- a\n- b\n".to_owned()),
        ("an empty mapping", "{}\n".to_owned()),
        ("another version", HEAD.replace("/v1", "/v2") + "rules: []\n"),
        ("another kind", HEAD.replace("Policy", "Polcy")),
        ("Rego", HEAD.replace("Policy", "Rego")),
        ("misspelt sections", policy("rulez: []\nlimit: []\n")),
        ("no name", HEAD.replace("{name: p}", "{nmae: p}") + "rules: []\n"),
        ("a name with a slash", HEAD.replace("name: p", "name: a/b") + "rules: []\n"),
        ("the reserved name", HEAD.replace("name: p", "name: ringfence") + "rules: []\n"),
        ("no layer", HEAD.replace("layer: team\n", "") + "rules: []\n"),
        ("another layer", HEAD.replace("team", "teem") + "rules: []\n"),
        ("no rules and no limits", policy("")),
        ("rules that are a mapping", policy("rules: {a: 1}\n")),
        ("a subject that is no SPIFFE ID", subject("agent/*")),
        ("one star for every subject", subject("*")),
        ("a trust domain without a path", subject("spiffe://acme.example")),
        ("a trust domain in upper case", subject("spiffe://Acme.example/**")),
        ("a subject with an empty segment", subject("spiffe://acme.example//a")),
        ("a rule without anything", rule("reason: x")),
        ("a misspelt effect", rule(&format!("effect: alow\n{TAIL}"))),
        ("a misspelt key", rule(&format!("effect: allow\nresource: x\n{TAIL}"))),
        (
            "an id twice",
            rule(&format!("effect: allow\n{TAIL}"))
                + "  - {id: r, effect: deny, actions: [tool.call], resources: [\"mcp://erp/x\"]}\n",
        ),
        ("a misspelt action", rule("effect: allow\nactions: [tool.cal]\nresources: [\"mcp://erp/*\"]")),
        (
            "an action that is a string",
            rule("effect: allow\nactions: tool.call\nresources: [\"mcp://erp/*\"]"),
        ),
        ("no actions", rule("effect: allow\nactions: []\nresources: [\"mcp://erp/*\"]")),
        ("a call without a tool", rule("effect: allow\nactions: [tool.call]\nresources: [\"mcp://erp\"]")),
        (
            "a list with a tool",
            rule("effect: allow\nactions: [tool.list, tool.call]\nresources: [\"mcp://erp/x\"]"),
        ),
        (
            "a resource of another kind",
            rule("effect: allow\nactions: [tool.call]\nresources: [\"mcp://erp/x\", \"file:///x\"]"),
        ),
        ("a resource without a scheme", resource("erp/x")),
        ("one star for every resource", resource("*")),
        ("an unknown scheme", resource("mpc://erp/x")),
        ("a slash in a tool's name", resource("mcp://erp/a/b")),
        ("an empty tool", resource("mcp://erp/")),
        ("a model without a name", resource("model://openai")),
        ("a file that is not absolute", resource("file://etc/passwd")),
        ("a dot segment", resource("file:///etc/../x")),
        ("an encoded dot segment", resource("file:///etc/%2e%2e/x")),
        ("a query", resource("https://a.example/?x=*")),
        ("a user in a host", resource("https://api.example:pw@evil.example/")),
        ("half an escape", resource("mcp://erp/a%2")),
        ("not UTF-8", resource("mcp://erp/%FF")),
        ("three stars", resource("mcp://erp/***")),
        ("an unknown name", when("argz.total > 5")),
        ("an unknown member", when("session.call > 5")),
        ("a wrong type", when("session.calls > \"5\"")),
        ("not a bool", when("session.calls + 1")),
        ("a condition over two lines", when("|\n  session.calls > 1 &&\n  sesion.calls < 5")),
        ("a folded condition", when(">-\n  session.calls > 1 &&\n  sesion.calls < 5")),
        ("two errors in one condition", when("sesion.calls > 1 && argz.x")),
        ("a condition that is cut off", when("args.total >")),
        ("words for operators", when("args.a == 1 or args.b == 2")),
        ("a condition that is a boolean", when("true")),
        ("a condition that is never true", when("session.calls > 1 && false")),
        ("a label that there is not", when("session.labels.integrety == \"trusted\"")),
        (
            "approvers without asking",
            rule(&format!("effect: deny\n{TAIL}\napprovers: [client]\nexpires: 5m")),
        ),
        ("a bad approver", rule(&format!("effect: ask\n{TAIL}\napprovers: [\"role:x\"]"))),
        ("no approvers", rule(&format!("effect: ask\n{TAIL}\napprovers: []"))),
        ("a bad expiry", rule(&format!("effect: ask\n{TAIL}\nexpires: 10 minutes"))),
        ("an expiry that is a number", rule(&format!("effect: ask\n{TAIL}\nexpires: 10"))),
        (
            "a shadowed rule",
            rule(&format!("effect: deny\n{TAIL}"))
                + "  - {id: s, effect: allow, actions: [tool.call], resources: [\"mcp://erp/x\"]}\n",
        ),
        ("a limit of nothing", limit("per: minute")),
        ("a limit of two things", limit("calls: 5\ntokens: 7\nper: minute")),
        ("a threshold that is a string", limit("calls: \"5\"\nper: minute")),
        ("a threshold that is negative", limit("calls: -5\nper: minute")),
        ("a threshold that is a fraction", limit("tokens: 5.5\nper: minute")),
        ("a limit of zero", limit("calls: 0\nper: minute")),
        ("no time to count over", limit("calls: 5")),
        ("a misspelt time", limit("calls: 5\nper: minut")),
        ("a negative time", limit("calls: 5\nper: -5m")),
        ("a time of zero", limit("calls: 5\nper: 0s")),
        ("a day without a zone", limit("calls: 5\nper: day")),
        ("an unknown zone", limit("calls: 5\nper: day\ntimezone: Europe/Berln")),
        ("a zone that means nothing", limit("calls: 5\nper: hour\ntimezone: Europe/Berlin")),
        ("money as a string", limit("usd: \"5.00\"\nper: hour")),
        ("money too fine", limit("usd: 0.0000001\nper: hour")),
        ("money with an exponent", limit("usd: 5e2\nper: hour")),
        ("no money", limit("usd: 0.00\nper: hour")),
        ("a warning above the limit", limit("calls: 5\nper: hour\nwarn_at: 80")),
        ("a misspelt adding up", limit("calls: 5\nper: hour\nby: sponser")),
        ("a choice where there is none", limit("calls: 5\nper: hour\nthen: ask")),
        ("then that allows", limit("identical: 5\nper: 10m\nthen: allow")),
        ("identical in a session", limit("identical: 5\nper: session")),
        ("hours without a zone", limit("hours: \"Mon-Fri 07:00-19:00\"")),
        ("hours of an unknown day", limit("hours: \"Mo-Fr 07:00-19:00 Europe/Berlin\"")),
        ("hours at no time", limit("hours: \"Mon-Fri 7-19 Europe/Berlin\"")),
        ("hours of nothing", limit("hours: \"Mon-Fri 07:00-07:00 Europe/Berlin\"")),
        ("hours over time", limit("hours: \"Mon-Fri 07:00-19:00 Europe/Berlin\"\nper: day")),
        ("a test that fails", test("action: tool.call\nresource: mcp://crm/x\nexpect: allow\nrule: r")),
        ("a test of another rule", test("action: tool.call\nresource: mcp://erp/x\nexpect: allow\nrule: s")),
        ("a test with a bad resource", test("action: tool.call\nresource: mcp://erp/a/b\nexpect: allow")),
        ("a test with a misspelt key", test("action: tool.call\nresource: mcp://erp/x\nexpct: allow")),
        (
            "a test of an unknown limit",
            test("action: tool.call\nresource: mcp://erp/x\nexpect: allow\nlimits: {x: 1}"),
        ),
        (
            "several mistakes at once",
            policy(
                "rules:\n  - {id: a, effect: alow, actions: [tool.cal], resources: [\"mcp:/erp\"], when: args.}\nlimits:\n  - {id: a, actions: [], calls: x}\n",
            ),
        ),
    ]
}

#[test]
fn what_is_wrong_is_said_where_it_stands() {
    let mut said = String::new();
    for (name, text) in cases() {
        let found = match PolicySet::load(&[Source { name: "policy.yaml", text: &text }]) {
            Ok(_) => panic!("{name}: was not refused\n{text}"),
            Err(found) => found,
        };
        said.push_str(&format!("## {name}\n"));
        for diagnostic in found {
            let shown = text.get(diagnostic.span.clone()).unwrap();
            assert!(shown.starts_with(diagnostic.text.trim_end_matches('…')), "{name}: {diagnostic}");
            assert!(!diagnostic.message.ends_with('.'), "{name}: {diagnostic}");
            said.push_str(&format!("{diagnostic}\n"));
        }
        said.push('\n');
    }
    insta::assert_snapshot!(said);
}
