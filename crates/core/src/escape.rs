//! Characters that a terminal, an editor or a browser takes for more than text: control characters,
//! C1 among them, line separators, directions of writing, and what shows nothing at all. They are
//! written as escapes wherever the daemon or a command of it writes.

use std::fmt::Write;

use crate::call::unicode::{is_control, is_invisible};

/// Whether the character is one of them.
pub fn is_risky(c: char) -> bool {
    is_control(c) || is_invisible(c)
}

/// Finished JSON with `\u….` in the place of such characters. Outside of its strings JSON has none
/// but line breaks, and those are left as they are.
pub fn json(text: String) -> String {
    let is_risky = |c: char| (!c.is_ascii() || c == '\u{7f}') && is_risky(c);
    if !text.contains(is_risky) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_risky(c) {
            // Writing to a string does not fail.
            c.encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| _ = write!(escaped, "\\u{unit:04x}"));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Appends the character, as `\u{…}` if it is one of them.
pub fn push(c: char, text: &mut String) {
    if is_risky(c) { text.extend(c.escape_unicode()) } else { text.push(c) }
}

/// Lines of text with `\u{…}` in the place of such characters, but for the line breaks.
pub fn lines(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\r' | '\n') { escaped.push(c) } else { push(c, &mut escaped) }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of each kind one.
    pub const RISKY: &str = "\u{7f}\u{9b}\u{ad}\u{200b}\u{202e}\u{2028}\u{2066}\u{feff}\u{e0041}";

    #[test]
    fn json_says_the_same_in_escapes() {
        let text = format!("a{RISKY}b\n\"КОМ é");
        let written = json(serde_json::to_string(&text).unwrap());
        assert!(!written.contains(is_risky), "{written}");
        assert!(
            written.contains("\\u009b")
                && written.contains("\\udb40\\udc41")
                && written.contains("КОМ é"),
            "{written}"
        );
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        assert_eq!(json("{\"a\":1}\n".to_owned()), "{\"a\":1}\n");
    }

    #[test]
    fn text_keeps_its_lines_only() {
        let escaped = lines(&format!("a\u{1b}[2J{RISKY}\r\nb"));
        assert!(!escaped.replace("\r\n", "").contains(is_risky), "{escaped}");
        assert!(escaped.starts_with("a\\u{1b}[2J") && escaped.ends_with("\r\nb"));
    }
}
