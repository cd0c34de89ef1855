//! Those who write the log down: to stdout, and to a file.
//!
//! Each runs on a thread of its own and reads the ring like everybody else, so that a full disk or
//! a terminal that is held up stops nobody but itself, and finds a gap named when it goes on.

mod erase;
mod file;
mod open_calls;
mod past;
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
pub use past::Past;
pub use stdout::StdoutSink;

use super::{BATCH, Reader};
use crate::call::Number;
use crate::record::Entry;

/// Something that entries are written to.
pub trait Sink: Send + 'static {
    /// Writes the entries, or gives up writing for good. There can be none.
    fn write(&mut self, batch: &[Entry]) -> io::Result<()>;

    /// Erases what it has written of this number.
    fn erase(&mut self, number: Number) -> Erased;

    /// How often the sink gets an empty batch while there is nothing to write, so that it can do
    /// what time asks for.
    fn look_every(&self) -> Duration {
        IDLE
    }
}

/// What a sink's thread has to do.
enum Job {
    Write(Vec<Entry>),
    Erase(Number, oneshot::Sender<Erased>),
}

/// A sink under way.
pub struct Writer {
    /// Ends with the log.
    pub thread: JoinHandle<()>,
    jobs: mpsc::WeakSender<Job>,
}

impl Writer {
    /// The way to have numbers erased.
    pub fn eraser(&self) -> Eraser {
        Eraser(self.jobs.clone())
    }

    /// The way to have the sink look after its file.
    pub fn nudge(&self) -> Nudge {
        Nudge(self.jobs.clone())
    }
}

/// Has a sink erase numbers.
#[derive(Clone)]
pub struct Eraser(mpsc::WeakSender<Job>);

impl Eraser {
    /// Erases what the sink has written of this number, after all that it was given so far.
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

/// Has a sink look whether its file is still where it has to be.
pub struct Nudge(mpsc::WeakSender<Job>);

impl Nudge {
    /// Does so as soon as the sink is free. One that has something to write looks anyway.
    pub fn look(&self) {
        if let Some(jobs) = self.0.upgrade() {
            let _ = jobs.try_send(Job::Write(Vec::new()));
        }
    }
}

/// How often a sink without a file gets an empty batch: hardly ever, so that an idle daemon does
/// not wake.
const IDLE: Duration = Duration::from_secs(600);

/// How long a record waits for company, so that a burst is written at once and not line by line,
/// and waking the thread that writes does not compete with the call it is about.
const COMPANY: Duration = Duration::from_millis(5);

/// Pause between attempts to write to a disk that is full or broken.
const RETRY: Duration = Duration::from_secs(1);

/// Waits before another attempt to write to a disk that is full or broken.
pub fn pause() {
    #[allow(clippy::disallowed_methods, reason = "a sink's thread has nothing else to do")]
    std::thread::sleep(RETRY);
}

/// Lets `sink` write whatever `reader` reads, on a thread of this name, until the log is closed.
///
/// # Errors
///
/// The thread cannot be started.
pub fn spawn(name: &str, reader: Reader, mut sink: impl Sink) -> io::Result<Writer> {
    // One batch under way and one that waits: all else stays in the ring.
    let (jobs, mut to_do) = mpsc::channel(1);
    let weak = jobs.downgrade();
    tokio::spawn(feed(reader, jobs, sink.look_every()));
    let thread = Builder::new().name(name.to_owned()).spawn(move || {
        while let Some(job) = to_do.blocking_recv() {
            match job {
                Job::Write(batch) => {
                    if sink.write(&batch).is_err() {
                        return;
                    }
                }
                // Who no longer waits for it has it done all the same.
                Job::Erase(number, reply) => _ = reply.send(sink.erase(number)),
            }
        }
    })?;
    // Only what feeds it keeps it going.
    Ok(Writer { thread, jobs: weak })
}

/// Hands on what is read, as long as it is taken.
async fn feed(mut reader: Reader, jobs: mpsc::Sender<Job>, look_every: Duration) {
    loop {
        let is_idle = timeout(look_every, reader.wait()).await.is_err();
        if !is_idle {
            sleep(COMPANY).await;
        }
        loop {
            // Read no earlier than it can be written: whatever a sink misses, it misses in the
            // ring, as a gap.
            let Ok(place) = jobs.reserve().await else { return };
            let (batch, closed) = reader.try_batch();
            // To wait for the next place with nothing to put there would have the sink's thread
            // wake this one.
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
