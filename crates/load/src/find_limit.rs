//! Performs the search of `limit.rs`: a run for each rate, until the highest that holds is known.

use std::time::Duration;

use super::counters::Counters;
use super::limit::Search;
use super::plan::SearchPlan;
use super::report::{SearchResult, SearchStep};
use super::run::RunParams;
use super::runner::{RunError, Runner};
use super::schedule::Schedule;

/// Pause between two steps of a search, in which Asterisk recovers from the last one.
const REST: Duration = Duration::from_secs(1);

impl Runner {
    /// Searches the highest rate that holds.
    ///
    /// # Errors
    ///
    /// Two signals arrived, or the first step could not begin.
    pub async fn find_limit(&mut self, plan: SearchPlan) -> Result<SearchResult, RunError> {
        let params = self.plan.params;
        let mut search = Search::new(params.schedule.rate, plan.max_rate);
        let mut found = SearchResult::default();
        let mut requests_sent = 0;
        while let Some(rate) = search.next() {
            let params = RunParams { schedule: Schedule { rate, ..params.schedule }, ..params };
            let count = params.schedule.count();
            if requests_sent + count > self.plan.max_calls {
                self.progress.note(&format!(
                    "-- the search ends here: {count} more calls would exceed --max-calls"
                ));
                break;
            }
            self.progress.begin(format!("{rate:>9.1}/s "));
            // A step ends early once its rate cannot hold any more. For p99 that is when more than
            // 1 % of all its requests took too long.
            let has_failed = |counters: &Counters| {
                counters.failures() > 0 || counters.reply.count_above(plan.p99) * 100 > count
            };
            let finished = match self.run(params, has_failed).await {
                // The last step killed the daemon, which is a result.
                Err(RunError::Unreachable(why)) if !found.steps.is_empty() => {
                    self.progress.note(&format!("-- the search ends here: {why}"));
                    break;
                }
                finished => finished?,
            };
            requests_sent += finished.counters.sent;
            let step = SearchStep::of(&finished, plan.p99);
            self.progress.note(&step.to_string());
            search.record(step.held);
            found.interrupted = finished.interrupted;
            let has_too_few_numbers = finished.counters.held_back > 0;
            found.add(step, finished);
            if found.interrupted || has_too_few_numbers {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(REST) => {}
                _ = self.interrupts.recv() => {
                    found.interrupted = true;
                    break;
                }
            }
        }
        Ok(found)
    }
}
