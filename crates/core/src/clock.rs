//! Time as a parameter: nothing but the driver asks the machine what time it is.

use std::fmt;
use std::time::{Instant, SystemTime};

use serde::Serializer;

/// One moment, on both clocks: deadlines and durations are taken from the monotonic one, records
/// carry the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock.
    pub instant: Instant,
    /// The time of day.
    pub wall: SystemTime,
}

impl Now {
    /// This moment, read from the machine's clocks.
    pub fn read() -> Self {
        Self { instant: Instant::now(), wall: SystemTime::now() }
    }

    /// The time of day at `instant`, which is past.
    pub fn wall_at(self, instant: Instant) -> SystemTime {
        self.wall.checked_sub(self.instant.saturating_duration_since(instant)).unwrap_or(self.wall)
    }

    /// The moment `wall`, as far in the past on the monotonic clock as it is on the wall's.
    pub fn back_to(self, wall: SystemTime) -> Self {
        let age = self.wall.duration_since(wall).unwrap_or_default();
        Self { instant: self.instant.checked_sub(age).unwrap_or(self.instant), wall }
    }
}

/// A time that displays as RFC 3339 in UTC with milliseconds: `2026-11-24T12:00:00.123Z`. Records,
/// the API and log lines all write times this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Millis(pub SystemTime);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.0).fmt(f)
    }
}

/// RFC 3339 in UTC with milliseconds.
pub fn rfc3339(time: SystemTime) -> String {
    Millis(time).to_string()
}

/// Serializes a time as [`rfc3339`] writes it.
pub fn serialize_time<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Millis(*time))
}
