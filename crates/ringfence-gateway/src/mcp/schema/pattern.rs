//! How large a pattern becomes when it is compiled, from its text.
//!
//! The linear engine's time is the text's length times the pattern's states, and a counted
//! repetition is written once and compiled as often as it counts: `(a{100}){100}` is ten
//! thousand states in fourteen characters. This estimates them, so that a pattern is refused
//! or its match refused before anything is spent. It is no parser: whatever it misreads it
//! takes for more, and the engine has its own limit on memory besides.

/// States that stand for one set of characters: `.`, a class, `\w`.
const SET: usize = 8;
/// States of a set that Unicode defines, such as `\p{Letter}`.
const PROPERTY: usize = 300;

/// About how many states `pattern` compiles to; never 0.
pub(super) fn states(pattern: &str) -> usize {
    let mut characters = pattern.chars().peekable();
    // What was counted before each open group, and the last thing that can be repeated.
    let mut outer: Vec<usize> = Vec::new();
    let mut done: usize = 1;
    let mut last: usize = 0;
    while let Some(character) = characters.next() {
        let atom = match character {
            '\\' => match characters.next() {
                Some('p' | 'P') => {
                    if characters.next_if_eq(&'{').is_some() {
                        characters.by_ref().find(|character| *character == '}');
                    }
                    PROPERTY
                }
                Some('u' | 'x') => {
                    if characters.next_if_eq(&'{').is_some() {
                        characters.by_ref().find(|character| *character == '}');
                    }
                    4
                }
                Some(_) | None => SET,
            },
            '[' => {
                let mut states = SET;
                // `]` ends it unless it is escaped; sets within sets only make it end late.
                while let Some(inside) = characters.next() {
                    match inside {
                        ']' => break,
                        '\\' => {
                            if matches!(characters.next(), Some('p' | 'P')) {
                                states = states.saturating_add(PROPERTY);
                            }
                        }
                        _ => {}
                    }
                }
                states
            }
            '.' => SET,
            '(' => {
                outer.push(done.saturating_add(last));
                done = 1;
                last = 0;
                continue;
            }
            ')' => {
                // The group as a whole is what a repetition after it repeats.
                last = done.saturating_add(last);
                done = outer.pop().unwrap_or(1);
                continue;
            }
            '{' => {
                let mut counts = String::new();
                while let Some(digit) = characters.next_if(|next| next.is_ascii_digit() || *next == ',') {
                    counts.push(digit);
                }
                if characters.next_if_eq(&'}').is_some() {
                    // `{2,}` has an empty end; what no number holds the engine refuses.
                    let count =
                        |count: &str| if count.is_empty() { 1 } else { count.parse().unwrap_or(usize::MAX) };
                    let most = counts.split(',').map(count).max().unwrap_or(1);
                    last = last.saturating_mul(most).saturating_add(1);
                    continue;
                }
                counts.len().saturating_add(1)
            }
            '*' | '+' | '?' => {
                last = last.saturating_add(1);
                continue;
            }
            other => other.len_utf8(),
        };
        done = done.saturating_add(last);
        last = atom;
    }
    outer.into_iter().fold(done.saturating_add(last), usize::saturating_add)
}
