//! The common part of ids: a time and random bits, as a ULID in small letters.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ulid::Ulid;

/// The beginning of the year 10000 in milliseconds of Unix time. RFC 3339 has no later times.
pub(crate) const END_OF_RFC_3339: u64 = 253_402_300_800_000;

/// A ULID that sorts by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TimedUlid(Ulid);

impl TimedUlid {
    /// A ULID of this time. `random` distinguishes those of the same millisecond.
    pub(crate) fn new(time: SystemTime, random: u128) -> Self {
        let millis = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self(Ulid::from_parts(millis as u64, random))
    }

    /// The time, to the millisecond.
    pub(crate) fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.timestamp_ms())
    }

    /// Parses the text that [`Display`](fmt::Display) writes; `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // The ULID crate reads capital and small letters alike, and drops the upper bits of a first
        // digit over 7. Only small letters and a first digit up to 7 are an id.
        let is_canonical = matches!(text.as_bytes(), [b'0'..=b'7', rest @ ..] if !rest.iter().any(u8::is_ascii_uppercase));
        let ulid = Ulid::from_string(text).ok()?;
        // RFC 3339 cannot write a later time, so no id of the daemon has one.
        (is_canonical && ulid.timestamp_ms() < END_OF_RFC_3339).then_some(Self(ulid))
    }
}

impl fmt::Display for TimedUlid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; ulid::ULID_LEN];
        let text = self.0.array_to_str(&mut buffer);
        text.make_ascii_lowercase();
        f.write_str(text)
    }
}
