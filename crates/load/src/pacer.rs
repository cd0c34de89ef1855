//! Wakes the runner when a request is scheduled. tokio's timers round up to whole milliseconds,
//! which is as long as a request takes; so a thread of its own sleeps more precisely.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::sync::mpsc;

use super::schedule::Schedule;

/// Requests within this time are sent together: above 2000 a second a wake-up for each would cost
/// more than to send it. Their latencies include the delay.
const BATCH_WINDOW: Duration = Duration::from_micros(500);

/// A thread that sleeps from one request to the next. It ends when this is dropped.
pub(crate) struct Pacer {
    ticks: mpsc::Receiver<()>,
    _stop: Sender<()>,
}

impl Pacer {
    /// Starts the thread for a run that began at `began`.
    ///
    /// # Errors
    ///
    /// The operating system cannot start a thread.
    pub(crate) fn start(schedule: Schedule, began: Instant) -> io::Result<Self> {
        // The runner sends all requests that are due, so one waiting tick is enough.
        let ((tick, ticks), (stop, stopped)) = (mpsc::channel(1), channel());
        let _: thread::JoinHandle<()> = Builder::new()
            .name("pacer".to_owned())
            .spawn(move || pace(schedule, began, &tick, &stopped))?;
        Ok(Self { ticks, _stop: stop })
    }

    /// Resolves when a request is due; never again after the last one.
    pub(crate) async fn tick(&mut self) {
        if self.ticks.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

fn pace(schedule: Schedule, began: Instant, tick: &mpsc::Sender<()>, stopped: &Receiver<()>) {
    let (mut n, count) = (0, schedule.count());
    while n < count {
        let wait = (began + schedule.at(n)).saturating_duration_since(Instant::now());
        let wait = if wait.is_zero() { wait } else { wait.max(BATCH_WINDOW) };
        if stopped.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        if let Err(mpsc::error::TrySendError::Closed(())) = tick.try_send(()) {
            return;
        }
        let since = began.elapsed();
        while n < count && schedule.at(n) <= since {
            n += 1;
        }
    }
}
