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
    times: VecDeque<Instant>,
}

impl Window {
    /// When one more call fits; `None` if one fits at any time.
    pub(super) fn free_at(&self, limit: u32, span: Duration) -> Option<Instant> {
        let blocking = self.times.len().checked_sub(limit as usize)?;
        self.times.get(blocking).map(|time| *time + span)
    }

    /// Adds a call, in the order of time. After a reload has removed the pace, a call can be
    /// earlier than the slot of one before.
    pub(super) fn insert(&mut self, time: Instant) {
        let place = self.times.partition_point(|other| *other <= time);
        self.times.insert(place, time);
    }

    /// Removes the oldest time, and returns whether the window is empty now.
    pub(super) fn forget_first(&mut self) -> bool {
        self.times.pop_front();
        self.times.is_empty()
    }

    /// Removes the times that are at least `span` ago.
    pub(super) fn forget_until(&mut self, now: Instant, span: Duration) {
        while self.times.front().is_some_and(|time| *time + span <= now) {
            self.times.pop_front();
        }
    }

    /// Adds `by` to the times from `first` on.
    pub(super) fn postpone(&mut self, first: Instant, by: Duration) {
        self.times.iter_mut().rev().take_while(|time| **time >= first).for_each(|time| *time += by);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.times.capacity()
    }
}
