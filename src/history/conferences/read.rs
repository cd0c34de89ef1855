//! Reads conferences for the API.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::ConferenceFilter;
use super::view::{Conference, ConferenceDetail, ConferenceView, Participant, Span, Visit};
use crate::database::{duration, millis, time};
use crate::history::rows;
use originatord_core::call::CallId;
use originatord_core::call::view::CallView;
use originatord_core::clock::Rfc3339;
use originatord_core::room::ConferenceId;

/// Most visits, and most spans of each kind, in the story of one conference.
const MAX_VISITS: usize = 10_000;

/// Most calls that are shown as invited.
const MAX_INVITED: usize = 1000;

/// How long before the conference a call can have been requested that is shown as invited.
const INVITED_BEFORE: Duration = Duration::from_secs(86_400);

const COLUMNS: &str =
    "id, room, started, started_after, ended, ended_after, ended_by, participants, most_at_once";

/// The newest `limit` conferences that match the filter and are in visible rooms, newest first.
pub(in crate::history) fn page(
    connection: &Connection,
    filter: &ConferenceFilter,
    limit: usize,
    is_visible: impl Fn(&str) -> bool,
) -> rusqlite::Result<Vec<ConferenceView>> {
    let first = |time| ConferenceId::new(time, 0).to_string();
    let mut conditions = String::new();
    let mut values = Vec::new();
    for (condition, value) in [
        ("id >= ?", filter.from.map(first)),
        ("id < ?", filter.to.map(first)),
        ("id < ?", filter.before.map(|id| id.to_string())),
        ("room = ? COLLATE NOCASE", filter.room.as_ref().map(|room| room.to_string())),
    ] {
        if let Some(value) = value {
            conditions += &format!(" AND {condition}");
            values.push(Value::Text(value));
        }
    }
    if let Some(number) = filter.number {
        let forms = number.recorded_forms();
        let places = vec!["?"; forms.len()].join(", ");
        conditions +=
            &format!(" AND id IN (SELECT conference FROM visits WHERE number IN ({places}))");
        values.extend(forms.into_iter().map(Value::Text));
    }
    let mut statement = connection.prepare(&format!(
        "SELECT {COLUMNS} FROM conferences WHERE true{conditions} ORDER BY id DESC"
    ))?;
    let rows = statement.query_map(params_from_iter(values), conference)?;
    let is_shown = |view: &rusqlite::Result<ConferenceView>| {
        view.as_ref().map_or(true, |view| is_visible(&view.conference.room))
    };
    rows.filter(is_shown).take(limit).collect()
}

/// The story of one conference.
pub(in crate::history) fn find(
    connection: &Connection,
    id: ConferenceId,
) -> rusqlite::Result<Option<ConferenceDetail>> {
    let sql = format!("SELECT {COLUMNS} FROM conferences WHERE id = ?1");
    let found = connection.query_row(&sql, [id.to_string()], conference).optional()?;
    let Some(ConferenceView { conference, participants: participant_count, most_at_once }) = found
    else {
        return Ok(None);
    };
    let (mut participants, incomplete) = participants(connection, id)?;
    let mut mutes = BTreeMap::<String, Vec<Span>>::new();
    for (participant, mute) in spans(connection, id, "mute")? {
        mutes.entry(participant).or_default().push(mute);
    }
    for participant in &mut participants {
        participant.mutes = mutes.remove(&participant.id).unwrap_or_default();
    }
    let of_room = |kind| -> rusqlite::Result<Vec<Span>> {
        Ok(spans(connection, id, kind)?.into_iter().map(|(_, span)| span).collect())
    };
    Ok(Some(ConferenceDetail {
        invited: invited(connection, &conference)?,
        conference,
        participant_count,
        most_at_once,
        participants,
        room_mutes: of_room("room_mute")?,
        locks: of_room("lock")?,
        incomplete,
    }))
}

fn conference(row: &Row<'_>) -> rusqlite::Result<ConferenceView> {
    Ok(ConferenceView {
        conference: Conference {
            conference_id: rows::parsed(row, 0)?,
            room: row.get(1)?,
            started: moment(row, 2)?.unwrap_or(Rfc3339(UNIX_EPOCH)),
            started_after: moment(row, 3)?,
            ended: moment(row, 4)?,
            ended_after: moment(row, 5)?,
            ended_by: row.get(6)?,
        },
        participants: row.get(7)?,
        most_at_once: row.get(8)?,
    })
}

