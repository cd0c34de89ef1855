//! Does what a run wants done: sends, listens to the log, keeps the time.

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

/// How often hang-ups that are due, and the end, are looked for.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Batches of the log that wait for us; the rest waits in the daemon, which tells of a gap when it
/// is too much.
const UPDATE_QUEUE: usize = 64;

/// Connections that are made beforehand.
const WARM_CONNECTIONS: usize = 16;

/// What the log tells.
pub enum StreamUpdate {
    /// Steps of our calls; the first time perhaps none.
    Steps(Vec<ObservedStep>),
    /// Records are missing.
    Gap,
    /// The connection is lost and will be made again.
    Lost(String),
    /// Nothing more will come.
    Refused(Refused),
}

/// Follows the log, on a task of its own, for as long as somebody listens.
pub fn follow(mut log: EventStream, matcher: CallMatcher) -> mpsc::Receiver<StreamUpdate> {
    let (to, updates) = mpsc::channel(UPDATE_QUEUE);
    tokio::spawn(async move {
        loop {
            let (told, is_last) = match log.next().await {
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
            if to.send(told).await.is_err() || is_last {
                return;
            }
        }
    });
    updates
}

/// All that runs need of the world.
pub struct Runner {
    /// What is done.
    pub(super) plan: Arc<Plan>,
    /// The way to the daemon.
    pub(super) requests: Requests,
    /// What the log tells.
    pub(super) updates: mpsc::Receiver<StreamUpdate>,
    /// That it tells nothing any longer.
    pub(super) stream_ended: bool,
    /// Ctrl-C.
    pub(super) interrupts: Interrupts,
    /// What a person sees meanwhile.
    pub(super) progress: Progress,
    /// Who can be called.
    pub(super) numbers: Numbers,
}

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It was interrupted a second time.
    #[error("left at once; {0} calls live on")]
    Abandoned(usize),
    /// The daemon cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The operating system refuses.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// What a task has done.
enum Done {
    Posted { n: u64, number: u32, at: Instant, reply: Result<Reply, Unanswered> },
    HungUp(CallId, HangUpOutcome),
}

impl Runner {
    /// Runs to the end, or until it is interrupted or `is_enough` of what was counted.
    ///
    /// # Errors
    ///
    /// It was interrupted twice, or could not begin.
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
        let mut beat = interval(CHECK_INTERVAL);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !run.is_over() {
            while let Some(task) = run.next_task(Instant::now()) {
                start(task, plan, requests, done.clone());
            }
            tokio::select! {
                () = pacer.tick() => {}
                Some(what) = all_done.recv() => {
                    apply(&mut run, what);
                    while let Ok(what) = all_done.try_recv() {
                        apply(&mut run, what);
                    }
                }
                told = updates.recv(), if !*stream_ended => match told {
                    Some(StreamUpdate::Steps(steps)) => run.observe(steps),
                    Some(StreamUpdate::Gap) => run.count_gap(),
                    Some(StreamUpdate::Lost(lost)) => progress.note(&format!("-- the log: {lost}; trying again")),
                    Some(StreamUpdate::Refused(refused)) => progress.note(&format!("-- the log is not followed: {refused}")),
                    None => *stream_ended = true,
                },
                _ = beat.tick() => {
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
                    progress.note("-- ending: nothing more is asked for, what lives is hung up; again to leave at once");
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
    // Nobody may be left to be told, after a second Ctrl-C.
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
