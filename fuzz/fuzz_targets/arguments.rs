//! Arguments as a caller sends them: refused or read, and what was read is what was sent.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_model::Arguments;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(arguments) = Arguments::parse(text) else { return };
    assert_eq!(arguments.raw(), text);
    let written = arguments.value().to_string();
    let again = Arguments::parse(&written).expect("what was read can be written and read again");
    assert_eq!(again.value(), arguments.value());
});
