//! People at terminals of their own: the commands that anybody types, run as they are.
//!
//! What makes Dana Dana is her home, where the operator's token lies that no agent is given. The
//! auditor has a folder with copies of the log's files and its public key, and nothing else.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::scene::Scene;
use crate::fault::Fault;

/// Whoever types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Person {
    Dana,
    Auditor,
}

/// What a command said.
pub(super) struct Said {
    pub(super) exit: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Person {
    fn home(self, scene: &Scene) -> PathBuf {
        match self {
            Person::Dana => scene.home(),
            Person::Auditor => scene.auditor(),
        }
    }

    /// Runs `ringfence …` at home.
    pub(super) fn types(self, scene: &Scene, words: &[&str]) -> Result<Said, Fault> {
        let home = self.home(scene);
        let output = Command::new(&scene.program)
            .args(words)
            .current_dir(&home)
            .env("HOME", &home)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                Fault::from(error).while_trying(format!("running `ringfence {}`", words.join(" ")))
            })?;
        Ok(Said {
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it with `--json`, expects it to be done, and reads what it says.
    pub(super) fn gets(self, scene: &Scene, words: &[&str]) -> Result<Value, Fault> {
        let said = self.types(scene, &[words, &["--json"]].concat())?;
        let command = words.join(" ");
        if said.exit != 0 {
            return Err(Fault::no(format!(
                "`ringfence {command}` exited {}: {}",
                said.exit,
                said.err.trim()
            )));
        }
        serde_json::from_str(&said.out).map_err(|error| {
            Fault::from(error).while_trying(format!("reading what `ringfence {command}` said"))
        })
    }
}
