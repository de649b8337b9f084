//! A client that begins with `initialize`, in front of a server whose requests stand alone.

use super::script::played;

/// The session has begun, with changes of tools told and resources subscribed to.
const BEGUN: &str = r#"
c {"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{},"sampling":{},"tasks":{}},"clientInfo":{"name":"o","version":"1"}}}
s {"jsonrpc":"2.0","id":0,"error":{"code":-32022,"message":"no"}}
s {"jsonrpc":"2.0","id":"$R-1","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true}},"instructions":"be kind","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"2"}},"ttlMs":0,"cacheScope":"public"}}
"#;

fn begun_and(script: &str) -> String {
    // How it begins is held once.
    let whole = played(&format!("{BEGUN}{script}"));
    whole[played_length(BEGUN, &whole)..].to_owned()
}

fn played_length(begin: &str, whole: &str) -> usize {
    let last = begin.trim().lines().last().unwrap();
    let at = whole.find(last).unwrap() + last.len() + 1;
    // And what was told then.
    at + whole[at..].find('\n').unwrap() + 1
}

macro_rules! cases {
    ($($name:ident: $script:expr;)+) => { $(
        #[test]
        fn $name() {
            insta::assert_snapshot!($script);
        }
    )+ };
}

cases! {
    begins: played(&format!("{BEGUN}\nc {}\n", r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#));
    a_server_of_its_own_era_is_left_alone: played(r#"
c {"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}
c {"jsonrpc":"2.0","id":9,"method":"ping"}
s {"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{}}}
c {"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a"}}
s {"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required"}}
"#);
    a_server_that_refuses_both_is_quoted: played(r#"
c {"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}
s {"jsonrpc":"2.0","id":0,"error":{"code":-1,"message":"closed"}}
c {"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}
s {"jsonrpc":"2.0","id":"$R-1","error":{"code":-2,"message":"closed, too"}}
c {"jsonrpc":"2.0","id":2,"method":"initialize","params":{}}
s {"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":"closed"}}
s {"jsonrpc":"2.0","id":"$R-2","result":{"supportedVersions":["2099-01-01"]}}
"#);
    a_server_that_refuses_and_falls_silent_is_quoted_too: played(r#"
c {"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}
s {"jsonrpc":"2.0","id":0,"error":{"code":-1,"message":"closed"}}
!
s {"jsonrpc":"2.0","id":"$R-1","result":{"supportedVersions":["2026-07-28"]}}
c {"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}
s {"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{}}}
s {"jsonrpc":"2.0","id":"$R-1","result":{"supportedVersions":["2026-07-28"]}}
"#);
    what_it_says_once_is_said_each_time: begun_and(r#"
c {"jsonrpc":"2.0","id":1,"method":"tools/list"}
s {"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[],"ttlMs":5,"cacheScope":"public","x":1.0}}
c {"jsonrpc":"2.0","id":2.0,"method":"tools/call","params":{"name":"t","arguments":{"n":1e2,"s":"\u0061"},"_meta":{"progressToken":7,"mine":{"b":2.50}}},"extra":1}
s {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}
s {"jsonrpc":"2.0","id":2.0,"result":{"resultType":"complete","content":[],"_meta":{"theirs":1.0}}}
c {"jsonrpc":"2.0","id":3,"method":"ping"}
c {"jsonrpc":"2.0","id":4,"method":"logging/setLevel","params":{"level":"debug"}}
c {"jsonrpc":"2.0","id":5,"method":"logging/setLevel","params":{"level":5}}
c {"jsonrpc":"2.0","id":6,"method":"prompts/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25","io.modelcontextprotocol/clientCapabilities":{"roots":{}}}}}
c {"jsonrpc":"2.0","id":7,"method":"initialize","params":{}}
"#);
    subscriptions_are_streams: begun_and(r#"
c {"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"file:///a"}}
c {"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"file:///a"}}
c {"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"file:///b"}}
s {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"$R-2"},"notifications":{}}}
c {"jsonrpc":"2.0","id":3,"method":"resources/subscribe","params":{"uri":"file:///a"}}
s {"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a","_meta":{"io.modelcontextprotocol/subscriptionId":"$R-2"}}}
c {"jsonrpc":"2.0","id":4,"method":"resources/unsubscribe","params":{"uri":"file:///a"}}
s {"jsonrpc":"2.0","id":"$R-2","result":{"resultType":"complete"}}
c {"jsonrpc":"2.0","id":5,"method":"resources/subscribe","params":{"uri":"file:///c"}}
s {"jsonrpc":"2.0","id":"$R-3","error":{"code":-32602,"message":"no such thing"}}
c {"jsonrpc":"2.0","id":6,"method":"resources/subscribe","params":{"uri":"file:///d"}}
s {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"$R-4"}}
c {"jsonrpc":"2.0","id":7,"method":"resources/subscribe"}
"#);
    questions_in_results_become_requests: begun_and(r#"
c {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0}}}
s {"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"who":{"method":"elicitation/create","params":{"message":"Who?"}},"what":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}},"requestState":"s1"}}
c {"jsonrpc":"2.0","id":1,"method":"tools/list"}
c {"jsonrpc":"2.0","id":"$R-3","result":{"role":"assistant"}}
c {"jsonrpc":"2.0","id":"$R-3","result":{"role":"again"}}
c {"jsonrpc":"2.0","id":"$R-2","result":{"action":"accept","content":{"n":1.50}}}
s {"jsonrpc":"2.0","id":"$R-4","result":{"resultType":"input_required","requestState":"s2"}}
s {"jsonrpc":"2.0","id":"$R-5","result":{"resultType":"input_required","inputRequests":{}}}
s {"jsonrpc":"2.0","id":"$R-6","result":{"resultType":"complete","content":[]}}
s {"jsonrpc":"2.0","id":"$R-6","result":{"resultType":"complete","content":["twice"]}}
"#);
    a_client_that_refuses_to_answer_ends_the_call: begun_and(r#"
c {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}
s {"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{}},"b":{"method":"roots/list"}},"requestState":"s1"}}
c {"jsonrpc":"2.0","id":"$R-2","error":{"code":-1,"message":"not now"}}
c {"jsonrpc":"2.0","id":"$R-3","result":{"roots":[]}}
"#);
    questions_where_none_may_be_asked_are_an_error: begun_and(r#"
c {"jsonrpc":"2.0","id":1,"method":"tools/list"}
s {"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}}
s {"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"outside"}}
"#);
    cancelled_at_each_stage: begun_and(r#"
c {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}
c {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}
s {"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":["late"]}}
c {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t"}}
s {"jsonrpc":"2.0","id":2,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}},"requestState":"s"}}
c {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}
c {"jsonrpc":"2.0","id":"$R-2","result":{"roots":[]}}
c {"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"t"}}
s {"jsonrpc":"2.0","id":3,"result":{"resultType":"input_required","requestState":"s"}}
c {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}
s {"jsonrpc":"2.0","id":"$R-3","result":{"resultType":"complete","content":["late"]}}
c {"jsonrpc":"2.0","id":4,"method":"tools/list"}
c {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":4}}
"#);
    ids_of_ours_are_not_the_clients: begun_and(r#"
c {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}
c {"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"other"}}
c {"jsonrpc":"2.0","id":"$R-2","method":"tools/call","params":{"name":"t"}}
c {"jsonrpc":"2.0","id":"$R","method":"tools/call","params":{"name":"t"}}
"#);
}
