//! Limits how often the link is recorded as up or down.
//!
//! A peer that accepts the login and then cuts the connection, again and again, would fill the
//! journal: two records a second are 273 MB in a day. So at most 100 records are written at once,
//! and then one every ten seconds. Of those that had to wait only the newest is written, so the
//! journal's last record of the link is at most ten seconds late.

use std::time::{Duration, Instant};

use crate::record::Event;

/// Most records at once.
const BURST: u32 = 100;

/// The time after which one more may be recorded.
const EVERY: Duration = Duration::from_secs(10);

/// Records of the link that may be written.
pub(super) struct LinkRecords {
    /// How many may be recorded now.
    left: u32,
    /// Since when time counts towards the next one.
    since: Instant,
    /// The newest record that has to wait.
    waiting: Option<Event>,
}

impl LinkRecords {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, since: now, waiting: None }
    }

    /// Returns the event if it may be recorded now.
    pub(super) fn offer(&mut self, now: Instant, event: Event) -> Option<Event> {
        self.waiting = Some(event);
        self.due(now)
    }

    /// The waiting event, once it may be recorded.
    pub(super) fn due(&mut self, now: Instant) -> Option<Event> {
        self.refill(now);
        if self.left == 0 {
            return None;
        }
        let event = self.waiting.take()?;
        self.left -= 1;
        Some(event)
    }

    /// When [`due`](Self::due) has an event.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|_| self.since + EVERY)
    }

    fn refill(&mut self, now: Instant) {
        let periods = now.saturating_duration_since(self.since).as_secs() / EVERY.as_secs();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX).min(BURST);
        self.left = (self.left + periods).min(BURST);
        self.since = if self.left == BURST { now } else { self.since + EVERY * periods };
    }
}
