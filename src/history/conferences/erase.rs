//! Erases a number from the story of conferences.

use rusqlite::{Connection, params, params_from_iter};

use crate::journal::sink::Cleaner;
use originatord_core::call::{CallId, Number};

/// Deletes the visits and mutes of everybody with this number, and of guests who are named by it.
/// Returns the number of deleted visits.
pub(in crate::history) fn erase(
    connection: &Connection,
    number: Number,
) -> rusqlite::Result<usize> {
    let mut count = 0;
    for (conference, participant) in of_number(connection, number)? {
        let values = params![conference, participant];
        let sql = "UPDATE conferences SET present = max(present - (SELECT count(*) FROM visits \
                   WHERE conference = ?1 AND participant = ?2 AND \"left\" IS NULL), 0) WHERE id = ?1";
        connection.execute(sql, values)?;
        connection
            .execute("DELETE FROM spans WHERE conference = ?1 AND participant = ?2", values)?;
        count += connection
            .execute("DELETE FROM visits WHERE conference = ?1 AND participant = ?2", values)?;
    }
    Ok(count)
}

/// The conferences and participants that the number is erased from.
fn of_number(connection: &Connection, number: Number) -> rusqlite::Result<Vec<(String, String)>> {
    let forms = number.recorded_forms();
    let places = vec!["?"; forms.len()].join(", ");
    let mut statement = connection.prepare(&format!(
        "SELECT DISTINCT conference, participant FROM visits WHERE number IN ({places})"
    ))?;
    let rows =
        statement.query_map(params_from_iter(forms), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut found = rows.collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    let cleaner = Cleaner::new(number);
    let mut statement = connection.prepare(
        "SELECT DISTINCT conference, participant, caller_id FROM visits WHERE instr(caller_id, ?1)",
    )?;
    let mut rows = statement.query([number.digits()])?;
    while let Some(row) = rows.next()? {
        let (participant, name): (String, String) = (row.get(1)?, row.get(2)?);
        let is_guest = participant.parse::<CallId>().is_err();
        if is_guest && cleaner.is_in(&name) {
            found.push((row.get(0)?, participant));
        }
    }
    Ok(found)
}

/// How many conferences have the number in the name of the room, or visits of others in a text.
pub(in crate::history) fn mentions(
    connection: &Connection,
    number: Number,
) -> rusqlite::Result<usize> {
    let cleaner = Cleaner::new(number);
    let mut statement = connection.prepare(
        "SELECT room FROM conferences WHERE instr(room, ?1) UNION ALL \
         SELECT caller_id || ' ' || coalesce(moved_to, '') AS text FROM visits WHERE instr(text, ?1)",
    )?;
    let mut rows = statement.query([number.digits()])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += usize::from(cleaner.is_in(&row.get::<_, String>(0)?));
    }
    Ok(count)
}
