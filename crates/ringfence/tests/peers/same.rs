//! That a client is told the same with Ringfence in between as without it.

use serde_json::{Value, json};

use crate::peer::{Alone, Language, Sdk, everything};
use crate::place::{OPEN, Place};

/// The same steps, direct, wrapped and over HTTP, come to the same.
pub(crate) fn same(
    clients: &[Sdk],
    server: &str,
    command: impl Fn(&Place) -> Vec<String>,
    steps: impl Fn(&Place) -> Value,
) {
    let place = Place::new(OPEN);
    for sdk in clients {
        let (command, steps) = (command(&place), steps(&place));
        let direct = sdk.play(&steps, &command, &place.mark);
        let wrapped = sdk.play(&steps, &place.wrapped(server, &command), &place.mark);
        compare(*sdk, "wrapped", &direct, &wrapped);
    }
    place.nothing_left();
    place.finish();
    let place = Place::new(OPEN);
    for sdk in clients {
        let steps = steps(&place);
        let direct = sdk.play(&steps, &command(&place), &place.mark);
        // Made anew, for a server that remembers.
        let up = place.up(server, &command(&place));
        let served = sdk.play(&steps, std::slice::from_ref(&up.url), &place.mark);
        compare(*sdk, "over HTTP", &direct, &served);
        up.end();
        place.nothing_left();
    }
    place.finish();
}

/// The same steps, direct and through the gateway, come to the same at a server over HTTP.
pub(crate) fn same_far(clients: &[Sdk], server: Language, steps: &Value) {
    let place = Place::new(OPEN);
    let alone = Alone::start(&everything(server, &["--http"]), &place.mark);
    let up = place.serve("far", &json!({ "url": alone.url }));
    for sdk in clients {
        let direct = sdk.play(steps, std::slice::from_ref(&alone.url), &place.mark);
        let served = sdk.play(steps, std::slice::from_ref(&up.url), &place.mark);
        compare(*sdk, "through the gateway", &direct, &served);
    }
    up.end();
    drop(alone);
    place.nothing_left();
    place.finish();
}

/// What came of each step is the same, but for what says that a client that speaks 2026-07-28 does
/// so with the gateway where the server cannot.
pub(crate) fn compare(sdk: Sdk, how: &str, direct: &[Value], governed: &[Value]) {
    assert_eq!(direct.len(), governed.len(), "{governed:?}");
    for (step, (direct, governed)) in direct.iter().zip(governed).enumerate() {
        if let Some(told) = direct.get("progress") {
            // How much of it arrives before the result does is a matter of time.
            let (told, governed) = (told.as_array().unwrap(), governed["progress"].as_array().unwrap());
            assert_eq!(told.first(), governed.first(), "{sdk:?}, step {step}");
            continue;
        }
        let governed = unbridged(direct, governed.clone());
        assert!(
            direct == &governed,
            "{sdk:?}, step {step}\ndirect:  {direct:.2000}\n{how}: {governed:.2000}"
        );
    }
}

/// What a bridge adds to what a server of 2025-11-25 says, taken away.
fn unbridged(direct: &Value, mut governed: Value) -> Value {
    if (&direct["protocol"], &governed["protocol"]) == (&json!("2025-11-25"), &json!("2026-07-28")) {
        return direct.clone();
    }
    let (Some(said), Some(members)) = (direct.as_object(), governed.as_object_mut()) else { return governed };
    if members.get("resultType") == Some(&json!("complete")) && !said.contains_key("resultType") {
        for added in ["resultType", "ttlMs", "cacheScope"] {
            members.remove(added);
        }
    }
    governed
}
