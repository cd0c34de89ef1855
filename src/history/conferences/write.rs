//! Writes the story of conferences.
//!
//! The sink repeats a batch that failed, so each step may come twice and must then change nothing.
//! Records can be missing: a visit whose start is lost began between the start of the conference and
//! its end, and one whose end is lost ended when the next thing showed it.

mod visits;

use std::collections::BTreeSet;
use std::time::SystemTime;

use rusqlite::{Connection, params};

use self::visits::{end_visits_of, has_visit, join, leave};
use super::tracker::{Change, Span, Step};
use crate::database::millis;
use originatord_core::room::{ConferenceId, LeaveReason};

/// Applies one step.
pub(in crate::history) fn apply(connection: &Connection, step: &Step) -> rusqlite::Result<()> {
    let time = step.time;
    let Some(id) = step.conference else {
        return match &step.change {
            Change::CallEnd { participant, after } => {
                end_visits_of(connection, participant, time, *after)
            }
            _ => Ok(()),
        };
    };
    match &step.change {
        Change::Start { room, after } => start(connection, id, room, *after),
        Change::End { room, after, by } => {
            insert(connection, id, room, None)?;
            end(connection, id, &End { time, after: *after, by: by.as_deref() })
        }
        Change::Join { who, after, only_first } => {
            if *only_first && has_visit(connection, id, &who.id)? {
                return Ok(());
            }
            join(connection, id, who, time, *after)
        }
        Change::Leave { who, departure } => leave(connection, id, who, time, departure),
        Change::Removal { participant, reason, by, moved_to } => {
            let sql = "UPDATE visits SET reason = ?3, asked_by = ?4, moved_to = ?5 \
                       WHERE conference = ?1 AND participant = ?2 AND \"left\" IS NULL AND joined <= ?6";
            let (reason, moved_to) = (reason.as_str(), moved_to.as_deref());
            execute(
                connection,
                sql,
                params![id.to_string(), participant, reason, &**by, moved_to, millis(time)],
            )
            .map(drop)
        }
        Change::SpanBegin { span, by } => begin_span(connection, id, span, time, by.as_deref()),
        Change::SpanEnd { span } => end_span(connection, id, span, time),
        Change::CallEnd { participant, after } => {
            end_visits_of(connection, participant, time, *after)
        }
    }
}

/// Ends the conferences that are open in the database and not among `known`: their ends are lost.
/// They ended after the last that is known of them, and before `time`.
pub(in crate::history) fn close_lost(
    connection: &Connection,
    known: &BTreeSet<ConferenceId>,
    time: SystemTime,
) -> rusqlite::Result<()> {
    for id in ids(connection, "SELECT id FROM conferences WHERE ended IS NULL", [])? {
        if !known.contains(&id) {
            end_lost(connection, id, time)?;
        }
    }
    Ok(())
}

/// How a conference ended.
struct End<'e> {
    time: SystemTime,
    after: Option<SystemTime>,
    by: Option<&'e str>,
}

fn start(
    connection: &Connection,
    id: ConferenceId,
    room: &str,
    after: Option<SystemTime>,
) -> rusqlite::Result<()> {
    let sql = "SELECT id FROM conferences \
               WHERE ended IS NULL AND room = ?1 COLLATE NOCASE AND id < ?2";
    for earlier in ids(connection, sql, params![room, id.to_string()])? {
        end_lost(connection, earlier, id.time())?;
    }
    insert(connection, id, room, after)
}

fn insert(
    connection: &Connection,
    id: ConferenceId,
    room: &str,
    after: Option<SystemTime>,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO conferences \
               (id, room, started, started_after, participants, present, most_at_once) \
               VALUES (?1, ?2, ?3, ?4, 0, 0, 0)";
    let started = millis(id.time());
    execute(connection, sql, params![id.to_string(), room, started, after.map(millis)]).map(drop)
}

fn end_lost(connection: &Connection, id: ConferenceId, time: SystemTime) -> rusqlite::Result<()> {
    let sql = "SELECT max(started, \
               coalesce((SELECT max(max(joined, coalesce(\"left\", 0))) FROM visits WHERE conference = ?1), 0)) \
               FROM conferences WHERE id = ?1";
    let last: i64 = connection.query_row(sql, [id.to_string()], |row| row.get(0))?;
    let last = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(last.unsigned_abs());
    end(connection, id, &End { time, after: Some(last.min(time)), by: None })
}

fn end(connection: &Connection, id: ConferenceId, end: &End<'_>) -> rusqlite::Result<()> {
    let (conference, time) = (id.to_string(), millis(end.time));
    let after = end.after.map(millis);
    let sql = "UPDATE conferences SET ended = ?2, ended_after = ?3, ended_by = ?4, present = 0 \
               WHERE id = ?1 AND ended IS NULL";
    execute(connection, sql, params![conference, time, after, end.by])?;
    let reason = end.by.map(|_| LeaveReason::RoomEnded.as_str());
    let sql = "UPDATE visits SET \"left\" = ?2, left_after = ?3, reason = coalesce(reason, ?4), \
               asked_by = coalesce(asked_by, ?5) WHERE conference = ?1 AND \"left\" IS NULL";
    execute(connection, sql, params![conference, time, after, reason, end.by])?;
    let sql = "UPDATE spans SET ended = ?2 WHERE conference = ?1 AND ended IS NULL";
    execute(connection, sql, params![conference, time]).map(drop)
}

fn begin_span(
    connection: &Connection,
    id: ConferenceId,
    span: &Span,
    time: SystemTime,
    by: Option<&str>,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO spans (conference, kind, participant, begun, asked_by) \
               SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM spans \
               WHERE conference = ?1 AND kind = ?2 AND participant = ?3 AND ended IS NULL)";
    let (kind, participant) = (span.kind(), span.participant());
    execute(connection, sql, params![id.to_string(), kind, participant, millis(time), by]).map(drop)
}

fn end_span(
    connection: &Connection,
    id: ConferenceId,
    span: &Span,
    time: SystemTime,
) -> rusqlite::Result<()> {
    let sql = "UPDATE spans SET ended = ?4 \
               WHERE conference = ?1 AND kind = ?2 AND participant = ?3 AND ended IS NULL AND begun <= ?4";
    let (kind, participant) = (span.kind(), span.participant());
    execute(connection, sql, params![id.to_string(), kind, participant, millis(time)]).map(drop)
}

impl Span {
    /// The span's kind in the table.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Span::Lock => "lock",
            Span::RoomMute => "room_mute",
            Span::Mute(_) => "mute",
        }
    }

    /// The participant of a mute; else empty.
    fn participant(&self) -> &str {
        match self {
            Span::Mute(participant) => participant,
            Span::Lock | Span::RoomMute => "",
        }
    }
}

fn ids(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<Vec<ConferenceId>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map(values, |row| row.get::<_, String>(0))?;
    let ids = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

fn execute(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<usize> {
    connection.prepare(sql)?.execute(values)
}
