//! The `ringfence` binary: command line, configuration, wiring.

fn main() {}
