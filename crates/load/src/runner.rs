//! Performs the tasks of a run: sends the requests, reads the event stream, keeps the time.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::connect::Interrupts;
use super::counters::Counters;
use super::numbers::Numbers;
use super::pacer::Pacer;
use super::plan::Plan;
use super::progress::Progress;
use super::record::{CallMatcher, ObservedStep};
use super::requests::Requests;
use super::run::{FinishedRun, HangUpOutcome, Run, RunParams, Task, Unanswered};
use originatord_core::call::CallId;
use originatord_net::client::event_stream::{EventStream, Refused, Update};
use originatord_net::client::reply::Reply;

/// Interval of the checks for due hang-ups and for the end of the run.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Maximum of batches from the stream that wait to be processed. More wait in the daemon, which
/// sends a gap once they are too many.
const UPDATE_QUEUE: usize = 64;

/// Connections that are opened before the first request.
const WARM_CONNECTIONS: usize = 16;

/// An update from the event stream.
pub enum StreamUpdate {
    /// Steps of the generator's calls; perhaps none.
    Steps(Vec<ObservedStep>),
    /// Records are missing.
    Gap,
    /// The connection was lost, for this reason, and will be opened again.
    Lost(String),
    /// The daemon refused the stream, which has ended.
    Refused(Refused),
}

/// Reads the event stream on a task of its own, until the receiver is dropped.
pub fn follow(mut stream: EventStream, matcher: CallMatcher) -> mpsc::Receiver<StreamUpdate> {
    let (to, updates) = mpsc::channel(UPDATE_QUEUE);
    tokio::spawn(async move {
        loop {
            let (update, is_last) = match stream.next().await {
                Ok(Update::Events(events)) => {
                    let at = Instant::now();
                    if events.iter().any(|event| event.event == "gap")
                        && to.send(StreamUpdate::Gap).await.is_err()
                    {
                        return;
                    }
                    (
                        StreamUpdate::Steps(
                            events.iter().filter_map(|event| matcher.observe(at, event)).collect(),
                        ),
                        false,
                    )
                }
                Ok(Update::Lost(lost)) => (StreamUpdate::Lost(lost.to_string()), false),
                Err(refused) => (StreamUpdate::Refused(refused), true),
            };
            if to.send(update).await.is_err() || is_last {
                return;
            }
        }
    });
    updates
}

/// Performs runs, one after the other.
pub struct Runner {
    pub(super) plan: Arc<Plan>,
    pub(super) requests: Requests,
    /// Updates from the event stream.
    pub(super) updates: mpsc::Receiver<StreamUpdate>,
    /// No further updates will arrive.
    pub(super) stream_ended: bool,
    pub(super) interrupts: Interrupts,
    pub(super) progress: Progress,
    /// Numbers that are in no call.
    pub(super) numbers: Numbers,
}

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A second signal arrived.
    #[error("stopped at once; {0} calls are still alive")]
    Abandoned(usize),
    /// The daemon cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The operating system could not start a thread.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// The result of a task.
enum Done {
    Posted { n: u64, number: u32, at: Instant, reply: Result<Reply, Unanswered> },
    HungUp(CallId, HangUpOutcome),
}

impl Runner {
    /// Performs a run to its end, or until a signal arrives or the counters satisfy `is_enough`.
    ///
    /// # Errors
    ///
    /// Two signals arrived, or the run could not begin.
    pub async fn run(
        &mut self,
        params: RunParams,
        is_enough: impl Fn(&Counters) -> bool,
    ) -> Result<FinishedRun, RunError> {
        let Self { plan, requests, updates, stream_ended, interrupts, progress, numbers } = self;
        let warm = WARM_CONNECTIONS.min(params.concurrency);
        requests.warm_up(warm).await.map_err(|error| RunError::Unreachable(error.to_string()))?;
        let began = Instant::now();
        let mut run = Run::new(params, numbers, began);
        let mut pacer = Pacer::start(params.schedule, began)?;
        let (done, mut all_done) = mpsc::unbounded_channel();
        let mut check = interval(CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !run.is_over() {
            while let Some(task) = run.next_task(Instant::now()) {
                start(task, plan, requests, done.clone());
            }
            tokio::select! {
                () = pacer.tick() => {}
                Some(result) = all_done.recv() => {
                    apply(&mut run, result);
                    while let Ok(result) = all_done.try_recv() {
                        apply(&mut run, result);
                    }
                }
                update = updates.recv(), if !*stream_ended => match update {
                    Some(StreamUpdate::Steps(steps)) => run.observe(steps),
                    Some(StreamUpdate::Gap) => run.count_gap(),
                    Some(StreamUpdate::Lost(lost)) => progress.note(&format!("-- event stream: {lost}; trying again")),
                    Some(StreamUpdate::Refused(refused)) => progress.note(&format!("-- event stream refused: {refused}")),
                    None => *stream_ended = true,
                },
                _ = check.tick() => {
                    let now = Instant::now();
                    progress.show(&run, now);
                    if run.is_sending() && is_enough(run.counters()) {
                        run.stop(now);
                    }
                }
                _ = interrupts.recv() => {
                    if run.is_interrupted() {
                        return Err(RunError::Abandoned(run.live()));
                    }
                    progress.note("-- stopping: sending no more requests, hanging up all calls; press Ctrl-C again to leave at once");
                    run.interrupt(Instant::now());
                }
            }
        }
        let now = Instant::now();
        progress.show_last(&run, now);
        Ok(run.finish(now))
    }

    /// Ends the line that shows the progress.
    pub fn end_progress(&mut self) {
        self.progress.end();
    }
}

fn start(task: Task, plan: &Arc<Plan>, requests: &Requests, done: mpsc::UnboundedSender<Done>) {
    let (plan, requests) = (plan.clone(), requests.clone());
    // After a second signal the receiver is gone, so sending may fail.
    match task {
        Task::Post { number, n } => tokio::spawn(async move {
            let (at, reply) = requests.post(&plan.numbers.digits(number), &plan.room(n)).await;
            let _ = done.send(Done::Posted { n, number, at, reply });
        }),
        Task::HangUp(id) => tokio::spawn(async move {
            let _ = done.send(Done::HungUp(id, requests.hang_up(id).await));
        }),
    };
}

fn apply(run: &mut Run<'_>, done: Done) {
    match done {
        Done::Posted { n, number, at, reply } => run.replied(n, number, at, reply),
        Done::HungUp(id, how) => run.hung_up(id, how, Instant::now()),
    }
}
