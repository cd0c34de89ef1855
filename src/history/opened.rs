//! The open database, and whether its file is still the one at the configured path.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, ffi};

use super::schema;
use crate::files::{self, FileId};

/// The first bytes of every SQLite database.
const MAGIC: [u8; 16] = *b"SQLite format 3\0";

/// A change that another program has made to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
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

/// A database that is open to write.
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// The same file, to look into it past SQLite. To close it releases all of SQLite's locks on
    /// the file, so it is closed after the connection: fields are dropped in their order.
    file: File,
    id: FileId,
    /// The write-ahead log that was seen last. SQLite deletes it by its name.
    wal: Option<FileId>,
}

impl Opened {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        // SQLite would open a file that was overwritten, as long as the write-ahead log beside it
        // has the first page.
        let before = before_sqlite(path)?;
        let connection = schema::open_to_write(path)?;
        let file = before.map_or_else(|| File::open(path), Ok).map_err(schema::cannot_open)?;
        let id = FileId::of(&file.metadata().map_err(schema::cannot_open)?);
        Ok(Self { connection, file, id, wal: wal_of(path) })
    }

    /// Looks whether somebody has changed the file at `path`, which is this one's.
    pub(super) fn change(&mut self, path: &Path) -> Option<Change> {
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

    /// Closes the database after `change`. The calls in its write-ahead log go into the file that
    /// was moved away, but not into one that was overwritten; the log of a database that has taken
    /// its place is left alone.
    pub(super) fn close(self, change: Change, path: &Path) {
        let is_ours = change == Change::Gone || self.wal == wal_of(path);
        if change == Change::Damaged || !is_ours {
            // Fails only if SQLite does not know the setting.
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            return;
        }
        // SQLite itself does not do so for a file that was moved. A log that stays would be taken
        // for the new database's.
        let emptied = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = emptied {
            tracing::debug!(%error, "the write-ahead log cannot be emptied");
        }
    }
}

/// The file at `path`, which has to be a database or empty; none if nothing is there.
fn before_sqlite(path: &Path) -> rusqlite::Result<Option<File>> {
    files::require_regular(path).map_err(schema::cannot_open)?;
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(schema::cannot_open(error)),
    };
    let is_empty = file.metadata().map_err(schema::cannot_open)?.len() == 0;
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
