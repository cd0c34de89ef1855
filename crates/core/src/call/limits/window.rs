//! A sliding window: how many calls fit into any span of time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The times of the last calls, oldest first.
///
/// With `limit` calls in any span, one more call fits once the `limit`-th last call is a span ago.
/// So a window keeps `limit` times at most, and takes memory only as calls come: a limit of 100 000
/// a second costs nothing before that many calls came.
#[derive(Debug, Default)]
pub(super) struct Window {
    moments: VecDeque<Instant>,
}

impl Window {
    /// When one more call fits; none if one fits at any time.
    pub(super) fn free_at(&self, limit: u32, span: Duration) -> Option<Instant> {
        let last_in_the_way = self.moments.len().checked_sub(limit as usize)?;
        self.moments.get(last_in_the_way).map(|moment| *moment + span)
    }

    /// Adds a call. Its time can be before the last one only where a pace was removed by a reload.
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

    /// Moves the times from `first` on.
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
