//! Times as people give them, and what happened since one.

use std::mem;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::civil::Date;

use super::zone::Zone;
use crate::call::filter;

/// A moment as people give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So long ago, or at this time.
    Time(SystemTime),
    /// On this day, in the zone that times are shown in.
    Day(Date),
}

/// The text is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be how long ago, as 10m or 1h30m, or a time as 2026-11-25T18:20:00Z, or a day")]
pub struct NotAMoment;

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        if let Ok(ago) = humantime::parse_duration(text) {
            return Ok(Self::Time(
                SystemTime::now().checked_sub(ago).unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH),
            ));
        }
        // As the API reads days; jiff takes other spellings, too.
        if text.len() == DAY.len() {
            return text.parse().map(Self::Day).map_err(|_| NotAMoment);
        }
        filter::time(text).map(Self::Time).ok_or(NotAMoment)
    }
}

/// The form of a day.
const DAY: &str = "2026-11-25";

impl Moment {
    /// The moment itself, or the beginning of the day.
    pub fn from(self, zone: &Zone) -> SystemTime {
        match self {
            Self::Time(time) => time,
            Self::Day(day) => zone.start_of(day).unwrap_or(UNIX_EPOCH),
        }
    }

    /// The moment itself, or the end of the day: who asks for all up to a day wants that day as
    /// well.
    pub fn until(self, zone: &Zone) -> SystemTime {
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

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// After the record of this number.
    Record(u64),
    /// With what happened from this moment on.
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
            Err(not) => Err(format!("{not}, or a record's number")),
        }
    }
}

/// What happened from a time on. Once something did, all that comes later has, too.
#[derive(Debug)]
pub struct Window<T> {
    /// When it begins, as long as it has not.
    from: Option<SystemTime>,
    /// Gaps have no time of their own. One counts if the record behind it does: then something that
    /// counts as well may be missing.
    gaps: Vec<T>,
}

impl<T> Window<T> {
    /// A window that begins at this time, or has begun.
    pub fn new(from: Option<SystemTime>) -> Self {
        Self { from, gaps: Vec::new() }
    }

    /// Takes the next record, with its time, or the next gap, without one; returns what is known to
    /// count by now.
    pub fn take(&mut self, next: T, time: Option<SystemTime>) -> Vec<T> {
        match (self.from, time) {
            (None, _) => return vec![next],
            (Some(_), None) => self.gaps.push(next),
            (Some(from), Some(time)) if time < from => self.gaps.clear(),
            (Some(_), Some(_)) => {
                self.from = None;
                let mut counts = mem::take(&mut self.gaps);
                counts.push(next);
                return counts;
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
    fn moments_and_beginnings_are_told_apart() {
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
        assert!("soon".parse::<Since>().is_err_and(|text| text.ends_with("or a record's number")));
    }

    #[test]
    fn a_gap_counts_if_what_comes_after_it_does() {
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        let mut window = Window::new(at(10));
        let nothing: [&str; 0] = [];
        assert_eq!(window.take("long ago", None), nothing);
        assert_eq!(window.take("9", at(9)), nothing);
        assert_eq!(window.take("gap", None), nothing);
        assert_eq!(window.take("another", None), nothing);
        assert_eq!(window.take("10", at(10)), ["gap", "another", "10"]);
        // The clock was set back: what came later is later.
        assert_eq!(window.take("9 again", at(9)), ["9 again"]);
        assert_eq!(window.take("gap", None), ["gap"]);
        assert_eq!(Window::new(None).take("gap", None), ["gap"]);
    }
}
