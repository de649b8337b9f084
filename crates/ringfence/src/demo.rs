//! `ringfence demo`: the main job, played end to end with nothing to configure. An inventory
//! agent and an ERP server are processes of their own that speak real MCP; between them stands a
//! monitor on a data directory of its own; a person answers with the very commands that people
//! type. Every line that is printed was read from an answer, a journal, the log or the verifier.
//! What differs from the story ends the demo with exit 1 and is named.

pub(crate) mod agent;
pub(crate) mod erp;
mod facts;
mod forge;
mod interrupt;
mod own_monitor;
mod person;
mod puppet;
mod records;
mod scene;
mod story;
mod tell;

use crate::cli::{DemoArgs, Global};
use crate::fault::{Ending, Fault};
use crate::output;

use self::scene::Scene;
use self::tell::Teller;

/// Plays it.
pub(crate) fn run(global: &Global, args: &DemoArgs) -> Result<Ending, Fault> {
    if global.config.is_some() || global.data.is_some() {
        return Err(Fault::cannot("the demo has a configuration and a data directory of its own")
            .help("take `--config` and `--data` out; `--keep DIR` leaves its own behind"));
    }
    let scene = Scene::set(args.keep.as_deref())?;
    interrupt::watch(scene.temporary())?;
    let teller = Teller::new(if global.json {
        tell::Manner::Silent
    } else if args.plain {
        tell::Manner::Plain
    } else {
        tell::Manner::Laid
    });
    let facts = story::play(&scene, &teller).map_err(|fault| scene.remember(fault))?;
    if global.json {
        output::document(&facts)?;
    }
    Ok(Ending::Done)
}
