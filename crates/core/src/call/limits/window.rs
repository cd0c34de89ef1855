//! How many within any stretch of time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The moments of the last calls, oldest first.
///
/// With `limit` calls in any span, one more fits once the `limit`-th last is that long ago. So no
/// more than `limit` moments are ever kept, and memory is taken as calls come: a limit of 100 000 a
/// second costs nothing before that many came.
#[derive(Debug, Default)]
pub(super) struct Window {
    moments: VecDeque<Instant>,
}

impl Window {
    /// From when on one more fits; none if one fits at any time.
    pub(super) fn free_at(&self, limit: u32, span: Duration) -> Option<Instant> {
        let last_in_the_way = self.moments.len().checked_sub(limit as usize)?;
        self.moments.get(last_in_the_way).map(|moment| *moment + span)
    }

    /// Adds one. Only where a pace was taken away can it be before the last.
    pub(super) fn insert(&mut self, moment: Instant) {
        let place = self.moments.partition_point(|other| *other <= moment);
        self.moments.insert(place, moment);
    }

    /// Forgets the oldest; says whether there is no other.
    pub(super) fn forget_first(&mut self) -> bool {
        self.moments.pop_front();
        self.moments.is_empty()
    }

    /// Forgets those that are `span` ago by now.
    pub(super) fn forget_until(&mut self, now: Instant, span: Duration) {
        while self.moments.front().is_some_and(|moment| *moment + span <= now) {
            self.moments.pop_front();
        }
    }

    /// Moves those from `first` on.
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
