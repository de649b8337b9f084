//! 2026-07-28: every request stands alone.

use super::script::Script;

fn two() -> Script {
    Script::of(&["files", "notes"])
}

#[test]
fn discovery_is_every_servers() {
    two().play(
        r##"
client {~"id":"d","method":"server/discover","params":{$META}}
  files {~"id":"#1","method":"server/discover","params":{$META}}
  notes {~"id":"#1","method":"server/discover","params":{$META}}
notes {~"id":"#1","result":{"resultType":"complete","supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{"prompts":{}},"ttlMs":500,"cacheScope":"private","instructions":"Take notes."}}
files {~"id":"#1","result":{"resultType":"complete","supportedVersions":["2026-07-28","2025-06-18"],"capabilities":{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{}}},"ttlMs":1000,"cacheScope":"public"}}
  client {~"id":"d","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}},"prompts":{},"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"ringfence","version":"0.1.0"}},"cacheScope":"private","ttlMs":500,"instructions":"# notes\n\nTake notes."}}
client {~"id":"e","method":"server/discover","params":{$META}}
  files {~"id":"#2","method":"server/discover","params":{$META}}
  notes {~"id":"#2","method":"server/discover","params":{$META}}
notes {~"id":"#2","result":{"resultType":"complete","supportedVersions":["2025-11-25"],"capabilities":{"prompts":{}},"ttlMs":500,"cacheScope":"public"}}
files {~"id":"#2","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":1000,"cacheScope":"public"}}
  client {~"id":"e","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"ringfence","version":"0.1.0"}},"cacheScope":"public","ttlMs":0}}
"##,
    );
}

#[test]
fn lists_say_how_long_all_of_them_hold() {
    two().play(
        r##"
client {~"id":1,"method":"tools/list","params":{$META}}
  files {~"id":"#1","method":"tools/list","params":{$META}}
  notes {~"id":"#1","method":"tools/list","params":{$META}}
files {~"id":"#1","result":{"resultType":"complete","tools":[{"name":"a"}],"ttlMs":900,"cacheScope":"public"}}
notes {~"id":"#1","result":{"resultType":"complete","tools":[{"name":"b"}],"ttlMs":300,"cacheScope":"public"}}
  client {~"id":1,"result":{"resultType":"complete","tools":[{"name":"files__a"},{"name":"notes__b"}],"cacheScope":"public","ttlMs":300}}
client {~"id":2,"method":"prompts/list","params":{$META}}
  files {~"id":"#2","method":"prompts/list","params":{$META}}
  notes {~"id":"#2","method":"prompts/list","params":{$META}}
files {~"id":"#2","error":{"code":-32601,"message":"no prompts"}}
notes {~"id":"#2","result":{"resultType":"complete","prompts":[{"name":"b"}],"ttlMs":300,"cacheScope":"private"}}
  client {~"id":2,"result":{"resultType":"complete","prompts":[{"name":"notes__b"}],"cacheScope":"private","ttlMs":300}}
client {~"id":3,"method":"resources/list","params":{$META}}
  files {~"id":"#3","method":"resources/list","params":{$META}}
  notes {~"id":"#3","method":"resources/list","params":{$META}}
files {~"id":"#3","error":{"code":-32603,"message":"broken"}}
notes {~"id":"#3","result":{"resultType":"complete","resources":[],"ttlMs":300,"cacheScope":"public"}}
  client {~"id":3,"result":{"resultType":"complete","resources":[],"cacheScope":"public","ttlMs":0}}
client {~"id":4,"method":"resources/list","params":{$META}}
  files {~"id":"#4","method":"resources/list","params":{$META}}
  notes {~"id":"#4","method":"resources/list","params":{$META}}
files {~"id":"#4","error":{"code":-32601,"message":"none"}}
notes {~"id":"#4","error":{"code":-32601,"message":"none"}}
  client {~"id":4,"error":{"code":-32601,"message":"files: none; notes: none"}}
"##,
    );
}

