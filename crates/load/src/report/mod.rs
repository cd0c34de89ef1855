//! What came of it: for people in the terminal, for people in a browser, for programs.

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

/// A report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version that made it.
    pub originatord: &'static str,
    /// When it began.
    #[serde(serialize_with = "serialize_time")]
    pub started: SystemTime,
    /// What was asked for.
    pub plan: Plan,
    /// It was ended before its time.
    pub interrupted: bool,
    /// The run; of a search the one of the highest rate that held, else the last one.
    pub run: Option<Summary>,
    /// What was tried, if the limit was looked for.
    pub steps: Option<Vec<SearchStep>>,
    /// The highest rate that held, if one did.
    pub limit: Option<f64>,
}

impl Report {
    /// Of one run.
    pub fn of_run(started: SystemTime, plan: &Plan, finished: FinishedRun) -> Self {
        let found = SearchResult { interrupted: finished.interrupted, ..SearchResult::default() };
        Self {
            run: Some(Summary::of(finished)),
            steps: None,
            ..Self::of_search(started, plan, found)
        }
    }

    /// Of a search.
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

    /// Whether nothing failed and nothing was left behind against the user's will; of a search,
    /// whether some rate held.
    pub fn is_good(&self) -> bool {
        let leaves_calls = self.plan.params.leaves_calls;
        match (&self.steps, &self.run) {
            (Some(_), _) => self.limit.is_some(),
            (None, Some(run)) => run.failures == 0 && (run.calls.alive == 0 || leaves_calls),
            (None, None) => false,
        }
    }
}

/// The report for programs, as JSON. Texts of the daemon and of Asterisk have escapes in the place
/// of characters that a terminal or an editor would interpret.
pub fn json(report: &Report) -> String {
    escape::json(serde_json::to_string_pretty(report).unwrap_or_default()) + "\n"
}

#[cfg(test)]
mod tests;
