//! `init`: a configuration and policies to begin with. Asks nothing, overwrites nothing.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ringfence_policy::stock;
use serde_json::json;

use crate::cli::{Global, InitArgs};
use crate::config::find::FILE_NAME;
use crate::fault::{Ending, Fault};
use crate::output::{self, paint};
use crate::place;

const CONFIGURATION: &str = include_str!("init/ringfence.yaml");
/// The folder of policies beside the configuration.
const POLICIES: &str = "policies";

pub(crate) fn run(global: &Global, asked: &InitArgs) -> Result<Ending, Fault> {
    let folder = if asked.user { place::configuration()? } else { std::env::current_dir()? };
    let mut files = vec![(folder.join(FILE_NAME), CONFIGURATION)];
    for policy in stock() {
        files.push((folder.join(POLICIES).join(format!("{}.yaml", policy.name)), policy.text));
    }
    if let Some((there, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        return Err(Fault::no(format!("`{}` is there already; nothing was written", there.display()))
            .help("move it away, or edit it"));
    }
    fs::create_dir_all(folder.join(POLICIES))?;
    for (path, text) in &files {
        write(path, text)?;
    }
    if global.json {
        let written: Vec<_> = files.iter().map(|(path, _)| path).collect();
        output::document(&json!({ "written": written }))?;
        return Ok(Ending::Done);
    }
    for (path, _) in &files {
        output::line(format_args!("{} {}", paint::good("wrote"), path.display()))?;
    }
    output::line("")?;
    if asked.user {
        output::line(
            "Next: ringfence mcp -- CMD wraps an MCP server; ringfence doctor says what is governed.",
        )?;
    } else {
        output::line(
            "Next: read the files, then run ringfence trust, so that they count exactly as they are;",
        )?;
        output::line("ringfence mcp -- CMD wraps an MCP server, ringfence doctor says what is governed.")?;
    }
    Ok(Ending::Done)
}

/// Fails where something came to lie there meanwhile.
fn write(path: &Path, text: &str) -> Result<(), Fault> {
    let failed =
        |error: std::io::Error| Fault::from(error).while_trying(format!("writing `{}`", path.display()));
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}
