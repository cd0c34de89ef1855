//! Times on a command line, and the records since a time.

use std::mem;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::civil::Date;

use super::zone::Zone;
use originatord_core::call::filter;

/// A time on a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A time, or a duration before now.
    Time(SystemTime),
    /// A day, in the time zone that the command shows.
    Day(Date),
}

/// The error for a text that is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a duration before now (10m, 1h30m), a time (2026-11-25T18:20:00Z) or a day")]
pub(crate) struct NotAMoment;

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        if let Ok(ago) = humantime::parse_duration(text) {
            return Ok(Self::Time(
                SystemTime::now().checked_sub(ago).unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH),
            ));
        }
        // jiff accepts other spellings of a day, but the API does not.
        if text.len() == DAY.len() {
            return text.parse().map(Self::Day).map_err(|_| NotAMoment);
        }
        filter::time(text).map(Self::Time).ok_or(NotAMoment)
    }
}

/// A day in the accepted form.
const DAY: &str = "2026-11-25";

impl Moment {
    /// The time, or the beginning of the day.
    pub(crate) fn from(self, zone: &Zone) -> SystemTime {
        match self {
            Self::Time(time) => time,
            Self::Day(day) => zone.start_of(day).unwrap_or(UNIX_EPOCH),
        }
    }

    /// The time, or the end of the day, so that a range up to a day includes the day.
    pub(crate) fn until(self, zone: &Zone) -> SystemTime {
        match self {
            Self::Time(time) => time,
            Self::Day(day) => day
                .tomorrow()
                .ok()
                .and_then(|next| zone.start_of(next))
                .unwrap_or_else(SystemTime::now),
        }
    }
}

/// Where `tail` begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// After the record with this `seq`.
    Record(u64),
    /// With the first record at or after this time.
    Moment(Moment),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(seq) = text.parse() {
            return Ok(Self::Record(seq));
        }
        match text.parse() {
            Ok(moment) => Ok(Self::Moment(moment)),
            Err(error) => Err(format!("{error}, or the seq of a record")),
        }
    }
}

/// Lets records pass from the first one that is not before a given time. Every later record passes,
/// even with an earlier time, because the clock may have been set back.
#[derive(Debug)]
pub(crate) struct Window<T> {
    /// The given time; `None` once a record has reached it.
    from: Option<SystemTime>,
    /// Gaps that wait for the next record, because they have no time. They pass if that record
    /// does, because some of the missing records may be after the given time.
    gaps: Vec<T>,
}

impl<T> Window<T> {
    /// A window that begins at `from`, or lets everything pass.
    pub(crate) fn new(from: Option<SystemTime>) -> Self {
        Self { from, gaps: Vec::new() }
    }

    /// Adds the next record with its time, or a gap without one. Returns the entries that pass now.
    pub(crate) fn push(&mut self, next: T, time: Option<SystemTime>) -> Vec<T> {
        match (self.from, time) {
            (None, _) => return vec![next],
            (Some(_), None) => self.gaps.push(next),
            (Some(from), Some(time)) if time < from => self.gaps.clear(),
            (Some(_), Some(_)) => {
                self.from = None;
                let mut passed = mem::take(&mut self.gaps);
                passed.push(next);
                return passed;
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_days_and_seqs_are_parsed() {
        let at = humantime::parse_rfc3339("2026-11-25T18:20:00Z").expect("a time");
        assert_eq!("2026-11-25T18:20:00Z".parse(), Ok(Since::Moment(Moment::Time(at))));
        assert_eq!(
            "2026-11-25T21:20:00.5+03:00".parse(),
            Ok(Moment::Time(at + Duration::from_millis(500)))
        );
        let day: Moment = "2026-11-25".parse().expect("a day");
        let midnight = at - Duration::from_secs(18 * 3600 + 20 * 60);
        let days = |count: u64| Duration::from_secs(count * 24 * 3600);
        assert_eq!((day.from(&Zone::UTC), day.until(&Zone::UTC)), (midnight, midnight + days(1)));
        assert_eq!(("0".parse(), "1234".parse()), (Ok(Since::Record(0)), Ok(Since::Record(1234))));
        let Ok(Moment::Time(ago)) = "1h30m".parse() else { panic!() };
        let elapsed = ago.elapsed().expect("it was before").as_secs();
        assert!((5400..5400 + 60).contains(&elapsed), "{elapsed}");
        assert_eq!("1000000years".parse(), Ok(Moment::Time(UNIX_EPOCH)));
        for text in ["", "soon", "-1", "10", "10x", "2026-13-01", "2026-02-30", "18:20"] {
            assert_eq!(text.parse::<Moment>(), Err(NotAMoment), "{text}");
        }
        assert!(
            "soon".parse::<Since>().is_err_and(|text| text.ends_with("or the seq of a record"))
        );
    }

    #[test]
    fn gap_passes_with_the_next_record() {
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        let mut window = Window::new(at(10));
        let nothing: [&str; 0] = [];
        assert_eq!(window.push("long ago", None), nothing);
        assert_eq!(window.push("9", at(9)), nothing);
        assert_eq!(window.push("gap", None), nothing);
        assert_eq!(window.push("another", None), nothing);
        assert_eq!(window.push("10", at(10)), ["gap", "another", "10"]);
        // A record after the clock was set back.
        assert_eq!(window.push("9 again", at(9)), ["9 again"]);
        assert_eq!(window.push("gap", None), ["gap"]);
        assert_eq!(Window::new(None).push("gap", None), ["gap"]);
    }
}
