//! Stores ended calls and the story of conferences in an SQLite database, for as long as `[history] keep` says.
//!
//! The writer is a reader of the journal on a thread of its own, so a full or broken disk delays
//! nothing else. Each query has its own connection and thread; the number of queries at once, their
//! duration and the size of an answer are limited.

mod age;
pub(crate) mod conferences;
mod erase;
mod excess;
mod rows;
mod schema;
mod sink;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::{database, files};
use originatord_core::call::CallId;
use originatord_core::call::filter::Filter;
use originatord_core::call::view::CallView;
use originatord_core::room::ConferenceId;

pub(crate) use conferences::{ConferenceDetail, ConferenceFilter, ConferenceView};
pub(crate) use erase::erase;
pub(crate) use sink::HistorySink;

/// How many queries run at once; others wait.
const MAX_QUERIES: usize = 2;

/// How long a query may run, and how long it may wait to start.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// A query checks its deadline once in this many steps of SQLite's virtual machine.
const STEPS: i32 = 10_000;

/// The settings of `[history]`.
#[derive(Debug, Clone)]
pub struct HistorySettings {
    /// Path of the SQLite database.
    pub file: PathBuf,
    /// How long calls are kept.
    pub keep: Duration,
    /// Largest size of the database, in bytes; the oldest calls are deleted to keep it.
    pub max_size: u64,
}

/// The history. Cheap to clone.
#[derive(Clone)]
pub struct History {
    shared: Arc<Shared>,
}

struct Shared {
    settings: HistorySettings,
    queries: Semaphore,
    /// Why the database cannot be written at present.
    write_error: Mutex<Option<Arc<str>>>,
}

/// Why a query fails.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Too many other queries run.
    #[error("too many queries at once")]
    Busy,
    /// The query took longer than `QUERY_TIMEOUT`.
    #[error("the query took too long; a narrower filter is faster")]
    Slow,
    /// The file cannot be read.
    #[error("the history cannot be read: {0}")]
    Broken(rusqlite::Error),
}

impl From<rusqlite::Error> for QueryError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::Slow,
            _ => Self::Broken(error),
        }
    }
}

impl History {
    /// The history in the file of these settings, which need not exist yet.
    pub fn new(settings: HistorySettings) -> Self {
        let shared = Shared {
            settings,
            queries: Semaphore::new(MAX_QUERIES),
            write_error: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Whether ended calls are written; the error says why not.
    pub fn state(&self) -> Result<(), Arc<str>> {
        let write_error = self.shared.write_error.lock().unwrap_or_else(PoisonError::into_inner);
        write_error.clone().map_or(Ok(()), Err)
    }

    fn set_write_error(&self, write_error: Option<Arc<str>>) {
        *self.shared.write_error.lock().unwrap_or_else(PoisonError::into_inner) = write_error;
    }

    /// The newest `limit` calls that match the filter, newest first.
    ///
    /// # Errors
    ///
    /// There is no answer in time, or the file cannot be read.
    pub async fn page(&self, filter: Filter, limit: usize) -> Result<Vec<CallView>, QueryError> {
        self.ask(move |connection| rows::page(connection, &filter, limit)).await
    }

    /// One call.
    ///
    /// # Errors
    ///
    /// There is no answer in time, or the file cannot be read.
    pub async fn find(&self, id: CallId) -> Result<Option<CallView>, QueryError> {
        self.ask(move |connection| rows::find(connection, id)).await
    }

    /// The newest `limit` conferences that match the filter and whose rooms are visible, newest first.
    ///
    /// # Errors
    ///
    /// There is no answer in time, or the file cannot be read.
    pub(crate) async fn conferences(
        &self,
        filter: ConferenceFilter,
        limit: usize,
        is_visible: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<Vec<ConferenceView>, QueryError> {
        self.ask(move |connection| conferences::page(connection, &filter, limit, is_visible)).await
    }

    /// The story of one conference.
    ///
    /// # Errors
    ///
    /// There is no answer in time, or the file cannot be read.
    pub(crate) async fn conference(
        &self,
        id: ConferenceId,
    ) -> Result<Option<ConferenceDetail>, QueryError> {
        self.ask(move |connection| conferences::find(connection, id)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueryError> {
        let turn = timeout(QUERY_TIMEOUT, self.shared.queries.acquire());
        // The semaphore is never closed.
        let _turn = turn.await.map_err(|_| QueryError::Busy)?.map_err(|_| QueryError::Busy)?;
        let path = self.shared.settings.file.clone();
        let answer = tokio::task::spawn_blocking(move || query(&open_to_read(&path)?));
        // The thread is never cancelled.
        Ok(answer.await.map_err(|_| QueryError::Busy)??)
    }
}

/// A read-only connection whose statements fail after `QUERY_TIMEOUT`.
fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    files::require_regular(path).map_err(database::cannot_open)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(QUERY_TIMEOUT)?;
    let deadline = Instant::now() + QUERY_TIMEOUT;
    connection.progress_handler(STEPS, Some(move || Instant::now() >= deadline))?;
    Ok(connection)
}
