//! The writers of the journal: to stdout, to a file and to the history.
//!
//! Each sink has a thread of its own and reads the ring as any other reader. So a full disk or a
//! stopped terminal delays only its own sink, which gets a gap if it falls behind.

mod erase;
mod file;
mod open_calls;
mod open_rooms;
mod replay;
mod stdout;
#[cfg(test)]
mod tests;

use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

pub use erase::{Cleaner, Erased, erase_in_files};
pub use file::FileSink;
pub use open_calls::OpenCalls;
pub use open_rooms::OpenRooms;
pub use replay::Replay;
pub use stdout::StdoutSink;

use super::{BATCH, Reader};
use originatord_core::call::Number;
use originatord_core::record::Entry;

/// A destination of entries: stdout, the file or the history.
pub trait Sink: Send + 'static {
    /// Writes the entries; the batch may be empty. An error ends the sink.
    fn write(&mut self, batch: &[Entry]) -> io::Result<()>;

    /// Erases all written entries of this number.
    fn erase(&mut self, number: Number) -> Erased;

    /// How often the sink gets an empty batch while there is nothing to write, for periodic work.
    fn check_interval(&self) -> Duration {
        IDLE
    }
}

/// A task for a sink's thread.
enum Job {
    Write(Vec<Entry>),
    Erase(Number, oneshot::Sender<Erased>),
}

/// A running sink.
pub struct Writer {
    /// Ends with the journal.
    pub thread: JoinHandle<()>,
    jobs: mpsc::WeakSender<Job>,
}

impl Writer {
    /// A handle that erases numbers.
    pub fn eraser(&self) -> Eraser {
        Eraser(self.jobs.clone())
    }

    /// A handle that makes the sink check its file.
    pub fn file_check(&self) -> FileCheck {
        FileCheck(self.jobs.clone())
    }
}

/// Makes a sink erase numbers.
#[derive(Clone)]
pub struct Eraser(mpsc::WeakSender<Job>);

impl Eraser {
    /// Erases all entries of this number, after the sink has written everything that it was given.
    ///
    /// # Errors
    ///
    /// The sink has ended.
    pub async fn erase(&self, number: Number) -> io::Result<Erased> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let (reply, answer) = oneshot::channel();
        self.0
            .upgrade()
            .ok_or_else(gone)?
            .send(Job::Erase(number, reply))
            .await
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

/// Makes a sink check whether its file is still at the configured path.
pub struct FileCheck(mpsc::WeakSender<Job>);

impl FileCheck {
    /// Starts the check as soon as the sink is free. A busy sink checks before each write anyway.
    pub fn start(&self) {
        if let Some(jobs) = self.0.upgrade() {
            let _ = jobs.try_send(Job::Write(Vec::new()));
        }
    }
}

/// How often a sink without a file gets an empty batch: rarely, so that an idle daemon sleeps.
const IDLE: Duration = Duration::from_secs(600);

/// How long a record waits for others, so that a burst is written at once, and so that waking the
/// sink's thread does not compete with the call that the record is about.
const BATCH_DELAY: Duration = Duration::from_millis(5);

/// Pause between attempts to write to a disk that is full or broken.
const RETRY: Duration = Duration::from_secs(1);

/// Blocks the sink's thread before another attempt to write to a disk that is full or broken.
pub fn pause() {
    #[allow(clippy::disallowed_methods, reason = "a sink's thread has nothing else to do")]
    std::thread::sleep(RETRY);
}

/// Starts a thread of this name on which `sink` writes the entries of `reader`, until the journal is
/// closed.
///
/// # Errors
///
/// The thread cannot be started.
pub fn spawn(name: &str, reader: Reader, mut sink: impl Sink) -> io::Result<Writer> {
    // The thread writes one batch and one waits in the channel; all others stay in the ring.
    let (jobs, mut to_do) = mpsc::channel(1);
    let weak = jobs.downgrade();
    tokio::spawn(feed(reader, jobs, sink.check_interval()));
    let thread = Builder::new().name(name.to_owned()).spawn(move || {
        while let Some(job) = to_do.blocking_recv() {
            match job {
                Job::Write(batch) => {
                    if sink.write(&batch).is_err() {
                        return;
                    }
                }
                // The caller may have stopped waiting; the number is erased all the same.
                Job::Erase(number, reply) => _ = reply.send(sink.erase(number)),
            }
        }
    })?;
    // Only `feed` holds a strong sender, so the thread ends with it.
    Ok(Writer { thread, jobs: weak })
}

/// Passes batches from the reader to the sink's thread, until one of them ends.
async fn feed(mut reader: Reader, jobs: mpsc::Sender<Job>, check_interval: Duration) {
    loop {
        let is_idle = timeout(check_interval, reader.wait()).await.is_err();
        if !is_idle {
            sleep(BATCH_DELAY).await;
        }
        loop {
            // Read only when the sink can take a batch. So a slow sink falls behind in the ring and
            // gets a gap.
            let Ok(place) = jobs.reserve().await else { return };
            let (batch, closed) = reader.try_batch();
            // Do not reserve a place for an empty batch: the sink's thread would wake this task for
            // nothing.
            let is_last = batch.len() < BATCH;
            if !batch.is_empty() || is_idle {
                place.send(Job::Write(batch));
            }
            if closed {
                return;
            }
            if is_last {
                break;
            }
        }
    }
}
