//! The database's tables, and the upgrade of older files.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, ffi};

use crate::files;

/// Step N upgrades a file of version N to version N + 1. A released step never changes; add another
/// one instead.
///
/// Searches for a room ignore ASCII case, as ConfBridge does.
///
/// Ids begin with the time of the request, so they sort by time. Times are milliseconds since 1970,
/// durations milliseconds.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE calls (
        id TEXT PRIMARY KEY,
        number TEXT NOT NULL,
        room TEXT NOT NULL,
        caller_id TEXT NOT NULL,
        lang TEXT NOT NULL,
        key TEXT NOT NULL,
        queued INTEGER,
        ringing INTEGER,
        answered INTEGER,
        joined INTEGER,
        \"left\" INTEGER,
        ended INTEGER,
        outcome TEXT NOT NULL,
        cause INTEGER,
        cause_text TEXT,
        gateway_reply TEXT,
        ring INTEGER,
        talk INTEGER,
        hung_up_by TEXT,
        ended_after INTEGER,
        ended_before INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX calls_by_number ON calls (number, id);
    CREATE INDEX calls_by_room ON calls (room, id);
    CREATE INDEX calls_by_outcome ON calls (outcome, id);
    CREATE INDEX calls_by_key ON calls (key, id);
",
    "
    DROP INDEX calls_by_room;
    CREATE INDEX calls_by_room ON calls (room COLLATE NOCASE, id);
",
];

/// The table with the history's clock (`age.rs`), in milliseconds since 1970. It is no migration, so
/// that earlier builds, which ignore the table, can still open the file.
const CLEAN_UP: &str = "
    CREATE TABLE IF NOT EXISTS clean_up (one INTEGER PRIMARY KEY CHECK (one = 1), clock INTEGER NOT NULL) STRICT
";

/// How long a statement waits for another connection's write.
const BUSY: Duration = Duration::from_secs(5);

/// Opens the database for writing, creates it if it is missing, and migrates older tables.
///
/// # Errors
///
/// The file cannot be opened, is no database, or has a later version than this build knows.
pub(super) fn open_to_write(path: &Path) -> rusqlite::Result<Connection> {
    files::require_regular(path).map_err(cannot_open)?;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // Lets freed space return to the disk. SQLite wants this setting before the first table.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    // WAL: readers do not block the writer. A power cut can lose the last transactions but cannot
    // corrupt the file.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
    // SQLite overwrites deleted content.
    connection.pragma_update(None, "secure_delete", "ON")?;
    migrate(&mut connection)?;
    connection.execute_batch(CLEAN_UP)?;
    Ok(connection)
}

/// The error for a file that the system does not let us open.
pub(super) fn cannot_open(error: io::Error) -> rusqlite::Error {
    let code = ffi::Error { code: ErrorCode::CannotOpen, extended_code: ffi::SQLITE_CANTOPEN };
    rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let migration = connection.transaction()?;
    let version: usize = migration.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let Some(missing) = MIGRATIONS.get(version..) else {
        let text = format!(
            "the history has version {version}; this originatord knows up to {}",
            MIGRATIONS.len()
        );
        let error =
            ffi::Error { code: ErrorCode::SchemaChanged, extended_code: ffi::SQLITE_SCHEMA };
        return Err(rusqlite::Error::SqliteFailure(error, Some(text)));
    };
    for sql in missing {
        migration.execute_batch(sql)?;
    }
    migration.pragma_update(None, "user_version", MIGRATIONS.len())?;
    migration.commit()
}
