//! The steps of a search.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::summary::millis;
use crate::run::FinishedRun;
use originatord_core::escape::escaped;

/// One rate that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchStep {
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

impl SearchStep {
    /// What a run says of its rate, if p99 must not be over this.
    pub fn of(finished: &FinishedRun, p99_limit: Duration) -> Self {
        let FinishedRun { params, counters, .. } = finished;
        let p99 = counters.reply.quantile(0.99);
        let why = match p99 {
            _ if finished.interrupted => Some("it was interrupted".to_owned()),
            _ if counters.held_back > 0 => {
                Some("all numbers were in calls; name more of them".to_owned())
            }
            _ if counters.failures() > 0 => Some(first_failure(finished)),
            _ if finished.live > 0 => Some(format!("{} calls could not be hung up", finished.live)),
            Some(p99) if p99 > p99_limit => {
                Some(format!("p99 is over {}", humantime::format_duration(p99_limit)))
            }
            _ if counters.sent < params.schedule.count() => {
                Some("over 1 % of the replies came too late".to_owned())
            }
            _ => None,
        };
        Self {
            rate: params.schedule.rate,
            sent: counters.sent,
            accepted_per_second: finished.accepted_per_second(),
            failures: counters.failures(),
            p50_ms: counters.reply.quantile(0.5).map(millis),
            p99_ms: p99.map(millis),
            held: why.is_none(),
            why,
        }
    }
}

fn first_failure(finished: &FinishedRun) -> String {
    let counters = &finished.counters;
    let counts = [&counters.refused, &counters.unanswered];
    match counts
        .iter()
        .find_map(|counts| counts.sorted().first().map(|(text, count)| format!("{count} × {text}")))
    {
        Some(text) => text,
        None => format!("{} calls failed", counters.failures()),
    }
}

/// One line.
impl fmt::Display for SearchStep {
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
            Some(why) => write!(f, "  {}", escaped(why)),
            None => Ok(()),
        }
    }
}

/// What a search has come to.
#[derive(Debug, Default)]
pub struct SearchResult {
    /// All steps.
    pub steps: Vec<SearchStep>,
    /// The run of the highest rate that held; until one does, the last one.
    pub best: Option<FinishedRun>,
    /// It was ended before its time.
    pub interrupted: bool,
}

impl SearchResult {
    /// Takes in a step and its run.
    pub fn add(&mut self, step: SearchStep, finished: FinishedRun) {
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
