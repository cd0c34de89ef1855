//! How it went lately: records of calls counted by the minute, for the charts of the operators' page.
//!
//! Pure, and as large as it will ever get: a few numbers for each of the last [`KEPT`] minutes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::call::outcome::Outcome;
use crate::journal::record::rfc3339;
use crate::journal::{Event, Record};

/// How many minutes are kept: six hours.
pub const KEPT: usize = 360;

/// Times to answer are counted up to each of these, in seconds from the request, and beyond the last.
pub const ANSWER_BOUNDS: [u64; 12] = [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 45, 60];

/// What happened within one minute.
#[derive(Debug, Clone, PartialEq, Default)]
struct Minute {
    /// Since 1970.
    minute: u64,
    requested: u32,
    refused: u32,
    /// By how long it took from the request; the last is for all beyond the bounds.
    answered: [u32; ANSWER_BOUNDS.len() + 1],
    /// In the order of [`Outcome::ALL`].
    ended: [u32; Outcome::ALL.len()],
}

/// The link to Asterisk, as the log last told of it.
#[derive(Debug, Clone)]
struct Link {
    asterisk: Arc<str>,
    is_up: bool,
    since: SystemTime,
}

/// The last minutes in which something happened.
#[derive(Debug, Clone)]
pub struct Stats {
    since: SystemTime,
    link: Option<Link>,
    /// In their order, no two of the same.
    minutes: VecDeque<Minute>,
}

impl Stats {
    /// Nothing happened before `since`, as far as is known.
    pub fn new(since: SystemTime) -> Self {
        Self { since, link: None, minutes: VecDeque::new() }
    }

    /// Counts a record.
    pub fn count(&mut self, record: &Record) {
        match &record.event {
            Event::AmiConnected { asterisk, .. } => self.link(asterisk, true, record.time),
            Event::AmiDisconnected { asterisk, .. } => self.link(asterisk, false, record.time),
            Event::CallRequested => self.in_minute(record, |minute| minute.requested += 1),
            Event::CallRefused(_) => self.in_minute(record, |minute| minute.refused += 1),
            Event::CallEnded(end) => self.in_minute(record, |minute| minute.ended[end.outcome as usize] += 1),
            Event::CallAnswered => {
                let Some(call) = &record.call else { return };
                let took = record.time.duration_since(call.id.time()).unwrap_or_default();
                let place = ANSWER_BOUNDS.partition_point(|bound| Duration::from_secs(*bound) < took);
                self.in_minute(record, |minute| minute.answered[place] += 1);
            }
            _ => {}
        }
    }

    /// Each try to get the link back that fails is told, too.
    fn link(&mut self, asterisk: &Arc<str>, is_up: bool, since: SystemTime) {
        if self.link.as_ref().is_none_or(|link| link.is_up != is_up) {
            self.link = Some(Link { asterisk: asterisk.clone(), is_up, since });
        }
    }

    fn in_minute(&mut self, record: &Record, count: impl FnOnce(&mut Minute)) {
        if let Some(minute) = self.minute_of(record.time) {
            count(minute);
        }
    }

    /// The counts of the minute of this time, unless they are no longer kept. Times may go back a little, or, with the
    /// clock, a lot.
    fn minute_of(&mut self, time: SystemTime) -> Option<&mut Minute> {
        let minute = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 60;
        let place = self.minutes.partition_point(|other| other.minute < minute);
        if self.minutes.get(place).is_none_or(|found| found.minute != minute) {
            if place == 0 && self.minutes.len() == KEPT {
                return None;
            }
            self.minutes.insert(place, Minute { minute, ..Minute::default() });
            if self.minutes.len() > KEPT {
                self.minutes.pop_front();
                return self.minutes.get_mut(place - 1);
            }
        }
        self.minutes.get_mut(place)
    }
}

impl Serialize for Stats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("since", &rfc3339(self.since))?;
        map.serialize_entry("link", &self.link)?;
        map.serialize_entry("answered_within", &ANSWER_BOUNDS)?;
        map.serialize_entry("minutes", &self.minutes)?;
        map.end()
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("asterisk", &self.asterisk)?;
        map.serialize_entry("connected", &self.is_up)?;
        map.serialize_entry("since", &rfc3339(self.since))?;
        map.end()
    }
}

impl Serialize for Minute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("minute", &rfc3339(UNIX_EPOCH + Duration::from_secs(self.minute * 60)))?;
        map.serialize_entry("requested", &self.requested)?;
        map.serialize_entry("refused", &self.refused)?;
        map.serialize_entry("answered", &self.answered)?;
        map.serialize_entry("ended", &Ended(&self.ended))?;
        map.end()
    }
}

/// The outcomes that there were.
struct Ended<'a>(&'a [u32; Outcome::ALL.len()]);

