//! The schema of a database, and the upgrade of older files.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, ffi};

use crate::files;

/// The tables of a database, and the guarantees of its file.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The database's name in messages, such as `history`.
    pub(crate) name: &'static str,
    /// Step N upgrades a file of version N to version N + 1. A released step never changes; add
    /// another one instead.
    pub(crate) migrations: &'static [&'static str],
    /// Statements for tables that are created if they are missing, and that earlier builds ignore.
    pub(crate) tables: &'static str,
    /// The transactions that a power cut may take.
    pub(crate) durability: Durability,
    /// Whether a new file can be read by nobody but the daemon's user.
    pub(crate) is_private: bool,
    /// Whether only one daemon may have the file open for writing.
    pub(crate) is_exclusive: bool,
}

/// The transactions of a database that a power cut may take. It never corrupts the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The last transactions.
    Normal,
    /// Nothing that was committed. Each commit waits for the disk.
    Full,
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
        if self.is_private {
            create_private(path).map_err(cannot_open)?;
        }
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        // Lets freed space return to the disk. SQLite wants this setting before the first table.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        // Readers do not block the writer.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let synchronous = match self.durability {
            Durability::Normal => "NORMAL",
            Durability::Full => "FULL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
        // SQLite overwrites deleted content.
        connection.pragma_update(None, "secure_delete", "ON")?;
        self.migrate(&mut connection)?;
        connection.execute_batch(self.tables)?;
        Ok(connection)
    }

    /// Locks the database's file against other daemons, if it is exclusive. Some file systems have no
    /// locks; there nothing keeps two daemons from writing to it.
    pub(super) fn lock(&self, file: &File) -> rusqlite::Result<()> {
        // SQLite's own locks are of another kind, and those do not keep a second writer away.
        if self.is_exclusive && matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            let taken = io::Error::new(io::ErrorKind::ResourceBusy, "another daemon writes to it");
            return Err(cannot_open(taken));
        }
        Ok(())
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

/// Creates an empty file that nobody else can read, if no file is at the path. SQLite gives the files
/// beside it the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    let path = files::resolved(path);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The error for a file that the system does not let us open.
pub(crate) fn cannot_open(error: io::Error) -> rusqlite::Error {
    let code = ffi::Error { code: ErrorCode::CannotOpen, extended_code: ffi::SQLITE_CANTOPEN };
    rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
}
