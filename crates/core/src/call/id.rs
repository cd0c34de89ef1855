//! The ids of calls and of locks in Asterisk.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::number::Number;
use crate::timed_ulid::TimedUlid;

/// Prefix of every call id. By it the daemon tells its own channels from all others in Asterisk.
const CALL_PREFIX: &str = "od-";

/// Prefix of the id of a number's lock. No call id has it, as a ULID has no `-`.
const LOCK_PREFIX: &str = "od-lock-";

/// A call's id, sortable by time. It is the `Uniqueid` of the call's `Local/…;1` and the `Linkedid`
/// of all its legs, because the Originate asks for it as `ChannelId`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(TimedUlid);

impl CallId {
    /// An id for a call that was requested at `time`. `random` distinguishes calls of the same
    /// millisecond.
    pub fn new(time: SystemTime, random: u128) -> Self {
        Self(TimedUlid::new(time, random))
    }

    /// When the call was requested, to the millisecond.
    pub fn time(self) -> SystemTime {
        self.0.time()
    }
}

/// The error for a text that is no call id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a call id")]
pub struct NotACallId;

impl FromStr for CallId {
    type Err = NotACallId;

    fn from_str(text: &str) -> Result<Self, NotACallId> {
        let ulid = text.strip_prefix(CALL_PREFIX).and_then(TimedUlid::parse);
        ulid.map(Self).ok_or(NotACallId)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CALL_PREFIX)?;
        self.0.fmt(f)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({self})")
    }
}

impl Serialize for CallId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The `OtherChannelId` of every call to `number`. Asterisk refuses a second channel with the same
/// id, so the lock survives a restart of the daemon and works between several daemons.
pub fn lock_id(number: Number) -> String {
    format!("{LOCK_PREFIX}{}", number.digits())
}

/// The number that the lock channel `uniqueid` locks; `None` if it is not a lock channel. A lock of
/// an earlier build for `007999…` locks `7999…`.
pub(crate) fn locked_number(uniqueid: &str) -> Option<Number> {
    let digits = uniqueid.strip_prefix(LOCK_PREFIX)?;
    let is_lock = digits.bytes().all(|b| b.is_ascii_digit());
    is_lock.then(|| Number::recorded(digits.as_bytes())).flatten()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::timed_ulid::END_OF_RFC_3339;

    #[test]
    fn call_id_reads_back_with_its_time() {
        let time = UNIX_EPOCH + Duration::from_millis(1_795_000_000_123);
        let id = CallId::new(time, 42);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.time(), time);
        assert!(CallId::new(time + Duration::from_millis(1), 0) > id);
        // RFC 3339 has no time after the year 9999.
        let beyond = CallId::new(UNIX_EPOCH + Duration::from_secs(253_402_300_800), 0).to_string();
        for bad in ["1795000000.12", "od-", "od-lock-7999", &id.to_string().to_uppercase(), &beyond]
        {
            assert!(bad.parse::<CallId>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn call_id_has_one_spelling(
            millis in 0..END_OF_RFC_3339, random: u128, first in "[0-9a-zA-Z]", capital in 3..29_usize
        ) {
            let text = CallId::new(UNIX_EPOCH + Duration::from_millis(millis), random).to_string();
            proptest::prop_assert!(text.parse::<CallId>().is_ok());
            for (place, letter) in [(3, first), (capital, text[capital..=capital].to_uppercase())] {
                let other = format!("{}{letter}{}", &text[..place], &text[place + 1..]);
                if let Ok(id) = other.parse::<CallId>() {
                    proptest::prop_assert_eq!(id.to_string(), other);
                }
            }
        }
    }

    #[test]
    fn lock_id_contains_its_number() {
        let number = "+79991234567".parse().unwrap();
        assert_eq!(lock_id(number), "od-lock-79991234567");
        assert_eq!(locked_number("od-lock-79991234567"), Some(number));
        assert_eq!(locked_number("od-lock-0079991234567"), Some(number));
        for bad in ["od-lock-+79991234567", "od-lock-7", "od-lock-", "79991234567"] {
            assert_eq!(locked_number(bad), None, "{bad}");
        }
    }
}
