//! Wakes thousands of readers in small batches, so that other tasks run in between.
//!
//! A new record concerns every reader at once. The daemon has one thread: if a record woke all
//! event streams together, a bot's request would wait at each of its steps until the last stream
//! is served. So a task wakes [`BATCH`] readers, yields to everything else that is ready, and then
//! wakes the next ones. After a large round it pauses for as long as the round took, so that the
//! readers get at most half of the thread and read several records in one go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::{Journal, Reader};

/// How many readers are woken before other tasks run again. Serving them takes well under a
/// millisecond.
const BATCH: usize = 8;

/// Longest pause after a round. A round that took longer did so for another reason: the machine
/// was suspended, or the process was stopped.
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// The readers of one journal that wait for records.
pub(crate) struct WakeQueue {
    turn: Notify,
    waiting: AtomicUsize,
}

impl WakeQueue {
    /// A queue for readers of this journal, and a task that wakes them until the journal is closed.
    pub(crate) fn new(journal: &Journal) -> Arc<Self> {
        let wake_queue = Arc::new(Self { turn: Notify::new(), waiting: AtomicUsize::new(0) });
        tokio::spawn(wake_queue.clone().wake_in_batches(journal.follow()));
        wake_queue
    }

    /// Waits for this reader's turn, and until it has something to read or the journal is closed.
    pub(crate) async fn wait(&self, reader: &Reader) {
        loop {
            // Count this reader before it registers for a wake-up, so that the waker never wakes too
            // few.
            let _counted = Counted::among(&self.waiting);
            let mut turn = std::pin::pin!(self.turn.notified());
            // From here on this reader misses no wake-up. A record that comes after this check
            // starts another round.
            turn.as_mut().enable();
            if reader.is_due() {
                return;
            }
            turn.await;
        }
    }

    async fn wake_in_batches(self: Arc<Self>, mut reader: Reader) {
        loop {
            reader.wait().await;
            if !reader.skip() {
                break;
            }
            let began = Instant::now();
            // `Notify` wakes in the order of registration, and a reader that was served registers
            // again at the end. So this many wake-ups reach every reader that waits now.
            let waiting = self.waiting.load(Ordering::Relaxed);
            for first in (0..waiting).step_by(BATCH) {
                (first..waiting.min(first + BATCH)).for_each(|_| self.turn.notify_one());
                // Returns once all other ready tasks have run.
                yield_now().await;
            }
            if waiting > BATCH {
                sleep(began.elapsed().min(MAX_PAUSE)).await;
            }
        }
        self.turn.notify_waiters();
    }
}

/// Counts one waiting reader, until it is dropped.
struct Counted<'c>(&'c AtomicUsize);

impl<'c> Counted<'c> {
    fn among(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::journal::JournalOptions;
    use originatord_core::record::{Entry, Event};

    fn append(journal: &Journal) {
        journal.append([(SystemTime::UNIX_EPOCH, Event::CallRequested, None)]);
    }

    /// Lets all other tasks run until they wait.
    async fn run_other_tasks() {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn other_tasks_run_between_batches_of_readers() {
        let journal = Journal::new(JournalOptions { capacity: 10, ..JournalOptions::default() });
        let wake_queue = WakeQueue::new(&journal);
        let served = Arc::new(AtomicUsize::new(0));
        for _ in 0..20 * BATCH {
            let (wake_queue, served, reader) =
                (wake_queue.clone(), served.clone(), journal.follow());
            tokio::spawn(async move {
                wake_queue.wait(&reader).await;
                served.fetch_add(1, Ordering::Relaxed);
            });
        }
        run_other_tasks().await;
        append(&journal);
        let mut polls = 0;
        while served.load(Ordering::Relaxed) < 20 * BATCH {
            polls += 1;
            yield_now().await;
        }
        assert!(polls >= 10, "{polls}");
    }

    #[tokio::test]
    async fn readers_miss_nothing_when_others_leave_mid_turn() {
        let journal = Journal::new(JournalOptions { capacity: 1000, ..JournalOptions::default() });
        let wake_queue = WakeQueue::new(&journal);
        let mut all = Vec::new();
        for index in 0..10 * BATCH {
            let (wake_queue, mut reader) = (wake_queue.clone(), journal.follow());
            all.push(tokio::spawn(async move {
                let mut read = 0;
                loop {
                    let other = async {
                        for _ in 0..=index {
                            yield_now().await;
                        }
                    };
                    tokio::select! {
                        biased;
                        // Half of the readers cancel their wait and begin again.
                        () = other, if index % 2 == 0 => continue,
                        () = wake_queue.wait(&reader) => {}
                    }
                    let batch = reader.next_batch().await;
                    if batch.is_empty() {
                        return read;
                    }
                    read += batch.iter().filter(|entry| matches!(entry, Entry::Record(_))).count();
                }
            }));
        }
        for _ in 0..50 {
            append(&journal);
            yield_now().await;
        }
        run_other_tasks().await;
        let leaving = all.split_off(9 * BATCH);
        append(&journal);
        leaving.iter().for_each(|reader| reader.abort());
        run_other_tasks().await;
        journal.close();
        for reader in all {
            assert_eq!(reader.await.expect("it ends"), 51);
        }
    }
}
