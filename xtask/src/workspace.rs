//! Where the tree is, which files belong to it, and what `cargo metadata` says of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell::Cmd;

/// The checked-out tree.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
}

/// One file that git would commit, read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Relative to the root, `/` between parts.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Workspace {
    /// The tree cargo runs this program for, else the one it was built in.
    ///
    /// # Errors
    /// When the manifest's directory has no parent.
    pub fn here() -> Result<Workspace> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).parent().context("`xtask` has no parent folder")?;
        Ok(Workspace { root: root.to_owned() })
    }

    /// Its root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where what the checks install lives, apart from what they build.
    pub fn tools_dir(&self) -> PathBuf {
        self.target_dir().join("ci-tools")
    }

    /// Where cargo builds.
    pub fn target_dir(&self) -> PathBuf {
        self.root.join("target")
    }

    /// Where the binaries of the `ci` profile are.
    pub fn binary_dir(&self) -> PathBuf {
        self.target_dir().join("ci")
    }

    /// Every file git tracks or would track, if it is UTF-8; sorted by path.
    ///
    /// # Errors
    /// When git cannot list the tree or a listed file cannot be read.
    pub fn files(&self) -> Result<Vec<SourceFile>> {
        let listed = Cmd::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .dir(&self.root)
            .read()?;
        let mut paths: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        let mut files = Vec::new();
        for path in paths {
            let full = self.root.join(path);
            if !full.is_file() {
                continue; // deleted but not yet committed
            }
            let bytes = std::fs::read(&full).with_context(|| format!("reading `{path}`"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(SourceFile { path: path.to_owned(), text });
            }
        }
        Ok(files)
    }

    /// `cargo metadata`; with `Dependencies::Resolved` of everything in the lock file.
    ///
    /// # Errors
    /// When cargo fails or answers something that is not JSON.
    pub fn metadata(&self, dependencies: Dependencies) -> Result<Value> {
        let mut cmd = Cmd::new("cargo").args(["metadata", "--format-version", "1"]).dir(&self.root);
        match dependencies {
            Dependencies::MembersOnly => cmd = cmd.args(["--no-deps"]),
            Dependencies::Resolved => cmd = cmd.args(["--locked"]),
        }
        serde_json::from_str(&cmd.read()?).context("reading the answer of `cargo metadata`")
    }
}

/// How much `cargo metadata` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependencies {
    /// The workspace's own packages.
    MembersOnly,
    /// Every package of the lock file too.
    Resolved,
}
