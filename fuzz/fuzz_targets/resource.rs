//! URIs of resources: refused or read, and what is written back names the same resource.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_model::Resource;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(resource) = text.parse::<Resource>() else { return };
    let again: Resource = resource.to_string().parse().expect("what was written names a resource");
    assert_eq!(again, resource);
    assert!(resource.parts().iter().all(|part| &**part != "." && &**part != ".."));
});
