//! Says when requests are to leave, to the fraction of a millisecond that tokio's clock leaves out.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::sync::mpsc;

use super::schedule::Schedule;

/// Requests that are to leave within this time leave together: above 2000 a second it would cost
/// more to wake for each than to send it. What they are late by counts.
const BATCH_WINDOW: Duration = Duration::from_micros(500);

/// A thread that sleeps from one request to the next. Ends when dropped.
pub struct Pacer {
    ticks: mpsc::Receiver<()>,
    _stop: Sender<()>,
}

impl Pacer {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// There is no thread to be had.
    pub fn start(schedule: Schedule, began: Instant) -> io::Result<Self> {
        // One tick that waits says as much as many.
        let ((tick, ticks), (stop, stopped)) = (mpsc::channel(1), channel());
        let _: thread::JoinHandle<()> = Builder::new()
            .name("pacer".to_owned())
            .spawn(move || pace(schedule, began, &tick, &stopped))?;
        Ok(Self { ticks, _stop: stop })
    }

    /// Returns when a request is to leave. After the last one it never does.
    pub async fn tick(&mut self) {
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
