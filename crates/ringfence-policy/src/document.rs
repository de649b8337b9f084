//! One document: from a tree of nodes to checked rules, limits and tests. The one place where a
//! kind of document plugs in.

mod limits;
pub(crate) mod rules;
mod trials;

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use crate::diagnostic::{Complaint, Report};
use crate::fields::{Fields, list, text, texts, word};
use crate::limit::Limit;
use crate::pattern::AgentPattern;
use crate::rule::{Layer, Rule};
use crate::trial::Trial;
use crate::yaml::Node;

/// The version of the language that documents declare.
pub(crate) const API_VERSION: &str = "ringfence/v1";

/// Every key that a document of kind `Policy` may have.
const DOCUMENT_KEYS: [&str; 8] =
    ["apiVersion", "kind", "metadata", "layer", "subjects", "rules", "limits", "tests"];
/// The keys of `metadata`.
const METADATA_KEYS: [&str; 2] = ["name", "description"];

/// The name that no document may take: decisions that no document wrote are named after it.
const RESERVED_NAME: &str = "ringfence";
const MAX_NAME_CHARS: usize = 128;

/// A checked document. Ranks and ordinals are given when the set is put together.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) name: Arc<str>,
    pub(crate) name_span: Range<usize>,
    pub(crate) description: Option<String>,
    pub(crate) layer: Layer,
    pub(crate) subjects: Arc<[AgentPattern]>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) trials: Vec<Trial>,
    /// Which source of the set it stands in.
    pub(crate) source: usize,
}

/// What a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DocumentKind {
    Policy,
    Cedar,
    Rego,
}

const KINDS: [(&str, DocumentKind); 3] =
    [("Policy", DocumentKind::Policy), ("Cedar", DocumentKind::Cedar), ("Rego", DocumentKind::Rego)];

/// Checks one document. Nothing comes of one with an error in it; what is wrong is reported.
pub(crate) fn check(report: &mut Report<'_>, node: &Node, source: usize) -> Option<Document> {
    let before = report.found.len();
    let fields = Fields::open(report, node, "a policy", &DOCUMENT_KEYS)?;
    let version = fields.required(report, "apiVersion").and_then(|node| {
        let version = text(report, node, "`apiVersion`")?;
        if version != API_VERSION {
            report.error(
                node.span.clone(),
                Complaint::new(format!("`{version}` is no version of this language"))
                    .help(format!("write `{API_VERSION}`")),
            );
        }
        Some(())
    });
    let kind = fields.required(report, "kind").and_then(|node| {
        let kind = word(report, node, "kind of document", &KINDS)?;
        Some((kind, node.span.clone()))
    });
    version?;
    let document = match kind? {
        (DocumentKind::Policy, _) => policy(report, &fields, source),
        (DocumentKind::Cedar, span) => refuse(report, span, "Cedar"),
        (DocumentKind::Rego, span) => refuse(report, span, "Rego"),
    };
    // Errors of this document: warnings do not count, and none are given before sets are whole.
    if report.found.len() == before { document } else { None }
}

fn refuse(report: &mut Report<'_>, span: Range<usize>, kind: &str) -> Option<Document> {
    report.error(
        span,
        Complaint::new(format!("documents of kind `{kind}` are not built yet")).help("write `kind: Policy`"),
    );
    None
}

