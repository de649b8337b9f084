//! A bridge and what both sides say, written down with what comes of it.

use ringfence_gateway::mcp::bridge::{Bridge, Said, Way};
use ringfence_gateway::mcp::envelope;

/// What a client of the newer era says of itself; it can be asked everything.
pub(crate) const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"sampling":{},"roots":{}}"#;
const MADE_UP: usize = "ringfence-0123456789abcdef".len();
const STATE: usize = "-0123456789abcdef0123456789abcdef".len();

/// Each line of a script is what the client (`c`) or the server (`s`) says, or that time has passed
/// (`!`). `$M` stands for [`META`], `$R` for what made-up ids begin with, `$S` for the last state.
/// The result has each of them with what became of it: `→` what the server is told, `←` the client.
pub(crate) fn played(script: &str) -> String {
    let mut bridge = Bridge::default();
    let mut transcript = String::new();
    let (mut made_up, mut state) = (String::new(), String::new());
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        transcript += &format!("{line}\n");
        let (who, text) = line.split_once(' ').unwrap_or((line, ""));
        let text = text.replace("$M", META).replace("$S", &state).replace("$R", &made_up);
        let mut out = Vec::new();
        let mut on = None;
        match who {
            "c" | "s" => {
                let message =
                    envelope::parse(text.as_bytes()).unwrap_or_else(|refused| panic!("{line}: {refused}"));
                let way =
                    if who == "c" { bridge.client_says(&message) } else { bridge.client_is_told(&message) };
                on = (way == Way::On).then(|| format!("  {} as it is", if who == "c" { '→' } else { '←' }));
            }
            "!" => {
                assert!(bridge.deadline().is_some(), "nothing is waited for: {transcript}");
                bridge.overdue();
            }
            _ => panic!("{line}"),
        }
        out.extend(on);
        while let Some(said) = bridge.next_said() {
            let (arrow, said) = match said {
                Said::ToClient(said) => ('←', said),
                Said::ToServer(said) => ('→', said),
            };
            envelope::parse(said.as_bytes()).unwrap_or_else(|refused| panic!("{said}: {refused}"));
            if let Some(at) = said.find("ringfence-") {
                said[at..at + MADE_UP].clone_into(&mut made_up);
            }
            if let Some(at) = said.find(r#""requestState":"ringfence-"#) {
                let at = at + r#""requestState":""#.len();
                said[at..at + MADE_UP + STATE].clone_into(&mut state);
            }
            let mut said = said.replace(META, "$M");
            if !state.is_empty() {
                said = said.replace(&state, "$S");
            }
            if !made_up.is_empty() {
                said = said.replace(&made_up, "$R");
            }
            out.push(format!("  {arrow} {said}"));
        }
        for line in out {
            transcript += &format!("{line}\n");
        }
    }
    transcript
}
