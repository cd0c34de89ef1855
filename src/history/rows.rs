//! A call as a row of the table, and back.

use std::sync::Arc;

use rusqlite::types::{Type, Value};
use rusqlite::{Connection, OptionalExtension, Row, Statement, params, params_from_iter};

use crate::database::{duration, millis, time};
use originatord_core::call::filter::Filter;
use originatord_core::call::machine::{State, Timestamps};
use originatord_core::call::outcome::{Cause, End, Outcome};
use originatord_core::call::view::CallView;
use originatord_core::call::{CallId, CallInfo, Number, Room};

/// The columns, in the order in which they are read.
pub(super) const COLUMNS: &str = "id, number, room, caller_id, lang, key, queued, ringing, answered, joined, \"left\", ended, outcome, \
                       cause, cause_text, gateway_reply, ring, talk, hung_up_by, ended_after, ended_before";

/// The statement for [`insert`].
pub(super) fn insertion(connection: &Connection) -> rusqlite::Result<Statement<'_>> {
    let places = ["?"; 21].join(", ");
    // The sink repeats a batch that failed, so some of its calls may be in the table already.
    connection.prepare(&format!("INSERT OR IGNORE INTO calls ({COLUMNS}) VALUES ({places})"))
}

/// Inserts an ended call.
pub(super) fn insert(
    insertion: &mut Statement<'_>,
    call: &CallInfo,
    end: &End,
) -> rusqlite::Result<()> {
    let Timestamps { queued, ringing, answered, joined, left, ended } = end.timestamps;
    let cause = end.cause.as_ref();
    insertion.execute(params![
        call.id.to_string(),
        call.number.to_string(),
        call.room.as_str(),
        call.caller_id.as_str(),
        call.lang.as_str(),
        &*call.key,
        queued.map(millis),
        ringing.map(millis),
        answered.map(millis),
        joined.map(millis),
        left.map(millis),
        ended.map(millis),
        end.outcome.as_str(),
        cause.map(|cause| cause.code),
        cause.map(|cause| &*cause.text),
        end.gateway_reply.as_deref(),
        end.ring.map(|ring| ring.as_millis() as i64),
        end.talk.map(|talk| talk.as_millis() as i64),
        end.hung_up_by.as_deref(),
        end.ended_between.map(|(from, _)| millis(from)),
        end.ended_between.map(|(_, to)| millis(to)),
    ])?;
    Ok(())
}

/// The newest `limit` calls that match the filter, newest first.
pub(super) fn page(
    connection: &Connection,
    filter: &Filter,
    limit: usize,
) -> rusqlite::Result<Vec<CallView>> {
    let (from, until) = filter.id_range();
    let conditions: [(&str, Option<String>); 5] = [
        ("id >= ?", from.map(|id| id.to_string())),
        ("id < ?", until.map(|id| id.to_string())),
        ("room = ? COLLATE NOCASE", filter.room.as_ref().map(|room| room.to_string())),
        ("outcome = ?", filter.outcome.map(|outcome| outcome.as_str().to_owned())),
        ("key = ?", filter.key.as_ref().map(|key| key.to_string())),
    ];
    let given = conditions
        .into_iter()
        .filter_map(|(condition, value)| Some((condition, Value::Text(value?))));
    let number_is;
    let (mut conditions, mut values): (Vec<_>, Vec<_>) = given.unzip();
    if let Some(number) = filter.number {
        let forms = number.recorded_forms();
        number_is = format!("number IN ({})", vec!["?"; forms.len()].join(", "));
        conditions.push(&number_is);
        values.extend(forms.into_iter().map(Value::Text));
    }
    let conditions: String =
        conditions.iter().map(|condition| format!(" AND {condition}")).collect();
    // The patterns of a key are not SQL's, so its limit counts below.
    let in_sql = if filter.rooms.is_all() { limit as i64 } else { -1 };
    values.push(Value::Integer(in_sql));
    let mut statement = connection.prepare(&format!(
        "SELECT {COLUMNS} FROM calls WHERE true{conditions} ORDER BY id DESC LIMIT ?"
    ))?;
    let rows = statement.query_map(params_from_iter(values), view)?;
    let is_shown = |view: &rusqlite::Result<CallView>| {
        view.as_ref().map_or(true, |view| filter.rooms.contains(view.info.room.as_str()))
    };
    rows.filter(is_shown).take(limit).collect()
}

/// One call.
pub(super) fn find(connection: &Connection, id: CallId) -> rusqlite::Result<Option<CallView>> {
    let sql = format!("SELECT {COLUMNS} FROM calls WHERE id = ?");
    connection.query_row(&sql, [id.to_string()], view).optional()
}

/// A row as the API shows it.
pub(super) fn view(row: &Row<'_>) -> rusqlite::Result<CallView> {
    let id: CallId = parsed(row, 0)?;
    let key: String = row.get(5)?;
    let info = CallInfo {
        id,
        number: parsed_by(row, 1, Number::from_record)?,
        room: parsed_by(row, 2, Room::from_record)?,
        caller_id: parsed(row, 3)?,
        lang: parsed(row, 4)?,
        key: key.into(),
    };
    let timestamps = Timestamps {
        queued: time(row, 6)?,
        ringing: time(row, 7)?,
        answered: time(row, 8)?,
        joined: time(row, 9)?,
        left: time(row, 10)?,
        ended: time(row, 11)?,
    };
    let outcome: String = row.get(12)?;
    let cause = match (row.get(13)?, row.get::<_, Option<Box<str>>>(14)?) {
        (Some(code), Some(text)) => Some(Cause { code, text }),
        _ => None,
    };
    let hung_up_by: Option<String> = row.get(18)?;
    // A later version may have written an outcome that this one does not know.
    let outcome = outcome.parse().unwrap_or(Outcome::Unknown);
    let was_reached =
        [timestamps.answered, timestamps.joined, timestamps.left].iter().any(Option::is_some);
    let ended_between = time(row, 19)?.zip(time(row, 20)?);
    let end_seen = ended_between.is_none();
    let end = End {
        outcome,
        answered: was_reached || matches!(outcome, Outcome::Completed | Outcome::NotJoined),
        cause,
        gateway_reply: row.get(15)?,
        // If the end was not observed, an earlier build stored the longest possible durations.
        ring: duration(row, 16)?.filter(|_| end_seen || timestamps.answered.is_some()),
        talk: duration(row, 17)?.filter(|_| end_seen),
        hung_up_by: hung_up_by.map(Into::into),
        ended_between,
        timestamps,
    };
    let end = Some(Arc::new(end));
    Ok(CallView {
        info: Arc::new(info),
        state: State::Ended,
        stale: false,
        requested: id.time(),
        timestamps,
        end,
    })
}

pub(super) fn parsed<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    parsed_by(row, column, str::parse)
}

fn parsed_by<T, E: std::error::Error + Send + Sync + 'static>(
    row: &Row<'_>,
    column: usize,
    parse: impl Fn(&str) -> Result<T, E>,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    parse(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}
