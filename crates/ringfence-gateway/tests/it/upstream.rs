//! Servers over HTTP as scripts: what they are sent, and what a wire hears of what they answer.

mod answers;
mod bounds;
mod events;
mod sent;
mod sessions;
pub(crate) mod world;
