//! What the checks need beyond Rust: found, installed where that is possible without asking, or
//! named with the command that installs it.
//!
//! Packages of the system go where the system puts them; everything else stays in
//! `target/ci-tools/`, at versions that `xtask/tools/` and this file pin.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::shell::Cmd;
use crate::workspace::Workspace;

/// A tool that cargo installs.
#[derive(Debug)]
pub struct CargoTool {
    /// The package, and the name of its binary.
    pub name: &'static str,
    /// The exact version.
    pub version: &'static str,
}

/// Runs the fuzz targets.
pub const CARGO_FUZZ: CargoTool = CargoTool { name: "cargo-fuzz", version: "0.13.2" };

/// Checks licenses, sources and banned crates.
pub const CARGO_DENY: CargoTool = CargoTool { name: "cargo-deny", version: "0.20.2" };

/// The client on the official Rust SDK: a workspace of its own.
pub const RUST_PEER: &str = "crates/ringfence/tests/peers/rmcp/Cargo.toml";

/// A program of the system and the Debian package that brings it.
struct SystemTool {
    program: &'static str,
    probe: &'static [&'static str],
    package: &'static str,
    wanted_for: &'static str,
}

const SYSTEM: [SystemTool; 5] = [
    SystemTool { program: "git", probe: &["--version"], package: "git", wanted_for: "listing the tree" },
    SystemTool {
        program: "cc",
        probe: &["--version"],
        package: "gcc",
        wanted_for: "linking, and C in crates",
    },
    SystemTool { program: "c++", probe: &["--version"], package: "g++", wanted_for: "libFuzzer" },
    SystemTool {
        program: "python3",
        probe: &["-c", "import venv, ensurepip"],
        package: "python3-venv",
        wanted_for: "the Python SDK as a peer",
    },
    SystemTool {
        program: "npm",
        probe: &["--version"],
        package: "npm",
        wanted_for: "MCP servers and the TypeScript SDK",
    },
];

/// Installs or names everything that is missing.
///
/// # Errors
/// When something is missing and cannot be installed from here: the message is the commands.
pub fn run(workspace: &Workspace) -> Result<()> {
    let missing: Vec<&SystemTool> =
        SYSTEM.iter().filter(|tool| !Cmd::new(tool.program).args(tool.probe).succeeds()).collect();
    if !missing.is_empty() {
        install_system(&missing)?;
    }
    ensure(workspace, &CARGO_FUZZ)?;
    ensure(workspace, &CARGO_DENY)?;
    ensure_peers(workspace)
}

/// Installs the official SDKs and servers that tests on the wire speak to.
///
/// # Errors
/// When they cannot be installed.
pub fn ensure_peers(workspace: &Workspace) -> Result<()> {
    ensure_python(workspace, "xtask/tools/requirements.txt", "python")?;
    ensure_python(workspace, "xtask/tools/requirements-v1.txt", "python-v1")?;
    ensure_sources(workspace)?;
    ensure_node(workspace)?;
    build_rust_peer(workspace)
}

/// Where the binary of a cargo tool is, after installing it if need be.
///
/// # Errors
/// When cargo cannot install it.
pub fn ensure(workspace: &Workspace, tool: &CargoTool) -> Result<PathBuf> {
    let binary = workspace.tools_dir().join("bin").join(tool.name);
    let wanted = format!("{} {}", tool.name, tool.version);
    let subcommand = tool.name.trim_start_matches("cargo-");
    let present = Cmd::new(&binary)
        .arg("--version")
        .read()
        .or_else(|_| Cmd::new(&binary).args([subcommand, "--version"]).read());
    if present.is_ok_and(|said| said.trim() == wanted) {
        return Ok(binary);
    }
    println!("  installing {wanted} into target/ci-tools");
    Cmd::new("cargo")
        .args(["install", "--quiet", "--locked", "--force", "--version", tool.version, tool.name, "--root"])
        .arg(workspace.tools_dir())
        .run()?;
    Ok(binary)
}

/// The folders of installed programs, first in `PATH` for whatever uses them.
pub fn program_dirs(workspace: &Workspace) -> Vec<PathBuf> {
    let tools = workspace.tools_dir();
    vec![tools.join("python/bin"), tools.join("node/node_modules/.bin"), tools.join("bin")]
}

