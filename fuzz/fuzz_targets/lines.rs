//! Lines are the same however their bytes arrive.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_gateway::mcp::lines::Lines;

const BOUND: usize = 24;

fuzz_target!(|data: &[u8]| {
    let Some((step, data)) = data.split_first() else { return };
    let at_once = read(data, data.len().max(1));
    let in_pieces = read(data, usize::from(*step).max(1));
    assert_eq!(at_once, in_pieces);
    for line in at_once.iter().flatten() {
        assert!(line.len() <= BOUND && !line.contains(&b'\n'));
    }
});

/// Every line, none for one that is refused.
fn read(data: &[u8], step: usize) -> Vec<Option<Vec<u8>>> {
    let mut lines = Lines::new(BOUND);
    let mut found = Vec::new();
    for piece in data.chunks(step) {
        lines.push(piece);
        while let Some(line) = lines.next_line() {
            found.push(line.ok().map(<[u8]>::to_vec));
        }
    }
    if let Some(line) = lines.last_line() {
        found.push(line.ok().map(<[u8]>::to_vec));
    }
    found
}
