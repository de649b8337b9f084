//! The one enforcement path: sessions, limits, approvals, latches and permits. There is exactly
//! one way to cause an effect, a [`Permit`], and only [`Session::check`] makes one, after the
//! attempt was authenticated, decided and durably recorded.
//!
//! It knows policy, the log and credentials; it knows no wire, no process and no database.

mod attempt;
mod canonical;
mod check;
mod client_word;
mod config;
mod control;
mod evidence;
mod facts;
mod followed;
mod guard;
mod identify;
pub mod limits;
mod observe;
mod open;
mod pending;
mod permit;
mod session;
mod state;
pub mod store;
mod sweep;
mod verdict;

pub use attempt::{Attempt, CannotApply, Malformed, Target, Tool};
pub use canonical::{NotCanonical, action_digest, sha256};
pub use check::obligation_json;
pub use config::{Configured, ConfiguredAgent, ConfiguredOperator, Operator};
pub use control::{Answered, Asked, ControlError, KillReceipt, Latched, Registered, Running, Standing};
pub use evidence::{Evidence, SessionKey};
pub use guard::Guard;
pub use observe::{Observed, Release};
pub use open::{CacheError, CacheKeeper, OpenError, Opening};
pub use pending::{Pending, Ticket};
pub use permit::{Cut, Permit, Sent, Settled, Started};
pub use session::{IDLE, Session};
pub use state::{BadRow, State};
pub use verdict::{Denied, Verdict};

/// Where the record of a decision stands.
pub use ringfence_audit::record::RecordRef;

use ringfence_model::Labels;
