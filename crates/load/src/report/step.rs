//! The steps of a search.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::summary::millis;
use crate::run::FinishedRun;
use originatord_core::escape::escaped;

/// One step of a search: a run at one rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchStep {
    /// Rate of the step, in requests a second.
    pub rate: f64,
    pub sent: u64,
    pub accepted_per_second: f64,
    /// Requests that were not accepted, and calls that failed.
    pub failures: u64,
    /// Median from POST to reply.
    pub p50_ms: Option<f64>,
    /// 99th percentile from POST to reply.
    pub p99_ms: Option<f64>,
    /// Whether the rate held.
    pub held: bool,
    /// Why the rate did not hold.
    pub why: Option<String>,
}

impl SearchStep {
    /// Judges the rate of a run, with this upper limit of p99.
    pub fn of(finished: &FinishedRun, p99_limit: Duration) -> Self {
        let FinishedRun { params, counters, .. } = finished;
        let p99 = counters.reply.quantile(0.99);
        let why = match p99 {
            _ if finished.interrupted => Some("it was interrupted".to_owned()),
            _ if counters.held_back > 0 => {
                Some("all numbers were in calls; use a larger range".to_owned())
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

/// The step as one line of text.
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

/// The result of a search.
#[derive(Debug, Default)]
pub struct SearchResult {
    /// All steps in their order.
    pub steps: Vec<SearchStep>,
    /// The run of the highest rate that held, or the last run if none held.
    pub best: Option<FinishedRun>,
    /// A signal stopped the search.
    pub interrupted: bool,
}

impl SearchResult {
    /// Adds a step and its run.
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
