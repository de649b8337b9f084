//! `policy explain`: one attempt, rule by rule. Nothing is known of a session here, so it is a
//! fresh one, and every limit has room.

use std::sync::Arc;

use jiff::Timestamp;
use ringfence_model::{Person, Ring, Subject};
use ringfence_policy::{Explanation, Loaded, Supposed, SupposedSession, explain};
use serde_json::Value as Json;

use crate::cli::{ExplainArgs, Global};
use crate::command::policy;
use crate::fault::{Ending, Fault};
use crate::output::{self, paint, plain};

pub(crate) fn run(global: &Global, asked: &ExplainArgs) -> Result<Ending, Fault> {
    let attempt = attempt(asked)?;
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
fn attempt(asked: &ExplainArgs) -> Result<Supposed, Fault> {
    Ok(Supposed {
        subject: Subject {
            id: asked.subject.parse()?,
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
        session: SupposedSession { id: "explain".to_owned(), ..SupposedSession::fresh() },
        now: Some(asked.now.unwrap_or_else(Timestamp::now)),
        findings: Json::Array(Vec::new()),
    })
}

fn json(option: &str, text: &str) -> Result<Json, Fault> {
    serde_json::from_str(text)
        .map_err(|error| Fault::from(error).while_trying(format!("{option} is not JSON")))
}
