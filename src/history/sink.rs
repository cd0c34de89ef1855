//! Stores each call that ends and the story of each conference, and deletes those that are too old or
//! take too much space.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;

use super::age::{AgeClock, delete_before};
use super::conferences::{self, Step, Tracker};
use super::erase::erase;
use super::excess::delete_excess;
use super::schema::SCHEMA;
use super::{History, rows};
use crate::database::{self, Change, OpenDatabase};
use crate::journal::Journal;
use crate::journal::sink::{Erased, OpenCalls, OpenRooms, Sink, pause};
use crate::metrics::WriterKind;
use originatord_core::call::outcome::End;
use originatord_core::call::{CallInfo, Number};
use originatord_core::record::{Entry, Event};

/// How often the sink deletes calls that are too old.
const CLEAN_UP_EVERY: Duration = Duration::from_secs(600);

/// How often an idle sink checks whether another program has changed its file.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Writes ended calls and conferences into the database.
pub(crate) struct HistorySink {
    history: History,
    /// The journal, whose metrics show whether the database can be written.
    pub(super) journal: Journal,
    pub(super) opened: Option<OpenDatabase>,
    /// The conferences that are open now.
    tracker: Tracker,
    /// When this run began; none once the ends that earlier runs lost are stored.
    started: Option<SystemTime>,
    /// The time of the journal's last record before this run.
    last_record: Option<SystemTime>,
    /// The history's clock; `None` until it is read from the database.
    clock: Option<AgeClock>,
    pub(super) cleaned_up: Option<Instant>,
}

impl HistorySink {
    /// A sink for this history, whose file need not exist or be writable yet. `last_record` is the
    /// time of the journal's last record before this run.
    pub(crate) fn new(history: History, journal: Journal, last_record: Option<SystemTime>) -> Self {
        journal.metrics().writer(WriterKind::History, true);
        Self {
            history,
            journal,
            opened: None,
            tracker: Tracker::default(),
            started: Some(SystemTime::now()),
            last_record,
            clock: None,
            cleaned_up: None,
        }
    }

    /// Continues the calls and conferences that earlier runs left open.
    pub(crate) fn continuing(self, calls: OpenCalls, rooms: OpenRooms) -> Self {
        let (calls, rooms) =
            if self.journal.masks() { (calls.masked(), rooms.masked()) } else { (calls, rooms) };
        Self { tracker: Tracker::new(calls, rooms), ..self }
    }

    /// Opens the database, if it is not open or was replaced.
    fn open(&mut self) -> rusqlite::Result<()> {
        self.notice_change();
        if self.opened.is_none() {
            let settings = &self.history.shared.settings;
            let mut opened = OpenDatabase::open(&SCHEMA, &settings.file)?;
            adopt(&mut opened.connection, &self.tracker, self.started)?;
            self.started = None;
            self.opened = Some(opened);
        }
        Ok(())
    }

    fn append(&mut self, batch: &[Entry], steps: &[Step]) -> rusqlite::Result<()> {
        let settings = &self.history.shared.settings;
        let Some(opened) = &mut self.opened else { return Ok(()) };
        let ended: Vec<_> = batch.iter().filter_map(ended).collect();
        if !ended.is_empty() || !steps.is_empty() {
            insert(&mut opened.connection, ended, steps)?;
            delete_excess(&opened.connection, settings.max_size)?;
        }
        let ran = self.cleaned_up.map(|last| last.elapsed());
        if ran.is_none_or(|ran| ran >= CLEAN_UP_EVERY) {
            self.clean_up(SystemTime::now(), ran.unwrap_or_default())?;
            self.cleaned_up = Some(Instant::now());
        }
        Ok(())
    }

    /// Checks whether the path still leads to the open database, and closes it if not.
    fn notice_change(&mut self) {
        let path = &self.history.shared.settings.file;
        let Some(change) = self.opened.as_mut().and_then(|opened| opened.change(path)) else {
            return;
        };
        tracing::warn!(path = %path.display(), "the history's file {change}; calls that end from now on are stored in the file at the configured path");
        self.close(change);
    }

