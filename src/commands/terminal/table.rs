//! Tables of calls for a terminal.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use anstyle::Style;
use serde_json::{Map, Value};

use super::line::{shown, style};
use super::width::{columns, padded};
use super::zone::Zone;
use originatord_core::call::outcome::Outcome;
use originatord_core::record::EventKind;

/// A call as the API returns it.
pub(crate) type Call = Map<String, Value>;

/// A table of active calls, with durations up to `now`.
pub(crate) fn live(calls: &[Call], now: SystemTime) -> String {
    let rows = calls.iter().map(|call| {
        let (state, _) = plain(call, "state");
        let is_stale = call.get("stale").and_then(Value::as_bool).unwrap_or_default();
        // The event that begins a state has the state's name.
        let style = style(format!("call.{state}").parse().ok(), "");
        let age = humantime::parse_rfc3339(text(call, "requested"))
            .ok()
            .and_then(|since| now.duration_since(since).ok());
        [
            plain(call, "call_id"),
            plain(call, "number"),
            plain(call, "room"),
            // Without the link to Asterisk, the call may be in a later state by now.
            (if is_stale { format!("{state}?") } else { state }, style),
            (age.map_or_else(no_value, format_seconds), Style::new()),
            plain(call, "key"),
        ]
    });
    table(["CALL", "NUMBER", "ROOM", "STATE", "FOR", "KEY"], rows.collect())
}

/// A table of ended calls, with times in `zone`.
pub(crate) fn ended(calls: &[Call], zone: &Zone) -> String {
    let rows = calls.iter().map(|call| {
        let outcome = text(call, "outcome");
        [
            plain(call, "call_id"),
            plain(call, "number"),
            plain(call, "room"),
            (plain(call, "outcome").0, style(Some(EventKind::CallEnded), outcome)),
            time(call, "requested", zone),
            span(call, "ring_seconds"),
            // A callee who was never in the room has talked to nobody.
            if outcome == Outcome::NotJoined.as_str() {
                (no_value(), Style::new())
            } else {
                span(call, "talk_seconds")
            },
            plain(call, "key"),
        ]
    });
    table(
        ["CALL", "NUMBER", "ROOM", "OUTCOME", "REQUESTED", "RANG", "TALKED", "KEY"],
        rows.collect(),
    )
}

/// The text of a cell, and its style.
pub(super) type Cell = (String, Style);

/// A member that is a string; empty if there is none.
pub(super) fn text<'c>(call: &'c Call, name: &str) -> &'c str {
    call.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The cell for a member of the call. A number is a duration in seconds.
pub(super) fn plain(call: &Call, name: &str) -> Cell {
    let cell = match call.get(name) {
        Some(Value::Number(seconds)) => format!("{seconds}s"),
        Some(Value::String(text)) if !text.is_empty() => shown(text),
        _ => no_value(),
    };
    (cell, Style::new())
}

/// The cell for a time, in `zone`.
pub(super) fn time(call: &Call, name: &str, zone: &Zone) -> Cell {
    let time = humantime::parse_rfc3339(text(call, name)).ok();
    let time = time.and_then(|time| zone.rfc3339(time));
    (time.unwrap_or_else(no_value), Style::new())
}

/// The cell for a duration: `3.1s`, or if only its bounds are known, `3.1s-250.4s` or `>=3.1s`. It
/// is one word, so that scripts can count columns.
fn span(call: &Call, name: &str) -> Cell {
    let seconds = |name: &str| call.get(name).and_then(Value::as_f64);
    let (min, max) = (seconds(&format!("{name}_min")), seconds(&format!("{name}_max")));
    let cell = match (seconds(name), min, max) {
        (None, Some(min), Some(max)) => format!("{min}s-{max}s"),
        (None, Some(min), None) => format!(">={min}s"),
        _ => return plain(call, name),
    };
    (cell, Style::new())
}

/// The text of a cell without a value. It is not empty, so that scripts can count columns.
pub(super) fn no_value() -> String {
    "-".to_owned()
}

/// The duration in whole seconds, as `1h5m3s`.
fn format_seconds(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string().replace(' ', "")
}

/// A table with a row for each array of cells.
pub(super) fn table<const N: usize>(heads: [&str; N], rows: Vec<[Cell; N]>) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| columns(&row[column].0));
        cells.chain([heads[column].len()]).max().unwrap_or_default()
    });
    let heads = heads.map(|head| (head.to_owned(), Style::new().bold()));
    let mut table = String::new();
    for row in [heads].into_iter().chain(rows) {
        for (column, (text, style)) in row.into_iter().enumerate() {
            let is_last = column == N - 1;
            let (width, gap) = if is_last { (0, "") } else { (widths[column], "  ") };
            // Writing to a string does not fail.
            let _ = write!(table, "{style}{}{style:#}{gap}", padded(&text, width));
        }
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;

    use super::*;

    fn call(call: Value) -> Call {
        call.as_object().expect("a call").clone()
    }

    fn stripped(table: &str) -> String {
        anstream::adapter::strip_str(table).to_string()
    }

    #[test]
    fn columns_fit_their_widest_cell() {
        let calls = [
            call(
                json!({"call_id": "od-1", "number": "+79991230001", "room": "КОМНАТА", "key": "bot", "state": "ringing",
                "stale": false, "requested": "1970-01-01T00:00:10.500Z"}),
            ),
            call(
                json!({"call_id": "od-22", "number": "+7999", "room": "R", "key": "b", "state": "joined", "stale": true,
                "requested": "1970-01-01T00:00:01.000Z"}),
            ),
        ];
        let table = live(&calls, UNIX_EPOCH + Duration::from_millis(3_671_400));
        let expected = "\
CALL   NUMBER        ROOM     STATE    FOR      KEY
od-1   +79991230001  КОМНАТА  ringing  1h1m     bot
od-22  +7999         R        joined?  1h1m10s  b
";
        assert_eq!(stripped(&table), expected);
    }

    #[test]
    fn unknown_values_are_dashes_and_texts_are_quoted() {
        let hostile = call(
            json!({"call_id": "od-1", "number": "+7999", "room": "a\u{1b}[2J\nb c", "key": "bot",
            "outcome": "busy", "requested": "2026-11-25T18:20:02.258Z", "ring_seconds": 0.206, "talk_seconds": null}),
        );
        let lost = json!({"outcome": "unknown", "talk_seconds": null, "talk_seconds_min": 3.1, "talk_seconds_max": 250.4});
        let late = json!({"outcome": "completed", "talk_seconds": null, "talk_seconds_min": 3.0, "talk_seconds_max": null});
        let never = json!({"outcome": "not_joined", "talk_seconds": 2.5});
        let talked = stripped(&ended(&[call(lost), call(late), call(never)], &Zone::UTC));
        let talked: Vec<_> =
            talked.lines().skip(1).filter_map(|row| row.split_whitespace().nth(6)).collect();
        assert_eq!(talked, ["3.1s-250.4s", ">=3s", "-"]);
        let table = stripped(&ended(&[hostile, Call::new()], &Zone::UTC));
        let rows: Vec<_> = table.lines().collect();
        let expected = r#"od-1  +7999   "a\u{1b}[2J\nb c"  busy     2026-11-25T18:20:02Z  0.206s  -       bot"#;
        assert_eq!((rows.len(), rows[1]), (3, expected));
        assert_eq!(rows[2].split_whitespace().collect::<Vec<_>>(), ["-"; 8]);
    }
}
