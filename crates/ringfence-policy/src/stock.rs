//! The policies that come with the product, to be loaded by name.

/// A policy that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// What it is asked for by.
    pub name: &'static str,
    /// What it is for, one sentence.
    pub description: &'static str,
    /// Its documents.
    pub text: &'static str,
}

const STOCK: [Stock; 2] = [
    Stock {
        name: "default-deny",
        description: "Allows nothing; denies what no agent should do under any policy.",
        text: include_str!("../../../policies/default-deny.yaml"),
    },
    Stock {
        name: "read-only",
        description: "Lists and reads are allowed, and tools whose trusted server says they only read.",
        text: include_str!("../../../policies/read-only.yaml"),
    },
];

/// Every policy that is built in, by name.
pub fn stock() -> &'static [Stock] {
    &STOCK
}
