//! The schema of a database, and the upgrade of older files.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, ffi};

use crate::files;

/// What a database has, and how it is written.
#[derive(Debug)]
pub(crate) struct Schema {
    /// What the database is, for messages: `history`.
    pub(crate) name: &'static str,
    /// Step N upgrades a file of version N to version N + 1. A released step never changes; add
    /// another one instead.
    pub(crate) migrations: &'static [&'static str],
    /// Statements for tables that are created if they are missing, and that earlier builds ignore.
    pub(crate) tables: &'static str,
}

/// How long a statement waits for another connection's write.
const BUSY: Duration = Duration::from_secs(5);

impl Schema {
    /// Opens the database at `path` for writing, creates it if it is missing, and migrates older
    /// tables.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, is no database, or has a later version than this build knows.
    pub(crate) fn open_to_write(&self, path: &Path) -> rusqlite::Result<Connection> {
        files::require_regular(path).map_err(cannot_open)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        // Lets freed space return to the disk. SQLite wants this setting before the first table.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        // WAL: readers do not block the writer. A power cut can lose the last transactions but
        // cannot corrupt the file.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
        // SQLite overwrites deleted content.
        connection.pragma_update(None, "secure_delete", "ON")?;
        self.migrate(&mut connection)?;
        connection.execute_batch(self.tables)?;
        Ok(connection)
    }

    fn migrate(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let migration = connection.transaction()?;
        let version: usize =
            migration.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let known = self.migrations.len();
        let Some(missing) = self.migrations.get(version..) else {
            let name = self.name;
            let text =
                format!("the {name} has version {version}; this originatord knows up to {known}");
            let error =
                ffi::Error { code: ErrorCode::SchemaChanged, extended_code: ffi::SQLITE_SCHEMA };
            return Err(rusqlite::Error::SqliteFailure(error, Some(text)));
        };
        for sql in missing {
            migration.execute_batch(sql)?;
        }
        migration.pragma_update(None, "user_version", known)?;
        migration.commit()
    }
}

/// The error for a file that the system does not let us open.
pub(crate) fn cannot_open(error: io::Error) -> rusqlite::Error {
    let code = ffi::Error { code: ErrorCode::CannotOpen, extended_code: ffi::SQLITE_CANTOPEN };
    rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
}
