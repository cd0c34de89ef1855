//! Erases a number from the history.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, ffi, params_from_iter};

use super::schema;
use crate::files;
use crate::journal::sink::{Cleaner, Erased};
use originatord_core::call::Number;

/// Suffixes of the files that SQLite creates beside a database.
pub(crate) const SQLITE_SUFFIXES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Erases all calls to this number from the database at `path`, if it is there, so that nothing of
/// them is left in its files.
pub(crate) fn erase(path: &Path, number: Number) -> Erased {
    let mut erased = erase_rows(path, number).unwrap_or_else(|error| Erased::failure(path, error));
    let path = files::resolved(path);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_ours = |other: &str| {
        other
            .strip_prefix(&*name)
            .is_some_and(|rest| rest.is_empty() || SQLITE_SUFFIXES.contains(&rest))
    };
    erased.note_copies(&path, number, is_ours);
    erased
}

fn erase_rows(path: &Path, number: Number) -> rusqlite::Result<Erased> {
    if files::metadata(path).map_err(schema::cannot_open)?.is_none() {
        return Ok(Erased::default());
    }
    let connection = schema::open_to_write(path)?;
    let forms = number.recorded_forms();
    let places = vec!["?"; forms.len()].join(", ");
    let count = connection.execute(
        &format!("DELETE FROM calls WHERE number IN ({places})"),
        params_from_iter(forms),
    )?;
    // SQLite overwrites deleted rows, but not older copies of them that it has moved. So `VACUUM`
    // writes the whole file anew, and the checkpoint empties the write-ahead log.
    connection.execute_batch("VACUUM")?;
    let is_busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        let busy = ffi::Error { code: ErrorCode::DatabaseBusy, extended_code: ffi::SQLITE_BUSY };
        return Err(rusqlite::Error::SqliteFailure(
            busy,
            Some("the history is being read; try again".to_owned()),
        ));
    }
    let mentions = mentions(&connection, number)?;
    let kept = (mentions > 0).then(|| {
        format!("{}: {mentions} other calls have the number in their texts", path.display())
    });
    Ok(Erased { count, kept: kept.into_iter().collect(), ..Erased::default() })
}

/// How many calls to other numbers have this one in a text.
fn mentions(connection: &Connection, number: Number) -> rusqlite::Result<usize> {
    let cleaner = Cleaner::new(number);
    let texts = "caller_id || ' ' || room || ' ' || coalesce(gateway_reply, '') || ' ' || coalesce(cause_text, '')";
    let sql = format!("SELECT text FROM (SELECT {texts} AS text FROM calls) WHERE instr(text, ?1)");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([number.digits()])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += usize::from(cleaner.is_in(&row.get::<_, String>(0)?));
    }
    Ok(count)
}