fn policy(report: &mut Report<'_>, fields: &Fields<'_>, source: usize) -> Option<Document> {
    let metadata = fields.required(report, "metadata").and_then(|node| metadata(report, node));
    let layer = fields.required(report, "layer").and_then(|node| {
        let layers = Layer::ALL.map(|layer| (layer.as_str(), layer));
        word(report, node, "layer", &layers)
    });
    let subjects = fields.required(report, "subjects").and_then(|node| subjects(report, node));
    // What follows is checked even where the head is wrong, with stand-ins for what is missing.
    let (name, name_span, description) =
        metadata.clone().unwrap_or_else(|| ("?".into(), fields.span(), None));
    let head = Head {
        name: &name,
        layer: layer.unwrap_or(Layer::Org),
        subjects: subjects.clone().unwrap_or_else(|| Arc::new([])),
        source,
    };
    let mut ids = Ids::default();
    let rules = match fields.optional("rules") {
        Some(node) => list(report, node, "`rules`")?
            .iter()
            .filter_map(|node| rules::check(report, node, &head, &mut ids))
            .collect(),
        None => Vec::new(),
    };
    let limits = match fields.optional("limits") {
        Some(node) => list(report, node, "`limits`")?
            .iter()
            .filter_map(|node| limits::check(report, node, &head, &mut ids))
            .collect(),
        None => Vec::new(),
    };
    let trials = match fields.optional("tests") {
        Some(node) => list(report, node, "`tests`")?
            .iter()
            .filter_map(|node| trials::check(report, node, &head, &limits))
            .collect(),
        None => Vec::new(),
    };
    if rules.is_empty() && limits.is_empty() && !fields.has("rules") && !fields.has("limits") {
        report.error(fields.span(), Complaint::new("the policy has neither `rules` nor `limits`"));
    }
    metadata?;
    Some(Document {
        name,
        name_span,
        description,
        layer: layer?,
        subjects: subjects?,
        rules,
        limits,
        trials,
        source,
    })
}

/// What rules, limits and tests need to know of their document.
struct Head<'a> {
    name: &'a Arc<str>,
    layer: Layer,
    subjects: Arc<[AgentPattern]>,
    source: usize,
}

type Metadata = (Arc<str>, Range<usize>, Option<String>);

fn metadata(report: &mut Report<'_>, node: &Node) -> Option<Metadata> {
    let fields = Fields::open(report, node, "`metadata`", &METADATA_KEYS)?;
    let description = fields
        .optional("description")
        .and_then(|node| text(report, node, "`description`").map(str::to_owned));
    let node = fields.required(report, "name")?;
    let name = name(report, node, "a policy's name")?;
    if name == RESERVED_NAME {
        report.error(
            node.span.clone(),
            Complaint::new(format!("the name `{RESERVED_NAME}` is reserved"))
                .help("it names decisions that no document wrote"),
        );
        return None;
    }
    Some((name.into(), node.span.clone(), description))
}

/// A name or an id: what may stand on either side of the `/` in a rule's full name.
fn name<'n>(report: &mut Report<'_>, node: &'n Node, what: &str) -> Option<&'n str> {
    let name = text(report, node, what)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || !name.chars().all(fits) {
        report.error(
            node.span.clone(),
            Complaint::new(format!("{what} has 1 to {MAX_NAME_CHARS} letters, digits, `-`, `_` and `.`")),
        );
        return None;
    }
    Some(name)
}

fn subjects(report: &mut Report<'_>, node: &Node) -> Option<Arc<[AgentPattern]>> {
    let texts = texts(report, node, "`subjects`")?;
    let patterns: Vec<AgentPattern> = texts
        .iter()
        .filter_map(|(text, span)| match AgentPattern::parse(text) {
            Ok(pattern) => Some(pattern),
            Err(complaint) => {
                report.error(span.clone(), complaint);
                None
            }
        })
        .collect();
    (patterns.len() == texts.len()).then(|| patterns.into())
}

/// The ids of a document so far: rules and limits share one space.
#[derive(Default)]
struct Ids(std::collections::BTreeSet<String>);

impl Ids {
    fn take<'n>(&mut self, report: &mut Report<'_>, fields: &Fields<'n>, what: &str) -> Option<&'n str> {
        let node = fields.required(report, "id")?;
        let id = name(report, node, what)?;
        if !self.0.insert(id.to_owned()) {
            report.error(
                node.span.clone(),
                Complaint::new(format!("the id `{id}` is already taken in this policy"))
                    .help("rules and limits share their ids; give this one another"),
            );
            return None;
        }
        Some(id)
    }
}

/// Parses text, reporting what its type says of it.
fn parsed<T: FromStr<Err: std::error::Error>>(report: &mut Report<'_>, node: &Node, what: &str) -> Option<T> {
    match text(report, node, what)?.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            report.error(node.span.clone(), Complaint::new(error.to_string()));
            None
        }
    }
}
