//! The revisions with sessions: 2025-11-25 and before.

use super::script::Script;

/// Two servers that have greeted.
pub(crate) fn greeted() -> Script {
    let mut script = Script::of(&["files", "notes"]);
    script.play(
        r##"
client {~"id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"t","version":"1"},"_meta":{"progressToken":7,"x":1}}}
  files {~"id":"#1","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"t","version":"1"},"_meta":{"x":1}}}
  notes {~"id":"#1","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"t","version":"1"},"_meta":{"x":1}}}
notes {~"id":"#1","result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"prompts":{},"logging":{}},"serverInfo":{"name":"N","version":"2"},"instructions":"Take notes."}}
files {~"id":"#1","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":false},"resources":{"subscribe":true},"tasks":{"list":{},"requests":{"tools":{"call":{}}}},"experimental":{"x":{"a":1}}},"serverInfo":{"name":"F","version":"1"},"instructions":"Read files."}}
  client {~"id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{"experimental":{"x":{"a":1}},"logging":{},"prompts":{},"resources":{"subscribe":true},"tasks":{"list":{},"requests":{"tools":{"call":{}}}},"tools":{"listChanged":true}},"serverInfo":{"name":"ringfence","version":"0.1.0"},"instructions":"# files\n\nRead files.\n\n# notes\n\nTake notes."}}
client {~"method":"notifications/initialized"}
  files {~"method":"notifications/initialized"}
  notes {~"method":"notifications/initialized"}
"##,
    );
    script
}

#[test]
fn a_handshake_is_every_servers() {
    greeted().play(
        r##"
client {~"method":"notifications/roots/list_changed"}
  files {~"method":"notifications/roots/list_changed"}
  notes {~"method":"notifications/roots/list_changed"}
client {~"id":"p","method":"ping"}
  client {~"id":"p","result":{}}
client {~"id":1,"method":"logging/setLevel","params":{"level":"info"}}
  notes {~"id":"#2","method":"logging/setLevel","params":{"level":"info"}}
notes {~"id":"#2","result":{}}
  client {~"id":1,"result":{}}
client {~"id":2,"method":"initialize","params":{}}
  client {~"id":2,"error":{"code":-32600,"message":"this session has been initialized"}}
"##,
    );
}

#[test]
fn who_cannot_be_greeted_is_left_out_and_hurts_nobody() {
    let mut script = Script::with([
        ("dead", Err("it could not be started".to_owned())),
        ("files", Ok(())),
        ("hangs", Ok(())),
        ("notes", Ok(())),
        ("odd", Ok(())),
        ("old", Ok(())),
    ]);
    script.play(
        r##"
client {~"id":0,"method":"initialize","params":{}}
  files {~"id":"#1","method":"initialize","params":{}}
  hangs {~"id":"#1","method":"initialize","params":{}}
  notes {~"id":"#1","method":"initialize","params":{}}
  odd {~"id":"#1","method":"initialize","params":{}}
  old {~"id":"#1","method":"initialize","params":{}}
notes {~"id":"#1","error":{"code":-32603,"message":"no disk"}}
odd {~"id":"#1","result":{"protocolVersion":"1.0","capabilities":{}}}
old ends
  old closed
files {~"id":"#1","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"F","version":"1"}}}
seconds 29
seconds 1
  notes closed
  odd closed
  hangs closed
  client {~"id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"ringfence","version":"0.1.0"}}}
hangs {~"id":"#1","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}}
client {~"id":1,"method":"tools/call","params":{"name":"notes__add"}}
  client {~"id":1,"error":{"code":-32603,"message":"the server `notes` is not available: it was not initialized: no disk"}}
client {~"id":2,"method":"tools/call","params":{"name":"dead__x"}}
  client {~"id":2,"error":{"code":-32603,"message":"the server `dead` is not available: it could not be started"}}
client {~"id":3,"method":"tools/call","params":{"name":"old__x"}}
  client {~"id":3,"error":{"code":-32603,"message":"the server `old` is not available: it has ended"}}
client {~"id":4,"method":"tools/list"}
  files {~"id":"#2","method":"tools/list"}
"##,
    );
    assert!(!script.is_over());
}

#[test]
fn where_nobody_can_be_greeted_the_client_is_told_why() {
    let mut script = Script::of(&["files", "notes"]);
    script.play(
        r##"
client {~"id":0,"method":"initialize","params":{}}
  files {~"id":"#1","method":"initialize","params":{}}
  notes {~"id":"#1","method":"initialize","params":{}}
notes {~"id":"#1","error":{"code":-32602,"message":"no"}}
files ends
  files closed
  notes closed
  client {~"id":0,"error":{"code":-32603,"message":"notes: no; files: it has ended"}}
"##,
    );
    assert!(script.is_over());
}

#[test]
fn lists_are_one() {
    greeted().play(
        r##"
client {~"id":1,"method":"tools/list","params":{"_meta":{"progressToken":1}}}
  files {~"id":"#2","method":"tools/list","params":{"_meta":{}}}
  notes {~"id":"#2","method":"tools/list","params":{"_meta":{}}}
notes {~"id":"#2","result":{"tools":[{"name":"read","inputSchema":{}},{"name":"__add", "x" : 1e3}]}}
files {~"id":"#2","result":{"tools":[{"inputSchema":{"type":"object"},"name":"r\u0065ad"},{"name":""},{"name":"a"},{"name":"a"},{"Name":"b","name":"b"}]}}
  client {~"id":1,"result":{"tools":[{"inputSchema":{"type":"object"},"name":"files__r\u0065ad"},{"name":"notes__read","inputSchema":{}},{"name":"notes____add", "x" : 1e3}]}}
client {~"id":2,"method":"prompts/list"}
  notes {~"id":"#3","method":"prompts/list"}
notes {~"id":"#3","result":{"prompts":[{"name":"q"},{"name":"p"},{"name":"\u0071"}]}}
  client {~"id":2,"result":{"prompts":[{"name":"notes__p"}]}}
client {~"id":3,"method":"resources/list"}
  files {~"id":"#4","method":"resources/list"}
files {~"id":"#4","result":{"resources":[{"uri":"file:\/\/\/a","name":"a"},{"uri":"file:///a"}]}}
  client {~"id":3,"result":{"resources":[{"uri":"mcp+files+file:\/\/\/a","name":"a"},{"uri":"mcp+files+file:///a"}]}}
client {~"id":4,"method":"resources/templates/list"}
  files {~"id":"#5","method":"resources/templates/list"}
files {~"id":"#5","result":{"resourceTemplates":[{"uriTemplate":"file:///{path}","name":"a"}]}}
  client {~"id":4,"result":{"resourceTemplates":[{"uriTemplate":"mcp+files+file:///{path}","name":"a"}]}}
client {~"id":5,"method":"tasks/list"}
  files {~"id":"#6","method":"tasks/list"}
files {~"id":"#6","result":{"tasks":[{"taskId":"7","status":"working"}]}}
  client {~"id":5,"result":{"tasks":[{"taskId":"files__7","status":"working"}]}}
"##,
    );
}

#[test]
fn pages_of_every_server_are_turned_one_after_another() {
    greeted().play(
        r##"
client {~"id":1,"method":"tools/list","params":{}}
  files {~"id":"#2","method":"tools/list","params":{}}
  notes {~"id":"#2","method":"tools/list","params":{}}
files {~"id":"#2","result":{"tools":[{"name":"a"}],"nextCursor":"p\"2"}}
  notes {~"method":"notifications/cancelled","params":{"requestId":"#2"}}
  client {~"id":1,"result":{"tools":[{"name":"files__a"}],"nextCursor":"ZmlsZXMKcCIy"}}
notes {~"id":"#2","result":{"tools":[{"name":"late"}]}}
client {~"id":2,"method":"tools/list","params":{"cursor":"ZmlsZXMKcCIy","x":1}}
  files {~"id":"#3","method":"tools/list","params":{"cursor":"p\"2","x":1}}
  notes {~"id":"#3","method":"tools/list","params":{"x":1}}
notes {~"id":"#3","result":{"tools":[{"name":"c"}]}}
files {~"id":"#3","result":{"tools":[{"name":"b"}]}}
  client {~"id":2,"result":{"tools":[{"name":"files__b"},{"name":"notes__c"}]}}
"##,
    );
}

#[test]
fn who_fails_is_left_out_of_a_list() {
    greeted().play(
        r##"
client {~"id":1,"method":"tools/list"}
  files {~"id":"#2","method":"tools/list"}
  notes {~"id":"#2","method":"tools/list"}
files {~"id":"#2","error":{"code":-32010,"message":"denied","data":{"decision":"deny"}}}
notes {~"id":"#2","result":{"tools":[{"name":"a"}]}}
  client {~"id":1,"result":{"tools":[{"name":"notes__a"}]}}
client {~"id":2,"method":"tools/list"}
  files {~"id":"#3","method":"tools/list"}
  notes {~"id":"#3","method":"tools/list"}
notes {~"id":"#3","result":{"tools":{}}}
files {~"id":"#3","error":{"code":-32010,"message":"denied","data":{"decision":"deny"}}}
  client {~"id":2,"error":{"code":-32603,"message":"notes: its answer has no `tools`; files: denied"}}
client {~"id":3,"method":"tools/list"}
  files {~"id":"#4","method":"tools/list"}
  notes {~"id":"#4","method":"tools/list"}
notes {~"id":"#4","error":{"code":-32010,"message":"denied","data":1}}
files {~"id":"#4","error":{"code":-32010,"message":"denied","data":{"decision":"deny"}}}
  client {~"id":3,"error":{"code":-32010,"message":"notes: denied; files: denied","data":1}}
client {~"id":4,"method":"tools/list"}
  files {~"id":"#5","method":"tools/list"}
  notes {~"id":"#5","method":"tools/list"}
files {~"id":"#5","result":{"tools":[{"name":"a"}]}}
seconds 30
  notes {~"method":"notifications/cancelled","params":{"requestId":"#5"}}
  client {~"id":4,"result":{"tools":[{"name":"files__a"}]}}
client {~"id":5,"method":"tools/list"}
  files {~"id":"#6","method":"tools/list"}
  notes {~"id":"#6","method":"tools/list"}
files {~"id":"#6","result":{"tools":[{"name":"a"}]}}
seconds 2
  notes {~"method":"notifications/cancelled","params":{"requestId":"#6"}}
  client {~"id":5,"result":{"tools":[{"name":"files__a"}]}}
notes {~"id":"#6","result":{"tools":[]}}
client {~"id":6,"method":"tools/list"}
  files {~"id":"#7","method":"tools/list"}
  notes {~"id":"#7","method":"tools/list"}
seconds 29
"##,
    );
}

#[test]
fn what_is_named_reaches_its_server_under_its_own_name() {
    greeted().play(
        r##"
client {~"id":1,"method":"tools/call","params":{"name":"files__read" , "arguments":{"n":1.0e2,"name":"files__x"},"_meta":{"progressToken":"t"}}}
  files {~"id":1,"method":"tools/call","params":{"name":"read" , "arguments":{"n":1.0e2,"name":"files__x"},"_meta":{"progressToken":"t"}}}
files {~"method":"notifications/progress","params":{"progressToken":"t","progress":1}}
  client {~"method":"notifications/progress","params":{"progressToken":"t","progress":1}}
files {~"id":1,"result":{"content":[{"type":"text","text":"uri"},{"type":"resource_link","uri":"file:///a","name":"a"},{"type":"resource","resource":{"uri":"file:///b","text":"b"}},{"type":"image","uri":"x"}],"structuredContent":{"uri":"file:///c"},"_meta":{"ui/resourceUri":"ui://x"}}}
  client {~"id":1,"result":{"content":[{"type":"text","text":"uri"},{"type":"resource_link","uri":"mcp+files+file:///a","name":"a"},{"type":"resource","resource":{"uri":"mcp+files+file:///b","text":"b"}},{"type":"image","uri":"x"}],"structuredContent":{"uri":"file:///c"},"_meta":{"ui/resourceUri":"ui://x"}}}
client {~"id":2,"method":"prompts/get","params":{"name":"notes____p"}}
  notes {~"id":2,"method":"prompts/get","params":{"name":"__p"}}
notes {~"id":2,"result":{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a:b","text":""}}},{"role":"user","content":[{"type":"resource_link","uri":"a:c"}]}]}}
  client {~"id":2,"result":{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"mcp+notes+a:b","text":""}}},{"role":"user","content":[{"type":"resource_link","uri":"mcp+notes+a:c"}]}]}}
client {~"id":3,"method":"resources/read","params":{"uri":"mcp+files+file:\/\/\/a+b"}}
  files {~"id":3,"method":"resources/read","params":{"uri":"file:\/\/\/a+b"}}
files {~"id":3,"result":{"contents":[{"uri":"file:///a+b","text":"x"}]}}
  client {~"id":3,"result":{"contents":[{"uri":"mcp+files+file:///a+b","text":"x"}]}}
client {~"id":4,"method":"resources/subscribe","params":{"uri":"m\u0063p+files+file:///a"}}
  files {~"id":4,"method":"resources/subscribe","params":{"uri":"file:///a"}}
files {~"id":4,"result":{}}
  client {~"id":4,"result":{}}
files {~"method":"notifications/resources/updated","params":{"uri":"file:///a"}}
  client {~"method":"notifications/resources/updated","params":{"uri":"mcp+files+file:///a"}}
client {~"id":5,"method":"resources/unsubscribe","params":{"uri":"mcp+files+file:///a"}}
  files {~"id":5,"method":"resources/unsubscribe","params":{"uri":"file:///a"}}
client {~"id":6,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"notes__p"},"argument":{"name":"a","value":"b"}}}
  notes {~"id":6,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":"b"}}}
client {~"id":7,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"mcp+files+file:///{p}"},"argument":{"name":"a","value":"b"}}}
  files {~"id":7,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"file:///{p}"},"argument":{"name":"a","value":"b"}}}
