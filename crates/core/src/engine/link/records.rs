//! How often the link's coming and going is recorded.
//!
//! A peer that lets us in and cuts the connection, again and again, would fill the journal: two
//! records a second are 273 MB in a day. So only so many are recorded at once, and then one every
//! ten seconds. The newest that had to wait is recorded when its turn comes: what the journal says
//! last of the link is true ten seconds later at most.

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
    /// Since when the next one is gathered.
    since: Instant,
    /// The newest one that had to wait.
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

    /// The event that has waited, once it may be recorded.
    pub(super) fn due(&mut self, now: Instant) -> Option<Event> {
        self.gather(now);
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

    fn gather(&mut self, now: Instant) {
        let periods = now.saturating_duration_since(self.since).as_secs() / EVERY.as_secs();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX).min(BURST);
        self.left = (self.left + periods).min(BURST);
        self.since = if self.left == BURST { now } else { self.since + EVERY * periods };
    }
}
