//! Erases a number from the state.
//!
//! The state has no numbers of its own. A room's name can contain one, and what is kept for that
//! room stays; but nothing of rooms that are no longer kept is left in the file.

use std::path::Path;

use rusqlite::Connection;

use super::rooms;
use super::schema::SCHEMA;
use crate::database::{self, OpenDatabase};
use crate::files;
use crate::journal::sink::{Cleaner, Erased};
use originatord_core::call::Number;

/// Removes what is left of deleted rows in the database at `path`, if it is there, and names copies
/// of it and rooms that have the number in their names.
pub(crate) fn erase(path: &Path, number: Number) -> Erased {
    match files::metadata(path) {
        Ok(None) => return Erased::default(),
        Ok(Some(_)) => {}
        Err(error) => return Erased::failure(path, error),
    }
    match OpenDatabase::open(&SCHEMA, path) {
        Ok(opened) => erase_in(&opened.connection, path, number),
        Err(error) => Erased::failure(path, error),
    }
}

/// As [`erase`], in an open database.
pub(super) fn erase_in(connection: &Connection, path: &Path, number: Number) -> Erased {
    let remains = database::remove_remains(connection, SCHEMA.name);
    let names = remains.and_then(|()| rooms::names(connection));
    let mut erased = match names {
        Ok(names) => note_names(path, number, &names),
        Err(error) => Erased::failure(path, error),
    };
    database::note_copies(&mut erased, path, number);
    erased
}

fn note_names(path: &Path, number: Number, names: &[String]) -> Erased {
    let cleaner = Cleaner::new(number);
    let count = names.iter().filter(|name| cleaner.is_in(name)).count();
    let kept = (count > 0).then(|| {
        format!("{}: {count} locked or muted rooms have the number in their names", path.display())
    });
    Erased { kept: kept.into_iter().collect(), ..Erased::default() }
}
