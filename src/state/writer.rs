//! The thread that writes the state.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::erase::{erase, erase_in};
use super::schema::SCHEMA;
use super::{Erasure, Progress, Shared, Tasks, rooms};
use crate::database::{self, Change, OpenDatabase};
use crate::journal::Journal;
use crate::journal::sink::Erased;
use crate::metrics::WriterKind;
use originatord_core::call::Number;
use originatord_core::room::KeptRoom;

/// How often an idle writer checks whether another program has changed its file, and how often it
/// tries again to write to a disk that is full or broken.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Writes the state into the database.
pub(super) struct Writer {
    path: PathBuf,
    shared: Arc<Shared>,
    /// Its metrics show whether the database can be written.
    journal: Journal,
    opened: Option<OpenDatabase>,
    /// Whether the contents in memory include those of the file. If the file could not be read yet,
    /// the writer changes only those rooms that have changed since.
    is_read: bool,
}

impl Writer {
    pub(super) fn new(path: PathBuf, shared: Arc<Shared>, journal: Journal) -> Self {
        Self { path, shared, journal, opened: None, is_read: false }
    }

    /// The rooms that earlier runs have kept. Begins without them if the file cannot be read.
    pub(super) fn read(&mut self) -> Vec<KeptRoom> {
        let read = OpenDatabase::open(&SCHEMA, &self.path)
            .and_then(|opened| Ok((rooms::read(&opened.connection)?, opened)));
        match read {
            Ok((rooms, opened)) => {
                self.opened = Some(opened);
                self.is_read = true;
                self.journal.metrics().writer(WriterKind::State, true);
                rooms
            }
            Err(error) => {
                self.fail(&error);
                Vec::new()
            }
        }
    }

    /// Writes changes as they come, until the state is closed.
    pub(super) fn run(mut self) {
        loop {
            let (erasures, is_last) = self.wait();
            if let Err(error) = self.write() {
                self.fail(&error);
            }
            for (number, reply) in erasures {
                // The caller may have stopped waiting; the number is erased all the same.
                let _ = reply.send(self.erase(number));
            }
            if is_last {
                return self.close(Change::Gone);
            }
        }
    }

    /// Waits for a task, or until it is time to check the file. Returns the erasures, and whether
    /// these tasks are the last.
    fn wait(&self) -> (Vec<Erasure>, bool) {
        // A disk that is broken is not tried again for each change.
        let is_broken = self.shared.progress.borrow().error.is_some();
        let is_due = |tasks: &Tasks| match is_broken {
            true => !tasks.erasures.is_empty() || tasks.check || tasks.close,
            false => tasks.is_any(),
        };
        let tasks = self.shared.tasks();
        let waited =
            self.shared.added.wait_timeout_while(tasks, CHECK_INTERVAL, |tasks| !is_due(tasks));
        let (mut tasks, _) = waited.unwrap_or_else(PoisonError::into_inner);
        tasks.check = false;
        (std::mem::take(&mut tasks.erasures), tasks.close)
    }

    fn write(&mut self) -> rusqlite::Result<()> {
        self.notice_change();
        let opened = match &mut self.opened {
            Some(opened) => opened,
            None => self.opened.insert(OpenDatabase::open(&SCHEMA, &self.path)?),
        };
        let batch = self.shared.tasks().contents.batch();
        let mut written = None;
        if let Some(batch) = batch {
            rooms::write(&mut opened.connection, &batch)?;
            self.shared.tasks().contents.set_written(batch.version);
            written = Some(batch.version);
        }
        self.succeed(written);
        Ok(())
    }

    /// Checks whether the path still leads to the open database, and closes it if not.
    fn notice_change(&mut self) {
        let Some(change) = self.opened.as_mut().and_then(|opened| opened.change(&self.path)) else {
            return;
        };
        tracing::warn!(path = %self.path.display(), "the state's file {change}; the state is written to the file at the configured path");
        self.close(change);
        self.shared.tasks().contents.set_all_changed();
    }

    fn close(&mut self, change: Change) {
        if let Some(opened) = self.opened.take() {
            opened.close(change, &self.path);
        }
    }

    fn succeed(&mut self, written: Option<u64>) {
        let was_broken = self.shared.progress.borrow().error.is_some();
        if was_broken {
            tracing::info!(path = %self.path.display(), "the state can be written again");
            self.journal.metrics().writer(WriterKind::State, true);
        }
        if was_broken || written.is_some() {
            self.shared.progress.send_modify(|Progress { written: known, error }| {
                *known = written.unwrap_or(*known);
                *error = None;
            });
        }
    }

    fn fail(&mut self, error: &rusqlite::Error) {
        if self.shared.progress.borrow().error.is_none() {
            tracing::error!(path = %self.path.display(), %error, "the state cannot be written: locks and mutes of rooms end with the daemon");
            self.journal.metrics().writer(WriterKind::State, false);
        }
        let text = format!("the state cannot be written: {error}").into();
        self.shared.progress.send_modify(|progress| progress.error = Some(text));
        // Another file may be at the path when it is opened again.
        if self.opened.is_some() && self.is_read {
            self.shared.tasks().contents.set_all_changed();
        }
        self.close(if database::is_damage(error) { Change::Damaged } else { Change::Gone });
    }

    fn erase(&self, number: Number) -> Erased {
        let path: &Path = &self.path;
        match &self.opened {
            Some(opened) => erase_in(&opened.connection, path, number),
            None => erase(path, number),
        }
    }
}
