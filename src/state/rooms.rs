//! Kept rooms as rows of their table, and back.

use rusqlite::{Connection, Row, params};

use super::contents::Batch;
use crate::database::{millis, time};
use originatord_core::room::{KeptRoom, MAX_CONFERENCE};

/// Most rooms that are read. The engine keeps no more, and the file may be somebody else's.
const MAX_ROOMS: usize = 10_000;

/// All rooms of the database. Skips rows that no daemon has written.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<KeptRoom>> {
    let sql = "SELECT room, locked_by, muted_by, ended FROM rooms ORDER BY room LIMIT ?1";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([MAX_ROOMS], room)?;
    let mut rooms = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    rooms.retain(|room| is_name(&room.room) && !room.is_empty());
    Ok(rooms)
}

/// Whether a conference can have this name. It becomes a header of the AMI.
fn is_name(name: &str) -> bool {
    (1..=MAX_CONFERENCE).contains(&name.len()) && !name.contains(char::is_control)
}

fn room(row: &Row<'_>) -> rusqlite::Result<KeptRoom> {
    let room: String = row.get(0)?;
    let text = |index| row.get(index).map(|text: Option<String>| text.map(Into::into));
    Ok(KeptRoom {
        room: room.into(),
        locked_by: text(1)?,
        muted_by: text(2)?,
        ended: time(row, 3)?,
    })
}

/// Writes the changes in one transaction.
pub(super) fn write(connection: &mut Connection, batch: &Batch) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    if batch.is_all {
        transaction.execute("DELETE FROM rooms", [])?;
    }
    {
        let mut removal = transaction.prepare("DELETE FROM rooms WHERE room = ?1")?;
        // A new row replaces one of another spelling, too.
        let sql = "INSERT OR REPLACE INTO rooms (room, locked_by, muted_by, ended) VALUES (?1, ?2, ?3, ?4)";
        let mut insertion = transaction.prepare(sql)?;
        for KeptRoom { room, locked_by, muted_by, ended } in &batch.rooms {
            if locked_by.is_none() && muted_by.is_none() {
                removal.execute([&**room])?;
                continue;
            }
            insertion.execute(params![
                &**room,
                locked_by.as_deref(),
                muted_by.as_deref(),
                ended.map(millis)
            ])?;
        }
    }
    transaction.commit()
}

/// The names of all rooms.
pub(super) fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT room FROM rooms")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}
