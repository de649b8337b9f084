//! Calls that the agent's own client may approve: `approvers: [client]`.

use serde_json::{Value, json};

use super::world::{MARK_OF_CLIENT, MARK_OF_SERVER, Peer, World, call, result};

const POLICY: &str = r#"
apiVersion: ringfence/v1
kind: Policy
metadata: {name: test}
layer: team
subjects: ["**"]
rules:
  - {id: look, effect: allow, actions: [tool.list], resources: ["mcp://srv"]}
  - {id: post, effect: ask, actions: [tool.call], resources: ["mcp://srv/post"], approvers: [client], expires: 10m, reason: Posting is looked at.}
  - {id: buy, effect: ask, actions: [tool.call], resources: ["mcp://srv/buy"], approvers: ["group:ops"], expires: 10m, reason: Buying needs a person.}
"#;
const TOOLS: &str =
    r#"[{"name":"post","inputSchema":{"type":"object"}},{"name":"buy","inputSchema":{"type":"object"}}]"#;
const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}}}"#;

/// A session of 2025-11-25 whose client can be asked.
async fn of_session() -> World {
    let mut world = World::with(POLICY, ringfence_gateway::mcp::stdio::Schema::Enforce).await;
    world.client.say(r#"{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}}"#).await;
    world.server.answers("initialize", r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}"#).await;
    world.client.hear_json().await;
    world.list(TOOLS).await;
    world
}

/// A client and a server whose requests stand alone.
async fn alone() -> World {
    let mut world = World::with(POLICY, ringfence_gateway::mcp::stdio::Schema::Enforce).await;
    let list = format!(r#"{{"jsonrpc":"2.0","id":"l","method":"tools/list","params":{{"_meta":{META}}}}}"#);
    world.client.say(&list).await;
    world.server.is_of_the_newer_era().await;
    world.server.answers("tools/list", &format!(r#"{{"resultType":"complete","tools":{TOOLS}}}"#)).await;
    world.client.hear_json().await;
    world
}

fn post(id: &str, text: &str, more: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"post","arguments":{{"text":"{text}"}},"_meta":{META}{more}}}}}"#
    )
}

