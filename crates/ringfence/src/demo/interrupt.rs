//! Whoever interrupts the demo leaves nothing behind either.

use std::fs;
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use crate::fault::Fault;

/// As shells have it for a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// From now on an interruption ends the demo and takes its temporary folder away. Everything else
/// that runs notices that this process is gone, and ends.
pub(super) fn watch(temporary: Option<PathBuf>) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut typed, mut told) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = typed.recv() => {}
                _ = told.recv() => {}
            }
        });
        if let Some(folder) = temporary
            && let Err(error) = fs::remove_dir_all(&folder)
        {
            tracing::debug!(%error, folder = %folder.display(), "left behind");
        }
        std::process::exit(INTERRUPTED);
    })?;
    Ok(())
}
