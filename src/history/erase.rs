//! Erases a number from the history.

use std::path::Path;

use rusqlite::{Connection, params_from_iter};

use super::conferences;
use super::schema::SCHEMA;
use crate::journal::sink::{Cleaner, Erased};
use crate::{database, files};
use originatord_core::call::Number;

/// Erases all calls to this number from the database at `path`, if it is there, so that nothing of
/// them is left in its files.
pub(crate) fn erase(path: &Path, number: Number) -> Erased {
    let mut erased = erase_rows(path, number).unwrap_or_else(|error| Erased::failure(path, error));
    database::note_copies(&mut erased, path, number);
    erased
}

fn erase_rows(path: &Path, number: Number) -> rusqlite::Result<Erased> {
    if files::metadata(path).map_err(database::cannot_open)?.is_none() {
        return Ok(Erased::default());
    }
    let mut connection = SCHEMA.open_to_write(path)?;
    let visits = connection.transaction()?;
    let count_of_visits = conferences::erase(&visits, number)?;
    visits.commit()?;
    let forms = number.recorded_forms();
    let places = vec!["?"; forms.len()].join(", ");
    let count = connection.execute(
        &format!("DELETE FROM calls WHERE number IN ({places})"),
        params_from_iter(forms),
    )?;
    database::remove_remains(&connection, SCHEMA.name)?;
    let mentions = mentions(&connection, number)?;
    let in_calls = (mentions > 0).then(|| {
        format!("{}: {mentions} other calls have the number in their texts", path.display())
    });
    let mentions = conferences::mentions(&connection, number)?;
    let in_conferences = (mentions > 0).then(|| {
        format!(
            "{}: {mentions} names of rooms and participants in conferences have the number",
            path.display()
        )
    });
    let kept = in_calls.into_iter().chain(in_conferences).collect();
    Ok(Erased { count: count + count_of_visits, kept, ..Erased::default() })
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
