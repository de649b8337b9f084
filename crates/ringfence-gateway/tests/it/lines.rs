use proptest::prelude::{any, proptest};
use ringfence_gateway::mcp::lines::Lines;

/// Every line, pushed in pieces of `step` bytes.
fn cut(bytes: &[u8], bound: usize, step: usize) -> Vec<Result<Vec<u8>, String>> {
    let mut lines = Lines::new(bound);
    let mut found = Vec::new();
    let own = |line: Result<&[u8], _>| {
        line.map(<[u8]>::to_vec)
            .map_err(|refused: ringfence_gateway::mcp::envelope::Refused| refused.to_string())
    };
    for piece in bytes.chunks(step.max(1)) {
        lines.push(piece);
        while let Some(line) = lines.next_line() {
            found.push(own(line));
        }
    }
    found.extend(lines.last_line().map(own));
    found
}

fn shown(bytes: &str, bound: usize, step: usize) -> Vec<String> {
    cut(bytes.as_bytes(), bound, step)
        .into_iter()
        .map(|line| {
            line.map_or_else(|refused| format!("! {refused}"), |line| String::from_utf8(line).unwrap())
        })
        .collect()
}

#[test]
fn lines_are_cut_wherever_the_pieces_end() {
    for step in 1..12 {
        assert_eq!(shown("one\ntwo\r\n\nlast", 100, step), ["one", "two\r", "", "last"]);
        assert_eq!(shown("one\n", 100, step), ["one"]);
        assert_eq!(shown("", 100, step), [""; 0]);
    }
}

#[test]
fn a_line_that_is_too_long_is_told_once_and_the_next_is_read() {
    for step in 1..30 {
        let found = shown("12345\n123456\n12345\n1234567890123456789\nend", 5, step);
        let long = "! the message is refused: it is longer than 5 bytes";
        assert_eq!(found, ["12345", long, "12345", long, "end"], "{step}");
    }
}

#[test]
fn a_hidden_line_is_refused() {
    // A reader that ends lines at a bare carriage return would see a call in the middle.
    let smuggled = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"a\":\r{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\"}\r}}\n";
    let found = shown(smuggled, 1000, 7);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("! ") && found[0].contains("carriage return"), "{found:?}");
    assert!(shown("a\r\r\n", 10, 1)[0].starts_with("! "));
    assert!(shown("\ra", 10, 1)[0].starts_with("! "));
}

#[test]
fn memory_is_bounded() {
    let mut lines = Lines::new(1000);
    let mut told = 0;
    for _ in 0..10_000 {
        lines.push(&[b'x'; 1000]);
        while let Some(line) = lines.next_line() {
            told += usize::from(line.is_err());
        }
    }
    assert_eq!(told, 1);
    assert!(format!("{lines:?}").len() < 20_000, "what it holds is what it prints");
}

proptest! {
    #[test]
    fn nothing_is_lost_or_added(bytes in proptest::collection::vec(proptest::sample::select(&b"ab\n\r"[..]), 0..200), step in any::<u8>()) {
        let found = cut(&bytes, 1000, usize::from(step));
        let mut expected: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if expected.last() == Some(&&b""[..]) {
            expected.pop();
        }
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let inside = expected.strip_suffix(b"\r").unwrap_or(expected);
            assert_eq!(found.is_err(), inside.contains(&b'\r'));
            if let Ok(found) = found {
                assert_eq!(found, expected);
            }
        }
    }
}