notes {~"method":"notifications/message","params":{"level":"info","data":"files__x"}}
  client {~"method":"notifications/message","params":{"level":"info","data":"files__x"}}
notes {~"method":"notifications/tools/list_changed"}
  client {~"method":"notifications/tools/list_changed"}
"##,
    );
}

#[test]
fn what_nothing_is_called_is_an_error_that_says_so() {
    greeted().play(
        r##"
client {~"id":1,"method":"tools/call","params":{"name":"read"}}
  client {~"id":1,"error":{"code":-32602,"message":"there is no tool `read`; names begin with their server's, as in `server__name`"}}
client {~"id":2,"method":"prompts/get","params":{"name":"other__p"}}
  client {~"id":2,"error":{"code":-32602,"message":"there is no prompt `other__p`; names begin with their server's, as in `server__name`"}}
client {~"id":3,"method":"resources/read","params":{"uri":"file:///a"}}
  client {~"id":3,"error":{"code":-32002,"message":"there is no resource `file:///a`","data":{"uri":"file:///a"}}}
client {~"id":4,"method":"tasks/get","params":{"taskId":"7"}}
  client {~"id":4,"error":{"code":-32602,"message":"there is no task `7`; names begin with their server's, as in `server__name`"}}
client {~"id":5,"method":"tools/call","params":{"name":5}}
  client {~"id":5,"error":{"code":-32602,"message":"`tools/call` needs `params.name` to be a string"}}
client {~"id":6,"method":"completion/complete","params":{"ref":{"type":"ref/x"}}}
  client {~"id":6,"error":{"code":-32602,"message":"`completion/complete` needs `params.ref` to be a prompt or a resource"}}
client {~"id":7,"method":"tools/callMany"}
  client {~"id":7,"error":{"code":-32601,"message":"`tools/callMany` is not a method that this side sends"}}
client {~"id":8,"method":"tools/call","params":{"name":"files__read"}}
  files {~"id":8,"method":"tools/call","params":{"name":"read"}}
client {~"id":8.0,"method":"tools/call","params":{"name":"notes__read"}}
  client {~"id":8.0,"error":{"code":-32600,"message":"a request with this id is under way"}}
client {~"method":"notifications/other"}
"##,
    );
}

