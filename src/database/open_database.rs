//! The open database, which notices that another program has moved, replaced or overwritten its file.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, ffi};

use super::schema::{Schema, cannot_open};
use crate::files::{self, FileId};

/// The first bytes of every SQLite database.
const MAGIC: [u8; 16] = *b"SQLite format 3\0";

/// A change that another program has made to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing is at the path any longer.
    Gone,
    /// Another file is at the path.
    Replaced,
    /// The file's content was overwritten or truncated.
    Damaged,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Change::Gone => "was moved or deleted",
            Change::Replaced => "was replaced by another",
            Change::Damaged => "was overwritten",
        })
    }
}

/// A database that is open for writing.
pub(crate) struct OpenDatabase {
    pub(crate) connection: Connection,
    /// The same file, to read its first bytes without SQLite. Closing it releases all of SQLite's
    /// locks on the file, so it is closed after the connection: fields are dropped in their order.
    file: File,
    id: FileId,
    /// The write-ahead log that was seen last. SQLite deletes it by its name.
    wal: Option<FileId>,
}

impl OpenDatabase {
    pub(crate) fn open(schema: &Schema, path: &Path) -> rusqlite::Result<Self> {
        // SQLite would open a file that was overwritten, as long as the write-ahead log beside it
        // has the first page.
        let before = check_before_sqlite(path)?;
        if let Some(file) = &before {
            schema.lock(file)?;
        }
        let connection = schema.open_to_write(path)?;
        let file = match before {
            Some(file) => file,
            None => {
                let file = File::open(path).map_err(cannot_open)?;
                schema.lock(&file)?;
                file
            }
        };
        let id = FileId::of(&file.metadata().map_err(cannot_open)?);
        Ok(Self { connection, file, id, wal: wal_of(path) })
    }

    /// Checks whether another program has changed the file. `path` is where it was opened.
    pub(crate) fn change(&mut self, path: &Path) -> Option<Change> {
        match FileId::at(path) {
            Ok(None) => Some(Change::Gone),
            Ok(Some(id)) if id != self.id => Some(Change::Replaced),
            _ if !is_database(&self.file) => Some(Change::Damaged),
            _ => {
                self.wal = wal_of(path).or(self.wal);
                None
            }
        }
    }

    /// Closes the database after `change`. The content of its write-ahead log is moved into a file that
    /// was moved away, but not into one that was overwritten. If another database is at the path, the
    /// log there belongs to that one and stays as it is.
    pub(crate) fn close(self, change: Change, path: &Path) {
        let is_ours = change == Change::Gone || self.wal == wal_of(path);
        if change == Change::Damaged || !is_ours {
            // Fails only if SQLite does not know the setting.
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            return;
        }
        // SQLite does not do this by itself for a moved file. If the log stayed, SQLite would apply it
        // to the new database.
        let emptied = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = emptied {
            tracing::debug!(%error, "the write-ahead log cannot be emptied");
        }
    }
}

/// Opens the file at `path`, and checks that it is a database or empty. Returns `None` if there is no
/// file.
fn check_before_sqlite(path: &Path) -> rusqlite::Result<Option<File>> {
    files::require_regular(path).map_err(cannot_open)?;
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_open(error)),
    };
    let is_empty = file.metadata().map_err(cannot_open)?.len() == 0;
    if is_empty || is_database(&file) {
        return Ok(Some(file));
    }
    let error = ffi::Error { code: ErrorCode::NotADatabase, extended_code: ffi::SQLITE_NOTADB };
    Err(rusqlite::Error::SqliteFailure(error, Some("file is not a database".to_owned())))
}

fn is_database(file: &File) -> bool {
    let mut magic = [0; MAGIC.len()];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == MAGIC
}

/// The write-ahead log of the database at `path`.
fn wal_of(path: &Path) -> Option<FileId> {
    FileId::at(&files::with_suffix(&files::resolved(path), "-wal")).ok().flatten()
}
