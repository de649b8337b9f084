//! Policies as they come: files, folders of files, and those that are built in. One snapshot is
//! read, and everything (digest, set, diagnostics) is made from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringfence_policy::{Diagnostic, Loaded, PolicySet, Source, stock};

use crate::fault::{Ending, Fault, Located};
use crate::text_file::{self, Unreadable};

/// The texts of a policy set.
#[derive(Debug, Default)]
pub(crate) struct PolicyFiles {
    files: Vec<PolicyFile>,
}

#[derive(Debug)]
struct PolicyFile {
    /// As it is shown.
    name: String,
    text: Arc<str>,
}

/// The largest policy file, in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// How deep folders are looked into.
const MAX_DEPTH: usize = 16;

/// Policy files cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnreadablePolicies {
    #[error("the policies in `{}` cannot be read", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error(transparent)]
    File(#[from] Unreadable),
    #[error("the folder `{}` has more than {MAX_DEPTH} levels", .0.display())]
    TooDeep(PathBuf),
    #[error("the folder `{}` holds no policy: there is no file *.yaml or *.yml in it", .0.display())]
    NoneIn(PathBuf),
    #[error("there is no policy `{0}` built in; there are {known}", known = known())]
    NoSuchProfile(String),
}

impl PolicyFiles {
    /// Reads one file, or every `*.yaml` and `*.yml` in a folder and the folders in it, by name.
    pub(crate) fn read(&mut self, path: &Path) -> Result<(), UnreadablePolicies> {
        let unreadable = |error| UnreadablePolicies::Read(path.to_owned(), error);
        if !fs::metadata(path).map_err(unreadable)?.is_dir() {
            return self.read_file(path);
        }
        let before = self.files.len();
        self.read_folder(path, 0)?;
        if self.files.len() == before {
            return Err(UnreadablePolicies::NoneIn(path.to_owned()));
        }
        Ok(())
    }

    /// Takes a policy that is built in.
    pub(crate) fn take_profile(&mut self, name: &str) -> Result<(), UnreadablePolicies> {
        let profile = stock()
            .iter()
            .find(|profile| profile.name == name)
            .ok_or_else(|| UnreadablePolicies::NoSuchProfile(name.to_owned()))?;
        self.files.push(PolicyFile { name: format!("built in: {name}"), text: profile.text.into() });
        Ok(())
    }

    /// Names and texts, in the order read.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|file| (file.name.as_str(), &*file.text))
    }

    /// Checks and compiles them. A set that is refused ends the command with `refused`.
    pub(crate) fn load(&self, refused: Ending) -> Result<Loaded, Fault> {
        let sources: Vec<Source<'_>> = self.texts().map(|(name, text)| Source { name, text }).collect();
        PolicySet::load(&sources).map_err(|found| {
            let errors = found.iter().filter(|one| one.severity == ringfence_policy::Severity::Error).count();
            let count = if errors == 1 {
                "there is 1 error".to_owned()
            } else {
                format!("there are {errors} errors")
            };
            Fault::in_files(refused, format!("the policies are refused: {count}"), self.located(found))
        })
    }

    /// Findings with the texts they were found in.
    pub(crate) fn located(&self, found: Vec<Diagnostic>) -> Vec<Located> {
        found
            .into_iter()
            .map(|diagnostic| {
                let file = self.files.iter().find(|file| file.name == diagnostic.file);
                Located { source: file.map_or_else(|| "".into(), |file| file.text.clone()), diagnostic }
            })
            .collect()
    }

    fn read_folder(&mut self, folder: &Path, depth: usize) -> Result<(), UnreadablePolicies> {
        if depth > MAX_DEPTH {
            return Err(UnreadablePolicies::TooDeep(folder.to_owned()));
        }
        let unreadable = |error| UnreadablePolicies::Read(folder.to_owned(), error);
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            entries.push(entry.map_err(unreadable)?.path());
        }
        entries.sort();
        for path in entries {
            let is_policy = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
            if path.is_dir() {
                self.read_folder(&path, depth + 1)?;
            } else if is_policy {
                self.read_file(&path)?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path) -> Result<(), UnreadablePolicies> {
        let text = text_file::read(path, MAX_FILE)?;
        self.files.push(PolicyFile { name: path.display().to_string(), text: text.into() });
        Ok(())
    }
}

fn known() -> String {
    stock().iter().map(|profile| format!("`{}`", profile.name)).collect::<Vec<_>>().join(", ")
}
