//! Writes down each call that ends, and forgets what is too old or too much.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, params};

use super::erase::erase;
use super::{History, rows, schema};
use crate::call::{CallId, Number};
use crate::journal::sink::{Erased, Sink, pause};
use crate::journal::{Entry, Event, Journal};
use crate::metrics::ReaderKind;

/// How often it is looked for what is too old.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// How many calls are forgotten at once, so that nobody waits long for the disk.
const FORGOTTEN_AT_ONCE: usize = 500;

/// Writes ended calls into the database.
pub struct HistorySink {
    history: History,
    /// Where it is said whether it can be written.
    journal: Journal,
    connection: Option<Connection>,
    forgot: Option<Instant>,
}

impl HistorySink {
    /// Writes into this history; its file need not exist, nor be writable yet.
    pub fn new(history: History, journal: Journal) -> Self {
        journal.metrics().writer(ReaderKind::History, true);
        Self { history, journal, connection: None, forgot: None }
    }

    fn append(&mut self, batch: &[Entry]) -> rusqlite::Result<()> {
        let settings = &self.history.shared.settings;
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(schema::open_to_write(&settings.file)?),
        };
        let ended: Vec<_> = batch.iter().filter_map(ended).collect();
        if !ended.is_empty() {
            let transaction = connection.transaction()?;
            let mut insertion = rows::insertion(&transaction)?;
            for (call, end) in ended {
                rows::insert(&mut insertion, call, end)?;
            }
            drop(insertion);
            transaction.commit()?;
            forget_excess(connection, settings.max_size)?;
        }
        if self.forgot.is_none_or(|forgot| forgot.elapsed() >= FORGET_EVERY) {
            let oldest = SystemTime::now().checked_sub(settings.keep).unwrap_or(SystemTime::UNIX_EPOCH);
            forget_before(connection, oldest)?;
            self.forgot = Some(Instant::now());
        }
        Ok(())
    }
}

impl Sink for HistorySink {
    fn erase(&mut self, number: Number) -> Erased {
        erase(&self.history.shared.settings.file, number)
    }

    /// Tries until it works: what is read late is in the ring still, or is a gap by then.
    fn write(&mut self, batch: &[Entry]) -> io::Result<()> {
        while let Err(error) = self.append(batch) {
            if self.history.state().is_ok() {
                tracing::error!(%error, "the history cannot be written");
                self.journal.metrics().writer(ReaderKind::History, false);
            }
            self.history.set_trouble(Some(format!("the history cannot be written: {error}").into()));
            self.connection = None;
            pause();
        }
        if self.history.state().is_err() {
            tracing::info!("the history can be written again");
            self.history.set_trouble(None);
            self.journal.metrics().writer(ReaderKind::History, true);
        }
        Ok(())
    }
}

/// The call that ends with this entry, if one does.
fn ended(entry: &Entry) -> Option<(&crate::call::CallInfo, &crate::call::outcome::End)> {
    let Entry::Record(record) = entry else { return None };
    match (&record.event, &record.call) {
        (Event::CallEnded(end), Some(call)) => Some((call, end)),
        _ => None,
    }
}

/// Forgets calls that were asked for before `oldest`.
fn forget_before(connection: &Connection, oldest: SystemTime) -> rusqlite::Result<()> {
    let oldest = CallId::new(oldest, 0).to_string();
    let sql = "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE id < ?1 ORDER BY id LIMIT ?2)";
    let mut forgotten = 0;
    loop {
        match connection.execute(sql, params![oldest, FORGOTTEN_AT_ONCE])? {
            0 => break,
            some => forgotten += some,
        }
    }
    if forgotten > 0 { give_back(connection) } else { Ok(()) }
}

/// Forgets the oldest calls until all others fit into `max_size` bytes.
fn forget_excess(connection: &Connection, max_size: u64) -> rusqlite::Result<()> {
    let mut forgotten = 0;
    while used(connection)? > max_size {
        let sql = "DELETE FROM calls WHERE id IN (SELECT id FROM calls ORDER BY id LIMIT ?1)";
        match connection.execute(sql, [FORGOTTEN_AT_ONCE])? {
            0 => break,
            some => forgotten += some,
        }
    }
    if forgotten > 0 { give_back(connection) } else { Ok(()) }
}

/// The bytes that hold something.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let value = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((value("page_count")? - value("freelist_count")?) * value("page_size")?)
}

/// Gives free space back to the disk, a page with each step.
fn give_back(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("PRAGMA incremental_vacuum")?;
    let mut steps = statement.query([])?;
    while steps.next()?.is_some() {}
    Ok(())
}
