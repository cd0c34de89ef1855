//! Time as a parameter, and how times are written. Only the driver reads the machine's clocks.

mod deadlines;

use std::fmt;
use std::str::FromStr;
use std::time::{Instant, SystemTime};

use serde::{Serialize, Serializer};

pub use deadlines::DeadlineQueue;

/// One moment on two clocks. Deadlines and durations use the monotonic clock, records the time of
/// day.
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

    /// The time of day at `instant`, which must not be in the future.
    pub(crate) fn wall_at(self, instant: Instant) -> SystemTime {
        self.wall.checked_sub(self.instant.saturating_duration_since(instant)).unwrap_or(self.wall)
    }

    /// The moment at which the time of day was `wall`, equally far back on both clocks.
    pub(crate) fn back_to(self, wall: SystemTime) -> Self {
        let age = self.wall.duration_since(wall).unwrap_or_default();
        Self { instant: self.instant.checked_sub(age).unwrap_or(self.instant), wall }
    }
}

/// A time as records, the API and log lines write it: RFC 3339 in UTC with milliseconds, as
/// `2026-11-24T12:00:00.123Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rfc3339(pub SystemTime);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.0).fmt(f)
    }
}

/// Accepts any precision, but only UTC.
impl FromStr for Rfc3339 {
    type Err = humantime::TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_rfc3339(text).map(Self)
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// RFC 3339 in UTC with milliseconds.
pub fn rfc3339(time: SystemTime) -> String {
    Rfc3339(time).to_string()
}

/// Serializes a time as [`Rfc3339`].
///
/// # Errors
///
/// The serializer failed.
pub fn serialize_time<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    Rfc3339(*time).serialize(serializer)
}