fn install_system(missing: &[&SystemTool]) -> Result<()> {
    for tool in missing {
        println!("  missing: {} (for {})", tool.program, tool.wanted_for);
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let by_hand = format!("apt-get install -y {}", packages.join(" "));
    let root = Cmd::new("id").arg("-u").read().is_ok_and(|id| id.trim() == "0");
    let apt = |arguments: &[&str]| {
        let command = if root { Cmd::new("apt-get") } else { Cmd::new("sudo").args(["-n", "apt-get"]) };
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive")
    };
    if !apt(&["--version"]).succeeds() {
        bail!("cannot install what is missing from here; as root, run: {by_hand}");
    }
    apt(&["update", "-q"]).run()?;
    apt(&["install", "-y", "-q"]).args(&packages).run().with_context(|| format!("as root, run: {by_hand}"))
}

/// A virtual environment with what a file lists.
fn ensure_python(workspace: &Workspace, requirements: &str, name: &str) -> Result<()> {
    let wanted = workspace.root().join(requirements);
    let environment = workspace.tools_dir().join(name);
    once(workspace, &[requirements], &format!("{name}.installed"), || {
        println!("  installing Python packages into target/ci-tools/{name}");
        Cmd::new("python3").args(["-m", "venv", "--clear"]).arg(&environment).run()?;
        Cmd::new(environment.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--requirement"])
            .arg(&wanted)
            .run()
            .context("installing from PyPI")
    })
}

/// The source packages of `xtask/tools/sources.txt`, unpacked: their examples are peers.
fn ensure_sources(workspace: &Workspace) -> Result<()> {
    let wanted = workspace.root().join("xtask/tools/sources.txt");
    let folder = workspace.tools_dir().join("sources");
    once(workspace, &["xtask/tools/sources.txt"], "sources.installed", || {
        println!("  fetching source packages from PyPI into target/ci-tools/sources");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).context("clearing the folder for source packages")?;
        }
        Cmd::new(workspace.tools_dir().join("python/bin/python"))
            .args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--no-binary",
                "mcp",
                "--require-hashes",
                "--dest",
            ])
            .arg(&folder)
            .arg("--requirement")
            .arg(&wanted)
            .run()
            .context("fetching from PyPI")?;
        for package in std::fs::read_dir(&folder).context("looking at what was fetched")? {
            let package = package.context("looking at what was fetched")?.path();
            Cmd::new("tar").arg("-xzf").arg(&package).arg("-C").arg(&folder).run()?;
        }
        Ok(())
    })
}

/// The packages of `xtask/tools/package-lock.json`.
fn ensure_node(workspace: &Workspace) -> Result<()> {
    let folder = workspace.tools_dir().join("node");
    let sources = ["xtask/tools/package.json", "xtask/tools/package-lock.json"];
    once(workspace, &sources, "node.installed", || {
        println!("  installing npm packages into target/ci-tools/node");
        std::fs::create_dir_all(&folder).context("making the folder for npm packages")?;
        for source in sources {
            let from = workspace.root().join(source);
            let name = from.file_name().context("invariant: the paths above end in a file name")?;
            std::fs::copy(&from, folder.join(name)).with_context(|| format!("copying `{source}`"))?;
        }
        Cmd::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix"])
            .arg(&folder)
            .run()
            .context("installing from npm")
    })
}

/// Builds that client; cargo knows whether anything is to be done.
fn build_rust_peer(workspace: &Workspace) -> Result<()> {
    Cmd::new("cargo")
        .args([
            "build",
            "--quiet",
            "--locked",
            "--manifest-path",
            "crates/ringfence/tests/peers/rmcp/Cargo.toml",
        ])
        .arg("--target-dir")
        .arg(workspace.tools_dir().join("rmcp"))
        .dir(workspace.root())
        .run()
}

/// Does `install` unless it was done for exactly these sources; `stamp` remembers that.
fn once(
    workspace: &Workspace,
    sources: &[&str],
    stamp: &str,
    install: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let mut wanted = String::new();
    for source in sources {
        let path = workspace.root().join(source);
        wanted += &std::fs::read_to_string(path).with_context(|| format!("reading `{source}`"))?;
    }
    let stamp = workspace.tools_dir().join(stamp);
    if std::fs::read_to_string(&stamp).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    std::fs::create_dir_all(workspace.tools_dir()).context("making `target/ci-tools`")?;
    install()?;
    std::fs::write(&stamp, wanted).context("remembering what is installed")
}
