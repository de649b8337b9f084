//! Whatever either side says, in whatever order.

use std::collections::{HashMap, HashSet, VecDeque};

use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;
use ringfence_gateway::mcp::bridge::{Bridge, Said, Way};
use ringfence_gateway::mcp::envelope::{self, Message};
use serde_json::{Value, json};

use super::script::META;

#[derive(Debug, Clone)]
enum Step {
    /// The client asks; a newer one says so in its `_meta`.
    Asks {
        id: u8,
        method: u8,
        is_newer: bool,
        returns: bool,
    },
    Cancels {
        id: u8,
    },
    /// The client answers what it was asked, the oldest first; some answer with an error.
    Answers {
        fails: bool,
    },
    /// The server answers one of what it was asked.
    Answered {
        which: u8,
        how: u8,
    },
    ServerAsks {
        id: u8,
        method: u8,
    },
    ServerTells {
        method: u8,
        which: u8,
    },
    Later,
}

const METHODS: [&str; 9] = [
    "initialize",
    "server/discover",
    "tools/call",
    "tools/call",
    "tools/list",
    "resources/subscribe",
    "subscriptions/listen",
    "ping",
    "logging/setLevel",
];
const ASKS: [&str; 4] = ["elicitation/create", "sampling/createMessage", "roots/list", "ping"];
/// What is asked of the server in nobody's name: each is derived from something that the client said.
const OWN: [&str; 6] = [
    "initialize",
    "server/discover",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
    "subscriptions/listen",
];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8, any::<u8>(), any::<bool>(), any::<bool>())
            .prop_map(|(id, method, is_newer, returns)| Step::Asks { id, method, is_newer, returns }),
        1 => (0..4_u8).prop_map(|id| Step::Cancels { id }),
        2 => any::<bool>().prop_map(|fails| Step::Answers { fails }),
        6 => (any::<u8>(), any::<u8>()).prop_map(|(which, how)| Step::Answered { which, how }),
        2 => (0..4_u8, any::<u8>()).prop_map(|(id, method)| Step::ServerAsks { id, method }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(method, which)| Step::ServerTells { method, which }),
        1 => proptest::strategy::Just(Step::Later),
    ]
}

/// Both sides, and the wire's own memory of who asked what.
#[derive(Default)]
struct Between {
    bridge: Bridge,
    /// How often the client waits for an answer under an id.
    awaited: HashMap<String, usize>,
    /// What the server was asked and has not answered.
    at_server: Vec<(Value, String)>,
    /// What the client was asked.
    at_client: VecDeque<Value>,
    named: HashSet<String>,
    states: Vec<String>,
    spoken: HashSet<String>,
}

impl Between {
    fn client_says(&mut self, text: &str) {
        let message = envelope::parse(text.as_bytes()).unwrap();
        if self.bridge.client_says(&message) == Way::On {
            self.server_gets(text);
        }
        self.drain();
    }

    fn client_is_told(&mut self, text: &str) {
        let message = envelope::parse(text.as_bytes()).unwrap();
        if self.bridge.client_is_told(&message) == Way::On {
            self.client_gets(text);
        }
        self.drain();
    }

    fn drain(&mut self) {
        let mut said = 0;
        while let Some(next) = self.bridge.next_said() {
            said += 1;
            assert!(said < 1_000, "it does not stop");
            match next {
                Said::ToClient(text) => self.client_gets(&text),
                Said::ToServer(text) => self.server_gets(&text),
            }
        }
    }

    fn client_gets(&mut self, text: &str) {
        let value: Value = serde_json::from_str(text).unwrap();
        match envelope::parse(text.as_bytes()).unwrap() {
            Message::Response(_) => {
                let open = self.awaited.get_mut(&value["id"].to_string());
                let open = open.filter(|open| **open > 0).unwrap_or_else(|| panic!("nobody asked: {text}"));
                *open -= 1;
                if let Some(state) = value["result"]["requestState"].as_str() {
                    self.states.push(state.to_owned());
                }
            }
            Message::Request(_) => self.at_client.push_back(value["id"].clone()),
            Message::Notification(_) => {}
            Message::Batch(_) => panic!("{text}"),
        }
    }

