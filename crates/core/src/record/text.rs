//! A record as one line of text, which nothing in it can break or forge.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::{self, Write};
use std::time::SystemTime;

use super::Entry;
use super::member::{Members, Value};
use crate::clock::Millis;

/// What goes before a level so that it ends where the longest one does, `ERROR` in what else is
/// logged; ours have four letters.
const LEVEL_COLUMN: &str = "  ";

/// Appends the entry as `2026-11-24T12:00:00.123Z  INFO call.queued seq=12 call_id=… number=+7999…
/// room=R1`, ended by a newline.
pub fn text_line(entry: &Entry, lines: &mut String) {
    let (time, event) = match entry {
        Entry::Record(record) => (record.time, record.event.name()),
        Entry::Gap(_) => (SystemTime::now(), "gap"),
    };
    // Writing to a string does not fail.
    let _ = write!(lines, "{}", Millis(time));
    for part in [LEVEL_COLUMN, entry.level(), " ", event] {
        lines.push_str(part);
    }
    let _ = match entry {
        Entry::Record(record) => record.members(&mut Line(lines)),
        Entry::Gap(gap) => gap.members(&mut Line(lines)),
    };
    lines.push('\n');
}

/// Appends members as ` name=value`.
struct Line<'l>(&'l mut String);

impl Members for Line<'_> {
    type Error = Infallible;

    fn put(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Infallible> {
        // The line begins with these.
        if matches!(name, "time" | "event") || matches!(value, Value::Null) {
            return Ok(());
        }
        let Self(line) = self;
        for part in [" ", name, "="] {
            line.push_str(part);
        }
        let start = line.len();
        let _ = match value {
            Value::Null => Ok(()),
            Value::Text(text) => {
                line.push_str(text);
                quote_from(start, line)
            }
            Value::Shown(shown) => write!(line, "{shown}").and_then(|()| quote_from(start, line)),
            Value::Number(number) => write!(line, "{number}"),
            // As JSON writes it.
            Value::Seconds(seconds) => write!(line, "{seconds:?}"),
        };
        Ok(())
    }
}

/// Makes what begins at `start` what [`quoted`] makes of it.
fn quote_from(start: usize, line: &mut String) -> fmt::Result {
    if is_plain(&line[start..]) {
        return Ok(());
    }
    let text = line.split_off(start);
    write!(line, "{text:?}")
}

/// The text as it is if it is one plain word, else in quotes, with everything escaped that a
/// terminal or a reader could take for something else: control characters, quotes, directions of
/// writing.
pub fn quoted(text: &str) -> Cow<'_, str> {
    if is_plain(text) { Cow::Borrowed(text) } else { format!("{text:?}").into() }
}

/// The text as it is, but for what a terminal could take for more than text: somebody else's words,
/// within a sentence.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let is_safe = |c: char| matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1;
    if text.chars().all(is_safe) {
        return text.into();
    }
    let escape = |c: char| if is_safe(c) { c.to_string() } else { c.escape_debug().to_string() };
    text.chars().map(escape).collect::<String>().into()
}

fn is_plain(text: &str) -> bool {
    // Most of what is logged is ASCII.
    let is_plain_ascii = |b: u8| PLAIN_ASCII[usize::from(b)];
    let is_plain = |c: char| {
        u8::try_from(c).is_ok_and(is_plain_ascii) || (!c.is_ascii() && c.is_alphanumeric())
    };
    !text.is_empty() && (text.bytes().all(is_plain_ascii) || text.chars().all(is_plain))
}

/// Whether a byte is a plain character of ASCII.
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

    #[test]
    fn no_text_can_break_its_line_or_pass_for_another_field() {
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
