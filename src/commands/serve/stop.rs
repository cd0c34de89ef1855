//! Stops the parts of the daemon one after the other, within `http.drain_timeout`.

use std::thread::JoinHandle;
use std::time::SystemTime;

use tokio::task;
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::handle::Handle;
use crate::http::drain::Drain;
use crate::journal::Journal;
use crate::state::State;
use originatord_core::record::Event;

/// The longest time that clients get to finish their requests and receive the responses, once the
/// engine has answered. Bots do not wait longer, and an operator's page that does not read must not
/// delay a restart.
const CLIENT_DRAIN: Duration = Duration::from_secs(2);

/// The longest time that the writers of the journal get for the last records.
const WRITER_DRAIN: Duration = Duration::from_secs(1);

/// How `http.drain_timeout` is divided among the steps of a stop, which follow each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct StopTimes {
    /// For the engine's answers to the requests in progress.
    answers: Duration,
    /// For clients to receive these answers.
    pub(super) clients: Duration,
    /// For the writers of the journal to write the last records.
    writers: Duration,
}

impl StopTimes {
    pub(super) fn within(drain_timeout: Duration) -> Self {
        let clients = CLIENT_DRAIN.min(drain_timeout / 4);
        let writers = WRITER_DRAIN.min(drain_timeout / 4);
        Self { answers: drain_timeout - clients - writers, clients, writers }
    }
}

/// The parts of a running daemon that have to be stopped.
pub(super) struct Running {
    pub(super) handle: Handle,
    pub(super) driver: task::JoinHandle<()>,
    pub(super) server: task::JoinHandle<usize>,
    pub(super) requests: Drain,
    pub(super) journal: Journal,
    pub(super) state: State,
    /// The writers of the journal, the history and the state.
    pub(super) threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Refuses new calls, and waits until the requests in progress are answered. Then closes the
    /// journal, which ends the event streams, and closes the connections. The journal is closed
    /// only after the answers, because an erasure waits for the journal's writers.
    pub(super) async fn stop(mut self, signal: &str, times: StopTimes) {
        let deadline = Instant::now() + times.answers;
        let stopping = Event::DaemonStopping { reason: signal.into() };
        self.journal.append([(SystemTime::now(), stopping, None)]);
        let _ = timeout_at(deadline, self.handle.stop()).await;
        let _ = timeout_at(deadline, &mut self.driver).await;
        let _ = timeout_at(deadline, self.requests.answered()).await;
        self.requests.answer_all();
        self.journal.close();
        self.state.close();
        self.requests.end_connections();
        if let Ok(cut @ 1..) = self.server.await {
            tracing::warn!(cut, "connections were cut at the deadline");
        }
        wait_for(self.threads, times.writers).await;
    }
}

/// Waits until every writer has written its last record, or `time` is up: a pipe that nobody reads
/// can block a writer.
async fn wait_for(threads: Vec<JoinHandle<()>>, time: Duration) {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline && !threads.iter().all(JoinHandle::is_finished) {
        sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_stop_fit_into_drain_timeout() {
        for drain_timeout in [100, 1_000, 4_000, 10_000, 3_600_000].map(Duration::from_millis) {
            let StopTimes { answers, clients, writers } = StopTimes::within(drain_timeout);
            assert_eq!(answers + clients + writers, drain_timeout);
            assert!(answers >= drain_timeout / 2);
            assert!(clients <= CLIENT_DRAIN && writers <= WRITER_DRAIN);
        }
    }
}
