//! The calls of the last minute, which count against the limits of this run too.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use originatord_core::call::limits::Attempt;
use originatord_core::call::{CallId, CallInfo};
use originatord_core::record::EventKind;

/// How far the longest limit reaches back, and the longest that a call waits for its turn.
const REACH: Duration = Duration::from_secs(62);

/// Calls that were asked for and not refused, by their ids and so in the order of time.
#[derive(Debug, Default)]
pub(super) struct Attempts(BTreeMap<CallId, Attempt>);

impl Attempts {
    /// Takes note of a call to which this happened.
    pub(super) fn take(&mut self, kind: EventKind, time: Option<SystemTime>, call: &CallInfo) {
        let Some(time) = time else { return };
        match kind {
            EventKind::CallRequested => {
                _ = self
                    .0
                    .insert(call.id, Attempt { time, number: call.number, key: call.key.clone() });
            }
            // It may have waited for its turn.
            EventKind::CallQueued => {
                _ = self.0.entry(call.id).and_modify(|attempt| attempt.time = time)
            }
            EventKind::CallRefused => _ = self.0.remove(&call.id),
            _ => {}
        }
        while self.0.first_key_value().is_some_and(|(id, _)| id.time() + REACH < time) {
            self.0.pop_first();
        }
    }

    /// All that are left, oldest first.
    pub(super) fn into_vec(self) -> Vec<Attempt> {
        let mut attempts: Vec<Attempt> = self.0.into_values().collect();
        attempts.sort_by_key(|attempt| attempt.time);
        attempts
    }
}
