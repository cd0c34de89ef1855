//! Counts of calls by the minute, for the charts of the operators' page.
//!
//! The memory is bounded: about 60 numbers for each of the last [`MAX_MINUTES`] minutes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use originatord_core::call::outcome::Outcome;
use originatord_core::clock::rfc3339;
use originatord_core::record::{Event, Record};

/// The number of minutes that are kept: six hours.
const MAX_MINUTES: usize = 360;

/// Upper bounds of the buckets of a histogram: the time from request to answer, in milliseconds.
/// One more bucket counts longer times. From 400 ms on, a bound is at most a quarter above its
/// predecessor, so a quantile that is shown as the bound of its bucket is at most a quarter too
/// high.
const ANSWER_BOUNDS: [u32; 42] = [
    100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1250, 1500, 1750, 2000, 2250, 2500,
    3000, 3500, 4000, 4500, 5000, 6000, 7000, 8000, 9000, 10_000, 11_000, 12_500, 15_000, 17_500,
    20_000, 22_500, 25_000, 30_000, 35_000, 40_000, 45_000, 50_000, 60_000, 75_000, 90_000,
];

/// The number of answered calls in each bucket of [`ANSWER_BOUNDS`], and in the last bucket.
#[derive(Debug, Clone, PartialEq)]
struct Answers([u32; ANSWER_BOUNDS.len() + 1]);

impl Default for Answers {
    fn default() -> Self {
        Self([0; ANSWER_BOUNDS.len() + 1])
    }
}

/// The counts of one minute.
#[derive(Debug, Clone, PartialEq, Default)]
struct Minute {
    /// Minutes since 1970 (UTC).
    minute: u64,
    requested: u32,
    refused: u32,
    answered: Answers,
    /// The longest time from request to answer, in milliseconds.
    slowest: u32,
    /// Ended calls that had been answered.
    ended_answered: u32,
    /// Ended calls for which it is unknown whether they were answered.
    ended_unclear: u32,
    /// In the order of [`Outcome::ALL`].
    ended: [u32; Outcome::ALL.len()],
}

/// The state of the link to Asterisk, from the last record about it.
#[derive(Debug, Clone)]
struct Link {
    asterisk: Arc<str>,
    is_up: bool,
    since: SystemTime,
}

/// The counts of the last minutes that have any.
#[derive(Debug, Clone)]
pub struct Stats {
    since: SystemTime,
    link: Option<Link>,
    /// In ascending order; each minute occurs once.
    minutes: VecDeque<Minute>,
}

impl Stats {
    /// Empty counts that begin at `since`.
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
            Event::CallEnded(end) => self.in_minute(record, |minute| {
                minute.ended[end.outcome as usize] += 1;
                minute.ended_answered += u32::from(end.answered);
                minute.ended_unclear += u32::from(!end.answered && end.ended_between.is_some());
            }),
            Event::CallAnswered { after: None } => {
                let Some(call) = &record.call else { return };
                let took = record.time.duration_since(call.id.time()).unwrap_or_default();
                let took = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
                let bucket = ANSWER_BOUNDS.partition_point(|bound| *bound < took);
                self.in_minute(record, |minute| {
                    minute.answered.0[bucket] += 1;
                    minute.slowest = minute.slowest.max(took);
                });
            }
            _ => {}
        }
    }

    /// Stores a change of the link. Every `ami.connected` begins a new link. An `ami.disconnected`
    /// while the link is down changes nothing: it records a failed attempt to connect.
    fn link(&mut self, asterisk: &Arc<str>, is_up: bool, since: SystemTime) {
        if is_up || self.link.as_ref().is_none_or(|link| link.is_up) {
            self.link = Some(Link { asterisk: asterisk.clone(), is_up, since });
        }
    }

    fn in_minute(&mut self, record: &Record, count: impl FnOnce(&mut Minute)) {
        if let Some(minute) = self.minute_of(record.time) {
            count(minute);
        }
    }

    /// The counts of the minute of `time`, which is added if it is missing; `None` if it is older
    /// than all of [`MAX_MINUTES`] kept minutes. Records need not be in the order of their times,
    /// and the system's clock can be set back.
    fn minute_of(&mut self, time: SystemTime) -> Option<&mut Minute> {
        let minute = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 60;
        let index = self.minutes.partition_point(|other| other.minute < minute);
        if self.minutes.get(index).is_none_or(|found| found.minute != minute) {
            if index == 0 && self.minutes.len() == MAX_MINUTES {
                return None;
            }
            self.minutes.insert(index, Minute { minute, ..Minute::default() });
            if self.minutes.len() > MAX_MINUTES {
                self.minutes.pop_front();
                return self.minutes.get_mut(index - 1);
            }
        }
        self.minutes.get_mut(index)
    }
}

impl Serialize for Stats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("since", &rfc3339(self.since))?;
        map.serialize_entry("link", &self.link)?;
        map.serialize_entry("answered_within", &ANSWER_BOUNDS.map(seconds)[..])?;
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
        map.serialize_entry(
            "minute",
            &rfc3339(UNIX_EPOCH + Duration::from_secs(self.minute * 60)),
        )?;
        map.serialize_entry("requested", &self.requested)?;
        map.serialize_entry("refused", &self.refused)?;
        map.serialize_entry("answered", &self.answered.0[..])?;
        let slowest = self.answered.0.iter().any(|count| *count > 0).then(|| seconds(self.slowest));
        map.serialize_entry("slowest_answer", &slowest)?;
        map.serialize_entry("ended", &Ended(&self.ended))?;
        map.serialize_entry("ended_answered", &self.ended_answered)?;
        map.serialize_entry("ended_unclear", &self.ended_unclear)?;
        map.end()
    }
}

