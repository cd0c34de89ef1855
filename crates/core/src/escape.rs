//! Escapes risky characters, which make a terminal, an editor or a browser do more than show text:
//! control characters (C1 included), line separators, characters that change the writing
//! direction, and invisible ones. The daemon and its commands escape them in all output.

use std::borrow::Cow;
use std::fmt::Write;

use crate::call::unicode::{is_control, is_invisible};

/// Whether the character is risky.
pub fn is_risky(c: char) -> bool {
    is_control(c) || is_invisible(c)
}

/// Escapes the risky characters of a JSON text as `\uXXXX`. Control characters below U+0020 stay: outside
/// of strings they are line breaks and tabs, and in strings the JSON writer has escaped them already.
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

/// Appends the character, as `\u{…}` if it is risky.
pub fn push(c: char, text: &mut String) {
    if is_risky(c) { text.extend(c.escape_unicode()) } else { text.push(c) }
}

/// Escapes risky characters in lines of text as `\u{…}`, but not the line breaks.
pub fn lines(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\r' | '\n') { escaped.push(c) } else { push(c, &mut escaped) }
    }
    escaped
}

/// Applies [`quoted`] to the text from byte `start` to the end of the line.
pub(crate) fn quote_from(start: usize, line: &mut String) {
    if !is_plain(&line[start..]) {
        let text = line.split_off(start);
        // Writing to a string does not fail.
        let _ = write!(line, "{text:?}");
    }
}

/// A value for a line of `name=value` fields: unchanged if it is one plain word, else in quotes,
/// with quotes and risky characters escaped, so that it cannot pass for another field.
pub fn quoted(text: &str) -> Cow<'_, str> {
    if is_plain(text) { Cow::Borrowed(text) } else { format!("{text:?}").into() }
}

/// Escapes another program's text within a sentence.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let is_safe = |c: char| matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1;
    if text.chars().all(is_safe) {
        return text.into();
    }
    let escape = |c: char| if is_safe(c) { c.to_string() } else { c.escape_debug().to_string() };
    text.chars().map(escape).collect::<String>().into()
}

fn is_plain(text: &str) -> bool {
    // Most logged text is ASCII, so the table of bytes comes first.
    let is_plain_ascii = |b: u8| PLAIN_ASCII[usize::from(b)];
    let is_plain = |c: char| {
        u8::try_from(c).is_ok_and(is_plain_ascii) || (!c.is_ascii() && c.is_alphanumeric())
    };
    !text.is_empty() && (text.bytes().all(is_plain_ascii) || text.chars().all(is_plain))
}

/// For each byte, whether it is an ASCII character that needs no quotes.
static PLAIN_ASCII: [bool; 256] = {
    let (mut plain, mut byte) = ([false; 256], 0);
    while byte < 128 {
        let b = byte as u8;
        plain[byte] = b.is_ascii_alphanumeric()
            || matches!(b, b'+' | b'-' | b'_' | b'.' | b':' | b'/' | b'@');
        byte += 1;
    }
    plain
};

#[cfg(test)]
mod tests {
    use super::*;

    /// One risky character of each kind.
    pub(super) const RISKY: &str =
        "\u{7f}\u{9b}\u{ad}\u{200b}\u{202e}\u{2028}\u{2066}\u{feff}\u{e0041}";

    #[test]
    fn escaped_json_has_the_same_meaning() {
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
    fn text_keeps_only_line_breaks_unescaped() {
        let escaped = lines(&format!("a\u{1b}[2J{RISKY}\r\nb"));
        assert!(!escaped.replace("\r\n", "").contains(is_risky), "{escaped}");
        assert!(escaped.starts_with("a\\u{1b}[2J") && escaped.ends_with("\r\nb"));
    }

    #[test]
    fn text_cannot_pass_for_another_line_or_field() {
        assert_eq!(quoted("КОМНАТА1"), "КОМНАТА1");
        assert_eq!(quoted("+7 999"), "\"+7 999\"");
        assert_eq!(quoted("x room=admin"), "\"x room=admin\"");
        assert_eq!(quoted("a\nb\u{1b}[31m"), r#""a\nb\u{1b}[31m""#);
        assert_eq!(quoted("\u{202e}txt"), r#""\u{202e}txt""#);
        assert_eq!(quoted("\"="), r#""\"=""#);
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(
            escaped("a \u{1b}[2J\"b\"\n\u{202e}\u{9b}КОМНАТА"),
            "a \\u{1b}[2J\"b\"\\n\\u{202e}\\u{9b}КОМНАТА"
        );
    }
}
