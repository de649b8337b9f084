//! A schema that nobody vouches for, on the first line, and arguments after it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_gateway::mcp::schema::InputSchema;
use ringfence_model::Arguments;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (schema, arguments) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(schema) = InputSchema::compile(schema) else { return };
    let Ok(arguments) = Arguments::parse(arguments) else { return };
    if let Err(misfit) = schema.check(arguments.value()) {
        assert!(!misfit.to_string().is_empty());
    }
});
