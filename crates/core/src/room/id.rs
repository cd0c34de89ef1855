//! The ids of conferences.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::timed_ulid::TimedUlid;

/// Prefix of every conference id.
const PREFIX: &str = "cf-";

/// The id of one conference: one life of a room, from its first participant to its last. Sortable by
/// the time at which the daemon saw the conference start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConferenceId(TimedUlid);

impl ConferenceId {
    /// An id for a conference that started at `time`. `random` distinguishes conferences of the same
    /// millisecond.
    pub fn new(time: SystemTime, random: u128) -> Self {
        Self(TimedUlid::new(time, random))
    }

    /// When the conference started, to the millisecond.
    pub fn time(self) -> SystemTime {
        self.0.time()
    }
}

/// The error for a text that is no conference id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a conference id")]
pub struct NotAConferenceId;

impl FromStr for ConferenceId {
    type Err = NotAConferenceId;

    fn from_str(text: &str) -> Result<Self, NotAConferenceId> {
        let ulid = text.strip_prefix(PREFIX).and_then(TimedUlid::parse);
        ulid.map(Self).ok_or(NotAConferenceId)
    }
}

impl fmt::Display for ConferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.fmt(f)
    }
}

impl fmt::Debug for ConferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConferenceId({self})")
    }
}

impl Serialize for ConferenceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conference_id_reads_back_with_its_time() {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_000_000_123);
        let id = ConferenceId::new(time, 42);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.time(), time);
        let call = crate::call::CallId::new(time, 42).to_string();
        for bad in ["cf-", "R1", &call] {
            assert!(bad.parse::<ConferenceId>().is_err(), "{bad}");
        }
    }
}
