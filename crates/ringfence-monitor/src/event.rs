//! The event protocol: one JSON object a line in, exactly one answer a line out, in order. Hooks,
//! replay and other languages speak it; it runs the real guard.

mod answer;
mod attempt;
mod line;
mod stateless;
mod stream;

pub use answer::Answer;
pub use stateless::Stateless;
pub use stream::Stream;

/// The longest line that is read, in bytes. A longer one is skipped and answered with an error.
pub const MAX_LINE: usize = 16 * 1024 * 1024;
