//! Plays steps against one MCP server with the official Rust SDK; says what came of each, one JSON
//! line each.
//!
//! ```text
//! ringfence-peers-rmcp STEPS COMMAND [ARGUMENT]...
//! ringfence-peers-rmcp STEPS URL
//! ```
//!
//! STEPS is a JSON list. `PEER_MODE=legacy` begins with `initialize`; otherwise it asks which
//! revisions the server has.

use std::error::Error;

use rmcp::model::ProtocolVersion;
use rmcp::service::{RoleClient, RunningService, ServiceError};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

type Client = RunningService<RoleClient, ()>;

/// What the protocol makes of a step's members.
fn params<T: DeserializeOwned>(members: Value) -> Result<T, Box<dyn Error>> {
    Ok(serde_json::from_value(members)?)
}

/// Errors of the server are answers too.
fn told(came: Result<impl Serialize, ServiceError>) -> Result<Value, Box<dyn Error>> {
    match came {
        Ok(result) => Ok(serde_json::to_value(result)?),
        Err(ServiceError::McpError(error)) => Ok(json!({ "error": error })),
        Err(error) => Err(error.into()),
    }
}

async fn play(client: &Client, step: &Value) -> Result<Value, Box<dyn Error>> {
    match step["do"].as_str() {
        Some("about") => {
            Ok(json!({ "protocol": client.peer_info().map(|server| server.protocol_version.clone()) }))
        }
        Some("tools") => told(client.list_tools(None).await),
        Some("call") => {
            let members = json!({ "name": step["tool"], "arguments": step["arguments"] });
            told(client.call_tool(params(members)?).await)
        }
        Some("resources") => told(client.list_resources(None).await),
        Some("templates") => told(client.list_resource_templates(None).await),
        Some("read") => told(client.read_resource(params(json!({ "uri": step["uri"] }))?).await),
        Some("prompts") => told(client.list_prompts(None).await),
        Some("prompt") => {
            let members = json!({ "name": step["name"], "arguments": step["arguments"] });
            told(client.get_prompt(params(members)?).await)
        }
        _ => Err(format!("no such step: {step}").into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(steps), Some(command)) = (arguments.next(), arguments.next()) else {
        return Err("which steps, and against which server?".into());
    };
    let lifecycle = match std::env::var("PEER_MODE").as_deref() {
        Ok("legacy") => ClientLifecycleMode::Initialize,
        _ => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: None,
        },
    };
    let client = if command.starts_with("http://") {
        ().serve_with_lifecycle(StreamableHttpClientTransport::from_uri(command), lifecycle).await?
    } else {
        let mut server = tokio::process::Command::new(command);
        server.args(arguments);
        ().serve_with_lifecycle(TokioChildProcess::new(server)?, lifecycle).await?
    };
    for step in serde_json::from_str::<Vec<Value>>(&steps)? {
        println!("{}", play(&client, &step).await?);
    }
    client.cancel().await?;
    Ok(())
}
