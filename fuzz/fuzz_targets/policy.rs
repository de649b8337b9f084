//! A policy document: loaded, or refused with a reason for each refusal.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_policy::{PolicySet, Source};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match PolicySet::load(&[Source { name: "fuzz.yaml", text }]) {
        Ok(loaded) => assert_eq!(loaded.set.digest(), loaded.set.digest()),
        Err(diagnostics) => assert!(!diagnostics.is_empty()),
    }
});
