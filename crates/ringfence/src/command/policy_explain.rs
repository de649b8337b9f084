//! `policy explain`: one attempt, rule by rule. Nothing is known of a session here, so it is a
//! fresh one, and every limit has room.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ringfence_cel::{Fact, Value};
use ringfence_model::{ActionKind, AgentId, Person, Resource, Ring, Subject};
use ringfence_policy::{Explanation, FactId, Facts, Limit, Loaded, Room, explain};
use serde_json::Value as Json;

use crate::cli::{ExplainArgs, Global};
use crate::command::policy;
use crate::fault::{Ending, Fault};
use crate::output::{self, paint, plain};

pub(crate) fn run(global: &Global, asked: &ExplainArgs) -> Result<Ending, Fault> {
    let attempt = Attempt::from(asked)?;
    let Loaded { set, .. } = policy::read(&asked.files)?.load(Ending::CannotRun)?;
    let explanation = explain(&set, &attempt);
    if global.json {
        output::document(&explanation)?;
    } else {
        show(&explanation)?;
    }
    Ok(if explanation.decision == "deny" { Ending::No } else { Ending::Done })
}

fn show(explanation: &Explanation) -> Result<(), Fault> {
    let style = paint::of_decision(explanation.decision);
    let decision = explanation.decision;
    output::line(format_args!("{style}{decision}{style:#} by {}", plain(&explanation.rule)))?;
    output::line(plain(&explanation.reason))?;
    if !explanation.layers_needed.is_empty() {
        output::line(format_args!(
            "layers that must allow or ask: {}; that did: {}",
            explanation.layers_needed.join(", "),
            if explanation.layers_permitting.is_empty() {
                "none".to_owned()
            } else {
                explanation.layers_permitting.join(", ")
            },
        ))?;
    }
    for considered in &explanation.rules {
        let style = paint::of_decision(considered.effect);
        let effect = considered.effect;
        output::line("")?;
        let applied = if considered.fired { "applies" } else { "does not apply" };
        output::line(format_args!(
            "{}  {style}{effect}{style:#}  ({} layer)  {applied}",
            paint::strong(plain(&considered.rule)),
            considered.layer,
        ))?;
        if let Some(condition) = &considered.condition {
            output::line(format_args!("    when {}", plain(condition)))?;
        }
        for read in &considered.read {
            output::line(paint::faint(format_args!("    {} = {}", read.fact, plain(&read.value))))?;
        }
        output::line(format_args!("    {}", plain(&considered.why)))?;
    }
    if explanation.left_out > 0 {
        output::line(format_args!("\n{} more rules miss it narrowly", explanation.left_out))?;
    }
    for limit in &explanation.limits {
        output::line(format_args!(
            "\n{}  limit: {}",
            paint::strong(plain(&limit.limit)),
            plain(&limit.limits)
        ))?;
    }
    Ok(())
}

/// The attempt as it was typed.
struct Attempt {
    subject: Subject,
    action: ActionKind,
    resource: Resource,
    args: Json,
    annotations: Option<Json>,
    now: Timestamp,
    labels: Json,
    findings: Json,
}

impl Attempt {
    fn from(asked: &ExplainArgs) -> Result<Attempt, Fault> {
        let id: AgentId = asked.subject.parse()?;
        Ok(Attempt {
            subject: Subject {
                id,
                sponsor: Person::new(&asked.sponsor),
                groups: asked.group.clone().into(),
                ring: Ring::Three,
                delegation: Arc::new([]),
            },
            action: asked.action.parse()?,
            resource: asked.resource.parse()?,
            args: match &asked.args {
                Some(text) => json("--args", text)?,
                None => Json::Object(serde_json::Map::new()),
            },
            annotations: asked.annotations.as_ref().map(|text| json("--annotations", text)).transpose()?,
            now: asked.now.unwrap_or_else(Timestamp::now),
            labels: serde_json::json!({ "integrity": "trusted", "confidentiality": "internal" }),
            findings: Json::Array(Vec::new()),
        })
    }
}

fn json(option: &str, text: &str) -> Result<Json, Fault> {
    serde_json::from_str(text)
        .map_err(|error| Fault::from(error).while_trying(format!("{option} is not JSON")))
}

impl Facts for Attempt {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn action(&self) -> ActionKind {
        self.action
    }

    fn resource(&self) -> &Resource {
        &self.resource
    }

    fn fact(&self, fact: FactId) -> Fact<'_> {
        Fact::Known(match fact {
            FactId::SessionId => Value::Str("explain"),
            FactId::SessionAge => Value::Duration(SignedDuration::ZERO),
            FactId::SessionCalls | FactId::SessionTokens | FactId::SessionUsd => Value::Int(0),
            FactId::SessionLabels => Value::Json(&self.labels),
            FactId::ResourceAnnotations => match &self.annotations {
                Some(annotations) => Value::Json(annotations),
                None => return Fact::Missing,
            },
            FactId::ResourceLabels => return Fact::Missing,
            FactId::Args => Value::Json(&self.args),
            FactId::Now => Value::Timestamp(self.now),
            FactId::Findings => Value::Json(&self.findings),
        })
    }

    fn limit(&self, _limit: &Limit) -> Room {
        Room::Left
    }
}
