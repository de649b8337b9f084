//! The wrapper between a scripted client and a scripted server, over the real guard and log.

mod asking;
mod asking_clients;
mod bridged;
mod calls;
mod ends;
mod floods;
mod lists;
mod passing;
mod stopping;
mod upstream;
pub(crate) mod world;
