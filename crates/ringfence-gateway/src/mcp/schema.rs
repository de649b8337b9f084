//! A tool's declared input schema, held against the arguments of a call.
//!
//! The schema comes from a server that nobody vouches for and the arguments from an agent, so
//! both are bounded: nothing is fetched, patterns run on an engine that is linear in the text,
//! and how much work a check may be is counted before it is done ([`work`]). A schema that
//! cannot be held to that is unusable, and its tool is not shown: an agent must not find out
//! by calling.
//!
//! `format` is a remark, as 2020-12 has it, in every draft: what servers take for an e-mail
//! address differs too much to refuse a call over it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

mod pattern;
mod work;

use work::{Work, Worker};

/// Longest schema.
pub const MAX_BYTES: usize = 256 << 10;
/// States that a schema's patterns may have together ([`pattern`]).
const MAX_STATES: usize = 40_000;
/// Memory that one pattern may be compiled to, and its cache may take.
const PATTERN_MEMORY: usize = 1 << 20;
/// How many violations are told.
const MAX_VIOLATIONS: usize = 5;
/// In arguments of more values than this, one violation is told.
const MANY_VALUES: usize = 4_000;
/// How many characters of one are.
const MAX_PROBLEM: usize = 300;

/// A schema that arguments can be held against.
pub struct InputSchema {
    validator: Validator,
    schema: Value,
}

impl InputSchema {
    /// Compiles `text`, the value of a tool's `inputSchema`. JSON Schema 2020-12 unless its
    /// `$schema` names another draft (MCP 2025-11-25, Tools).
    ///
    /// # Errors
    /// See [`Unusable`].
    pub fn compile(text: &str) -> Result<Self, Unusable> {
        if text.len() > MAX_BYTES {
            return Err(Unusable::TooLong);
        }
        // Duplicate members and depth are looked at as they are in arguments.
        let schema = ringfence_model::Arguments::parse(text)
            .map_err(|error| Unusable::Invalid { why: error.to_string() })?;
        let schema = schema.value().clone();
        if !schema.is_object() {
            return Err(Unusable::NotAnObject);
        }
        let mut states = MAX_STATES;
        check_patterns(&schema, &mut states)?;
        work::check_references(&schema)?;
        let build = || {
            jsonschema::options()
                .with_pattern_options(
                    PatternOptions::regex().size_limit(PATTERN_MEMORY).dfa_size_limit(PATTERN_MEMORY),
                )
                .should_validate_formats(false)
                .offline()
                .build(&schema)
        };
        let validator = catch_unwind(AssertUnwindSafe(build))
            .map_err(|_| Unusable::Invalid { why: "the compiler gave up on it".to_owned() })?
            .map_err(|error| Unusable::Invalid { why: short(&error.to_string()) })?;
        let compiled = InputSchema { validator, schema };
        // What is too much work for no arguments at all refers to itself, or doubles.
        let nothing = Value::Object(serde_json::Map::new());
        compiled.work(&nothing).map_err(|_| Unusable::TooMuchWork)?;
        Ok(compiled)
    }

    /// Holds `arguments` against it.
    ///
    /// # Errors
    /// They do not fit, or it would be too much work to find out; neither may go on.
    pub fn check(&self, arguments: &Value) -> Result<(), Misfit> {
        self.work(arguments).map_err(|_| Misfit::TooMuchWork)?;
        // A panic below is one of the pattern engine's (caught there too); never a fit.
        let fits = || self.validator.is_valid(arguments);
        match catch_unwind(AssertUnwindSafe(fits)) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let violations = catch_unwind(AssertUnwindSafe(|| self.violations(arguments)));
                Err(Misfit::Violations(violations.unwrap_or_else(|_| Vec::new())))
            }
            Err(_) => Err(Misfit::TooMuchWork),
        }
    }

    fn violations(&self, arguments: &Value) -> Vec<Violation> {
        // The validator collects before it hands out: of much that does not fit, the first.
        if work::size(arguments) > MANY_VALUES {
            return self.validator.validate(arguments).err().iter().map(violation).collect();
        }
        self.validator.iter_errors(arguments).take(MAX_VIOLATIONS).map(|error| violation(&error)).collect()
    }

    fn work(&self, arguments: &Value) -> Result<(), Work> {
        Worker::new(&self.schema, arguments).run()
    }
}

impl fmt::Debug for InputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InputSchema({:?})", self.validator.draft())
    }
}

/// A schema that nothing can be held against; its tool is hidden.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Longer than [`MAX_BYTES`].
    #[error("the input schema is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// No JSON object.
    #[error("the input schema is no object")]
    NotAnObject,
    /// The compiler refuses it: not valid in its draft, refers to something elsewhere, or has
    /// a pattern that the linear engine does not run.
    #[error("the input schema is refused: {why}")]
    Invalid {
        /// What is wrong with it.
        why: String,
    },
    /// Its patterns are too large together, counted repetitions written out.
    #[error("the patterns of the input schema are too large")]
    Patterns,
    /// It refers to something that is not in it, or in a way that is not followed.
    #[error("the input schema refers to `{reference}`, which is not within it as a pointer or anchor")]
    Reference {
        /// The reference.
        reference: String,
    },
    /// It refers to itself without end, or doubles at every step.
    #[error("the input schema is too much work to check")]
    TooMuchWork,
}

/// Arguments that do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// The first few things that do not fit; none where they could not be told.
    Violations(Vec<Violation>),
    /// It would take too long to find out.
    TooMuchWork,
}

/// One thing that does not fit. It quotes the schema, never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer into the arguments; empty for the arguments as a whole.
    pub pointer: String,
    /// What is wrong there, in plain words.
    pub problem: String,
}

impl fmt::Display for Misfit {
    /// Sentences that a model can act on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::TooMuchWork => f.write_str(
                "The arguments are too large or too deeply nested to check against the tool's schema.",
            ),
            Misfit::Violations(violations) => {
                f.write_str("The arguments do not fit the tool's schema.")?;
                for Violation { pointer, problem } in violations {
                    let place = if pointer.is_empty() { "the arguments" } else { pointer };
                    write!(f, " At {place}: {problem}.")?;
                }
                Ok(())
            }
        }
    }
}

fn violation(error: &jsonschema::ValidationError<'_>) -> Violation {
    Violation {
        pointer: short(error.instance_path().as_str()),
        problem: short(&error.masked_with("what is there").to_string()),
    }
}

fn short(text: &str) -> String {
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(MAX_PROBLEM).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

/// Every string that could be a pattern: under `pattern`, and the names under
/// `patternProperties`. Where such a member is not a keyword it counts all the same.
fn check_patterns(value: &Value, left: &mut usize) -> Result<(), Unusable> {
    let mut take = |pattern: &str| {
        *left = left.checked_sub(pattern::states(pattern)).ok_or(Unusable::Patterns)?;
        Ok(())
    };
    match value {
        Value::Object(members) => {
            if let Some(pattern) = members.get("pattern").and_then(Value::as_str) {
                take(pattern)?;
            }
            if let Some(patterns) = members.get("patternProperties").and_then(Value::as_object) {
                patterns.keys().try_for_each(|pattern| take(pattern))?;
            }
            members.values().try_for_each(|value| check_patterns(value, left))
        }
        Value::Array(items) => items.iter().try_for_each(|value| check_patterns(value, left)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}