#[test]
fn a_result_that_asks_for_input_passes_and_the_retry_finds_its_server() {
    two().play(
        r##"
client {~"id":1,"method":"tools/call","params":{$META,"name":"files__buy"}}
  files {~"id":1,"method":"tools/call","params":{$META,"name":"buy"}}
files {~"id":1,"result":{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"message":"uri?"}}},"requestState":"s__t"}}
  client {~"id":1,"result":{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"message":"uri?"}}},"requestState":"s__t"}}
client {~"id":2,"method":"tools/call","params":{$META,"name":"files__buy","inputResponses":{"k":{"action":"accept"}},"requestState":"s__t"}}
  files {~"id":2,"method":"tools/call","params":{$META,"name":"buy","inputResponses":{"k":{"action":"accept"}},"requestState":"s__t"}}
client {~"id":3,"method":"resources/read","params":{$META,"uri":"mcp+other+file:///a"}}
  client {~"id":3,"error":{"code":-32602,"message":"there is no resource `mcp+other+file:///a`","data":{"uri":"mcp+other+file:///a"}}}
"##,
    );
}

#[test]
fn tasks_are_their_servers() {
    two().play(
        r##"
client {~"id":1,"method":"tools/call","params":{$META,"name":"notes__slow"}}
  notes {~"id":1,"method":"tools/call","params":{$META,"name":"slow"}}
notes {~"id":1,"result":{"resultType":"task","taskId":"7","status":"working"}}
  client {~"id":1,"result":{"resultType":"task","taskId":"notes__7","status":"working"}}
client {~"id":2,"method":"tasks/get","params":{$META,"taskId":"notes__7"}}
  notes {~"id":2,"method":"tasks/get","params":{$META,"taskId":"7"}}
notes {~"id":2,"result":{"resultType":"complete","taskId":"7","status":"completed","result":{"content":[{"type":"resource_link","uri":"a:b"}]}}}
  client {~"id":2,"result":{"resultType":"complete","taskId":"notes__7","status":"completed","result":{"content":[{"type":"resource_link","uri":"mcp+notes+a:b"}]}}}
client {~"id":3,"method":"tasks/update","params":{$META,"taskId":"notes__7","inputResponses":{}}}
  notes {~"id":3,"method":"tasks/update","params":{$META,"taskId":"7","inputResponses":{}}}
notes {~"method":"notifications/tasks","params":{"taskId":"7","status":"completed","result":{"content":[{"type":"resource","resource":{"uri":"a:b","text":""}}]}}}
  client {~"method":"notifications/tasks","params":{"taskId":"notes__7","status":"completed","result":{"content":[{"type":"resource","resource":{"uri":"mcp+notes+a:b","text":""}}]}}}
"##,
    );
}

#[test]
fn a_subscription_is_acknowledged_once_and_ends_with_the_last() {
    two().play(
        r##"
client {~"id":"l","method":"subscriptions/listen","params":{$META,"notifications":{"toolsListChanged":true,"resourceSubscriptions":["mcp+files+file:///a","mcp+notes+n:b","file:///c","mcp+notes+n:d"],"taskIds":["notes__7"]}}}
  files {~"id":"#1","method":"subscriptions/listen","params":{$META,"notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///a"]}}}
  notes {~"id":"#1","method":"subscriptions/listen","params":{$META,"notifications":{"toolsListChanged":true,"resourceSubscriptions":["n:b","n:d"],"taskIds":["7"]}}}
