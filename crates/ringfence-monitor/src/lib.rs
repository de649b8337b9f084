//! The monitor: one process per data directory that owns the log, the state and the sessions.
//! Here the guard and its store are opened, the event protocol is spoken, and clients are served
//! over a Unix socket. It takes its configuration resolved; files and the command line are the
//! binary's.

mod attach;
pub mod client;
mod data;
pub mod event;
mod http;
mod logins;
mod open;
mod peer;
pub mod protocol;
mod serve;

pub use attach::ServerSettings;
pub use data::{DataDir, DataError};
pub use http::Http;
pub use logins::{LoginBy, LoginRules};
pub use open::{Monitor, OpenError, Setup};
pub use peer::user_name;
pub use serve::{Again, ConfiguredServer, ServeError, Serving, Setting, Transport, serve};

/// The version that client and monitor compare: both come from the same binary.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