    fn server_gets(&mut self, text: &str) {
        let value: Value = serde_json::from_str(text).unwrap();
        let Message::Request(request) = envelope::parse(text.as_bytes()).unwrap() else { return };
        let method = request.method.to_string();
        assert!(self.spoken.contains(&method) || OWN.contains(&&*method), "made up: {text}");
        if method == "tools/call" {
            assert!(self.named.contains(value["params"]["name"].as_str().unwrap()), "made up: {text}");
        }
        if self.at_server.iter().any(|(id, _)| *id == value["id"]) {
            // As the wire has it.
            let refused = json!({ "jsonrpc": "2.0", "id": value["id"], "error": { "code": -32600, "message": "open" } });
            self.client_is_told(&refused.to_string());
        } else {
            self.at_server.push((value["id"].clone(), method));
        }
    }

    fn step(&mut self, number: usize, step: &Step) {
        match step {
            Step::Asks { id, method, is_newer, returns } => {
                let method = METHODS[usize::from(*method) % METHODS.len()];
                let mut params = json!({ "name": format!("t{number}"), "uri": "a", "level": "info", "notifications": { "resourceSubscriptions": ["a"] } });
                params["capabilities"] = json!({ "elicitation": {}, "roots": {} });
                if *is_newer {
                    params["_meta"] = serde_json::from_str(&format!("{{{META}}}")).unwrap();
                }
                if let Some(state) = self.states.last().filter(|_| *returns) {
                    params["requestState"] = json!(state);
                    params["inputResponses"] = json!({ "ask-4": {}, "ask-5": {} });
                }
                self.named.insert(format!("t{number}"));
                self.spoken.insert(method.to_owned());
                *self.awaited.entry(id.to_string()).or_default() += 1;
                let text = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
                self.client_says(&text.to_string());
            }
            Step::Cancels { id } => self.client_says(
                &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })
                    .to_string(),
            ),
            Step::Answers { fails } => {
                let Some(id) = self.at_client.pop_front() else { return };
                let answer = if *fails {
                    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -1, "message": "no" } })
                } else {
                    json!({ "jsonrpc": "2.0", "id": id, "result": {} })
                };
                self.client_says(&answer.to_string());
            }
            Step::Answered { which, how } => {
                if self.at_server.is_empty() {
                    return;
                }
                let (id, method) = self.at_server.swap_remove(usize::from(*which) % self.at_server.len());
                let result = match (how % 4, method.as_str()) {
                    (0, _) => {
                        let error = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "no" } });
                        return self.client_is_told(&error.to_string());
                    }
                    (1, "tools/call") => {
                        json!({ "resultType": "input_required", "requestState": "s", "inputRequests": { "q": { "method": "roots/list" } } })
                    }
                    _ => {
                        json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"], "protocolVersion": "2025-11-25", "capabilities": { "resources": { "subscribe": true }, "tools": { "listChanged": true }, "logging": {} } })
                    }
                };
                self.client_is_told(&json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string());
            }
            Step::ServerAsks { id, method } => {
                let method = ASKS[usize::from(*method) % ASKS.len()];
                self.client_is_told(
                    &json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": {} }).to_string(),
                );
            }
            Step::ServerTells { method, which } => {
                let methods = [
                    "notifications/cancelled",
                    "notifications/resources/updated",
                    "notifications/subscriptions/acknowledged",
                    "notifications/tools/list_changed",
                ];
                let method = methods[usize::from(*method) % methods.len()];
                let open: Vec<&Value> = self.at_server.iter().map(|(id, _)| id).collect();
                let id = open.get(usize::from(*which) % open.len().max(1)).map_or(json!(1), |id| (*id).clone());
                let params = json!({ "requestId": id, "uri": "a", "_meta": { "io.modelcontextprotocol/subscriptionId": id } });
                self.client_is_told(
                    &json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string(),
                );
            }
            Step::Later => {
                if self.bridge.deadline().is_some() {
                    self.bridge.overdue();
                    self.drain();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 400, failure_persistence: None, ..Config::default() })]

    /// Nobody is answered who did not ask, and nothing is asked that nobody said.
    #[test]
    fn answers_have_questions_and_questions_a_reason(steps in proptest::collection::vec(step(), 1..60)) {
        let mut between = Between::default();
        for (number, step) in steps.iter().enumerate() {
            between.step(number, step);
        }
    }
}
