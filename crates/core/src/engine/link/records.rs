//! Limits how often the link is recorded as up or down.
//!
//! A peer that accepts the login and then cuts the connection, again and again, would fill the
//! journal: two records a second are 273 MB in a day. So a token bucket of 100 records, refilled by
//! one every ten seconds, limits them. A newer record replaces one that has to wait, so the
//! journal's last record of the link is at most ten seconds late.

use std::time::{Duration, Instant};

use crate::record::Event;

/// Most records at once.
const BURST: u32 = 100;

/// The time in which one more record becomes free.
const REFILL_INTERVAL: Duration = Duration::from_secs(10);

/// The token bucket of the link's records.
pub(super) struct LinkRecords {
    /// How many records may be written now.
    tokens: u32,
    /// When the last token was added.
    refilled_at: Instant,
    /// The newest record that has to wait.
    waiting: Option<Event>,
}

impl LinkRecords {
    pub(super) fn new(now: Instant) -> Self {
        Self { tokens: BURST, refilled_at: now, waiting: None }
    }

    /// Returns the event if it may be recorded now; otherwise keeps it.
    pub(super) fn offer(&mut self, now: Instant, event: Event) -> Option<Event> {
        self.waiting = Some(event);
        self.due(now)
    }

    /// The waiting event, once it may be recorded.
    pub(super) fn due(&mut self, now: Instant) -> Option<Event> {
        self.refill(now);
        if self.tokens == 0 {
            return None;
        }
        let event = self.waiting.take()?;
        self.tokens -= 1;
        Some(event)
    }

    /// The next time at which [`due`](Self::due) returns an event.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|_| self.refilled_at + REFILL_INTERVAL)
    }

    fn refill(&mut self, now: Instant) {
        let periods =
            now.saturating_duration_since(self.refilled_at).as_secs() / REFILL_INTERVAL.as_secs();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX).min(BURST);
        self.tokens = (self.tokens + periods).min(BURST);
        self.refilled_at =
            if self.tokens == BURST { now } else { self.refilled_at + REFILL_INTERVAL * periods };
    }
}
