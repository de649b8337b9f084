//! What the configuration refuses, and how it says so.

use insta::assert_snapshot;

use crate::world::{DANA, World};

const HEAD: &str = "apiVersion: ringfence/v1\nkind: Gateway\n";

#[test]
fn what_is_not_understood_or_not_enforced_is_refused_with_its_place() {
    let cases = [
        ("an unknown key", "polices: ./policies\n"),
        ("another version", ""),
        ("listen", "listen: 0.0.0.0:7070\n"),
        ("egress", "egress: 127.0.0.1:7072\n"),
        ("console", "console: 127.0.0.1:7071\n"),
        ("models", "models:\n  openai: {url: \"https://api.openai.com/v1\", key: {env: K}}\n"),
        ("an address that is none", "listen: localhost\n"),
        ("anonymous", "anonymous: dana\n"),
        ("a command and a url", "servers:\n  github: {command: [a], url: \"https://mcp.example/mcp\"}\n"),
        ("a url that is none", "servers:\n  github: {url: \"mcp.example\"}\n"),
        ("a url of another kind", "servers:\n  github: {url: \"ftp://mcp.example/mcp\"}\n"),
        ("a url of the gateway's own", "servers:\n  github: {url: \"http://localhost:7070/mcp/github\"}\n"),
        ("a url with a password", "servers:\n  github: {url: \"https://a:b@mcp.example/mcp\"}\n"),
        ("a token in the clear", "servers:\n  github: {url: \"http://mcp.example/mcp\", token: {env: T}}\n"),
        ("a token for a program", "servers:\n  github: {command: [a], token: {env: T}}\n"),
        ("a server's ring", "servers:\n  erp: {command: [python3, erp.py], ring: 3}\n"),
        ("a shared server", "servers:\n  erp: {command: [python3, erp.py], shared: true}\n"),
        ("a witness", "audit: {witness: \"https://witness.example\"}\n"),
        ("a server without a command", "servers:\n  erp: {cwd: .}\n"),
        ("a server's name", "servers:\n  Erp_1: {command: [erp]}\n"),
        ("a way to treat schemas", "servers:\n  erp: {command: [erp], schema: ignore}\n"),
        ("a server's unknown key", "servers:\n  erp: {command: [erp], trustd: true}\n"),
        ("a profile that is none", "policies: [read-only, flow]\n"),
        ("a folder without a dot", "policies: policies\n"),
        ("a date", "observe: {until: tomorrow}\n"),
        ("observing for ever", "observe: {}\n"),
        ("a durability", "audit: {durability: async}\n"),
        ("an agent's id", "agents:\n  - {id: inventory, sponsor: dana}\n"),
        ("an agent without a sponsor", "agents:\n  - {id: \"spiffe://acme.example/a\"}\n"),
        (
            "an agent twice",
            "agents:\n  - {id: \"spiffe://acme.example/a\", sponsor: d}\n  - {id: \"spiffe://acme.example/a\", sponsor: e}\n",
        ),
        ("an operator without a token", "operators:\n  - {id: dana}\n"),
        ("a token from two places", "operators:\n  - {id: dana, token: {file: a, env: B}}\n"),
        ("a token written in it", "operators:\n  - {id: dana, token: rf_abc}\n"),
        ("a key twice", "policies: ./a\npolicies: ./b\n"),
        ("not YAML", "policies: [\n"),
    ];
    let mut all = String::new();
    for (name, rest) in cases {
        let world = World::new();
        let text = match name {
            "another version" => "apiVersion: ringfence/v2\nkind: Policy\n".to_owned(),
            _ => format!("{HEAD}{rest}"),
        };
        world.write("c.yaml", &text);
        let ran = world.run(&["--config", "c.yaml", "agent", "list"]);
        assert_eq!(ran.code, 2, "{name}: {}", ran.shown());
        assert_eq!(ran.out, "");
        assert!(!world.data().join("monitor.sock").exists(), "{name}");
        all.push_str(&format!("## {name}\n{}\n", ran.err));
    }
    assert_snapshot!(all);
}

#[test]
fn credentials_that_cannot_be_read_keep_the_monitor_from_starting() {
    let cases = [
        ("no file", "operators:\n  - {id: dana, token: {file: nowhere.token}}\n", "nowhere.token"),
        ("no token in it", "operators:\n  - {id: dana, token: {file: bad.token}}\n", "not a Ringfence token"),
        ("no variable", "operators:\n  - {id: dana, token: {env: DANA_TOKEN}}\n", "DANA_TOKEN"),
        (
            "one token for two",
            "operators:\n  - {id: dana, token: {file: good.token}}\n  - {id: erin, token: {file: good.token}}\n",
            "somebody else's",
        ),
        ("policies that do not load", "policies: ./bad.yaml\n", "the policies are refused"),
        ("no policies there", "policies: ./nowhere\n", "cannot be read"),
    ];
    for (name, rest, said) in cases {
        let world = World::new();
        world.write("c.yaml", &format!("{HEAD}{rest}"));
        world.write("bad.token", "hunter2");
        world.write("good.token", DANA);
        world.write("bad.yaml", "kind: Policy\n");
        let ran = world.run(&["--config", "c.yaml", "agent", "list"]).exits(2);
        assert!(ran.err.contains(said), "{name}: {}", ran.err);
        assert!(!ran.err.contains("hunter2"), "{name}: {}", ran.err);
    }
}

#[test]
fn paths_begin_where_the_file_lies() {
    let world = World::new();
    world.write(
        "conf/c.yaml",
        &format!("{HEAD}policies: ./policies\noperators:\n  - {{id: dana, token: {{file: dana.token}}}}\n"),
    );
    world.write("conf/dana.token", DANA);
    world.write("conf/policies/deny.yaml", include_str!("../../../../policies/default-deny.yaml"));
    let ran = world.run(&["--config", "conf/c.yaml", "agent", "list"]).exits(0);
    assert_eq!(ran.out, "No agent is registered: local callers act as spiffe://local/<user>/<program>.\n");
    let status = world.run(&["--json", "status"]).exits(0).json();
    assert_eq!(status["policies"], 1);
    assert_eq!(status["operators"], true);
}

#[test]
fn a_configuration_says_where_its_data_lies() {
    let world = World::new();
    world.write("c.yaml", &format!("{HEAD}data: ./state\n"));
    let ran = world.ran(&world.bare(&["--config", "c.yaml", "--json", "status"]).output().unwrap()).exits(0);
    assert_eq!(ran.json()["data"], "[W]/here/./state");
}