#[test]
fn what_servers_ask_is_told_apart_and_answered_to_whoever_asked() {
    greeted().play(
        r##"
files {~"id":1,"method":"sampling/createMessage","params":{"messages":[],"_meta":{"progressToken":1}}}
  client {~"id":2,"method":"sampling/createMessage","params":{"messages":[],"_meta":{"progressToken":2}}}
notes {~"id":1,"method":"roots/list"}
  client {~"id":3,"method":"roots/list"}
notes {~"id":1.0,"method":"ping"}
  notes {~"id":1.0,"error":{"code":-32600,"message":"a request with this id is under way"}}
client {~"method":"notifications/progress","params":{"progressToken":2,"progress":1}}
  files {~"method":"notifications/progress","params":{"progressToken":1,"progress":1}}
client {~"id":3,"result":{"roots":[]}}
  notes {~"id":1,"result":{"roots":[]}}
client {~"id":3,"result":{"roots":[]}}
client {~"id":2,"error":{"code":-1,"message":"no"}}
  files {~"id":1,"error":{"code":-1,"message":"no"}}
client {~"method":"notifications/progress","params":{"progressToken":2,"progress":2}}
notes {~"id":"e","method":"elicitation/create","params":{"mode":"url","elicitationId":"9","url":"https://x.example"}}
  client {~"id":5,"method":"elicitation/create","params":{"mode":"url","elicitationId":"notes__9","url":"https://x.example"}}
files {~"method":"notifications/cancelled","params":{"requestId":"e"}}
notes {~"method":"notifications/cancelled","params":{"requestId":"e","reason":"x"}}
  client {~"method":"notifications/cancelled","params":{"requestId":5,"reason":"x"}}
client {~"id":5,"result":{"action":"accept"}}
notes {~"method":"notifications/elicitation/complete","params":{"elicitationId":"9"}}
  client {~"method":"notifications/elicitation/complete","params":{"elicitationId":"notes__9"}}
client {~"id":6,"method":"tools/call","params":{"name":"notes__x"}}
  notes {~"id":6,"method":"tools/call","params":{"name":"x"}}
notes {~"id":6,"error":{"code":-32042,"message":"first","data":{"elicitations":[{"mode":"url","elicitationId":"9","url":"https://x.example"}]}}}
  client {~"id":6,"error":{"code":-32042,"message":"first","data":{"elicitations":[{"mode":"url","elicitationId":"notes__9","url":"https://x.example"}]}}}
"##,
    );
}

