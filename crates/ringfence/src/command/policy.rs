//! `policy check`, `policy test`, `policy functions`, `schema policy`.

use ringfence_policy::{Loaded, environment, json_schema};
use serde_json::json;

use crate::cli::{Global, PolicyFilesArgs};
use crate::fault::{Ending, Fault};
use crate::output::{self, Cell, Table, paint};
use crate::policy_files::PolicyFiles;

/// Reads what was named on the command line.
pub(crate) fn read(named: &PolicyFilesArgs) -> Result<PolicyFiles, Fault> {
    let mut files = PolicyFiles::default();
    for path in &named.paths {
        files.read(path)?;
    }
    for name in &named.profile {
        files.take_profile(name)?;
    }
    Ok(files)
}

pub(crate) fn check(global: &Global, named: &PolicyFilesArgs) -> Result<Ending, Fault> {
    let files = read(named)?;
    let Loaded { set, warnings } = files.load(Ending::No)?;
    if global.json {
        let policies: Vec<_> = set
            .policies()
            .iter()
            .map(|policy| {
                json!({
                    "name": policy.name,
                    "layer": policy.layer.as_str(),
                    "source": policy.source,
                    "rules": policy.rules,
                    "limits": policy.limits,
                    "tests": policy.tests,
                })
            })
            .collect();
        let warnings: Vec<_> = warnings.iter().map(output::fault::diagnostic_json).collect();
        output::document(&json!({
            "policies": policies,
            "warnings": warnings,
            "policy_digest": set.digest().to_string(),
        }))?;
        return Ok(Ending::Done);
    }
    let warned = warnings.len();
    for located in files.located(warnings) {
        output::fault::diagnostic(&located);
    }
    let mut table = Table::new(&["POLICY", "LAYER", "RULES", "LIMITS", "TESTS", "SOURCE"]);
    for policy in set.policies() {
        table.row([
            Cell::new(&policy.name),
            Cell::new(policy.layer.as_str()),
            Cell::new(policy.rules.to_string()),
            Cell::new(policy.limits.to_string()),
            Cell::new(policy.tests.to_string()),
            Cell::new(&policy.source),
        ]);
    }
    table.print_or("There is no policy in these files: everything is denied.")?;
    let verdict = if warned == 0 { String::new() } else { format!(", {}", counted(warned, "warning")) };
    output::line(format_args!(
        "{} {}{verdict}; digest {}",
        paint::good("in order:"),
        counted(set.policies().len(), "policy"),
        set.digest(),
    ))?;
    Ok(Ending::Done)
}

pub(crate) fn test(global: &Global, named: &PolicyFilesArgs) -> Result<Ending, Fault> {
    // A test that fails against its own document refuses the load; that is an answer too.
    let Loaded { set, .. } = read(named)?.load(Ending::No)?;
    let results = set.run_tests();
    let failed = results.iter().filter(|result| !result.passed()).count();
    if global.json {
        for result in &results {
            output::json_line(&json!({
                "policy": result.policy,
                "test": result.name,
                "passed": result.passed(),
                "expected": result.expected.as_str(),
                "expected_rule": result.expected_rule,
                "decision": result.decision.effect.as_str(),
                "rule": result.decision.rule().as_str(),
                "reason": result.decision.reason(),
            }))?;
        }
    } else {
        for result in &results {
            let name = format!("{}: {}", output::plain(&result.policy), output::plain(&result.name));
            if result.passed() {
                output::line(format_args!("{}   {name}", paint::good("passed")))?;
            } else {
                output::line(format_args!("{}   {name}", paint::bad("failed")))?;
                output::line(format_args!("         {}", output::plain(&result.difference())))?;
                output::line(format_args!("         {}", output::plain(result.decision.reason())))?;
            }
        }
        let passed = results.len().saturating_sub(failed);
        output::line(format_args!("{} passed, {failed} failed", counted(passed, "test")))?;
    }
    Ok(if failed == 0 { Ending::Done } else { Ending::No })
}

pub(crate) fn functions(global: &Global) -> Result<Ending, Fault> {
    let functions = ringfence_cel::functions();
    if global.json {
        let names: Vec<_> = environment()
            .names()
            .map(|name| json!({ "name": name.path, "type": name.ty.to_string() }))
            .collect();
        let functions: Vec<_> = functions
            .iter()
            .map(|function| {
                json!({
                    "name": function.name,
                    "usages": function.usages().collect::<Vec<_>>(),
                    "summary": function.summary,
                    "example": function.example,
                })
            })
            .collect();
        output::document(&json!({ "names": names, "functions": functions }))?;
        return Ok(Ending::Done);
    }
    let mut names = Table::new(&["NAME", "TYPE"]);
    for name in environment().names() {
        names.row([Cell::new(&name.path), Cell::new(name.ty.to_string())]);
    }
    names.print_or("")?;
    output::line("")?;
    for function in functions {
        output::line(paint::strong(function.name))?;
        for usage in function.usages() {
            output::line(format_args!("    {usage}"))?;
        }
        output::line(format_args!("    {}", function.summary))?;
        output::line(paint::faint(format_args!("    {}", function.example)))?;
    }
    Ok(Ending::Done)
}

pub(crate) fn schema() -> Result<Ending, Fault> {
    output::document(&json_schema())?;
    Ok(Ending::Done)
}

/// `1 policy`, `2 policies`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}
