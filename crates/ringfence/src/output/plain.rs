//! Foreign text made harmless for a terminal and for the eye.

use std::borrow::Cow;

/// The text with everything that would move a cursor, change colours, reorder what stands beside
/// it or hide in it written out as `\u{…}`. Line ends and tabs too: what is shown stays in its line.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            c if acts(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Control characters, bidirectional controls, joiners, fillers, variation selectors, tags and
/// private use: none of them is needed to read a name or an argument, and each can deceive.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_a_terminal_would_act_on_is_written_out() {
        assert_eq!(plain("read_file"), "read_file");
        assert_eq!(plain("naïve 値 café"), "naïve 値 café");
        assert_eq!(plain("\u{1b}[2Kallow"), "\\u{1b}[2Kallow");
        assert_eq!(plain("a\u{9b}31m"), "a\\u{9b}31m");
        assert_eq!(plain("one\ntwo\r\t"), "one\\ntwo\\r\\t");
        assert_eq!(plain("pay\u{202e}001"), "pay\\u{202e}001");
        assert_eq!(plain("a\u{e0041}b\u{200b}"), "a\\u{e0041}b\\u{200b}");
    }
}