fn again(id: &str, text: &str, state: &Value, action: &str) -> String {
    let answer =
        format!(r#","inputResponses":{{"ringfence":{{"action":"{action}"}}}},"requestState":{state}"#);
    post(id, text, &answer)
}

/// Asks for the post, and gives the state that the client is to come back with.
async fn asked(world: &mut World, id: &str, text: &str) -> Value {
    world.client.say(&post(id, text, "")).await;
    let interim = world.client.hear_json().await;
    assert_eq!(interim["result"]["resultType"], "input_required");
    let question = &interim["result"]["inputRequests"]["ringfence"];
    assert_eq!(question["method"], "elicitation/create");
    let message = question["params"]["message"].as_str().unwrap();
    assert!(message.contains("tool.call on mcp://srv/post") && message.contains(text), "{message}");
    interim["result"]["requestState"].clone()
}

async fn hears_nothing(world: &mut World) {
    world.client.say(MARK_OF_CLIENT).await;
    world.server.hears_only(MARK_OF_CLIENT).await;
}

async fn answer(client: &mut Peer, question: &Value, action: &str) {
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": action } });
    client.say(&answer.to_string()).await;
}

#[tokio::test]
async fn a_client_of_a_session_is_asked_by_elicitation() {
    let mut world = of_session().await;
    world.client.say(&call("1", "post", r#"{"text":"hi"}"#)).await;
    let question = world.client.hear_json().await;
    assert_eq!(question["method"], "elicitation/create");
    assert!(question["params"]["message"].as_str().unwrap().contains("Posting is looked at."));
    hears_nothing(&mut world).await;
    answer(&mut world.client, &question, "accept").await;
    world.server.hears_only(&call("1", "post", r#"{"text":"hi"}"#)).await;
    world.server.say(&result("1", "posted")).await;
    world.client.hears_only(&result("1", "posted")).await;
    // It was for once.
    world.client.say(&call("2", "post", r#"{"text":"hi"}"#)).await;
    let question = world.client.hear_json().await;
    answer(&mut world.client, &question, "decline").await;
    let denied = world.client.hear_json().await;
    assert_eq!(denied["result"]["_meta"]["ringfence/decision"]["decision"], "deny");
    hears_nothing(&mut world).await;
}

#[tokio::test]
async fn an_operator_s_answer_takes_the_question_back() {
    let mut world = of_session().await;
    world.client.say(&call("1", "post", "{}")).await;
    let id = world.asked().await;
    let question = world.client.hear_json().await;
    world.approve(&id).await;
    world.server.hears_only(&call("1", "post", "{}")).await;
    let cancelled = world.client.hear_json().await;
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], question["id"]);
}

#[tokio::test]
async fn where_an_operator_is_named_the_client_is_not_asked_and_its_word_does_not_count() {
    let mut world = of_session().await;
    world.client.say(&call("1", "buy", "{}")).await;
    let id = world.asked().await;
    answer(&mut world.client, &json!({ "id": format!("ringfence-ask-{id}") }), "accept").await;
    hears_nothing(&mut world).await;
    world.server.say(MARK_OF_SERVER).await;
    world.client.hears_only(MARK_OF_SERVER).await;
    let word = ringfence_guard::Answered::Approved("client".to_owned());
    world.session.client_answers(&id, word).await.unwrap_err();
    let word = ringfence_guard::Answered::Refused("client".to_owned());
    world.session.client_answers(&id, word).await.unwrap_err();
}

#[tokio::test]
async fn a_client_whose_requests_stand_alone_is_asked_in_an_interim_result() {
    let mut world = alone().await;
    let state = asked(&mut world, "1", "hi").await;
    hears_nothing(&mut world).await;
    world.client.say(&again("2", "hi", &state, "accept")).await;
    // What the server gets is the call as it would have been.
    world.server.hears_only(&post("2", "hi", "")).await;
    // It was for once: who comes back with it again is asked anew.
    world.client.say(&again("3", "hi", &state, "accept")).await;
    hears_nothing(&mut world).await;
}

#[tokio::test]
async fn a_state_of_the_server_s_own_is_kept_behind_the_question() {
    let mut world = alone().await;
    let servers = r#","inputResponses":{"q":{"action":"accept"}},"requestState":"theirs""#;
    world.client.say(&post("1", "hi", servers)).await;
    let interim = world.client.hear_json().await;
    let state = interim["result"]["requestState"].clone();
    world.client.say(&again("2", "hi", &state, "accept")).await;
    world.server.hears_only(&post("2", "hi", servers)).await;
}

#[tokio::test]
async fn a_state_that_was_changed_or_given_out_for_something_else_is_denied() {
    let mut world = alone().await;
    let state = asked(&mut world, "1", "hi").await;
    let text = state.as_str().unwrap();
    let middle = text.len() / 2;
    let other = if &text[middle..=middle] == "A" { "B" } else { "A" };
    let changed = json!(format!("{}{other}{}", &text[..middle], &text[middle + 1..]));
    let cut = json!(text[..text.len() - 3]);
    let plain = json!("ringfence-ask.e30.e30");
    for (id, line) in [
        ("2", again("2", "hi", &changed, "accept")),
        ("3", again("3", "hi", &cut, "accept")),
        ("4", again("4", "hi", &plain, "accept")),
        ("5", again("5", "all your money", &state, "accept")),
    ] {
        world.client.say(&line).await;
        let denied = world.client.hear_json().await;
        assert_eq!(denied["id"].to_string(), id);
        assert_eq!(denied["result"]["_meta"]["ringfence/decision"]["decision"], "deny", "{denied}");
    }
    hears_nothing(&mut world).await;
    // The one that was given out is still good for what it was given out for.
    world.client.say(&again("6", "hi", &state, "accept")).await;
    world.server.hears_only(&post("6", "hi", "")).await;
}

#[tokio::test]
async fn a_client_that_declines_is_denied_and_one_that_says_nothing_is_told_what_waits() {
    let mut world = alone().await;
    let state = asked(&mut world, "1", "hi").await;
    world.client.say(&again("2", "hi", &state, "cancel")).await;
    let waits = world.client.hear_json().await;
    assert!(waits["result"]["_meta"]["ringfence/decision"]["approval"]["id"].is_string(), "{waits}");
    world.client.say(&again("3", "hi", &state, "decline")).await;
    let denied = world.client.hear_json().await;
    assert_eq!(denied["result"]["_meta"]["ringfence/decision"]["decision"], "deny");
    hears_nothing(&mut world).await;
}
