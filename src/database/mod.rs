//! SQLite databases of the daemon: how they are opened for writing, upgraded and cleaned.
//!
//! Another program may move, replace or overwrite a database while the daemon has it open;
//! [`OpenDatabase`] notices that.

mod open_database;
mod schema;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, Row, ffi};

use crate::files;
use crate::journal::sink::Erased;
use originatord_core::call::Number;

pub(crate) use open_database::{Change, OpenDatabase};
pub(crate) use schema::{Durability, Schema, cannot_open};

/// Suffixes of the files that SQLite creates beside a database.
pub(crate) const SQLITE_SUFFIXES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Writes the whole file anew, so that nothing of deleted rows is left in it or beside it. SQLite
/// overwrites deleted rows, but not older copies of them that it has moved.
///
/// # Errors
///
/// Another connection reads the database, or the disk fails.
pub(crate) fn remove_remains(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    connection.execute_batch("VACUUM")?;
    // Empties the write-ahead log.
    let is_busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        let busy = ffi::Error { code: ErrorCode::DatabaseBusy, extended_code: ffi::SQLITE_BUSY };
        let text = format!("the {name} is being read; try again");
        return Err(rusqlite::Error::SqliteFailure(busy, Some(text)));
    }
    Ok(())
}

/// Names copies of the database at `path` that hold the number, or may.
pub(crate) fn note_copies(erased: &mut Erased, path: &Path, number: Number) {
    let path = files::resolved(path);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_ours = |other: &str| {
        other
            .strip_prefix(&*name)
            .is_some_and(|rest| rest.is_empty() || SQLITE_SUFFIXES.contains(&rest))
    };
    erased.note_copies(&path, number, is_ours);
}

/// Whether the error says that the file is no database, or no longer one.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// A time as databases have it: milliseconds since 1970.
pub(crate) fn millis(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}

/// The time in a column that has [`millis`].
pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<SystemTime>> {
    Ok(duration(row, column)?.map(|since| UNIX_EPOCH + since))
}

/// The duration in a column that has milliseconds.
pub(crate) fn duration(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Duration>> {
    Ok(row.get::<_, Option<u64>>(column)?.map(Duration::from_millis))
}
