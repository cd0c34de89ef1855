//! A sliding window, which limits the calls within any span of time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The times of the last calls, oldest first.
///
/// If `limit` calls are allowed in any span, one more call fits once the `limit`-th last call is a
/// span ago. So a window stores at most `limit` times, and allocates memory only as calls come: a
/// limit of 100 000 a second costs nothing in advance.
#[derive(Debug, Default)]
pub(super) struct Window {
    moments: VecDeque<Instant>,
}

impl Window {
    /// When one more call fits; `None` if one fits at any time.
    pub(super) fn free_at(&self, limit: u32, span: Duration) -> Option<Instant> {
        let blocking = self.moments.len().checked_sub(limit as usize)?;
        self.moments.get(blocking).map(|moment| *moment + span)
    }

    /// Adds a call, in the order of time. After a reload has removed the pace, a call can be
    /// earlier than the slot of one before.
    pub(super) fn insert(&mut self, moment: Instant) {
        let place = self.moments.partition_point(|other| *other <= moment);
        self.moments.insert(place, moment);
    }

    /// Removes the oldest time, and returns whether the window is empty now.
    pub(super) fn forget_first(&mut self) -> bool {
        self.moments.pop_front();
        self.moments.is_empty()
    }

    /// Removes the times that are at least `span` ago.
    pub(super) fn forget_until(&mut self, now: Instant, span: Duration) {
        while self.moments.front().is_some_and(|moment| *moment + span <= now) {
            self.moments.pop_front();
        }
    }

    /// Adds `by` to the times from `first` on.
    pub(super) fn postpone(&mut self, first: Instant, by: Duration) {
        self.moments
            .iter_mut()
            .rev()
            .take_while(|moment| **moment >= first)
            .for_each(|moment| *moment += by);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.moments.len()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.moments.capacity()
    }
}
