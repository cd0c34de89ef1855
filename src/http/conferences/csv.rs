//! Conferences as CSV (RFC 4180), for spreadsheets.

use crate::history::ConferenceView;
use crate::http::csv;
use originatord_core::clock::Rfc3339;

/// The columns in their order.
const COLUMNS: [&str; 9] = [
    "conference_id",
    "room",
    "started",
    "started_after",
    "ended",
    "ended_after",
    "ended_by",
    "participants",
    "most_at_once",
];

/// The header line, and one line for each conference.
pub(super) fn table(conferences: &[ConferenceView]) -> String {
    let mut table = COLUMNS.join(",") + "\r\n";
    let time = |time: Option<Rfc3339>| time.map(|time| time.to_string()).unwrap_or_default();
    for ConferenceView { conference, participants, most_at_once } in conferences {
        let cells: [String; COLUMNS.len()] = [
            conference.conference_id.to_string(),
            conference.room.clone(),
            conference.started.to_string(),
            time(conference.started_after),
            time(conference.ended),
            time(conference.ended_after),
            conference.ended_by.clone().unwrap_or_default(),
            participants.to_string(),
            most_at_once.to_string(),
        ];
        csv::push_row(cells, &mut table);
    }
    table
}
