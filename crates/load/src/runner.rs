//! Does what a run wants done: sends, listens to the log, keeps the time.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::connect::Interrupts;
use super::numbers::Numbers;
use super::pacer::Pacer;
use super::plan::Plan;
use super::progress::Progress;
use super::record::{Ours, Seen};
use super::requests::Requests;
use super::run::{Course, Finished, HungUp, Run, Task, Unanswered};
use super::tally::Tally;
use originatord_core::call::CallId;
use originatord_net::client::event_stream::{EventStream, Refused, Update};
use originatord_net::client::reply::Reply;

/// How often hang-ups that are due, and the end, are looked for.
const BEAT: Duration = Duration::from_millis(50);

/// Batches of the log that wait for us; the rest waits in the daemon, which tells of a gap when it
/// is too much.
const BATCHES: usize = 64;

/// Connections that are made beforehand.
const WARM: usize = 16;

/// What the log tells.
pub enum FromLog {
    /// Steps of our calls; the first time perhaps none.
    Steps(Vec<Seen>),
    /// Records are missing.
    Gap,
    /// The connection is lost and will be made again.
    Lost(String),
    /// Nothing more will come.
    Refused(Refused),
}

/// Follows the log, on a task of its own, for as long as somebody listens.
pub fn follow(mut log: EventStream, ours: Ours) -> mpsc::Receiver<FromLog> {
    let (to, from_log) = mpsc::channel(BATCHES);
    tokio::spawn(async move {
        loop {
            let (told, is_last) = match log.next().await {
                Ok(Update::Events(events)) => {
                    let at = Instant::now();
                    if events.iter().any(|event| event.event == "gap")
                        && to.send(FromLog::Gap).await.is_err()
                    {
                        return;
                    }
                    (
                        FromLog::Steps(
                            events.iter().filter_map(|event| ours.read(at, event)).collect(),
                        ),
                        false,
                    )
                }
                Ok(Update::Lost(lost)) => (FromLog::Lost(lost.to_string()), false),
                Err(refused) => (FromLog::Refused(refused), true),
            };
            if to.send(told).await.is_err() || is_last {
                return;
            }
        }
    });
    from_log
}

/// All that runs need of the world.
pub struct Runner {
    /// What is done.
    pub(super) plan: Arc<Plan>,
    /// The way to the daemon.
    pub(super) requests: Requests,
    /// What the log tells.
    pub(super) from_log: mpsc::Receiver<FromLog>,
    /// That it tells nothing any longer.
    pub(super) is_deaf: bool,
    /// Ctrl-C.
    pub(super) interrupts: Interrupts,
    /// What a person sees meanwhile.
    pub(super) progress: Progress,
    /// Who can be called.
    pub(super) numbers: Numbers,
}

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
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
    HungUp(CallId, HungUp),
}

impl Runner {
    /// Runs to the end, or until it is interrupted or `is_enough` of what was counted.
    ///
    /// # Errors
    ///
    /// It was interrupted twice, or could not begin.
    pub async fn run(
        &mut self,
        course: Course,
        is_enough: impl Fn(&Tally) -> bool,
    ) -> Result<Finished, Broken> {
        let Self { plan, requests, from_log, is_deaf, interrupts, progress, numbers } = self;
        let warm = WARM.min(course.concurrency);
        requests.warm_up(warm).await.map_err(|error| Broken::Unreachable(error.to_string()))?;
        let began = Instant::now();
        let mut run = Run::new(course, numbers, began);
        let mut pacer = Pacer::start(course.schedule, began)?;
        let (done, mut all_done) = mpsc::unbounded_channel();
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !run.is_over() {
            while let Some(task) = run.next_task(Instant::now()) {
                start(task, plan, requests, done.clone());
            }
            tokio::select! {
                () = pacer.tick() => {}
                Some(what) = all_done.recv() => {
                    take(&mut run, what);
                    while let Ok(what) = all_done.try_recv() {
                        take(&mut run, what);
                    }
                }
                told = from_log.recv(), if !*is_deaf => match told {
                    Some(FromLog::Steps(steps)) => run.saw(steps),
                    Some(FromLog::Gap) => run.missed(),
                    Some(FromLog::Lost(lost)) => progress.note(&format!("-- the log: {lost}; trying again")),
                    Some(FromLog::Refused(refused)) => progress.note(&format!("-- the log is not followed: {refused}")),
                    None => *is_deaf = true,
                },
                _ = beat.tick() => {
                    let now = Instant::now();
                    progress.show(&run, now);
                    if run.is_sending() && is_enough(run.tally()) {
                        run.stop(now);
                    }
                }
                _ = interrupts.recv() => {
                    if run.is_interrupted() {
                        return Err(Broken::Abandoned(run.live()));
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

fn take(run: &mut Run<'_>, done: Done) {
    match done {
        Done::Posted { n, number, at, reply } => run.replied(n, number, at, reply),
        Done::HungUp(id, how) => run.hung_up(id, how, Instant::now()),
    }
}
