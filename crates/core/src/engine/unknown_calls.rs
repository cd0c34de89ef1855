//! Which of the listed calls that this run does not know can be its own, from before its start.
//!
//! A daemon that is killed loses the records of its last milliseconds, so the next one finds calls
//! in Asterisk that no journal knows. It asks each for its `ORIGINATORD` variable and adopts those
//! with its own `instance`. Asterisk may lie: hundreds of thousands of invented calls would fill
//! memory and journal. But a call's id holds the time of its request, and records are written in
//! order. So an unknown call can be ours only if it was requested after the last record that the
//! earlier run has written, and before this run started. All other listed calls are not even kept
//! in mind.
//!
//! If the clock was set between the runs, a call of ours can fall out of that span, as can every
//! call if the clock was set back. Such a call is adopted by nobody and its end is not recorded. No
//! number is called twice for that, as the call still holds its lock in Asterisk.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use crate::call::CallId;

/// Most calls that one run adopts. Without a journal that is every call that was live at the start.
const MAX_ADOPTED: usize = if cfg!(test) { 100 } else { 10_000 };

/// Most calls of other daemons that are remembered as such, so that no list asks for them again.
const MAX_OTHERS: usize = if cfg!(test) { 300 } else { 50_000 };

/// Calls that Asterisk lists and that are not in the registry.
pub(super) struct UnknownCalls {
    started: SystemTime,
    recorded_until: Option<SystemTime>,
    /// Calls that this run has adopted, ended or not: none is adopted twice.
    adopted: HashSet<CallId>,
    /// Calls in the list under way that may be ours.
    candidates: HashSet<CallId>,
    /// Calls of other daemons, up to the last list.
    others: HashSet<CallId>,
    /// Calls of other daemons in the list under way.
    listed_others: HashSet<CallId>,
}

impl UnknownCalls {
    /// For a run that starts now.
    pub(super) fn new(started: SystemTime) -> Self {
        let [adopted, candidates, others, listed_others] = Default::default();
        Self { started, recorded_until: None, adopted, candidates, others, listed_others }
    }

    /// The journal knows every call that was requested before this time.
    pub(super) fn recorded_until(&mut self, time: Option<SystemTime>) {
        self.recorded_until = time;
    }

    /// A list begins.
    pub(super) fn begin_list(&mut self) {
        self.candidates.clear();
        self.others.extend(self.listed_others.drain());
    }

    /// A call that is not in the registry is listed. Whether it may be ours, so that it has to be
    /// asked.
    pub(super) fn may_be_ours(&mut self, id: CallId) -> bool {
        if self.candidates.contains(&id) {
            return true;
        }
        if !self.is_in_time(id) || self.adopted.contains(&id) || self.is_of_another(id) {
            return false;
        }
        let others = self.others.len() + self.listed_others.len();
        let has_room =
            self.adopted.len() + self.candidates.len() < MAX_ADOPTED && others < MAX_OTHERS;
        has_room && self.candidates.insert(id)
    }

    /// Ids and records have whole milliseconds.
    fn is_in_time(&self, id: CallId) -> bool {
        let time = id.time();
        let is_recorded = |until: SystemTime| time + Duration::from_millis(1) <= until;
        time <= self.started && !self.recorded_until.is_some_and(is_recorded)
    }

    fn is_of_another(&mut self, id: CallId) -> bool {
        if self.others.remove(&id) {
            self.listed_others.insert(id);
        }
        self.listed_others.contains(&id)
    }

    /// The list is complete: other daemons' calls that it lacks are over. Returns those to ask.
    pub(super) fn end_list(&mut self) -> &HashSet<CallId> {
        self.others = std::mem::take(&mut self.listed_others);
        &self.candidates
    }

    /// The call is adopted.
    pub(super) fn adopt(&mut self, id: CallId) {
        self.adopted.insert(id);
    }

    /// The call is another daemon's.
    pub(super) fn leave(&mut self, id: CallId) {
        self.others.insert(id);
    }

    /// No call of another daemon is known to live.
    pub(super) fn forget_others(&mut self) {
        self.candidates.clear();
        self.others.clear();
        self.listed_others.clear();
    }

    /// How many calls are kept in mind, besides the adopted ones.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.candidates.len() + self.others.len() + self.listed_others.len()
    }
}
