//! Calls as a table, RFC 4180, for spreadsheets.

use crate::call::machine::Moments;
use crate::call::view::CallView;
use crate::clock::rfc3339;
use crate::escape;
use crate::record::member::{Members, Value};

/// The columns, in their order. `number` has no `+`, with which a spreadsheet would take it for a
/// sum.
const COLUMNS: [&str; 28] = [
    "call_id",
    "number",
    "room",
    "caller_id",
    "lang",
    "key",
    "state",
    "requested",
    "queued",
    "ringing",
    "answered",
    "joined",
    "left",
    "ended",
    "outcome",
    "cause",
    "cause_text",
    "gateway_reply",
    "flood_wait_seconds",
    "ring_seconds",
    "talk_seconds",
    "hung_up_by",
    "ended_after",
    "ended_before",
    "ring_seconds_min",
    "ring_seconds_max",
    "talk_seconds_min",
    "talk_seconds_max",
];

/// The calls, one a line, below the names of the columns.
pub fn table<'c>(calls: impl IntoIterator<Item = &'c CallView>) -> String {
    let mut table = COLUMNS.join(",") + "\r\n";
    for call in calls {
        line(call, &mut table);
    }
    table
}

fn line(call: &CallView, table: &mut String) {
    let info = &call.info;
    let Moments { queued, ringing, answered, joined, left, ended } = call.moments;
    let moments = [Some(call.requested), queued, ringing, answered, joined, left, ended];
    let known = [
        info.id.to_string(),
        info.number.to_string().trim_start_matches('+').to_owned(),
        info.room.to_string(),
        info.caller_id.to_string(),
        info.lang.to_string(),
        info.key.to_string(),
        call.state.as_str().to_owned(),
    ];
    let moments = moments.map(|moment| moment.map(rfc3339).unwrap_or_default());
    let mut end = End(Vec::new());
    if let Some(told) = &call.end {
        // To gather words does not fail.
        let _ = told.members(&mut end);
    }
    let of_end = COLUMNS[14..].iter().map(|name| end.take(name));
    for (index, cell) in known.into_iter().chain(moments).chain(of_end).enumerate() {
        if index > 0 {
            table.push(',');
        }
        push_cell(&cell, table);
    }
    table.push_str("\r\n");
}

/// What a call's end adds.
struct End(Vec<(&'static str, String)>);

impl End {
    fn take(&mut self, name: &str) -> String {
        let place = self.0.iter().position(|(known, _)| *known == name);
        place.map(|place| self.0.swap_remove(place).1).unwrap_or_default()
    }
}

impl Members for End {
    type Error = std::convert::Infallible;

    fn put(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Self::Error> {
        let text = match value {
            Value::Text(text) => text.to_owned(),
            Value::Shown(shown) => shown.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Seconds(seconds) => seconds.to_string(),
            Value::Null => String::new(),
        };
        self.0.push((name, text));
        Ok(())
    }
}

/// A cell, in quotes where it needs them. What a spreadsheet would run as a formula begins with an
/// apostrophe, as OWASP advises ("CSV Injection").
fn push_cell(text: &str, table: &mut String) {
    let is_formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if !is_formula && text.chars().all(is_plain) {
        return table.push_str(text);
    }
    table.push('"');
    if is_formula {
        table.push('\'');
    }
    for c in text.chars() {
        if c == '"' {
            table.push('"');
        }
        escape::push(c, table);
    }
    table.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_cell_or_is_run() {
        for (text, cell) in [
            ("КОМНАТА1", "КОМНАТА1"),
            ("2026-11-25T18:20:00.123Z", "2026-11-25T18:20:00.123Z"),
            ("Bob, \"the\" 1st", "\"Bob, \"\"the\"\" 1st\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("+7 999", "\"'+7 999\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("＝1", "\"'＝1\""),
            ("\t=1", "\"'\\u{9}=1\""),
            ("a\r\n=1", "\"a\\u{d}\\u{a}=1\""),
            ("a\u{9b}2J\u{202e}", "\"a\\u{9b}2J\\u{202e}\""),
            ("a;b", "\"a;b\""),
            ("", ""),
        ] {
            let mut table = String::new();
            push_cell(text, &mut table);
            assert_eq!(table, cell);
        }
    }
}
