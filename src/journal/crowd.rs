//! Readers by the thousand take turns, so that nobody else has to wait behind all of them.
//!
//! Each record is news to all readers at once. If all were woken at once, a bot's request would
//! wait at each step until the last of them has been served. So they are woken a few at a time, and
//! what else there is to do comes in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::{Journal, Reader};

/// How many readers are served between two looks at everything else: well under a millisecond's
/// worth.
const AT_ONCE: usize = 8;

/// Longest pause after a crowd was served. What took longer was not the crowd: the machine was
/// asleep, or the process was stopped.
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// Readers of one log.
pub struct Crowd {
    turn: Notify,
    waiting: AtomicUsize,
}

impl Crowd {
    /// Readers of this log, and a task that calls them up until the log is closed.
    pub fn new(journal: &Journal) -> Arc<Self> {
        let crowd = Arc::new(Self { turn: Notify::new(), waiting: AtomicUsize::new(0) });
        tokio::spawn(crowd.clone().call_up(journal.follow()));
        crowd
    }

    /// Waits until there is something to read, or the log is closed, and until it is this reader's
    /// turn.
    pub async fn wait(&self, reader: &Reader) {
        loop {
            // Counted first: whoever is there to be called up has a turn, on however many threads.
            let _counted = Counted::among(&self.waiting);
            let mut turn = std::pin::pin!(self.turn.notified());
            // From here on no turn is missed; so what is not there to read now is news to whoever
            // calls up.
            turn.as_mut().enable();
            if reader.is_due() {
                return;
            }
            turn.await;
        }
    }

    async fn call_up(self: Arc<Self>, mut news: Reader) {
        loop {
            news.wait().await;
            if !news.skip() {
                break;
            }
            let began = Instant::now();
            // Who has been served waits behind those who have not, so this many turns reach all who
            // wait now.
            let waiting = self.waiting.load(Ordering::Relaxed);
            for first in (0..waiting).step_by(AT_ONCE) {
                (first..waiting.min(first + AT_ONCE)).for_each(|_| self.turn.notify_one());
                // Comes back when nothing else is left to do.
                yield_now().await;
            }
            if waiting > AT_ONCE {
                // A crowd gets half of the time at most, and reads what has come meanwhile in one
                // go.
                sleep(began.elapsed().min(MAX_PAUSE)).await;
            }
        }
        self.turn.notify_waiters();
    }
}

/// Counts one who waits, for as long as it lives.
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
    use crate::record::{Entry, Event};

    fn append(journal: &Journal) {
        journal.append([(SystemTime::UNIX_EPOCH, Event::CallRequested, None)]);
    }

    /// Lets all others go on until they wait for something.
    async fn settle() {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_else_there_is_to_do_comes_in_between() {
        let journal = Journal::new(10, 1, 7, false);
        let (crowd, served) = (Crowd::new(&journal), Arc::new(AtomicUsize::new(0)));
        for _ in 0..20 * AT_ONCE {
            let (crowd, served, reader) = (crowd.clone(), served.clone(), journal.follow());
            tokio::spawn(async move {
                crowd.wait(&reader).await;
                served.fetch_add(1, Ordering::Relaxed);
            });
        }
        settle().await;
        append(&journal);
        let mut looks = 0;
        while served.load(Ordering::Relaxed) < 20 * AT_ONCE {
            looks += 1;
            yield_now().await;
        }
        assert!(looks >= 10, "{looks}");
    }

    #[tokio::test]
    async fn all_read_all_even_if_some_leave_while_it_is_their_turn() {
        let journal = Journal::new(1000, 1, 7, false);
        let crowd = Crowd::new(&journal);
        let mut all = Vec::new();
        for index in 0..10 * AT_ONCE {
            let (crowd, mut reader) = (crowd.clone(), journal.follow());
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
                        // Half of them begin to wait anew, again and again.
                        () = other, if index % 2 == 0 => continue,
                        () = crowd.wait(&reader) => {}
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
        settle().await;
        let leaving = all.split_off(9 * AT_ONCE);
        append(&journal);
        leaving.iter().for_each(|reader| reader.abort());
        settle().await;
        journal.close();
        for reader in all {
            assert_eq!(reader.await.expect("it ends"), 51);
        }
    }
}