/// Everybody who was in the conference, and whether there are more visits than are read.
fn participants(
    connection: &Connection,
    id: ConferenceId,
) -> rusqlite::Result<(Vec<Participant>, bool)> {
    let mut statement = connection.prepare(
        "SELECT participant, number, caller_id, joined, joined_after, \"left\", left_after, reason, asked_by, \
         moved_to, talked FROM visits WHERE conference = ?1 ORDER BY joined, participant LIMIT ?2",
    )?;
    let rows = statement.query_map((id.to_string(), MAX_VISITS + 1), |row| {
        let participant: String = row.get(0)?;
        Ok((participant, row.get(1)?, row.get(2)?, visit(row)?))
    })?;
    let mut participants: Vec<Participant> = Vec::new();
    let mut places = BTreeMap::new();
    let mut count = 0;
    for row in rows {
        let (id, number, caller_id, visit) = row?;
        count += 1;
        if count > MAX_VISITS {
            return Ok((participants, true));
        }
        let place = *places.entry(id.clone()).or_insert(participants.len());
        if place == participants.len() {
            let call_id = id.parse::<CallId>().ok();
            let (visits, mutes) = (Vec::new(), Vec::new());
            participants.push(Participant { id, call_id, number, caller_id, visits, mutes });
        }
        participants[place].visits.push(visit);
    }
    Ok((participants, false))
}

fn visit(row: &Row<'_>) -> rusqlite::Result<Visit> {
    let joined = moment(row, 3)?.unwrap_or(Rfc3339(UNIX_EPOCH));
    let (joined_after, left, left_after) = (moment(row, 4)?, moment(row, 5)?, moment(row, 6)?);
    let was_seen = joined_after.is_none() && left_after.is_none();
    let seconds = left
        .filter(|_| was_seen)
        .map(|Rfc3339(left)| left.duration_since(joined.0).unwrap_or_default().as_secs_f64());
    Ok(Visit {
        joined,
        joined_after,
        left,
        left_after,
        seconds,
        reason: row.get(7)?,
        by: row.get(8)?,
        moved_to: row.get(9)?,
        talked_seconds: duration(row, 10)?.map(|talked| talked.as_secs_f64()),
    })
}

/// The spans of this kind, each with its participant, which is empty if it concerns the room.
fn spans(
    connection: &Connection,
    id: ConferenceId,
    kind: &str,
) -> rusqlite::Result<Vec<(String, Span)>> {
    let mut statement = connection.prepare(
        "SELECT participant, begun, ended, asked_by FROM spans \
         WHERE conference = ?1 AND kind = ?2 ORDER BY begun LIMIT ?3",
    )?;
    let rows = statement.query_map((id.to_string(), kind, MAX_VISITS), |row| {
        let from = moment(row, 1)?.unwrap_or(Rfc3339(UNIX_EPOCH));
        Ok((row.get(0)?, Span { from, to: moment(row, 2)?, by: row.get(3)? }))
    })?;
    rows.collect()
}

/// The ended calls to the room during the conference that never were in it, oldest first.
fn invited(connection: &Connection, conference: &Conference) -> rusqlite::Result<Vec<CallView>> {
    let Conference { conference_id, room, started: Rfc3339(started), ended, .. } = conference;
    let from = started.checked_sub(INVITED_BEFORE).unwrap_or(UNIX_EPOCH);
    let until = ended.map(|Rfc3339(ended)| CallId::new(ended, 0).to_string());
    let mut statement = connection.prepare(&format!(
        "SELECT {} FROM calls WHERE room = ?1 COLLATE NOCASE AND id >= ?2 AND (?3 IS NULL OR id < ?3) \
         AND coalesce(ended, ended_before, ?4) >= ?4 \
         AND id NOT IN (SELECT participant FROM visits WHERE conference = ?5) ORDER BY id LIMIT ?6",
        rows::COLUMNS
    ))?;
    let values = (
        room,
        CallId::new(from, 0).to_string(),
        until,
        millis(*started),
        conference_id.to_string(),
        MAX_INVITED,
    );
    let rows = statement.query_map(values, rows::view)?;
    rows.collect()
}

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Rfc3339>> {
    Ok(time(row, column)?.map(Rfc3339))
}
