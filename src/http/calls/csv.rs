//! Calls as CSV (RFC 4180), for spreadsheets.

use std::borrow::Cow;

use originatord_core::call::machine::Timestamps;
use originatord_core::call::outcome::{End, EndMembers};
use originatord_core::call::view::CallView;
use originatord_core::clock::{Rfc3339, rfc3339};
use originatord_core::escape;

/// The columns in their order. `number` has no `+`, as a spreadsheet would evaluate it as a formula.
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

/// The header line, and one line for each call.
pub(super) fn table<'c>(calls: impl IntoIterator<Item = &'c CallView>) -> String {
    let mut table = COLUMNS.join(",") + "\r\n";
    for call in calls {
        line(call, &mut table);
    }
    table
}

fn line(call: &CallView, table: &mut String) {
    let info = &call.info;
    let Timestamps { queued, ringing, answered, joined, left, ended } = call.moments;
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
    let of_end = call.end.as_deref().map(end_cells).unwrap_or_default();
    for (index, cell) in known.into_iter().chain(moments).chain(of_end).enumerate() {
        if index > 0 {
            table.push(',');
        }
        push_cell(&cell, table);
    }
    table.push_str("\r\n");
}

/// The cells of a call's end: one for each of the last [`COLUMNS`].
fn end_cells(end: &End) -> [String; 14] {
    let end = EndMembers::from(end);
    let text = |text: Option<Cow<'_, str>>| text.unwrap_or_default().into_owned();
    let time = |time: Option<Rfc3339>| time.map(|time| time.to_string()).unwrap_or_default();
    let seconds = |seconds: Option<f64>| seconds.map(|s| s.to_string()).unwrap_or_default();
    [
        end.outcome.into_owned(),
        end.cause.map(|cause| cause.to_string()).unwrap_or_default(),
        text(end.cause_text),
        text(end.gateway_reply),
        end.flood_wait_seconds.map(|seconds| seconds.to_string()).unwrap_or_default(),
        seconds(end.ring_seconds),
        seconds(end.talk_seconds),
        text(end.hung_up_by),
        time(end.ended_after),
        time(end.ended_before),
        seconds(end.ring_seconds_min),
        seconds(end.ring_seconds_max.flatten()),
        seconds(end.talk_seconds_min),
        seconds(end.talk_seconds_max.flatten()),
    ]
}

/// Appends a cell, in quotes if necessary. A text that a spreadsheet would run as a formula gets an
/// apostrophe in front, as OWASP advises ("CSV Injection").
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
    fn no_text_leaves_its_cell_or_runs() {
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