fn seconds(millis: u32) -> f64 {
    f64::from(millis) / 1000.0
}

/// The counts of outcomes that are not zero.
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
    use originatord_core::call::outcome::End;
    use originatord_core::call::{CallId, CallInfo, Refusal};
    use originatord_core::record::samples;

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
        Event::CallEnded(Box::new(samples::end(outcome)))
    }

    fn answered() -> Event {
        Event::CallAnswered { after: None }
    }

    fn shown(stats: &Stats) -> Value {
        serde_json::to_value(stats).unwrap()
    }

    #[test]
    fn records_count_in_their_minute() {
        let mut stats = Stats::new(at(0.0));
        let mut count = |time, event| stats.count(&record(at(time), at(0.5), event));
        count(0.5, Event::CallRequested);
        count(0.6, Event::CallRefused(Refusal::Stopping));
        count(1.0, Event::CallQueued);
        count(1.5, answered());
        count(60.5, answered());
        count(60.501, answered());
        count(60.7, ended(Outcome::Completed));
        count(60.8, ended(Outcome::NotJoined));
        let unseen = Some((at(60.0), at(60.6)));
        let lost = |answered| {
            Event::CallEnded(Box::new(End {
                answered,
                ended_between: unseen,
                ..samples::end(Outcome::Unknown)
            }))
        };
        count(60.6, lost(true));
        count(60.6, lost(false));
        // The daemon learned of this answer only later, so its time was not measured.
        count(60.6, Event::CallAnswered { after: Some(at(1.0)) });
        // This record comes after one of the next minute.
        count(59.9, ended(Outcome::Busy));
        let shown = shown(&stats);
        assert_eq!(
            (&shown["since"], &shown["answered_within"][9]),
            (&json!("2027-01-15T08:00:00.000Z"), &json!(1.0))
        );
        let answers = |buckets: &[usize]| {
            let mut answers = vec![0; ANSWER_BOUNDS.len() + 1];
            buckets.iter().for_each(|bucket| answers[*bucket] = 1);
            answers
        };
        assert_eq!(
            shown["minutes"],
            json!([
                {
                    "minute": "2027-01-15T08:00:00.000Z", "requested": 1, "refused": 1,
                    "answered": answers(&[9]), "slowest_answer": 1.0, "ended": { "busy": 1 },
                    "ended_answered": 0, "ended_unclear": 0,
                },
                {
                    "minute": "2027-01-15T08:01:00.000Z", "requested": 0, "refused": 0,
                    "answered": answers(&[39, 40]), "slowest_answer": 60.001,
                    "ended": { "completed": 1, "not_joined": 1, "unknown": 2 },
                    "ended_answered": 3, "ended_unclear": 1,
                },
            ])
        );
    }

    #[test]
    fn link_keeps_time_of_its_first_change() {
        let mut stats = Stats::new(at(0.0));
        assert_eq!(shown(&stats)["link"], Value::Null);
        let lost = |reason: &str| Event::AmiDisconnected {
            asterisk: "main".into(),
            reason: reason.into(),
        };
        let connected = Event::AmiConnected { asterisk: "main".into(), banner: "".into(), live: 0 };
        // The second connection is a new link although no loss was recorded.
        let events = [
            (1.0, lost("gone")),
            (2.0, lost("still gone")),
            (3.0, connected.clone()),
            (4.0, connected),
        ];
        let expected = [(false, "01"), (false, "01"), (true, "03"), (true, "04")];
        for ((time, event), (is_up, second)) in events.into_iter().zip(expected) {
            stats.count(&Record::new(1, at(time), event, None));
            let since = format!("2027-01-15T08:00:{second}.000Z");
            assert_eq!(
                shown(&stats)["link"],
                json!({ "asterisk": "main", "connected": is_up, "since": since })
            );
        }
        assert_eq!(shown(&stats)["minutes"], json!([]));
    }

    #[test]
    fn last_minutes_are_kept_under_any_clock() {
        let mut stats = Stats::new(at(0.0));
        let mut count = |time| stats.count(&record(at(time), at(0.0), Event::CallRequested));
        for minute in 0..MAX_MINUTES * 2 {
            count(minute as f64 * 60.0);
        }
        // The first minute is no longer kept, and the second one is.
        count(0.0);
        count((MAX_MINUTES + 7) as f64 * 60.0);
        let minutes = |stats: &Stats| shown(stats)["minutes"].as_array().unwrap().clone();
        let kept = minutes(&stats);
        assert_eq!(
            (kept.len(), &kept[0]["minute"]),
            (MAX_MINUTES, &json!("2027-01-15T14:00:00.000Z"))
        );
        assert!(
            kept.iter()
                .enumerate()
                .all(|(n, minute)| minute["requested"] == if n == 7 { 2 } else { 1 })
        );
        // A new minute between kept ones displaces the oldest.
        let mut stats = Stats::new(at(0.0));
        let mut count = |time| stats.count(&record(at(time), at(0.0), Event::CallRequested));
        for minute in 0..MAX_MINUTES {
            count(minute as f64 * 120.0);
        }
        count(300.0);
        let kept = minutes(&stats);
        assert_eq!(
            (kept.len(), &kept[0]["minute"]),
            (MAX_MINUTES, &json!("2027-01-15T08:02:00.000Z"))
        );
        assert_eq!(
            (&kept[2]["minute"], &kept[2]["requested"]),
            (&json!("2027-01-15T08:05:00.000Z"), &json!(1))
        );
    }

    #[test]
    fn number_of_outcome_is_its_index_in_all() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index, "{outcome:?}");
        }
    }
}
