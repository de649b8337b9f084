//! Real processes, in pairs: what a harmless program relies on, and what a hostile one tries.

mod harmless;
mod hostile;
mod world;
