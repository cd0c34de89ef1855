//! Which calls somebody wants to see.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::outcome::Outcome;
use super::{CallId, CallInfo, Number, Room};

/// What a call has to be like; without any of it, all calls are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// It is to this number.
    pub number: Option<Number>,
    /// It was asked for with this room, whose case does not matter.
    pub room: Option<Room>,
    /// It ended so; a call that lives has no outcome.
    pub outcome: Option<Outcome>,
    /// It was asked for with the key of this name.
    pub key: Option<Arc<str>>,
    /// It was asked for at this time, or later.
    pub from: Option<SystemTime>,
    /// It was asked for before this time.
    pub to: Option<SystemTime>,
    /// It was asked for before this call: where the page before ended.
    pub before: Option<CallId>,
}

impl Filter {
    /// The ids between which the times and the page's beginning lie, each if there is one: from the
    /// first on, and up to the second, which is not taken. Ids are in the order of their times.
    pub fn ids(&self) -> (Option<CallId>, Option<CallId>) {
        let first = |time: SystemTime| CallId::new(time, 0);
        let until = self.to.map(first).into_iter().chain(self.before).min();
        (self.from.map(first), until)
    }

    /// Whether it takes this call, which ended so if it has.
    pub fn takes(&self, call: &CallInfo, outcome: Option<Outcome>) -> bool {
        let (from, until) = self.ids();
        from.is_none_or(|from| from <= call.id)
            && until.is_none_or(|until| call.id < until)
            && self.number.is_none_or(|number| number.may_be(call.number))
            && self.room.as_ref().is_none_or(|room| room.is_same(call.room.as_str()))
            && self.key.as_ref().is_none_or(|key| *key == call.key)
            && self.outcome.is_none_or(|wanted| outcome == Some(wanted))
    }
}

/// Reads a time: in RFC 3339, or a day in UTC.
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

fn in_utc(time: &str) -> Option<SystemTime> {
    // It would be taken for the end.
    let is_whole = !time.contains('Z');
    is_whole.then(|| humantime::parse_rfc3339(&format!("{time}Z")).ok()).flatten()
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
