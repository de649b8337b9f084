//! What policy has no opinion on passes byte for byte; what is no message does not pass.

use super::world::{MARK_OF_CLIENT, MARK_OF_SERVER, World, call};

#[tokio::test]
async fn what_passes_is_the_same_to_the_byte_in_both_directions() {
    let mut world = World::listed().await;
    let both = [
        (
            r#"{ "method" : "initialize","x-new":[1.0,1e3,9007199254740993,-0],"id":"\u0061\/é", "jsonrpc":"2.0","params":{"a":{"b":null},"capabilities":{"y":{}}} }"#,
            r#"{"extra":{"k":[]},"result":{"protocolVersion":"9999-01-01","later":"\ud83d\ude00 \u007f","n":1E400},"id":"a/é" ,"jsonrpc":"2.0"}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":-7.50,"method":"ping","params":null}"#,
            r#"{"jsonrpc":"2.0","id":-7.5,"error":{"code":-32601,"message":"no","data":{"deep":[[[{}]]]}},"also":1}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"\u0065cho","arguments":{"text":"\u0000","more":12345678901234567890},"_meta":{"x/y":1},"later":true}}"#,
            r#"{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"hologram","data":"…"}],"structuredContent":{"a":1.10},"later":[ ]}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":4,"method":"resources/read","params":{"uri":"file:///%7Ea","x":1}}"#,
            r#"{"jsonrpc":"2.0","id":4,"result":{"contents":[{"uri":"file:///~a","blob":"AAAA"}]}}"#,
        ),
    ];
    for (asked, answered) in both {
        world.client.say(asked).await;
        assert_eq!(world.server.hear().await, asked);
        world.server.say(answered).await;
        assert_eq!(world.client.hear().await, answered);
    }
    for told in [
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":0.1,"new":[]}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress/later","params":{}}"#,
    ] {
        world.client.say(told).await;
        world.server.hears_only(told).await;
        world.server.say(told).await;
        world.client.hears_only(told).await;
    }
}

#[tokio::test]
async fn a_line_that_ends_as_windows_has_it_keeps_its_end() {
    let mut world = World::new().await;
    world.client.write(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r\n\r\n").await;
    world.server.hears_only("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r").await;
}

#[tokio::test]
async fn noise_of_the_server_is_left_out() {
    let mut world = World::new().await;
    for noise in [
        "Server listening on stdio",
        "",
        "   ",
        "{",
        "{}",
        "[]",
        "null",
        "\u{feff}{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\r{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/of/nobody"}"#,
    ] {
        world.server.say(noise).await;
    }
    world.server.write(b"\xff\xfe\x00\n").await;
    world.server.say(MARK_OF_SERVER).await;
    world.client.hears_only(MARK_OF_SERVER).await;
    // Only the request that a server may not send was answered.
    assert_eq!(world.server.hear_json().await["error"]["code"], -32601);
    world.client.say(MARK_OF_CLIENT).await;
    world.server.hears_only(MARK_OF_CLIENT).await;
}

#[tokio::test]
async fn what_two_readers_could_take_for_different_messages_is_answered_and_goes_no_further() {
    let mut world = World::new().await;
    for (line, id, code) in [
        ("not json", "null", -32700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#, "null", -32600),
        (
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","Name":"wipe"}}"#,
            "2",
            -32600,
        ),
        (r#"{"jsonrpc":"2.0","id":3,"method":"tools/everything"}"#, "3", -32601),
        (r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{}}"#, "4", -32602),
        (r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"echo"}}"#, "null", -32600),
    ] {
        world.client.say(line).await;
        let answer = world.client.hear_json().await;
        assert_eq!(answer["id"].to_string(), id, "{line}");
        assert_eq!(answer["error"]["code"], code, "{line}");
    }
    world.client.say(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}"#).await;
    world.client.say(MARK_OF_CLIENT).await;
    world.server.hears_only(MARK_OF_CLIENT).await;
}

#[tokio::test]
async fn each_of_a_batch_is_looked_at() {
    let mut world = World::listed().await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let (echo, wipe) = (call("2", "echo", "{}"), call("3", "wipe", "{}"));
    world.client.say(&format!("[{ping}, {wipe},{echo}]")).await;
    assert_eq!(world.server.hear().await, ping);
    assert_eq!(world.server.hear().await, echo);
    let refused = world.client.hear_json().await;
    assert_eq!((&refused["id"], &refused["result"]["isError"]), (&3.into(), &true.into()));
    world.server.say(r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":99,"result":{}},{"jsonrpc":"2.0","id":2,"result":{}}]"#).await;
    world.client.hears_only(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    world.client.hears_only(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#).await;
}
