//! `trust`: a person says that a project's own configuration counts, exactly as it is now.

use ringfence_monitor::DataDir;
use ringfence_monitor::protocol::Request;
use serde_json::Value;

use crate::cli::{Global, TrustArgs};
use crate::config::load;
use crate::config::{Config, Origin};
use crate::fault::{Ending, Fault};
use crate::output::{self, paint};
use crate::{operator, reach};

pub(crate) fn run(global: &Global, asked: &TrustArgs) -> Result<Ending, Fault> {
    let config = Config::read(&asked.file, Origin::Project)?;
    let digest = if asked.revoke {
        None
    } else {
        let named = load::load(&config)?;
        // What would not be loaded is not trusted either.
        drop(named.policies.load(Ending::CannotRun)?);
        Some(load::trust_digest(&config, &named).to_string())
    };
    let mut client = reach::trusting(global)?;
    let request = Request::Trust {
        operator: operator::token(&mut client, &asked.operator)?,
        place: config.path.clone(),
        digest: digest.clone(),
    };
    let pinned: Value = reach::ask(&mut client, &request)?;
    // The monitor that ran without this configuration makes way, if nobody else needs it.
    let makes_way = matches!(client.ask(&Request::Yield), Ok(ringfence_monitor::protocol::Answer::Done(_)));
    if makes_way {
        reach::wait_until_free(&DataDir::existing(&reach::data_place(global)?)?, reach::PATIENCE)?;
    }
    if global.json {
        output::document(&pinned)?;
        return Ok(Ending::Done);
    }
    let path = config.path.display();
    match digest {
        Some(digest) => {
            output::line(format_args!("{} {path}", paint::good("trusted:")))?;
            output::line(format_args!("{digest}, over the file, its policies and its tokens"))?;
            output::line("A change to any of them takes another `ringfence trust`.")?;
        }
        None => output::line(format_args!("{path} is not trusted any more"))?,
    }
    Ok(Ending::Done)
}
