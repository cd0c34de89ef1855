//! Writes a record as one line of text. No value can end the line or forge a member.

mod members;

use std::fmt::Write;
use std::time::SystemTime;

use serde::Serialize;

use self::members::TextMembers;
use super::{Entry, Line};
use crate::clock::Rfc3339;

/// Blanks before a level, so that it ends in the same column as `ERROR`, the longest level of
/// other log lines. The levels of records have four letters.
const LEVEL_COLUMN: &str = "  ";

/// Appends the entry as `2026-11-24T12:00:00.123Z  INFO call.queued seq=12 call_id=… number=+7999…
/// room=R1`, ended by a newline. A gap has no time of its own and gets `now`.
pub fn text_line(entry: &Entry, now: SystemTime, lines: &mut String) {
    let line = Line::from(entry);
    // Writing to a string does not fail.
    let _ = write!(lines, "{}", line.time.unwrap_or(Rfc3339(now)));
    for part in [LEVEL_COLUMN, entry.level(), " ", &line.event] {
        lines.push_str(part);
    }
    // Every key is text, and no member is a list or an object.
    let _ = line.serialize(TextMembers::new(lines));
    lines.push('\n');
}
