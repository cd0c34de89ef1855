//! The daemon's promises, in an SQLite database of their own: the locks and mutes that it keeps
//! for rooms.
//!
//! The engine has all of it in memory; the database only brings it over a restart. A thread writes
//! it, so a full or broken disk delays nothing: the newest state waits in memory until the disk
//! works again.

mod contents;
mod erase;
mod rooms;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use self::contents::Contents;
use self::writer::Writer;
use crate::journal::Journal;
use crate::journal::sink::Erased;
use originatord_core::call::Number;
use originatord_core::room::KeptRoom;

pub(crate) use erase::erase;

/// How long an answer waits until the disk has what it promises.
const WRITTEN_TIMEOUT: Duration = Duration::from_secs(1);

/// The settings of `[state]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSettings {
    /// Path of the SQLite database.
    pub file: PathBuf,
}

/// The way to the state's writer. Cheap to clone.
#[derive(Clone)]
pub struct State {
    /// `None` if no file is configured: the state is in the engine's memory only.
    shared: Option<Arc<Shared>>,
}

/// The data that the handles and the writer share.
struct Shared {
    tasks: Mutex<Tasks>,
    /// Wakes the writer.
    added: Condvar,
    progress: watch::Sender<Progress>,
}

/// A number to erase, and the way back for the result.
type Erasure = (Number, oneshot::Sender<Erased>);

/// The pending work of the writer.
#[derive(Default)]
struct Tasks {
    contents: Contents,
    erasures: Vec<Erasure>,
    /// Check at once whether the file was moved.
    check: bool,
    /// End after the other tasks.
    close: bool,
}

impl Tasks {
    fn is_any(&self) -> bool {
        self.contents.is_changed() || !self.erasures.is_empty() || self.check || self.close
    }
}

/// How far the writer has come.
#[derive(Debug, Default)]
struct Progress {
    /// Version of the contents that is on disk.
    written: u64,
    /// Why the database cannot be written at present.
    error: Option<Arc<str>>,
}

/// The state's writer, and what earlier runs have kept.
pub(crate) struct Started {
    /// The way to the writer.
    pub(crate) state: State,
    /// The rooms for which something is kept.
    pub(crate) rooms: Vec<KeptRoom>,
    /// Ends after [`State::close`]; none without a file.
    pub(crate) thread: Option<JoinHandle<()>>,
}

impl State {
    /// A state that is kept in memory only.
    pub fn in_memory() -> Self {
        Self { shared: None }
    }

    /// Reads the state of earlier runs, and starts the thread that writes it. If the file cannot be
    /// read, it logs the reason and begins without an earlier state.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub(crate) fn start(settings: Option<StateSettings>, journal: Journal) -> io::Result<Started> {
        let Some(settings) = settings else {
            return Ok(Started { state: Self::in_memory(), rooms: Vec::new(), thread: None });
        };
        let shared = Arc::new(Shared {
            tasks: Mutex::default(),
            added: Condvar::new(),
            progress: watch::Sender::default(),
        });
        let mut writer = Writer::new(settings.file, shared.clone(), journal);
        let rooms = writer.read();
        shared.tasks().contents = Contents::new(&rooms);
        let thread = Builder::new().name("state".to_owned()).spawn(move || writer.run())?;
        Ok(Started { state: Self { shared: Some(shared) }, rooms, thread: Some(thread) })
    }

    /// Keeps this for the room from now on; nothing if it is empty. Only the newest state of a room
    /// is written.
    pub fn keep(&self, room: KeptRoom) {
        self.add(|tasks| tasks.contents.keep(room));
    }

    /// Waits until everything that was kept before is on disk. Also returns if the disk is known to
    /// be broken, or after `WRITTEN_TIMEOUT`.
    pub async fn written(&self) {
        let Some(shared) = &self.shared else { return };
        let version = shared.tasks().contents.version();
        let mut progress = shared.progress.subscribe();
        let written =
            progress.wait_for(|progress| progress.written >= version || progress.error.is_some());
        let _ = timeout(WRITTEN_TIMEOUT, written).await;
    }

    /// `off` if the state is in memory only, `ok`, or why it is not written.
    pub fn status(&self) -> Arc<str> {
        match &self.shared {
            None => "off".into(),
            Some(shared) => shared.progress.borrow().error.clone().unwrap_or_else(|| "ok".into()),
        }
    }

    /// Makes the writer check now whether the file is still at its path.
    pub fn check_file(&self) {
        self.add(|tasks| tasks.check = true);
    }

    /// Removes what is left of deleted rows in the file, and says whether a room's name has the
    /// number.
    ///
    /// # Errors
    ///
    /// The writer has ended.
    pub async fn erase(&self, number: Number) -> io::Result<Erased> {
        if self.shared.is_none() {
            return Ok(Erased::default());
        }
        let (reply, answer) = oneshot::channel();
        self.add(|tasks| tasks.erasures.push((number, reply)));
        answer.await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    /// Ends the writer once it has written everything. If the disk is broken it tries once.
    pub fn close(&self) {
        self.add(|tasks| tasks.close = true);
    }

    fn add(&self, task: impl FnOnce(&mut Tasks)) {
        if let Some(shared) = &self.shared {
            task(&mut shared.tasks());
            shared.added.notify_one();
        }
    }
}

impl Shared {
    /// A panic elsewhere ends the process, so a poisoned lock still guards whole data.
    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