#[test]
fn tasks_are_their_servers() {
    greeted().play(
        r##"
client {~"id":1,"method":"tools/call","params":{"name":"files__slow","task":{"ttl":1},"_meta":{"progressToken":5}}}
  files {~"id":1,"method":"tools/call","params":{"name":"slow","task":{"ttl":1},"_meta":{"progressToken":5}}}
files {~"id":1,"result":{"task":{"taskId":"7","status":"working"}}}
  client {~"id":1,"result":{"task":{"taskId":"files__7","status":"working"}}}
files {~"method":"notifications/progress","params":{"progressToken":5,"progress":1}}
  client {~"method":"notifications/progress","params":{"progressToken":5,"progress":1}}
client {~"id":2,"method":"tasks/get","params":{"taskId":"files__7"}}
  files {~"id":2,"method":"tasks/get","params":{"taskId":"7"}}
files {~"id":2,"result":{"taskId":"7","status":"working"}}
  client {~"id":2,"result":{"taskId":"files__7","status":"working"}}
files {~"method":"notifications/tasks/status","params":{"taskId":"7","status":"completed"}}
  client {~"method":"notifications/tasks/status","params":{"taskId":"files__7","status":"completed"}}
files {~"id":"s","method":"elicitation/create","params":{"message":"?","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"7"}}}}
  client {~"id":2,"method":"elicitation/create","params":{"message":"?","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"files__7"}}}}
client {~"id":2,"result":{"action":"accept","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"files__7"}}}}
  files {~"id":"s","result":{"action":"accept","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"7"}}}}
client {~"id":3,"method":"tasks/result","params":{"taskId":"files__7"}}
  files {~"id":3,"method":"tasks/result","params":{"taskId":"7"}}
files {~"id":3,"result":{"content":[{"type":"resource_link","uri":"a:b"}],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"7"}}}}
  client {~"id":3,"result":{"content":[{"type":"resource_link","uri":"mcp+files+a:b"}],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"files__7"}}}}
client {~"id":4,"method":"tasks/cancel","params":{"taskId":"files__7"}}
  files {~"id":4,"method":"tasks/cancel","params":{"taskId":"7"}}
"##,
    );
}

#[test]
fn a_task_of_the_clients_is_for_whoever_asked_for_it() {
    greeted().play(
        r##"
files {~"id":1,"method":"sampling/createMessage","params":{"task":{}}}
  client {~"id":2,"method":"sampling/createMessage","params":{"task":{}}}
client {~"id":2,"result":{"task":{"taskId":"c1","status":"working"}}}
  files {~"id":1,"result":{"task":{"taskId":"c1","status":"working"}}}
notes {~"id":1,"method":"tasks/result","params":{"taskId":"c1"}}
  notes {~"id":1,"error":{"code":-32602,"message":"no request of this server made that task"}}
files {~"id":2,"method":"tasks/result","params":{"taskId":"c1"}}
  client {~"id":4,"method":"tasks/result","params":{"taskId":"c1"}}
client {~"method":"notifications/tasks/status","params":{"taskId":"c1","status":"completed"}}
  files {~"method":"notifications/tasks/status","params":{"taskId":"c1","status":"completed"}}
notes {~"id":3,"method":"tasks/list"}
  client {~"id":5,"method":"tasks/list"}
client {~"id":5,"result":{"tasks":[{"taskId":"c1"}]}}
  notes {~"id":3,"result":{"tasks":[]}}
files {~"id":3,"method":"tasks/list"}
  client {~"id":6,"method":"tasks/list"}
client {~"id":6,"result":{"tasks":[{"taskId":"c1"},{"taskId":"c2"}]}}
  files {~"id":3,"result":{"tasks":[{"taskId":"c1"}]}}
"##,
    );
}

#[test]
fn a_cancellation_reaches_whoever_works_on_it() {
    greeted().play(
        r##"
client {~"id":1,"method":"tools/call","params":{"name":"files__slow"}}
  files {~"id":1,"method":"tools/call","params":{"name":"slow"}}
client {~"method":"notifications/cancelled","params":{"requestId":1,"reason":"x"}}
  files {~"method":"notifications/cancelled","params":{"requestId":1,"reason":"x"}}
files {~"id":1,"result":{"content":[]}}
client {~"id":1,"method":"tools/list"}
  files {~"id":"#2","method":"tools/list"}
  notes {~"id":"#2","method":"tools/list"}
files {~"id":"#2","result":{"tools":[]}}
client {~"method":"notifications/cancelled","params":{"requestId":1}}
  notes {~"method":"notifications/cancelled","params":{"requestId":"#2"}}
notes {~"id":"#2","result":{"tools":[]}}
client {~"method":"notifications/cancelled","params":{"requestId":1}}
"##,
    );
}

#[test]
fn a_server_that_dies_takes_only_its_own_with_it() {
    let mut script = greeted();
    script.play(
        r##"
client {~"id":1,"method":"tools/call","params":{"name":"files__slow"}}
  files {~"id":1,"method":"tools/call","params":{"name":"slow"}}
client {~"id":2,"method":"tools/call","params":{"name":"notes__slow"}}
  notes {~"id":2,"method":"tools/call","params":{"name":"slow"}}
client {~"id":3,"method":"tools/list"}
  files {~"id":"#2","method":"tools/list"}
  notes {~"id":"#2","method":"tools/list"}
notes {~"id":"#2","result":{"tools":[{"name":"slow"}]}}
files {~"id":1,"method":"roots/list"}
  client {~"id":3,"method":"roots/list"}
"##,
    );
    // Which of its requests is told first is open.
    let mut came = script.say("files ends");
    came.sort_unstable();
    let expected = [
        r#"client {"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"the server `files` failed: it has ended"}}"#,
        r#"client {"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"notes__slow"}]}}"#,
        r#"client {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}"#,
        "files closed",
    ];
    assert_eq!(came, expected);
    script.play(
        r##"
client {~"id":3,"result":{"roots":[]}}
files {~"id":1,"result":{"content":[]}}
files {~"method":"notifications/tools/list_changed"}
notes {~"id":2,"result":{"content":[]}}
  client {~"id":2,"result":{"content":[]}}
client {~"id":4,"method":"tools/call","params":{"name":"files__slow"}}
  client {~"id":4,"error":{"code":-32603,"message":"the server `files` is not available: it has ended"}}
"##,
    );
    assert!(!script.is_over());
    script.say("notes ends");
    assert!(script.is_over());
}

#[test]
fn a_server_that_takes_nothing_is_not_waited_for() {
    greeted().play(
        r##"
files full
client {~"id":1,"method":"tools/call","params":{"name":"files__slow"}}
  client {~"id":1,"error":{"code":-32603,"message":"the server `files` does not take what it is sent; try again later"}}
client {~"id":2,"method":"tools/list"}
  notes {~"id":"#2","method":"tools/list"}
notes {~"id":"#2","result":{"tools":[{"name":"a"}]}}
  client {~"id":2,"result":{"tools":[{"name":"notes__a"}]}}
files free
client {~"id":1,"method":"tools/call","params":{"name":"files__slow"}}
  files {~"id":1,"method":"tools/call","params":{"name":"slow"}}
"##,
    );
}

#[test]
fn batches_are_taken_apart() {
    greeted().play(
        r##"
client [{~"id":1,"method":"tools/call","params":{"name":"files__a"}}, {~"id":2,"method":"ping"},{~"id":3,"method":"tools/call","params":{"name":"notes__a"}}]
  files {~"id":1,"method":"tools/call","params":{"name":"a"}}
  client {~"id":2,"result":{}}
  notes {~"id":3,"method":"tools/call","params":{"name":"a"}}
client []
  client {~"id":null,"error":{"code":-32600,"message":"the message is refused: it is no JSON-RPC 2.0 message: a batch holds between 1 and 256 messages"}}
client {"x"
  client {~"id":null,"error":{"code":-32700,"message":"the message is refused: it is not JSON: expected `:` at byte 4"}}
"##,
    );
}
