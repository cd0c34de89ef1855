//! The reports of a load test: a summary for the terminal, a page for browsers, and JSON for
//! programs.

mod chart;
mod html;
mod step;
mod summary;
mod text;

use std::time::SystemTime;

use serde::Serialize;

pub use self::html::html;
pub use self::step::{SearchResult, SearchStep};
pub use self::summary::{Calls, Quantiles, Rates, Requests, Summary};
pub use self::text::text;
use super::plan::Plan;
use super::run::FinishedRun;
use originatord_core::clock::serialize_time;
use originatord_core::escape;

/// The results of a load test, which serialize to the JSON report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Version of this program.
    pub originatord: &'static str,
    #[serde(serialize_with = "serialize_time")]
    pub started: SystemTime,
    pub plan: Plan,
    /// A signal stopped the test.
    pub interrupted: bool,
    /// The run. For a search it is the run of the highest rate that held, or the last one if none
    /// held.
    pub run: Option<Summary>,
    pub steps: Option<Vec<SearchStep>>,
    /// The highest rate that held in a search.
    pub limit: Option<f64>,
}

impl Report {
    /// The report of a single run.
    pub fn of_run(started: SystemTime, plan: &Plan, finished: FinishedRun) -> Self {
        let found = SearchResult { interrupted: finished.interrupted, ..SearchResult::default() };
        Self {
            run: Some(Summary::of(finished)),
            steps: None,
            ..Self::of_search(started, plan, found)
        }
    }

    /// The report of a search.
    pub fn of_search(started: SystemTime, plan: &Plan, found: SearchResult) -> Self {
        Self {
            originatord: env!("CARGO_PKG_VERSION"),
            started,
            plan: plan.clone(),
            interrupted: found.interrupted,
            limit: found.limit(),
            run: found.best.map(Summary::of),
            steps: Some(found.steps),
        }
    }

    /// Whether the test succeeded: a search, if some rate held; a run, if nothing failed and no
    /// call was left alive that should have been hung up.
    pub fn is_good(&self) -> bool {
        let leaves_calls = self.plan.params.leaves_calls;
        match (&self.steps, &self.run) {
            (Some(_), _) => self.limit.is_some(),
            (None, Some(run)) => run.failures == 0 && (run.calls.alive == 0 || leaves_calls),
            (None, None) => false,
        }
    }
}

/// The report for programs, as JSON. In texts of the daemon and of Asterisk it escapes the
/// characters that a terminal or an editor would interpret.
pub fn json(report: &Report) -> String {
    escape::json(serde_json::to_string_pretty(report).unwrap_or_default()) + "\n"
}

#[cfg(test)]
mod tests;
