//! The conditions of a search for calls, and the times that a user writes in one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::outcome::Outcome;
use super::{CallId, CallInfo, Number, Room, RoomPatterns};

/// Conditions that a call must fulfil. Without any, every call matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The call is to this number.
    pub number: Option<Number>,
    /// The call was requested with this room, in any case of letters.
    pub room: Option<Room>,
    /// The call ended with this outcome. An active call has none.
    pub outcome: Option<Outcome>,
    /// The call was requested with the key of this name.
    pub key: Option<Arc<str>>,
    /// The call was requested at this time or later.
    pub from: Option<SystemTime>,
    /// The call was requested before this time.
    pub to: Option<SystemTime>,
    /// The call was requested before this one, the last of the previous page.
    pub before: Option<CallId>,
    /// The call was requested with one of these rooms.
    pub rooms: RoomPatterns,
}

impl Filter {
    /// The range of call ids that `from`, `to` and `before` allow: from the first id (included) to
    /// the second (excluded). This works as ids sort by time.
    pub fn id_range(&self) -> (Option<CallId>, Option<CallId>) {
        let first = |time: SystemTime| CallId::new(time, 0);
        let until = self.to.map(first).into_iter().chain(self.before).min();
        (self.from.map(first), until)
    }

    /// Whether this call matches. `outcome` is `None` for an active call.
    pub fn matches(&self, call: &CallInfo, outcome: Option<Outcome>) -> bool {
        let (from, until) = self.id_range();
        from.is_none_or(|from| from <= call.id)
            && until.is_none_or(|until| call.id < until)
            && self.number.is_none_or(|number| number.may_be(call.number))
            && self.room.as_ref().is_none_or(|room| room.is_same(call.room.as_str()))
            && self.key.as_ref().is_none_or(|key| *key == call.key)
            && self.outcome.is_none_or(|wanted| outcome == Some(wanted))
            && self.rooms.contains(call.room.as_str())
    }
}

/// Reads a time in RFC 3339, or a day (`2026-11-25`), which means its beginning in UTC.
pub fn time(text: &str) -> Option<SystemTime> {
    if text.len() == 10 {
        return in_utc(&format!("{text}T00:00:00"));
    }
    if let Some(local) = text.strip_suffix('Z') {
        return in_utc(local);
    }
    let (local, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let is_ahead = zone.starts_with('+');
    let (hours, minutes) = zone.strip_prefix(['+', '-'])?.split_once(':')?;
    let two_digits =
        |text: &str| text.parse::<u64>().ok().filter(|_| text.len() == 2 && !text.starts_with('+'));
    let offset = Duration::from_secs((two_digits(hours)? * 60 + two_digits(minutes)?) * 60);
    let local = in_utc(local)?;
    if is_ahead { local.checked_sub(offset) } else { local.checked_add(offset) }
}

/// Reads a time in UTC that has no `Z` at its end.
fn in_utc(time: &str) -> Option<SystemTime> {
    // `parse_rfc3339` does not check the characters between a `Z` after the seconds and the end.
    let has_no_zone = !time.contains('Z');
    has_no_zone.then(|| humantime::parse_rfc3339(&format!("{time}Z")).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_or_days() {
        let at = humantime::parse_rfc3339("2026-11-25T18:20:00Z").ok();
        for text in
            ["2026-11-25T18:20:00Z", "2026-11-25T21:20:00+03:00", "2026-11-25T12:50:00-05:30"]
        {
            assert_eq!(time(text), at, "{text}");
        }
        assert_eq!(time("2026-11-25"), humantime::parse_rfc3339("2026-11-25T00:00:00Z").ok());
        for text in [
            "",
            "2026-11-25T21:20:00+0300",
            "2026-11-25T21:20:00+3:000",
            "2026-11-25T21:20:00+:0300",
            "2026-11-25T21:20:00Z+03:00",
            "2026-11-25T21:20:00ZZ",
            "+03:00",
            "2026-11-25T21:20:00\u{e9}03:00",
            "2026-11-25T21:20:00\u{e9}3:00",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
