//! The agent's process, held by its strings: told what to attempt, listened to.

use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

use super::agent::{Heard, Order};
use super::scene::{AGENT, Scene};
use crate::fault::Fault;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The agent.
pub(super) struct Puppet {
    child: Child,
    orders: Option<ChildStdin>,
    heard: Receiver<Result<Heard, String>>,
}

impl Puppet {
    /// Starts the agent, which starts its wrapped server itself.
    pub(super) fn start(scene: &Scene) -> Result<Puppet, Fault> {
        let messages = File::create(scene.agent_messages())?;
        let program = &scene.program;
        let mut child = Command::new(program)
            .args(["demo-agent", "--"])
            .arg(program)
            .args(["mcp", "--server", "erp", "--agent", AGENT, "--token-file"])
            .arg(scene.agent_token())
            .arg("--config")
            .arg(scene.config())
            .arg("--data")
            .arg(scene.data())
            .arg("--")
            .args(scene.server())
            .current_dir(scene.agent_home())
            .env("HOME", scene.agent_home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(messages)
            .spawn()
            .map_err(|error| Fault::from(error).while_trying("starting the agent"))?;
        let (orders, output) = (child.stdin.take(), child.stdout.take());
        let (told, heard) = channel();
        // Of a thread of its own, so that waiting for the agent can be given up.
        std::thread::Builder::new().name("agent".to_owned()).spawn(move || {
            for line in output.into_iter().flat_map(|output| BufReader::new(output).lines()) {
                let parsed = line
                    .map_err(|error| error.to_string())
                    .and_then(|line| serde_json::from_str(&line).map_err(|error| error.to_string()));
                if told.send(parsed).is_err() {
                    return;
                }
            }
        })?;
        Ok(Puppet { child, orders, heard })
    }

    /// Has it make a call.
    pub(super) fn attempt(&mut self, tool: &str, arguments: &Value) -> Result<(), Fault> {
        let order = Order { tool: tool.to_owned(), arguments: arguments.clone() };
        let line = serde_json::to_string(&order)?;
        let orders =
            self.orders.as_mut().ok_or_else(|| Fault::cannot("the agent was told to end already"))?;
        writeln!(orders, "{line}")?;
        Ok(orders.flush()?)
    }

    /// The next thing it hears.
    pub(super) fn hear(&self) -> Result<Heard, Fault> {
        match self.heard.recv_timeout(PATIENCE) {
            Ok(heard) => {
                heard.map_err(|why| Fault::no(format!("the agent said what is not understood: {why}")))
            }
            Err(RecvTimeoutError::Timeout) => {
                Err(Fault::no(format!("the agent heard nothing for {} s", PATIENCE.as_secs())))
            }
            Err(RecvTimeoutError::Disconnected) => Err(Fault::no("the agent ended before its time")),
        }
    }

    /// Has it end, and its server with it.
    pub(super) fn end(mut self) -> Result<(), Fault> {
        drop(self.orders.take());
        match self.hear()? {
            Heard::Ended { code: Some(0) } => {}
            Heard::Ended { code } => {
                return Err(Fault::no(format!("the wrapped server ended with {code:?} instead of 0")));
            }
            other => return Err(Fault::no(format!("the agent heard {other:?} at its end"))),
        }
        let status = self.child.wait()?;
        if !status.success() {
            return Err(Fault::no(format!("the agent ended with {status}")));
        }
        Ok(())
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None))
            && let Err(error) = self.child.kill().and_then(|()| self.child.wait())
        {
            tracing::debug!(%error, "the agent could not be ended");
        }
    }
}

/// What the ERP server wrote of the calls that reached it.
pub(super) fn journal(path: &Path) -> Result<Vec<Value>, Fault> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Fault::from(error).while_trying("reading the server's journal"))?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}
