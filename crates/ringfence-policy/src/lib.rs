//! Policies: parse, check, compile, decide.
//!
//! [`PolicySet::load`] turns documents into a set or says everything that is wrong with them;
//! [`decide`] answers one attempt over [`Facts`] that it asks for lazily. This crate knows no
//! clock, file, socket, runtime or random source: the same set and the same facts give the same
//! decision, on any machine and at any time. It knows nothing of who counts, records or enforces.

mod arguments;
mod condition;
mod decide;
mod diagnostic;
mod document;
mod explain;
mod facts;
mod fields;
mod glob;
mod hours;
mod index;
mod limit;
mod pattern;
mod permits;
mod rule;
mod schema;
mod scope;
mod set;
mod shadow;
mod stock;
mod supposed;
mod target;
mod trial;
mod units;
mod window;
mod yaml;

pub use condition::environment;
pub use decide::{certainly_denied, decide};
pub use diagnostic::{Diagnostic, Severity};
pub use explain::{Considered, ConsideredLimit, Explanation, Matched, Read, explain};
pub use facts::{FactId, Facts, fact_name};
pub use hours::Hours;
pub use limit::{By, Limit, LimitKind, Room};
pub use rule::Layer;
pub use schema::json_schema;
pub use set::{Loaded, Policy, PolicySet, Source};
pub use stock::{Stock, stock};
pub use supposed::{Supposed, SupposedSession};
pub use trial::TestResult;
pub use window::{CalendarUnit, Window};

/// What conditions read: facts answer with these.
pub use ringfence_cel::{Fact, Sequence, Value};
