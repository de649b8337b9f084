//! A set of policies: what decides. It is loaded as a whole or not at all.

use std::cmp::Reverse;

use ringfence_model::{ActionKind, Digest, Effect, Resource};
use sha2::Digest as _;

use crate::arguments::type_of;
use crate::condition::Condition;
use crate::diagnostic::{Complaint, Diagnostic, Report, Severity};
use crate::document::rules::locate;
use crate::document::{self, Document};
use crate::index::{Hits, Index, Probe};
use crate::limit::Limit;
use crate::permits::Permits;
use crate::rule::{Layer, Rule};
use crate::shadow::{Reach, shadows};
use crate::target::Target;
use crate::trial::{TestResult, Trial};
use crate::yaml;

/// One file, or whatever else holds documents.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// As diagnostics show it.
    pub name: &'a str,
    /// YAML, any number of documents.
    pub text: &'a str,
}

/// A set that may decide, and what is worth a look in it.
#[derive(Debug)]
pub struct Loaded {
    /// The set.
    pub set: PolicySet,
    /// Nothing that keeps it from deciding.
    pub warnings: Vec<Diagnostic>,
}

/// Compiled policies. Immutable; a changed policy is another set.
#[derive(Debug)]
pub struct PolicySet {
    policies: Box<[Policy]>,
    /// Strictest first, then by rank: the first deny that fires is the one that is named.
    pub(crate) rules: Box<[Rule]>,
    rule_index: Index,
    /// By rank.
    pub(crate) limits: Box<[Limit]>,
    limit_index: Index,
    pub(crate) permits: Permits,
    trials: Box<[Trial]>,
    digest: Digest,
    /// Name and text of the sources, for what is found later.
    sources: Box<[(String, String)]>,
}

/// One policy of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Unique in the set.
    pub name: String,
    /// What its author says it is for.
    pub description: Option<String>,
    /// Whose it is.
    pub layer: Layer,
    /// The globs over agents that it is about.
    pub subjects: Vec<String>,
    /// How many rules it has.
    pub rules: usize,
    /// How many limits it has.
    pub limits: usize,
    /// How many tests it has.
    pub tests: usize,
    /// The source it stands in.
    pub source: String,
}

