//! Limits the records of rooms, so that a hostile or broken Asterisk does not fill the journal.
//!
//! A call has few records, as the daemon asked for it. Rooms and guests come and go without being
//! asked, so nothing else limits their records. If the budget is used up, the daemon closes the link,
//! and the first list of the next one shows what is so.

use std::time::Instant;

use crate::clock::Now;

/// Most records at once: the participants of a full view.
const BURST: f64 = if cfg!(test) { 3000.0 } else { 200_000.0 };

/// Most records a second in the long run.
const RATE: f64 = 1000.0;

/// A token bucket.
pub(super) struct Budget {
    tokens: f64,
    filled: Option<Instant>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tokens: BURST, filled: None }
    }
}

impl Budget {
    /// Takes this many records from the budget; returns false once it is used up.
    pub(super) fn take(&mut self, now: Now, records: usize) -> bool {
        let since = self.filled.replace(now.instant).unwrap_or(now.instant);
        let passed = now.instant.saturating_duration_since(since).as_secs_f64();
        self.tokens = (self.tokens + passed * RATE).min(BURST) - records as f64;
        let is_left = self.tokens >= 0.0;
        self.tokens = self.tokens.max(0.0);
        is_left
    }
}
