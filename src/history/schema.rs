//! The database's tables, and how they come to be in files of any age.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, ffi};

/// What makes a file of version N one of version N + 1, where N is its place here. None of them changes once it was
/// released: whoever wants other tables adds one.
///
/// A call's id tells when it was asked for, so that the order of ids is that of time, and no other is needed. Times are
/// milliseconds since 1970, durations milliseconds.
const MIGRATIONS: &[&str] = &["
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
"];

/// How long it is waited for another connection that writes.
const BUSY: Duration = Duration::from_secs(5);

/// Opens the database to write, makes it if there is none, and brings its tables up to date.
///
/// # Errors
///
/// It cannot be opened, is no database, or one of a version that is not known yet.
pub fn open_to_write(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // Space that is freed can be given back to the disk. It has to be said before there is a table.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    // Who reads holds up nobody who writes. What a power cut takes is the last moment, and nothing is torn.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
    // What is deleted is overwritten.
    connection.pragma_update(None, "secure_delete", "ON")?;
    migrate(&mut connection)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let migration = connection.transaction()?;
    let version: usize = migration.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let Some(missing) = MIGRATIONS.get(version..) else {
        let text = format!("the history is of version {version}; this originatord knows {}", MIGRATIONS.len());
        let error = ffi::Error { code: ErrorCode::SchemaChanged, extended_code: ffi::SQLITE_SCHEMA };
        return Err(rusqlite::Error::SqliteFailure(error, Some(text)));
    };
    for sql in missing {
        migration.execute_batch(sql)?;
    }
    migration.pragma_update(None, "user_version", MIGRATIONS.len())?;
    migration.commit()
}
