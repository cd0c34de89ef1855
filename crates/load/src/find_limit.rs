//! Tries rate after rate, until the highest that holds is known.

use std::time::Duration;

use super::limit::Search;
use super::plan::SearchPlan;
use super::report::{Found, Step};
use super::run::Course;
use super::runner::{Broken, Runner};
use super::schedule::Schedule;
use super::tally::Tally;

/// Pause between two steps of a search, in which Asterisk recovers from the last one.
const REST: Duration = Duration::from_secs(1);

impl Runner {
    /// Searches the highest rate that holds.
    ///
    /// # Errors
    ///
    /// It was interrupted twice, or the first step could not begin.
    pub async fn find_limit(&mut self, plan: SearchPlan) -> Result<Found, Broken> {
        let course = self.plan.course;
        let mut search = Search::new(course.schedule.rate, plan.max_rate);
        let (mut found, mut asked) = (Found::default(), 0);
        while let Some(rate) = search.next() {
            let course = Course { schedule: Schedule { rate, ..course.schedule }, ..course };
            let count = course.schedule.count();
            if asked + count > self.plan.max_calls {
                self.progress.note(&format!(
                    "-- the search ends here: {count} calls more would be over --max-calls"
                ));
                break;
            }
            self.progress.begin(format!("{rate:>9.1}/s "));
            // A step that is lost is not played to its end.
            let is_lost = |tally: &Tally| {
                tally.failures() > 0 || tally.reply.count_above(plan.p99) * 100 > count
            };
            let finished = match self.run(course, is_lost).await {
                // The daemon has not outlived the last step: that is a result.
                Err(Broken::Unreachable(why)) if !found.steps.is_empty() => {
                    self.progress.note(&format!("-- the search ends here: {why}"));
                    break;
                }
                finished => finished?,
            };
            asked += finished.tally.sent;
            let step = Step::of(&finished, plan.p99);
            self.progress.note(&step.to_string());
            search.took(step.held);
            found.interrupted = finished.interrupted;
            let has_too_few_numbers = finished.tally.held_back > 0;
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
