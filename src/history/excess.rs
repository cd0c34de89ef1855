//! Deletes what does not fit into `[history] max_size`, the oldest first.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, params};

use originatord_core::call::CallId;
use originatord_core::room::ConferenceId;

/// How many calls one statement deletes at most, so that other statements do not wait long.
pub(super) const DELETED_AT_ONCE: usize = 500;

/// How many conferences one statement deletes at most, each with all of its participants.
pub(super) const CONFERENCES_AT_ONCE: usize = 20;

/// Deletes the oldest calls and conferences until the others fit into `max_size` bytes.
pub(super) fn delete_excess(connection: &Connection, max_size: u64) -> rusqlite::Result<()> {
    let mut count = 0;
    while used(connection)? > max_size {
        match delete_oldest(connection)? {
            0 => break,
            some => count += some,
        }
    }
    if count == 0 {
        return Ok(());
    }
    tracing::info!(
        count,
        "the oldest calls and conferences were deleted, as the history was larger than history.max_size"
    );
    return_free_pages(connection)
}

/// Deletes some calls or some conferences, whichever are older. Without both, deletes visits of
/// conferences that are not over.
fn delete_oldest(connection: &Connection) -> rusqlite::Result<usize> {
    let oldest = |sql| connection.query_row(sql, [], |row| row.get::<_, Option<String>>(0));
    let call = oldest("SELECT min(id) FROM calls")?;
    let call = call.and_then(|id| id.parse::<CallId>().ok()).map(CallId::time);
    let conference = "SELECT id FROM conferences WHERE ended IS NOT NULL ORDER BY id LIMIT 1";
    let conference: Option<String> =
        connection.query_row(conference, [], |row| row.get(0)).optional()?;
    let conference =
        conference.and_then(|id| id.parse::<ConferenceId>().ok()).map(ConferenceId::time);
    match (call, conference) {
        (Some(call), Some(conference)) if conference < call => {
            delete_conferences(connection, Some(call))
        }
        (Some(_), conference) => delete_calls(connection, conference),
        (None, Some(_)) => delete_conferences(connection, None),
        (None, None) => delete_visits(connection),
    }
}

/// Deletes the oldest calls, of those that are not younger than `until`.
fn delete_calls(connection: &Connection, until: Option<SystemTime>) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM calls WHERE id IN \
               (SELECT id FROM calls WHERE ?1 IS NULL OR id < ?1 ORDER BY id LIMIT ?2)";
    let until = until.map(|until| CallId::new(until + Duration::from_millis(1), 0).to_string());
    connection.execute(sql, params![until, DELETED_AT_ONCE])
}

/// Deletes the oldest conferences that are over, of those that started before `until`.
fn delete_conferences(
    connection: &Connection,
    until: Option<SystemTime>,
) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM conferences WHERE id IN (SELECT id FROM conferences \
               WHERE ended IS NOT NULL AND (?1 IS NULL OR id < ?1) ORDER BY id LIMIT ?2)";
    let until = until.map(|until| ConferenceId::new(until, 0).to_string());
    connection.execute(sql, params![until, CONFERENCES_AT_ONCE])
}

/// Deletes the oldest visits that are over.
fn delete_visits(connection: &Connection) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM visits WHERE (conference, participant, joined) IN \
               (SELECT conference, participant, joined FROM visits WHERE \"left\" IS NOT NULL \
               ORDER BY joined LIMIT ?1)";
    connection.execute(sql, [DELETED_AT_ONCE])
}

/// Size of the database without its free pages, in bytes.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let value = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((value("page_count")? - value("freelist_count")?) * value("page_size")?)
}

/// Returns free pages to the file system. SQLite frees one page with each step of the statement.
pub(super) fn return_free_pages(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("PRAGMA incremental_vacuum")?;
    let mut steps = statement.query([])?;
    while steps.next()?.is_some() {}
    Ok(())
}
