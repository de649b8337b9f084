//! The name of a server that nobody named: from its command, never from what it says of itself.

/// The longest name.
const MAX: usize = 32;

pub(crate) use crate::config::is_server_name as is_one;

/// Programs that run another one: the name is that one's.
const RUNNERS: [&str; 14] = [
    "npx", "bunx", "pnpx", "uvx", "pipx", "uv", "bun", "deno", "node", "python", "python3", "env", "npm",
    "pnpm",
];
/// Words of runners that name nothing.
const VERBS: [&str; 5] = ["run", "exec", "dlx", "x", "tool"];

/// `npx -y @scope/server-foo /data` is `server-foo`, `python3 erp_server.py` is `erp-server`.
pub(crate) fn from_command(command: &[String]) -> Option<String> {
    let mut words = command.iter().map(String::as_str);
    let program = words.next()?;
    let chosen = if RUNNERS.contains(&last_part(program)) {
        // `python -m name`: options are passed over, and so are the verbs of package managers.
        words
            .find(|word| !word.starts_with('-') && !VERBS.contains(word) && !word.contains('='))
            .unwrap_or(program)
    } else {
        program
    };
    cleaned(chosen)
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn cleaned(word: &str) -> Option<String> {
    let name = last_part(word.trim_end_matches('/'));
    // The version of a package is no part of its name.
    let name = name.split('@').find(|part| !part.is_empty())?;
    let name = [".py", ".js", ".mjs", ".cjs", ".ts", ".exe", ".sh"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name);
    let mut clean = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            clean.push(c.to_ascii_lowercase());
        } else if !clean.is_empty() && !clean.ends_with('-') {
            clean.push('-');
        }
    }
    let clean: String = clean.chars().take(MAX).collect();
    let clean = clean.trim_end_matches('-').to_owned();
    (!clean.is_empty()).then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::from_command;

    #[test]
    fn a_server_is_named_after_what_is_run() {
        let cases = [
            ("npx -y @modelcontextprotocol/server-filesystem /data", "server-filesystem"),
            ("npx -y @modelcontextprotocol/server-memory@2025.1.2", "server-memory"),
            ("npx some-server@latest", "some-server"),
            ("uvx mcp-server-time", "mcp-server-time"),
            ("uv run server.py", "server"),
            ("python3 -u ./erp_server.py", "erp-server"),
            ("python -m mcp_server_git", "mcp-server-git"),
            ("/usr/local/bin/My Server", "my-server"),
            ("env A=b ./tool.sh", "tool"),
            ("node", "node"),
        ];
        for (command, name) in cases {
            let words: Vec<String> = match command {
                "/usr/local/bin/My Server" => vec![command.to_owned()],
                other => other.split(' ').map(str::to_owned).collect(),
            };
            assert_eq!(from_command(&words).as_deref(), Some(name), "{command}");
        }
        assert_eq!(from_command(&["…".to_owned()]), None);
        assert_eq!(from_command(&[]), None);
    }
}