impl Serialize for Ended<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counted = Outcome::ALL.iter().zip(self.0).filter(|(_, count)| **count > 0);
        serializer.collect_map(counted.map(|(outcome, count)| (outcome.as_str(), count)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::call::machine::Moments;
    use crate::call::outcome::End;
    use crate::call::{CallId, CallInfo, Refusal};

    fn at(seconds: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000) + Duration::from_secs_f64(seconds)
    }

    fn record(time: SystemTime, requested: SystemTime, event: Event) -> Record {
        let info = CallInfo {
            id: CallId::new(requested, 1),
            number: "79990000001".parse().unwrap(),
            room: "R1".parse().unwrap(),
            caller_id: "Bob".parse().unwrap(),
            lang: "ru".parse().unwrap(),
            key: "bot".into(),
        };
        Record::new(1, time, event, Some(Arc::new(info)))
    }

    fn ended(outcome: Outcome) -> Event {
        let (cause, tech, ring, talk, hung_up_by, unseen) = (None, None, None, None, None, None);
        Event::CallEnded(Box::new(End {
            outcome,
            cause,
            tech,
            ring,
            talk,
            hung_up_by,
            unseen,
            moments: Moments::default(),
        }))
    }

    fn shown(stats: &Stats) -> Value {
        serde_json::to_value(stats).unwrap()
    }

    #[test]
    fn what_happens_is_counted_in_its_minute() {
        let mut stats = Stats::new(at(0.0));
        let mut count = |time, event| stats.count(&record(at(time), at(0.5), event));
        count(0.5, Event::CallRequested);
        count(0.6, Event::CallRefused(Refusal::Stopping));
        count(1.0, Event::CallQueued);
        count(1.5, Event::CallAnswered);
        count(60.5, Event::CallAnswered);
        count(60.501, Event::CallAnswered);
        count(60.6, ended(Outcome::Unknown));
        count(60.7, ended(Outcome::Completed));
        count(60.8, ended(Outcome::Completed));
        // A little late.
        count(59.9, ended(Outcome::Busy));
        let shown = shown(&stats);
        assert_eq!((&shown["since"], &shown["answered_within"][11]), (&json!("2027-01-15T08:00:00.000Z"), &json!(60)));
        assert_eq!(
            shown["minutes"],
            json!([
                {
                    "minute": "2027-01-15T08:00:00.000Z", "requested": 1, "refused": 1,
                    "answered": [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "ended": { "busy": 1 },
                },
                {
                    "minute": "2027-01-15T08:01:00.000Z", "requested": 0, "refused": 0,
                    "answered": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], "ended": { "completed": 2, "unknown": 1 },
                },
            ])
        );
    }

    #[test]
    fn the_link_is_as_it_was_told_first() {
        let mut stats = Stats::new(at(0.0));
        assert_eq!(shown(&stats)["link"], Value::Null);
        let lost = |reason: &str| Event::AmiDisconnected { asterisk: "main".into(), reason: reason.into() };
        let connected = Event::AmiConnected { asterisk: "main".into(), banner: "".into(), live: 0 };
        let told = [(1.0, lost("gone")), (2.0, lost("still gone")), (3.0, connected)];
        let expected = [(false, "01"), (false, "01"), (true, "03")];
        for ((time, event), (is_up, second)) in told.into_iter().zip(expected) {
            stats.count(&Record::new(1, at(time), event, None));
            let since = format!("2027-01-15T08:00:{second}.000Z");
            assert_eq!(shown(&stats)["link"], json!({ "asterisk": "main", "connected": is_up, "since": since }));
        }
        assert_eq!(shown(&stats)["minutes"], json!([]));
    }

    #[test]
    fn the_last_minutes_are_kept_whatever_the_clock_does() {
        let mut stats = Stats::new(at(0.0));
        let mut count = |time| stats.count(&record(at(time), at(0.0), Event::CallRequested));
        for minute in 0..KEPT * 2 {
            count(minute as f64 * 60.0);
        }
        // Long ago, and in the middle.
        count(0.0);
        count((KEPT + 7) as f64 * 60.0);
        let minutes = |stats: &Stats| shown(stats)["minutes"].as_array().unwrap().clone();
        let kept = minutes(&stats);
        assert_eq!((kept.len(), &kept[0]["minute"]), (KEPT, &json!("2027-01-15T14:00:00.000Z")));
        assert!(kept.iter().enumerate().all(|(n, minute)| minute["requested"] == if n == 7 { 2 } else { 1 }));
        // A minute that nothing was counted in, between others, takes the place of the oldest.
        let mut stats = Stats::new(at(0.0));
        let mut count = |time| stats.count(&record(at(time), at(0.0), Event::CallRequested));
        for minute in 0..KEPT {
            count(minute as f64 * 120.0);
        }
        count(300.0);
        let kept = minutes(&stats);
        assert_eq!((kept.len(), &kept[0]["minute"]), (KEPT, &json!("2027-01-15T08:02:00.000Z")));
        assert_eq!((&kept[2]["minute"], &kept[2]["requested"]), (&json!("2027-01-15T08:05:00.000Z"), &json!(1)));
    }

    #[test]
    fn outcomes_stand_in_their_own_place() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place, "{outcome:?}");
        }
    }
}
