//! Times for a terminal: local, as on the operators' page. JSON and CSV stay in UTC.

use std::time::SystemTime;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// The option for the time zone.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ShownTimes {
    /// Show times in UTC instead of local time (TZ, or /etc/localtime), and read days as days in
    /// UTC.
    #[arg(long)]
    utc: bool,
}

impl ShownTimes {
    /// The zone for printed times and for days: the system's; UTC with `--utc`, or if the system's
    /// zone is unknown.
    pub(crate) fn zone(self) -> Zone {
        if self.utc { Zone::UTC } else { TimeZone::try_system().map_or(Zone::UTC, Zone) }
    }
}

/// A time zone, and how times are written in it.
#[derive(Debug, Clone)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub(crate) const UTC: Self = Self(TimeZone::UTC);

    /// The time in this zone; `None` beyond the year 9999.
    fn local(&self, time: SystemTime) -> Option<ZonedDateTime> {
        Timestamp::try_from(time).ok().map(|time| time.to_zoned_datetime(self.0.clone()))
    }

    /// The day and the offset from UTC: `2026-11-25 UTC+03:00`; empty beyond the year 9999.
    pub(crate) fn day(&self, time: SystemTime) -> String {
        self.local(time).map_or_else(String::new, |time| {
            time.strftime("%Y-%m-%d UTC").to_string() + &offset(&time, "")
        })
    }

    /// The time of day to the millisecond: `21:20:02.479`; empty beyond the year 9999.
    pub(crate) fn clock(&self, time: SystemTime) -> String {
        self.local(time).map_or_else(String::new, |time| time.strftime("%H:%M:%S%.3f").to_string())
    }

    /// The time to the second, in RFC 3339: `2026-11-25T21:20:02+03:00`.
    pub(crate) fn rfc3339(&self, time: SystemTime) -> Option<String> {
        self.local(time)
            .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S").to_string() + &offset(&time, "Z"))
    }

    /// The time at which the day begins in this zone.
    pub(crate) fn start_of(&self, day: Date) -> Option<SystemTime> {
        self.0.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).ok()?.try_into().ok()
    }
}

/// The offset from UTC as `+03:00`; the text `utc` if it is zero.
fn offset(time: &ZonedDateTime, utc: &str) -> String {
    if time.offset().seconds() == 0 { utc.to_owned() } else { time.strftime("%:z").to_string() }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn offset_follows_daylight_saving() {
        let berlin = Zone(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone"));
        let [winter, summer] =
            [1_795_630_802_479, 1_782_930_002_000].map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
        assert_eq!(berlin.day(winter), "2026-11-25 UTC+01:00");
        assert_eq!(berlin.clock(winter), "19:20:02.479");
        assert_eq!(berlin.rfc3339(summer).as_deref(), Some("2026-07-01T20:20:02+02:00"));
        assert_eq!(Zone::UTC.day(winter), "2026-11-25 UTC");
        assert_eq!(Zone::UTC.rfc3339(winter).as_deref(), Some("2026-11-25T18:20:02Z"));
        let day = jiff::civil::date(2026, 7, 1);
        assert_eq!(berlin.start_of(day), Some(UNIX_EPOCH + Duration::from_secs(1_782_856_800)));
        assert_eq!(berlin.day(UNIX_EPOCH + Duration::from_secs(u64::MAX / 4)), "");
    }
}