notes {~"method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"#1"},"notifications":{"toolsListChanged":true,"resourceSubscriptions":["n:b"],"taskIds":["7"]}}}
notes {~"method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"#1"},"uri":"n:b"}}
files {~"method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"#1"},"notifications":{"resourceSubscriptions":["file:///a"]}}}
  client {~"method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"l"},"notifications":{"resourceSubscriptions":["mcp+notes+n:b","mcp+files+file:///a"],"taskIds":["notes__7"],"toolsListChanged":true}}}
  client {~"method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"l"},"uri":"mcp+notes+n:b"}}
files {~"method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"#1"},"uri":"file:///a"}}
  client {~"method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"l"},"uri":"mcp+files+file:///a"}}
files {~"method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"#1"}}}
  client {~"method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}
files {~"method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}
files {~"id":"#1","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"#1"}}}
files {~"method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"#1"}}}
notes {~"method":"notifications/cancelled","params":{"requestId":"#1"}}
  client {~"id":"l","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}
"##,
    );
}

#[test]
fn a_subscription_is_for_those_who_have_something_to_tell() {
    two().play(
        r##"
client {~"id":1,"method":"subscriptions/listen","params":{$META,"notifications":{"resourceSubscriptions":["mcp+files+file:///a"]}}}
  files {~"id":"#1","method":"subscriptions/listen","params":{$META,"notifications":{"resourceSubscriptions":["file:///a"]}}}
client {~"id":2,"method":"subscriptions/listen","params":{$META,"notifications":{"resourceSubscriptions":["mcp+other+file:///a"]}}}
  client {~"method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":2},"notifications":{}}}
files {~"id":"#1","error":{"code":-32010,"message":"denied"}}
  client {~"id":1,"error":{"code":-32010,"message":"files: denied"}}
client {~"id":3,"method":"subscriptions/listen","params":{$META,"notifications":{"toolsListChanged":true}}}
  files {~"id":"#3","method":"subscriptions/listen","params":{$META,"notifications":{"toolsListChanged":true}}}
  notes {~"id":"#3","method":"subscriptions/listen","params":{$META,"notifications":{"toolsListChanged":true}}}
files {~"method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"#3"},"notifications":{"toolsListChanged":true}}}
seconds 5
  notes {~"method":"notifications/cancelled","params":{"requestId":"#3"}}
  client {~"method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":3},"notifications":{"toolsListChanged":true}}}
client {~"method":"notifications/cancelled","params":{"requestId":3}}
  files {~"method":"notifications/cancelled","params":{"requestId":"#3"}}
files {~"method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"#3"}}}
client {~"id":6,"method":"subscriptions/listen","params":{$META,"notifications":{"resourceSubscriptions":["mcp+files+file:///a"]}}}
  files {~"id":"#4","method":"subscriptions/listen","params":{$META,"notifications":{"resourceSubscriptions":["file:///a"]}}}
files {~"id":"#4","result":{"resultType":"complete"}}
  client {~"method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":6},"notifications":{}}}
  client {~"id":6,"result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":6}}}
client {~"id":4,"method":"subscriptions/listen","params":{$META,"notifications":{"resourceSubscriptions":"x"}}}
  client {~"id":4,"error":{"code":-32602,"message":"`params.notifications`: `resourceSubscriptions` is no list"}}
client {~"id":5,"method":"subscriptions/listen","params":{$META}}
  client {~"id":5,"error":{"code":-32602,"message":"`params.notifications` is missing"}}
"##,
    );
}

#[test]
fn a_server_that_has_ended_comes_back() {
    two().play(
        r##"
files ends
  files closed
client {~"id":1,"method":"tools/call","params":{$META,"name":"notes__a"}}
  files wanted
  notes {~"id":1,"method":"tools/call","params":{$META,"name":"a"}}
client {~"id":2,"method":"tools/call","params":{$META,"name":"files__a"}}
  client {~"id":2,"error":{"code":-32603,"message":"the server `files` is being started again: it has ended; try again later"}}
files does not open
client {~"id":3,"method":"tools/call","params":{$META,"name":"files__a"}}
  files wanted
  client {~"id":3,"error":{"code":-32603,"message":"the server `files` is being started again: it is broken; try again later"}}
files opens
client {~"id":4,"method":"tools/call","params":{$META,"name":"files__a"}}
  files {~"id":4,"method":"tools/call","params":{$META,"name":"a"}}
files {~"id":4,"result":{"resultType":"complete","content":[]}}
  client {~"id":4,"result":{"resultType":"complete","content":[]}}
"##,
    );
}