impl PolicySet {
    /// Reads, checks and compiles all documents of all sources, and runs the tests that each
    /// document carries for itself. No sources at all is an empty set, which denies everything.
    ///
    /// # Errors
    /// Everything that is wrong, in all sources; nothing is loaded then.
    pub fn load(sources: &[Source<'_>]) -> Result<Loaded, Vec<Diagnostic>> {
        let mut reports: Vec<Report<'_>> =
            sources.iter().map(|source| Report::new(source.name, source.text)).collect();
        let mut documents = Vec::new();
        for (at, report) in reports.iter_mut().enumerate() {
            for node in yaml::documents(report) {
                documents.extend(document::check(report, &node, at));
            }
        }
        documents.sort_by(|a: &Document, b| (a.layer, &a.name, a.source).cmp(&(b.layer, &b.name, b.source)));
        refuse_duplicates(&documents, &mut reports);
        if !is_refused(&reports) {
            for document in &documents {
                check_itself(document, &mut reports);
            }
        }
        if is_refused(&reports) {
            return Err(reports.into_iter().flat_map(|report| report.found).collect());
        }
        let set = PolicySet::assemble(documents, sources, digest(sources));
        for shadow in shadows(&set.rules, Reach::AcrossDocuments) {
            let (rule, by) = (shadow.rule, shadow.by);
            if let Some(report) = reports.get_mut(rule.origin.source) {
                let complaint = Complaint::new(format!(
                    "the rule never has a say: `{}` {} everything it is about",
                    by.ground.rule(),
                    verb(by.effect),
                ));
                report.warning(rule.origin.span.clone(), complaint);
            }
        }
        Ok(Loaded { set, warnings: reports.into_iter().flat_map(|report| report.found).collect() })
    }

    /// Puts checked documents together. They come sorted by layer and name.
    fn assemble(documents: Vec<Document>, sources: &[Source<'_>], digest: Digest) -> Self {
        let mut policies = Vec::new();
        let mut rules: Vec<Rule> = Vec::new();
        let mut limits: Vec<Limit> = Vec::new();
        let mut trials = Vec::new();
        let mut ranks = 0u32..;
        let mut rank = || ranks.next().unwrap_or(u32::MAX);
        for document in documents {
            policies.push(Policy {
                name: document.name.to_string(),
                description: document.description,
                layer: document.layer,
                subjects: document.subjects.iter().map(|subject| subject.text.to_string()).collect(),
                rules: document.rules.len(),
                limits: document.limits.len(),
                tests: document.trials.len(),
                source: sources.get(document.source).map_or("", |source| source.name).to_owned(),
            });
            rules.extend(document.rules.into_iter().map(|rule| Rule { rank: rank(), ..rule }));
            for limit in document.limits {
                limits.push(Limit { rank: rank(), ordinal: limits.len(), ..limit });
            }
            trials.extend(document.trials);
        }
        rules.sort_by_key(|rule| (Reverse(rule.effect), rule.rank));
        PolicySet {
            policies: policies.into(),
            rule_index: Index::new(rules.iter().map(|rule| &rule.scope)),
            limit_index: Index::new(limits.iter().map(|limit| &limit.scope)),
            permits: Permits::new(&rules),
            rules: rules.into(),
            limits: limits.into(),
            trials: trials.into(),
            digest,
            sources: sources.iter().map(|source| (source.name.to_owned(), source.text.to_owned())).collect(),
        }
    }

    /// SHA-256 over the texts of the sources, whatever their names and order. Any change to a
    /// text, a comment too, is another digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The policies by layer and name.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Every limit by layer, policy and position.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// Whether there is no policy at all.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// How many rules there are.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Runs the tests of every document against the whole set.
    pub fn run_tests(&self) -> Vec<TestResult> {
        self.trials.iter().map(|trial| trial.run(self)).collect()
    }

    /// Checks the conditions that could see a call of this tool against its input schema (JSON
    /// Schema): names that it does not have, types that do not fit. `server` and `tool` as the
    /// server declares them. What is found is a warning: the set is loaded, and a condition that
    /// cannot be told denies.
    pub fn check_tool(&self, server: &str, tool: &str, schema: &serde_json::Value) -> Vec<Diagnostic> {
        let target = Target::new(&Resource::mcp(server, tool));
        let args = type_of(tool, schema);
        let mut found = Vec::new();
        for rule in &self.rules {
            let about = rule.scope.actions.contains(ActionKind::ToolCall)
                && rule.scope.resources.iter().any(|pattern| pattern.matches(&target));
            let (Some(condition), Some(when), true) = (&rule.condition, &rule.origin.when, about) else {
                continue;
            };
            let Err(issues) = Condition::compile_with_args(condition.source(), args.clone()) else {
                continue;
            };
            let Some((name, text)) = self.sources.get(rule.origin.source) else { continue };
            let mut report = Report::new(name, text);
            for issue in issues {
                let span = locate(text, when, condition.source(), &issue.span);
                let message = format!("for the tool `{tool}` of `{server}`: {}", issue.message);
                report.warning(span, Complaint { message, help: issue.help });
            }
            found.extend(report.found);
        }
        found
    }

    /// The globs of rules that match none of the resources that are known, each as a warning.
    pub fn check_globs(&self, known: &[Resource]) -> Vec<Diagnostic> {
        let targets: Vec<Target> = known.iter().map(Target::new).collect();
        let mut found = Vec::new();
        for rule in &self.rules {
            let Some((name, text)) = self.sources.get(rule.origin.source) else { continue };
            let mut report = Report::new(name, text);
            let idle = rule
                .scope
                .resources
                .iter()
                .filter(|pattern| !targets.iter().any(|target| pattern.matches(target)));
            for pattern in idle {
                let message = format!("`{}` matches nothing that is known yet", pattern.text);
                report.warning(rule.origin.span.clone(), Complaint::new(message));
            }
            found.extend(report.found);
        }
        found
    }

    /// The rules that are about this attempt, strictest first.
    #[inline]
    pub(crate) fn rules_about(&self, agent: &[u8], action: ActionKind, target: &Target) -> Hits {
        about(&self.rule_index, agent, action, target)
    }

    /// The limits that count this attempt, by rank.
    #[inline]
    pub(crate) fn limits_about(&self, agent: &[u8], action: ActionKind, target: &Target) -> Hits {
        if self.limits.is_empty() {
            return Hits::new();
        }
        about(&self.limit_index, agent, action, target)
    }
}

#[inline]
fn about(index: &Index, agent: &[u8], action: ActionKind, target: &Target) -> Hits {
    index.lookup(&Probe::attempt(agent, action, target), |agents, resources| {
        resources.matches(target) && agents.matches(agent)
    })
}

fn is_refused(reports: &[Report<'_>]) -> bool {
    reports.iter().flat_map(|report| &report.found).any(|found| found.severity == Severity::Error)
}

/// Names are unique across the set, whatever the layer. Documents come sorted by layer, so equal
/// names need not be neighbours.
fn refuse_duplicates(documents: &[Document], reports: &mut [Report<'_>]) {
    let mut sorted: Vec<&Document> = documents.iter().collect();
    sorted
        .sort_by(|a, b| (&a.name, a.source, a.name_span.start).cmp(&(&b.name, b.source, b.name_span.start)));
    for pair in sorted.windows(2) {
        let [first, second] = pair else { continue };
        if first.name != second.name {
            continue;
        }
        let elsewhere = reports.get(first.source).map_or("", |report| report.name).to_owned();
        if let Some(report) = reports.get_mut(second.source) {
            let complaint = Complaint::new(format!("the policy name `{}` is already taken", second.name))
                .help(format!("it is also the name of a policy in {elsewhere}"));
            report.error(second.name_span.clone(), complaint);
        }
    }
}

/// What only shows when a document is whole: rules without a say, tests that fail.
fn check_itself(document: &Document, reports: &mut [Report<'_>]) {
    let Some(report) = reports.get_mut(document.source) else { return };
    let set = PolicySet::assemble(vec![document.clone()], &[], Digest([0; 32]));
    for shadow in shadows(&set.rules, Reach::WithinDocument) {
        let (rule, by) = (shadow.rule, shadow.by);
        let complaint = Complaint::new(format!(
            "the rule never has a say: `{}` already {} everything it is about",
            by.ground.rule(),
            verb(by.effect),
        ));
        report.error(
            rule.origin.span.clone(),
            complaint.help("leave one of them out, or give the other a condition"),
        );
    }
    for trial in &document.trials {
        let result = trial.run(&set);
        if !result.passed() {
            report.error(
                trial.span.clone(),
                Complaint::new(format!("the test fails: {}", result.difference()))
                    .help(format!("the reason was: {}", result.decision.reason())),
            );
        }
    }
}

fn verb(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allows",
        Effect::Ask => "asks for",
        Effect::Deny => "denies",
    }
}

fn digest(sources: &[Source<'_>]) -> Digest {
    let mut texts: Vec<&str> = sources.iter().map(|source| source.text).collect();
    texts.sort_unstable();
    let mut hash = sha2::Sha256::new();
    hash.update(b"ringfence policy set 1\n");
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    Digest(hash.finalize().into())
}
