//! A client whose requests stand alone, in front of a server that is begun with `initialize`.

use super::script::played;

const BEGUN: &str = r#"
c {"jsonrpc":"2.0","id":0,"method":"tools/list","params":{"_meta":{$M}}}
s {"jsonrpc":"2.0","id":"$R-1","error":{"code":-32601,"message":"what?"}}
s {"jsonrpc":"2.0","id":"$R-2","result":{"protocolVersion":"2025-11-25","capabilities":{"logging":{},"tools":{"listChanged":true},"resources":{"subscribe":true},"tasks":{}},"serverInfo":{"name":"s","version":"1"},"instructions":"be kind"}}
s {"jsonrpc":"2.0","id":"$R-3","result":{"tools":[]}}
"#;

fn begun_and(script: &str) -> String {
    let whole = played(&format!("{BEGUN}{script}"));
    whole[played(BEGUN).len()..].to_owned()
}

/// A call that its server asks something about.
fn asked_and(script: &str) -> String {
    let call = r#"
c {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0},"_meta":{$M,"progressToken":"p1"}}}
s {"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{"message":"Who?"}}
"#;
    begun_and(&format!("{call}{script}"))
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
    begins_with_whatever_is_said_first: played(BEGUN);
    begins_with_its_own_discovery: played(r#"
c {"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{$M}}}
c {"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{$M}}}
c {"jsonrpc":"2.0","id":1,"method":"prompts/list","params":{"_meta":{$M}}}
s {"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"no session"}}
s {"jsonrpc":"2.0","id":"$R-1","result":{"protocolVersion":"2024-11-05","capabilities":{}}}
"#);
    a_server_of_its_own_era_is_left_alone: played(r#"
c {"jsonrpc":"2.0","id":0,"method":"tools/list","params":{"_meta":{$M}}}
c {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{$M}}}
c {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}
s {"jsonrpc":"2.0","id":"$R-1","result":{"supportedVersions":["2026-07-28"]}}
c {"jsonrpc":"2.0","id":2,"method":"prompts/list","params":{"_meta":{$M}}}
"#);
    a_server_that_knows_the_era_and_refuses_the_revision_is_of_it: played(r#"
c {"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{$M}}}
s {"jsonrpc":"2.0","id":0,"error":{"code":-32022,"message":"no"}}
"#);
    a_silent_server_is_begun_with: played(r#"
c {"jsonrpc":"2.0","id":0,"method":"tools/list","params":{"_meta":{$M}}}
!
s {"jsonrpc":"2.0","id":"$R-1","error":{"code":-32601,"message":"late"}}
s {"jsonrpc":"2.0","id":"$R-2","result":{"protocolVersion":"2025-11-25","capabilities":{}}}
s {"jsonrpc":"2.0","id":"$R-3","result":{"tools":[]}}
"#);
    a_server_that_refuses_both_is_quoted_to_all: played(r#"
c {"jsonrpc":"2.0","id":0,"method":"tools/list","params":{"_meta":{$M}}}
c {"jsonrpc":"2.0","id":1,"method":"prompts/list","params":{"_meta":{$M}}}
s {"jsonrpc":"2.0","id":"$R-1","error":{"code":-32601,"message":"what?"}}
c {"jsonrpc":"2.0","id":2,"method":"resources/list","params":{"_meta":{$M}}}
c {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}
s {"jsonrpc":"2.0","id":"$R-2","error":{"code":-1,"message":"closed"}}
c {"jsonrpc":"2.0","id":0,"method":"tools/list","params":{"_meta":{$M}}}
!
s {"jsonrpc":"2.0","id":"$R-4","result":5}
"#);
    requests_lose_what_the_older_era_does_not_have: begun_and(r#"
c {"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"t","arguments":{"n":1e2},"inputResponses":{"x":1},"_meta":{$M,"progressToken":3,"mine":2.50}},"extra":1}
s {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":3,"progress":1.0}}
s {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":4,"progress":1.0}}
s {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"unasked"}}
s {"jsonrpc":"2.0","id":"$R-4","result":{"content":[],"_meta":{"theirs":1.0}}}
c {"jsonrpc":"2.0","id":2,"method":"resources/read","params":{"uri":"a","_meta":{$M,"io.modelcontextprotocol/logLevel":"info"}}}
s {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"asked"}}
s {"jsonrpc":"2.0","id":"$R-5","result":{}}
s {"jsonrpc":"2.0","id":"$R-6","error":{"code":-32002,"message":"not found","data":{"uri":"a"}}}
c {"jsonrpc":"2.0","id":3,"method":"server/discover","params":{"_meta":{$M}}}
c {"jsonrpc":"2.0","id":4,"method":"ping","params":{"_meta":{$M}}}
c {"jsonrpc":"2.0","id":5,"method":"tasks/get","params":{"taskId":"t","_meta":{$M}}}
c {"jsonrpc":"2.0","id":6,"method":"tools/list"}
s {"jsonrpc":"2.0","id":8,"method":"ping"}
s {"jsonrpc":"2.0","id":9,"method":"roots/list"}
s {"jsonrpc":"2.0","id":1,"result":{"content":["of nothing"]}}
c {"jsonrpc":"2.0","id":7,"result":{}}
c {"jsonrpc":"2.0","method":"notifications/initialized"}
"#);
    ids_reused_are_refused_while_they_are_open: begun_and(r#"
c {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{$M}}}
c {"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"t","_meta":{$M}}}
c {"jsonrpc":"2.0","id":2,"method":"subscriptions/listen","params":{"notifications":{},"_meta":{$M}}}
c {"jsonrpc":"2.0","id":2,"method":"subscriptions/listen","params":{"notifications":{},"_meta":{$M}}}
s {"jsonrpc":"2.0","id":"$R-4","result":{"content":[]}}
c {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{$M}}}
"#);
    cancelled_while_it_runs: begun_and(r#"
c {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{$M}}}
c {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}
s {"jsonrpc":"2.0","id":"$R-4","result":{"content":["late"]}}
c {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}
"#);
    a_stream_hears_of_what_it_asked_for: begun_and(r#"
c {"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["a","b"]},"_meta":{$M}}}
s {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}
s {"jsonrpc":"2.0","id":"$R-4","result":{}}
s {"jsonrpc":"2.0","id":"$R-5","error":{"code":-1,"message":"not b"}}
s {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}
s {"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}
s {"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a","_meta":{"theirs":1.0}}}
s {"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"b"}}
c {"jsonrpc":"2.0","id":2,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["a"]},"_meta":{$M}}}
s {"jsonrpc":"2.0","id":"$R-6","result":{}}
c {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}
c {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}
c {"jsonrpc":"2.0","id":3,"method":"subscriptions/listen","params":{"_meta":{$M}}}
"#);
    a_question_is_an_interim_result: asked_and(r#"
c {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0},"requestState":"$S","inputResponses":{"ask-4":{"action":"accept","content":{"n":1.50}}},"_meta":{$M,"progressToken":"p2"}}}
s {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p1","progress":1}}
s {"jsonrpc":"2.0","id":8,"method":"sampling/createMessage","params":{"messages":[]}}
s {"jsonrpc":"2.0","id":9,"method":"roots/list"}
c {"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0},"requestState":"$S","inputResponses":{"ask-5":{"role":"assistant"}},"_meta":{$M}}}
c {"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0},"requestState":"$S","inputResponses":{"ask-6":{"roots":[]},"ask-5":"twice"},"_meta":{$M}}}
s {"jsonrpc":"2.0","id":"$R-4","result":{"content":[]}}
c {"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0},"requestState":"$S","_meta":{$M}}}
"#);
    a_state_is_of_its_request_alone: asked_and(r#"
c {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t","arguments":{"n":2},"requestState":"$S","inputResponses":{"ask-4":{}},"_meta":{$M}}}
c {"jsonrpc":"2.0","id":3,"method":"prompts/get","params":{"name":"t","requestState":"$S","inputResponses":{"ask-4":{}},"_meta":{$M}}}
c {"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"t","requestState":"$S0","_meta":{$M}}}
c {"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"t","requestState":5,"_meta":{$M}}}
c {"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0},"requestState":"$S","inputResponses":[],"_meta":{$M}}}
c {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0},"requestState":"$S","inputResponses":{"ask-4":{}},"_meta":{$M}}}
c {"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0},"requestState":"$S","inputResponses":{"ask-4":{}},"_meta":{$M}}}
"#);
    a_question_withdrawn_is_not_answered: asked_and(r#"
s {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}
c {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0},"requestState":"$S","inputResponses":{"ask-4":{}},"_meta":{$M}}}
s {"jsonrpc":"2.0","id":"$R-4","result":{"content":[]}}
"#);
    a_server_that_finishes_while_its_client_is_away: asked_and(r#"
s {"jsonrpc":"2.0","id":"$R-4","result":{"content":["done"]}}
s {"jsonrpc":"2.0","id":9,"method":"elicitation/create","params":{"message":"outside"}}
c {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0},"requestState":"$S","inputResponses":{"ask-4":{}},"_meta":{$M}}}
"#);
    a_call_cancelled_after_its_client_came_back: asked_and(r#"
c {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0},"requestState":"$S","inputResponses":{"ask-4":{}},"_meta":{$M}}}
c {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}
c {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}
c {"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0},"requestState":"$S","_meta":{$M}}}
"#);
}
