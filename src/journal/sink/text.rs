//! A record as one line of text, which nothing in it can break or forge.

use std::fmt::Write;

use serde_json::Value;

use crate::journal::Entry;

/// The entry as `2026-11-24T12:00:00.123Z  INFO call.queued seq=12 call_id=… number=+7999… room=R1`, ended by a
/// newline.
pub fn text_line(entry: &Entry) -> String {
    let Ok(Value::Object(mut members)) = serde_json::to_value(entry) else { return String::new() };
    let mut take = |name: &str| members.shift_remove(name).and_then(|value| value.as_str().map(str::to_owned));
    let event = take("event").unwrap_or_default();
    let mut line = match entry {
        Entry::Record(_) => format!("{}  INFO {event}", take("time").unwrap_or_default()),
        Entry::Gap(_) => {
            format!("{}  WARN {event}", crate::journal::record::rfc3339(std::time::SystemTime::now()))
        }
    };
    for (name, value) in &members {
        match value {
            Value::Null => {}
            Value::String(text) => _ = write!(line, " {name}={}", quoted(text)),
            other => _ = write!(line, " {name}={other}"),
        }
    }
    line.push('\n');
    line
}

/// The text as it is if it is one plain word, else in quotes, with everything escaped that a terminal or a
/// reader could take for something else: control characters, quotes, directions of writing.
pub fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "+-_.:/@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { format!("{text:?}") }
}

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
    }
}
