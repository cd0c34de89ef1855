//! The calls that earlier runs started within the last minute, which count against the limits of
//! this run, too.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use originatord_core::call::limits::Attempt;
use originatord_core::call::{CallId, CallInfo};
use originatord_core::record::EventKind;

/// How long a call is kept: the longest period of a limit, and the longest wait of a call before its
/// Originate.
const REACH: Duration = Duration::from_secs(62);

/// Calls that were requested and not refused. Their ids sort by the time of the request.
#[derive(Debug, Default)]
pub(super) struct Attempts(BTreeMap<CallId, Attempt>);

impl Attempts {
    /// Applies a record of this kind about a call.
    pub(super) fn apply(&mut self, kind: EventKind, time: Option<SystemTime>, call: &CallInfo) {
        let Some(time) = time else { return };
        match kind {
            EventKind::CallRequested => {
                _ = self
                    .0
                    .insert(call.id, Attempt { time, number: call.number, key: call.key.clone() });
            }
            // The call may have waited before its Originate, and counts from then on.
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

    /// The remaining attempts, oldest first.
    pub(super) fn into_vec(self) -> Vec<Attempt> {
        let mut attempts: Vec<Attempt> = self.0.into_values().collect();
        attempts.sort_by_key(|attempt| attempt.time);
        attempts
    }
}