    fn close(&mut self, change: Change) {
        if let Some(opened) = self.opened.take() {
            opened.close(change, &self.history.shared.settings.file);
        }
    }

    /// Deletes calls and conferences that are older than `keep`. `ran` is the time since the last clean-up.
    pub(super) fn clean_up(&mut self, now: SystemTime, ran: Duration) -> rusqlite::Result<()> {
        let Some(OpenDatabase { connection, .. }) = &self.opened else { return Ok(()) };
        let is_first = self.clock.is_none();
        let mut clock = match self.clock {
            Some(clock) => clock,
            None => AgeClock::open(connection, self.last_record, now)?,
        };
        let keep = self.history.shared.settings.keep;
        let oldest = clock.advance(now, ran).checked_sub(keep).unwrap_or(SystemTime::UNIX_EPOCH);
        clock.store(connection)?;
        self.clock = Some(clock);
        if let Some(lag) = clock.lag(now).filter(|_| is_first) {
            let lag = humantime::format_duration(Duration::from_secs(lag.as_secs())).to_string();
            tracing::warn!(%lag, "the clock is far ahead of the newest stored time; until it has caught up, the age of stored calls advances by a day per hour");
        }
        let deleted = delete_before(connection, oldest)?;
        if deleted.count > 0 {
            let (count, more) = (deleted.count, deleted.is_partial);
            tracing::info!(
                count,
                more,
                "calls and conferences that are older than history.keep were deleted"
            );
        }
        Ok(())
    }
}

impl Sink for HistorySink {
    fn check_interval(&self) -> Duration {
        CHECK_INTERVAL
    }

    fn erase(&mut self, number: Number) -> Erased {
        self.tracker.erase(number);
        erase(&self.history.shared.settings.file, number)
    }

    /// Repeats until the batch is stored. Later records wait in the ring meanwhile, or become a gap.
    fn write(&mut self, batch: &[Entry]) -> io::Result<()> {
        // A new database gets the open conferences as they were before this batch.
        let mut opened = self.open();
        let steps = self.tracker.steps(batch);
        while let Err(error) = opened.and_then(|()| self.append(batch, &steps)) {
            if self.history.state().is_ok() {
                tracing::error!(%error, "the history cannot be written");
                self.journal.metrics().writer(WriterKind::History, false);
            }
            self.history
                .set_write_error(Some(format!("the history cannot be written: {error}").into()));
            self.close(if database::is_damage(&error) { Change::Damaged } else { Change::Gone });
            if batch.is_empty() {
                return Ok(());
            }
            pause();
            opened = self.open();
        }
        if self.history.state().is_err() {
            tracing::info!("the history can be written again");
            self.history.set_write_error(None);
            self.journal.metrics().writer(WriterKind::History, true);
        }
        Ok(())
    }
}

/// The ended call, if the entry is a `call.ended` record.
fn ended(entry: &Entry) -> Option<(&CallInfo, &End)> {
    let Entry::Record(record) = entry else { return None };
    match (&record.event, &record.call) {
        (Event::CallEnded(end), Some(call)) => Some((call, end)),
        _ => None,
    }
}

/// Makes sure that the database has all open conferences, and no others. `started` is when this run
/// began, if no database was opened since.
fn adopt(
    connection: &mut Connection,
    tracker: &Tracker,
    started: Option<SystemTime>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    if let Some(started) = started {
        conferences::close_lost(&transaction, tracker.earlier(), started)?;
    }
    for step in tracker.adoption() {
        conferences::apply(&transaction, &step)?;
    }
    transaction.commit()
}

fn insert(
    connection: &mut Connection,
    ended: Vec<(&CallInfo, &End)>,
    steps: &[Step],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut insertion = rows::insertion(&transaction)?;
    for (call, end) in ended {
        rows::insert(&mut insertion, call, end)?;
    }
    drop(insertion);
    for step in steps {
        conferences::apply(&transaction, step)?;
    }
    transaction.commit()
}
