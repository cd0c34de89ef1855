//! The steps of a search.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::summary::millis;
use crate::run::Finished;

/// One rate that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Requests a second.
    pub rate: f64,
    /// Requests that left.
    pub sent: u64,
    /// Requests that were accepted, a second.
    pub accepted_per_second: f64,
    /// Requests that were not accepted, and calls that failed.
    pub failures: u64,
    /// The median from POST to reply.
    pub p50_ms: Option<f64>,
    /// The 99th percentile.
    pub p99_ms: Option<f64>,
    /// Whether it held.
    pub held: bool,
    /// Why not.
    pub why: Option<String>,
}

impl Step {
    /// What a run says of its rate, if p99 must not be over this.
    pub fn of(finished: &Finished, p99_limit: Duration) -> Self {
        let Finished { course, tally, .. } = finished;
        let p99 = tally.reply.quantile(0.99);
        let why = match p99 {
            _ if finished.interrupted => Some("it was interrupted".to_owned()),
            _ if tally.held_back > 0 => {
                Some("all numbers were in calls; name more of them".to_owned())
            }
            _ if tally.failures() > 0 => Some(first_failure(finished)),
            _ if finished.live > 0 => Some(format!("{} calls could not be hung up", finished.live)),
            Some(p99) if p99 > p99_limit => {
                Some(format!("p99 is over {}", humantime::format_duration(p99_limit)))
            }
            _ if tally.sent < course.schedule.count() => {
                Some("over 1 % of the replies came too late".to_owned())
            }
            _ => None,
        };
        Self {
            rate: course.schedule.rate,
            sent: tally.sent,
            accepted_per_second: finished.accepted_per_second(),
            failures: tally.failures(),
            p50_ms: tally.reply.quantile(0.5).map(millis),
            p99_ms: p99.map(millis),
            held: why.is_none(),
            why,
        }
    }
}

fn first_failure(finished: &Finished) -> String {
    let tally = &finished.tally;
    let counts = [&tally.refused, &tally.unanswered];
    match counts
        .iter()
        .find_map(|counts| counts.sorted().first().map(|(text, count)| format!("{count} × {text}")))
    {
        Some(text) => text,
        None => format!("{} calls failed", tally.failures()),
    }
}

/// One line.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.held { "holds" } else { "breaks" };
        let ms = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
        write!(
            f,
            "{:>9.1}/s  {verdict:<6}  accepted {:>8.1}/s  p50 {:>9}  p99 {:>9}",
            self.rate,
            self.accepted_per_second,
            ms(self.p50_ms),
            ms(self.p99_ms)
        )?;
        match &self.why {
            // The daemon's words are no more than that to a terminal.
            Some(why) => write!(f, "  {}", why.escape_debug()),
            None => Ok(()),
        }
    }
}

/// What a search has come to.
#[derive(Debug, Default)]
pub struct Found {
    /// All steps.
    pub steps: Vec<Step>,
    /// The run of the highest rate that held; until one does, the last one.
    pub best: Option<Finished>,
    /// It was ended before its time.
    pub interrupted: bool,
}

impl Found {
    /// Takes in a step and its run.
    pub fn add(&mut self, step: Step, finished: Finished) {
        if step.held || self.limit().is_none() {
            self.best = Some(finished);
        }
        self.steps.push(step);
    }

    /// The highest rate that held.
    pub fn limit(&self) -> Option<f64> {
        self.steps.iter().filter(|step| step.held).map(|step| step.rate).reduce(f64::max)
    }
}
