//! Writes who came into a conference and left it.

use std::time::SystemTime;

use rusqlite::{Connection, params};

use super::{end_span, execute, ids};
use crate::database::millis;
use crate::history::conferences::tracker::{Departure, Span, Who};
use originatord_core::call::CallId;
use originatord_core::room::{ConferenceId, LeaveReason};

/// Begins a visit.
pub(super) fn join(
    connection: &Connection,
    id: ConferenceId,
    who: &Who,
    time: SystemTime,
    after: Option<SystemTime>,
) -> rusqlite::Result<()> {
    let (conference, time) = (id.to_string(), millis(time));
    let was_there = has_visit(connection, id, &who.id)?;
    if was_there {
        // If an earlier visit has no end, it is lost.
        let sql = "UPDATE visits SET \"left\" = ?3, left_after = joined \
                   WHERE conference = ?1 AND participant = ?2 AND \"left\" IS NULL AND joined < ?3";
        let ended = execute(connection, sql, params![conference, who.id, time])?;
        add_present(connection, &conference, -(ended as i64), false)?;
    }
    let sql = "INSERT OR IGNORE INTO visits \
               (conference, participant, joined, joined_after, number, caller_id) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let number = who.number.map(|number| number.to_string());
    let values = params![conference, who.id, time, after.map(millis), number, who.caller_id];
    let inserted = execute(connection, sql, values)?;
    add_present(connection, &conference, inserted as i64, !was_there)
}

/// Ends a visit. If its start is lost, it began after that of the conference.
pub(super) fn leave(
    connection: &Connection,
    id: ConferenceId,
    who: &Who,
    time: SystemTime,
    departure: &Departure,
) -> rusqlite::Result<()> {
    let (conference, left) = (id.to_string(), millis(time));
    let Departure { after, reason, by, moved_to, talked } = departure;
    let sql = "UPDATE visits SET \"left\" = ?3, left_after = ?4, reason = coalesce(?5, reason, ?9), \
               asked_by = coalesce(?6, asked_by), moved_to = coalesce(?7, moved_to), talked = ?8 \
               WHERE conference = ?1 AND participant = ?2 AND \"left\" IS NULL AND NOT EXISTS \
               (SELECT 1 FROM visits WHERE conference = ?1 AND participant = ?2 AND \"left\" = ?3)";
    let reason = reason.map(LeaveReason::as_str);
    // A call that nobody took out has left; of a guest the record says so itself.
    let is_call = who.id.parse::<CallId>().is_ok();
    let otherwise = (is_call && after.is_none()).then(|| LeaveReason::Left.as_str());
    let (by, moved_to) = (by.as_deref(), moved_to.as_deref());
    let talked = talked.map(|talked| talked.as_millis() as i64);
    let values = params![
        conference,
        who.id,
        left,
        after.map(millis),
        reason,
        by,
        moved_to,
        talked,
        otherwise
    ];
    let ended = execute(connection, sql, values)?;
    if ended > 0 {
        add_present(connection, &conference, -(ended as i64), false)?;
        return end_span(connection, id, &Span::Mute(who.id.clone()), time);
    }
    // The join is lost, unless this very end is stored already.
    let is_new = !has_visit(connection, id, &who.id)?;
    let sql = "INSERT OR IGNORE INTO visits (conference, participant, joined, joined_after, \"left\", \
               left_after, reason, asked_by, moved_to, talked, number, caller_id) \
               SELECT ?1, ?2, ?3, started, ?3, ?4, coalesce(?5, ?9), ?6, ?7, ?8, ?10, ?11 \
               FROM conferences WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM visits \
               WHERE conference = ?1 AND participant = ?2 AND \"left\" = ?3)";
    let values = params![
        conference,
        who.id,
        left,
        after.map(millis),
        reason,
        by,
        moved_to,
        talked,
        otherwise,
        who.number.map(|number| number.to_string()),
        who.caller_id
    ];
    if execute(connection, sql, values)? > 0 {
        let sql = "UPDATE conferences SET participants = participants + ?2, \
                   most_at_once = max(most_at_once, 1) WHERE id = ?1";
        execute(connection, sql, params![conference, is_new])?;
    }
    Ok(())
}

/// Ends the visits of a call that is over.
pub(super) fn end_visits_of(
    connection: &Connection,
    participant: &str,
    time: SystemTime,
    after: Option<SystemTime>,
) -> rusqlite::Result<()> {
    let sql = "SELECT conference FROM visits WHERE participant = ?1 AND \"left\" IS NULL";
    for id in ids(connection, sql, [participant])? {
        let who = Who { id: participant.into(), number: None, caller_id: "".into() };
        leave(connection, id, &who, time, &Departure { after, ..Departure::default() })?;
    }
    Ok(())
}

/// Counts who is in the conference, how many there were at most, and how many came for the first
/// time.
fn add_present(
    connection: &Connection,
    conference: &str,
    count: i64,
    is_new: bool,
) -> rusqlite::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let sql = "UPDATE conferences SET present = max(present + ?2, 0), \
               most_at_once = max(most_at_once, present + ?2), participants = participants + ?3 \
               WHERE id = ?1";
    execute(connection, sql, params![conference, count, is_new]).map(drop)
}

/// Whether the participant was in the conference before, or is.
pub(super) fn has_visit(
    connection: &Connection,
    id: ConferenceId,
    participant: &str,
) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM visits WHERE conference = ?1 AND participant = ?2";
    let mut statement = connection.prepare(sql)?;
    statement.exists(params![id.to_string(), participant])
}
