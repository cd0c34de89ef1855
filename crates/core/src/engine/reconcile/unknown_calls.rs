//! Listed calls that are not in the registry: some may be this daemon's own, from before its start.
//!
//! A daemon that is killed loses the records of its last milliseconds, so the next run finds calls
//! in Asterisk that no journal knows. It asks each for its `ORIGINATORD` variable and adopts those
//! with its own `instance`. Asterisk may be hostile: hundreds of thousands of invented calls would
//! fill memory and journal. But a call's id contains the time of its request, and records are
//! written in order. So an unknown call can be ours only if it was requested after the last record
//! that the earlier run has written, and before this run started. The daemon ignores all other
//! unknown calls.
//!
//! If the clock was set between the runs, calls of ours can fall out of that span; if it was set
//! back far enough, all of them do. No run adopts such a call, and its end is not recorded. Its
//! number is not called twice, though: the call still has its lock channel in Asterisk.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use crate::call::CallId;

/// Most calls that one run adopts. A run without a journal adopts every call that is alive at its
/// start.
const MAX_ADOPTED: usize = if cfg!(test) { 100 } else { 10_000 };

/// Most calls of other daemons that are remembered, so that their owner is queried only once.
const MAX_FOREIGN: usize = if cfg!(test) { 300 } else { 50_000 };

/// Calls that Asterisk lists and that are not in the registry.
pub(super) struct UnknownCalls {
    started: SystemTime,
    recorded_until: Option<SystemTime>,
    /// Calls that this run has adopted, ended or not: none is adopted twice.
    adopted: HashSet<CallId>,
    /// Calls in the list under way that may be ours.
    candidates: HashSet<CallId>,
    /// Calls of other daemons, up to the last list.
    foreign_calls: HashSet<CallId>,
    /// Calls of other daemons in the list under way.
    listed_foreign_calls: HashSet<CallId>,
}

impl UnknownCalls {
    /// For a run that starts now.
    pub(super) fn new(started: SystemTime) -> Self {
        Self {
            started,
            recorded_until: None,
            adopted: HashSet::new(),
            candidates: HashSet::new(),
            foreign_calls: HashSet::new(),
            listed_foreign_calls: HashSet::new(),
        }
    }

    /// Notes that the journal knows every call that was requested before this time.
    pub(super) fn set_recorded_until(&mut self, time: Option<SystemTime>) {
        self.recorded_until = time;
    }

    /// A list begins.
    pub(super) fn begin_list(&mut self) {
        self.candidates.clear();
        self.foreign_calls.extend(self.listed_foreign_calls.drain());
    }

    /// Whether a listed call that is not in the registry may be ours, so that its owner has to be
    /// queried.
    pub(super) fn may_be_ours(&mut self, id: CallId) -> bool {
        if self.candidates.contains(&id) {
            return true;
        }
        if !self.is_in_span(id) || self.adopted.contains(&id) || self.is_foreign(id) {
            return false;
        }
        let foreign = self.foreign_calls.len() + self.listed_foreign_calls.len();
        let has_room =
            self.adopted.len() + self.candidates.len() < MAX_ADOPTED && foreign < MAX_FOREIGN;
        has_room && self.candidates.insert(id)
    }

    /// Whether the call was requested after the last record and before this run. Ids and records
    /// have whole milliseconds.
    pub(super) fn is_in_span(&self, id: CallId) -> bool {
        let time = id.time();
        let is_recorded = |until: SystemTime| time + Duration::from_millis(1) <= until;
        time <= self.started && !self.recorded_until.is_some_and(is_recorded)
    }

    fn is_foreign(&mut self, id: CallId) -> bool {
        if self.foreign_calls.remove(&id) {
            self.listed_foreign_calls.insert(id);
        }
        self.listed_foreign_calls.contains(&id)
    }

    /// The list is complete: forgets the calls of other daemons that it lacks. Returns the calls
    /// whose owner has to be queried.
    pub(super) fn end_list(&mut self) -> &HashSet<CallId> {
        self.foreign_calls = std::mem::take(&mut self.listed_foreign_calls);
        &self.candidates
    }

    /// Notes that this run has adopted the call.
    pub(super) fn note_adopted(&mut self, id: CallId) {
        self.adopted.insert(id);
    }

    /// Notes that another daemon owns the call.
    pub(super) fn note_foreign(&mut self, id: CallId) {
        self.foreign_calls.insert(id);
    }

    /// Forgets the calls of other daemons.
    pub(super) fn forget_foreign(&mut self) {
        self.candidates.clear();
        self.foreign_calls.clear();
        self.listed_foreign_calls.clear();
    }

    /// How many calls are remembered, besides the adopted ones.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.candidates.len() + self.foreign_calls.len() + self.listed_foreign_calls.len()
    }
}
