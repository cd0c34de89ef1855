//! Calls as CSV (RFC 4180), for spreadsheets.

use std::borrow::Cow;

use crate::http::csv;
use originatord_core::call::machine::Timestamps;
use originatord_core::call::outcome::{End, EndMembers};
use originatord_core::call::view::CallView;
use originatord_core::clock::{Rfc3339, rfc3339};

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
    let Timestamps { queued, ringing, answered, joined, left, ended } = call.timestamps;
    let timestamps = [Some(call.requested), queued, ringing, answered, joined, left, ended];
    let known = [
        info.id.to_string(),
        info.number.to_string().trim_start_matches('+').to_owned(),
        info.room.to_string(),
        info.caller_id.to_string(),
        info.lang.to_string(),
        info.key.to_string(),
        call.state.as_str().to_owned(),
    ];
    let timestamps = timestamps.map(|time| time.map(rfc3339).unwrap_or_default());
    let of_end = call.end.as_deref().map(end_cells).unwrap_or_default();
    csv::push_row(known.into_iter().chain(timestamps).chain(of_end), table);
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
