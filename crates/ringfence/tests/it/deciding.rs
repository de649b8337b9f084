//! `decide`: the event protocol, over the real guard.

use serde_json::Value;

use crate::world::World;

const POLICY: &str = "\
apiVersion: ringfence/v1
kind: Policy
metadata: {name: bank}
layer: team
subjects: [\"spiffe://acme.example/agent/*\"]
rules:
  - {id: list, effect: allow, actions: [tool.list], resources: [\"mcp://bank\"]}
  - {id: read, effect: allow, actions: [tool.call], resources: [\"mcp://bank/read_file\"]}
  - {id: send, effect: ask, actions: [tool.call], resources: [\"mcp://bank/send_money\"]}
  - {id: never, effect: deny, actions: [tool.call], resources: [\"mcp://bank/close\"]}
limits:
  - {id: few, actions: [tool.call], resources: [\"mcp://bank/read_file\"], calls: 2, per: minute}
";

fn world() -> World {
    let world = World::new();
    world.write("policies/bank.yaml", POLICY);
    world
}

fn call(id: &str, tool: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"session\":\"s\",\"agent\":\"spiffe://acme.example/agent/a\",\"event\":\"tool_call\",\"server\":\"bank\",\"tool\":\"{tool}\",\"arguments\":{{}}}}\n"
    )
}

fn answers(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn one_line_in_one_line_out_in_order() {
    let world = world();
    let events =
        [call("1", "read_file"), call("2", "send_money"), call("3", "close"), call("4", "other")].concat();
    let ran = world.fed(world.bare(&["decide", "--policies", "policies"]), events.as_bytes()).exits(0);
    let answers = answers(&ran.out);
    let said: Vec<(&str, &str, &str)> = answers
        .iter()
        .map(|answer| {
            (
                answer["id"].as_str().unwrap(),
                answer["decision"].as_str().unwrap(),
                answer["rule"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("1", "allow", "bank/read"),
            ("2", "ask", "bank/send"),
            ("3", "deny", "bank/never"),
            ("4", "deny", "ringfence/default-deny")
        ]
    );
    assert!(answers[0]["record"]["leaf"].as_str().unwrap().starts_with("sha256:"), "{}", ran.out);
}

#[test]
fn limits_hold_and_the_log_verifies_afterwards() {
    let world = world();
    let events: String = (0..4).map(|id| call(&id.to_string(), "read_file")).collect();
    let ran = world.run_with(&["decide", "--policies", "policies"], events.as_bytes()).exits(0);
    let decisions: Vec<String> =
        answers(&ran.out).iter().map(|answer| answer["decision"].as_str().unwrap().to_owned()).collect();
    assert_eq!(decisions, ["allow", "allow", "deny", "deny"]);
    let verified = world.run(&["--json", "audit", "verify"]).exits(0).json();
    assert!(verified["size"].as_u64().unwrap() >= 4, "{verified}");
    // The window outlives the process.
    let again =
        world.run_with(&["decide", "--policies", "policies"], call("9", "read_file").as_bytes()).exits(0);
    assert_eq!(answers(&again.out)[0]["decision"], "deny", "{}", again.out);
}

#[test]
fn lines_that_are_not_understood_are_denied_and_the_stream_goes_on() {
    let world = world();
    let mut input = b"not json\n{\"id\":\"x\"}\n\n".to_vec();
    input.extend(std::iter::repeat_n(b'a', 17 * 1024 * 1024));
    input.push(b'\n');
    input.extend(call("1", "read_file").as_bytes());
    input.extend(call("1", "read_file").as_bytes());
    // The last line has no end.
    input.extend(call("2", "read_file").trim_end().as_bytes());
    let ran = world.fed(world.bare(&["decide", "--policies", "policies"]), &input).exits(0);
    let answers = answers(&ran.out);
    assert_eq!(answers.len(), 6, "{}", ran.out);
    for bad in [0, 1, 2, 4] {
        assert!(answers[bad]["error"].is_string(), "{}", answers[bad]);
        assert_eq!(answers[bad]["decision"], "deny");
    }
    assert_eq!(answers[1]["id"], "x");
    assert_eq!(answers[2]["id"], Value::Null);
    assert_eq!(answers[3]["decision"], "allow");
    assert_eq!(answers[5]["decision"], "allow");
}

#[test]
fn without_state_only_the_decision_is_taken() {
    let world = world();
    let events: String = (0..4).map(|id| call(&id.to_string(), "read_file")).collect();
    let ran =
        world.run_with(&["decide", "--stateless", "--policies", "policies"], events.as_bytes()).exits(0);
    for answer in answers(&ran.out) {
        assert_eq!(answer["decision"], "allow");
        assert!(answer.get("record").is_none());
    }
    assert!(!world.data().exists());
}

#[test]
fn a_registered_operator_approves_over_the_protocol() {
    let world = world();
    let (config, _) = crate::world::with_operator(&world);
    let asked = call("1", "send_money");
    let approve = |token: &str| {
        format!(
            "{{\"id\":\"2\",\"session\":\"s\",\"event\":\"approval\",\"call\":\"1\",\"verdict\":\"approve\",\"operator_token\":\"{token}\"}}\n"
        )
    };
    let args = ["--config", config.to_str().unwrap(), "decide", "--policies", "policies"];
    let events = format!("{asked}{}", approve(crate::world::DANA));
    let ran = world.fed(world.bare(&args), events.as_bytes()).exits(0);
    assert_eq!(answers(&ran.out)[1]["decision"], "allow", "{}", ran.out);
    let events = format!("{asked}{}", approve(crate::world::ERIN));
    let ran = world.fed(world.bare(&args), events.as_bytes()).exits(0);
    assert_eq!(answers(&ran.out)[1]["decision"], "deny", "{}", ran.out);
    assert!(answers(&ran.out)[1]["error"].is_string());
}

#[test]
fn policies_that_do_not_load_decide_nothing() {
    let world = World::new();
    world.write("policies/bad.yaml", &POLICY.replace("effect: deny", "effect: denny"));
    let ran =
        world.run_with(&["decide", "--policies", "policies"], call("1", "read_file").as_bytes()).exits(2);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("denny"), "{}", ran.err);
    world.run_with(&["decide", "--policies", "nowhere"], b"").exits(2);
}
